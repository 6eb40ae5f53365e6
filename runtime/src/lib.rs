//! Palabre.
pub mod storage;
