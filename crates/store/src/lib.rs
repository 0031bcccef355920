//! The ports of `core` on SQLite (encrypted by SQLCipher) and on PostgreSQL: one facade, SQL written once.
//!
//! [`open`] takes a URL, a key where there is one, and gives a [`Store`](portcullis_core::port::Store). Every
//! act is one transaction and durable when it returns. Nothing here may be called on the path of a request:
//! an act waits for a disk or a server, within the timeouts of [`Options`].
#![warn(missing_docs)]

mod error;
mod key;
mod location;
mod open;
mod port;
mod seal;
mod sql;

pub use error::OpenError;
pub use open::{Options, open};
