//! What the `portcullis` binary is made of.

pub mod config;
