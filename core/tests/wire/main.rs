//! What goes over the wire, seen from outside.
#![allow(clippy::unwrap_used, reason = "everything here is a test")]

/// Any message, for properties.
mod any_message;
/// Properties of encoding and decoding.
mod codec;
/// `docs/PROTOCOL.md` against the code: tables, worked bytes.
mod document;
/// The messages of the golden vectors, as values.
mod golden;
/// Bytes written in hexadecimal.
mod hex;
/// The golden vectors in `tests/vectors`.
mod vectors;
