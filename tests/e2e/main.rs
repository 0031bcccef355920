//! End to end: the real binary, real sockets, real servers.
//!
//! A test that shows a claim of `docs/contract.md` carries its ID in its name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod accounts;
mod apps;
mod audit;
mod btc;
mod docs;
mod echotuner;
mod five;
mod ground;
mod kalshi;
mod outbound;
mod plane;
mod pump;
mod secrets;
mod sockets;
mod ticker;
