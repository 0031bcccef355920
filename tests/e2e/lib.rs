//! What every end-to-end test needs: the binary, an application behind it, a client in front of it.
//!
//! Everything here panics with what it saw when it cannot go on: that is how a test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::missing_panics_doc, reason = "all of it may")]

mod harness;

pub use harness::*;
