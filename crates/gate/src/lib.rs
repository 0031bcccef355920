//! The decision: may this request pass, and how does its answer leave.
//!
//! [`Gate::admit`] is the whole life of a request on one page. It never waits and never does I/O: what it
//! needs is in the immutable [`Policy`] and in bounded memory. The proxy, the HTTP/2 door, the tower layer
//! and the gateway's own endpoints all go through it, and only it can make the [`Permit`] that forwarding
//! takes.
#![warn(missing_docs)]

mod admission;
pub mod authn;
pub mod authz;
pub mod context;
pub mod cors;
pub mod edge;
pub mod gate;
pub mod headers;
mod judge;
pub mod layer;
pub mod limit;
mod login;
pub mod onward;
pub mod policy;
pub mod reply;
pub mod seal;
pub mod trail;
pub mod validate;

pub use admission::{Admission, Permit, Unproven};
pub use context::RequestContext;
pub use gate::Gate;
pub use policy::{Policy, Route, Target};
pub use reply::Reply;
pub use seal::Sealing;
