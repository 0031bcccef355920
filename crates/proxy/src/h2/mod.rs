//! The HTTP/2 door: hyper reads and writes the frames, the same gate decides, and the request goes on to the
//! application over HTTP/1.1.

mod connection;
mod door;
mod exchange;
mod hold;
mod record;
mod stall;
mod upload;

pub use connection::serve;
