//! Bytes: listeners, TLS, the per-core engine, upstream pools, relay, drain.
//!
//! Each core runs one single-threaded runtime with a listener of its own; connections, upstream pool and
//! buffers never leave their core. HTTP/1.1 is read and written by an engine of our own on
//! `portcullis-wire`; HTTP/2 comes in through hyper. Both ask the same gate.

pub mod breaker;
pub mod buffers;
pub mod certificate;
pub mod core;
pub mod deadline;
pub mod egress;
pub mod explain;
mod h1;
mod h2;
pub mod io;
pub mod listen;
mod own;
mod pool;
pub mod settings;
mod sockets;
pub mod supervisor;
mod toward;
mod tunnel;

pub use breaker::Breaker;
pub use certificate::Certificates;
pub use core::{AuditState, Snapshot, StoreState};
pub use explain::{Explanation, Outcome, explain};
pub use settings::{Bind, Caps, Endpoint, Inside, Listener, Settings, Upstream};
pub use supervisor::{Engine, Start, StartError};
