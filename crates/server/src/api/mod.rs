//! The gateway's own service for accounts: what people do for themselves, what administrators do, and the
//! documents that describe it.
//!
//! It stands behind the same gate as every application and takes requests from nowhere else: the gate has
//! authenticated, authorised and limited each, and says who calls. [`endpoints`] is the table of all of them.

mod account;
mod admin;
mod answer;
mod bodies;
mod call;
mod caller;
mod devices;
pub mod endpoints;
mod exchange;
mod jwks;
mod keys;
mod live;
mod openapi;
mod page;
mod pool;
mod record;
mod refusal;
mod sent;
mod service;
mod sessions;
mod shape;
mod totp;

pub use bodies::recorded::audit_json;
pub use endpoints::Places;
pub use live::{Cookie, Live, Misplaced, Settings};
pub use openapi::document;
pub use refusal::Replies;
pub use service::{Service, Start, StartError, State};
