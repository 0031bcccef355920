//! The rooms of the harness, and what tests use of them.

mod accounts;
mod application;
mod clients;
mod crowd;
mod gateway;
mod http;
mod http2;
mod journal;
mod net;
mod postgres;
mod raw;
mod scratch;
mod shell;
mod socket;
mod tls;
mod token;
mod upstream;
mod wait;

pub use accounts::{Accounts, Device, FreshKey, Login, PASSWORD, Session};
pub use application::Application;
pub use clients::clients;
pub use crowd::{Crowd, Echoed, SocketCrowd, many_descriptors};
pub use gateway::{Gateway, Launch, Outcome, Ran, binary};
pub use http::{Connection, Request, Response};
pub use http2::{H2Client, H2Outcome, Sender, h2_outcome};
pub use net::{free_port, is_refused, outer_address};
pub use portcullis_sample::System;
pub use postgres::Postgres;
pub use raw::{Peer, RawUpstream, UnixUpstream};
pub use scratch::Scratch;
pub use shell::{Answer as ShellAnswer, guide_command, shell};
pub use socket::{Ending, Socket};
pub use tls::{Certificate, NAME, TlsClient, TlsStream, over_tls};
pub use token::{Jwt, totp};
pub use upstream::{Answer, Received, Upstream};
pub use wait::{PATIENCE, unix_seconds, until};
