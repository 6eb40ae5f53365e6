//! Palabre.
