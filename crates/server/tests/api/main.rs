//! The service of the accounts on a real store, driven by raw HTTP over its pair of sockets, as the gate does.

mod accounts;
mod administrators;
mod harness;
mod http;
mod storm;
