//! The words, the arithmetic and the ports of the gateway.
//!
//! Nothing here does I/O, knows a runtime or reads a clock: time and state are parameters, so every rule of
//! the gateway can be tested with a table and a number.
#![warn(missing_docs)]

pub mod address;
pub mod audit;
pub mod client;
pub mod clock;
pub mod denial;
pub mod event;
pub mod head;
pub mod id;
pub mod identity;
pub mod outbound;
pub mod port;
pub mod quota;
pub mod redact;
pub mod route;
pub mod secret;

pub use client::Client;
pub use clock::Now;
pub use denial::Denial;
pub use head::{Field, Head, Upgrade};
pub use id::Id;
pub use identity::Identity;
pub use secret::Secret;
