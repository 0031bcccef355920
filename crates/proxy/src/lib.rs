//! Bytes: listeners, TLS, the per-core engine, upstream pools, relay, drain.
