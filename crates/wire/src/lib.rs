//! HTTP/1.1 on bytes: strict heads, body framing and writing. Sans-I/O.
//!
//! A reverse proxy is attacked where two programs read the same bytes differently. So this crate reads a
//! message in one way only, and refuses whatever another reader could take for something else; every refusal
//! has a name (`RequestError::name`) and says what it stops. Nothing here does I/O, reads a clock or keeps a
//! buffer: the caller holds the bytes, and heads and pieces borrow from them. Reading a head or a body
//! allocates nothing.
//!
//! - [`parse_request`] and [`parse_response`] read heads; [`split_target`] reads the request target.
//! - [`BodyDecoder`] follows the framing of a body, so that its bytes can be passed on as they are.
//! - [`mod@write`] appends heads to a `Vec<u8>`.
//!
//! ```
//! use portcullis_wire::{Body, Caps, Scratch, parse_request, split_target};
//!
//! let bytes = b"POST /orders?dry=1 HTTP/1.1\r\nHost: example.com\r\nContent-Length: 2\r\n\r\n{}";
//! let mut scratch = Scratch::new();
//! let head = parse_request(bytes, &Caps::default(), &mut scratch)?.expect("the head is whole");
//! let target = split_target(head.method, head.target, head.host)?;
//! assert_eq!((target.path, target.query), ("/orders", Some("dry=1")));
//! assert_eq!(head.body, Body::Length(2));
//! assert_eq!(&bytes[head.len..], b"{}");
//! # Ok::<(), portcullis_wire::RequestError>(())
//! ```
#![warn(missing_docs)]

mod body;
mod error;
mod head;
mod host;
mod known;
mod list;
mod request;
mod response;
mod scan;
mod target;
mod trailer;
mod websocket;
pub mod write;

pub use body::{BodyDecoder, MAX_CHUNK_LINE, MAX_TRAILERS, Piece};
pub use error::{BodyError, RequestError, ResponseError};
pub use head::{Body, Caps, Field, MAX_FIELDS, Scratch, Version};
pub use host::{is_authority, same_authority};
pub use known::{Known, name_is};
pub use list::{lists, tokens};
pub use request::{Preface, RequestHead, http2_preface, parse_request};
pub use response::{ResponseHead, parse_response};
pub use target::{Scheme, Target, split_target};
pub use websocket::{Handshake, HandshakeError};
