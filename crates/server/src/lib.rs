//! What the `portcullis` binary is made of.

pub mod api;
pub mod assemble;
pub mod audit;
pub mod cli;
pub mod config;
pub mod log;
pub mod metrics;
pub mod ops;
