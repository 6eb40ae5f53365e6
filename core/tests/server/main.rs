//! The server alone: each promise of the contract and of `PROTOCOL.md`, as frames in and frames out.
#![allow(clippy::missing_docs_in_private_items, missing_docs)]

mod road;
mod support;
