//! The data plane: what goes through, byte by byte, and what does not.

mod changes;
mod exchange;
mod framing;
mod http2;
mod limits;
mod malformed;
mod patterns;
mod scale;
mod tls;
mod upgrade;
mod upstreams;

use portcullis_tests::{Gateway, Launch};

/// A gateway before that upstream which lets everybody through; `tables` are further tables of its
/// configuration.
fn gateway(upstream: &str, tables: &str) -> Gateway {
    launch(upstream, tables).start()
}

/// The same, not yet started.
fn launch(upstream: &str, tables: &str) -> Launch {
    Launch::run().config(&format!("upstream = \"{upstream}\"\n[auth]\ndefault = \"none\"\n{tables}"))
}
