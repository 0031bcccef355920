//! Real applications from the registries behind the gateway, started by it: nothing that works without the
//! gateway breaks with it.
//!
//! `tests/apps/fastapi` (under uvicorn) and `tests/apps/express` have the same endpoints. Every request goes to
//! the application itself as well, and both answers are compared, field by field; what the gateway is
//! documented to change is the short list in `compare.rs`.

mod behind;
mod bodies;
mod compare;
mod environment;
mod express;
mod fastapi;
mod sockets;
mod subjects;

use behind::{Behind, Kind, Transport};

/// The folder of the Express application with what it needs installed, and the program that runs it.
pub(crate) fn express() -> (String, String) {
    Kind::Express.prepared()
}
