//! The service of the accounts on a real store, driven by raw HTTP over its pair of sockets, as the gate does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod accounts;
mod administrators;
mod harness;
mod http;
mod storm;
