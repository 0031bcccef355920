//! The HTTP/1.1 engine: one connection of a client, from its first byte to its last.

mod answer;
mod connection;
mod decide;
mod download;
mod exchange;
mod forward;
mod hold;
mod login;
mod upload;

pub use answer::{is_nominated, nominating};
pub use connection::{Door, serve};
pub use decide::{Caller, Unread, view};
