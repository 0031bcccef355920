//! Sessions: the header `X-Session-ID` with the device it is bound to in `X-Device-ID`, or a browser's cookie.

use std::sync::Arc;

use portcullis_accounts::Directory;
use portcullis_core::head::Once;
use portcullis_core::{Head, Id, Now};

use super::Outcome;

/// The field that carries a session.
pub(super) const FIELD: &str = "x-session-id";
/// The field that names a device.
pub(super) const DEVICE_FIELD: &str = "x-device-id";

/// Accepts the sessions of a directory.
#[derive(Debug)]
pub struct Sessions {
    directory: Arc<Directory>,
    cookie: Box<str>,
}

impl Sessions {
    /// The cookie of a session. Browsers take the prefix over TLS only, from the very host and for all of its
    /// paths (RFC 6265bis section 4.1.3.2).
    pub const COOKIE: &'static str = "__Host-session";

    /// Accepts every valid session of `directory`, in the header or in the cookie of that name.
    pub fn new(directory: Arc<Directory>, cookie: &str) -> Self {
        Self { directory, cookie: cookie.into() }
    }

    pub(super) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The registered device of that name.
    pub(super) fn device(&self, name: &[u8]) -> Option<Id> {
        self.directory.device(name)
    }

    pub(super) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    pub(super) fn identify<'a>(&self, head: &Head<'a>, now: Now) -> Outcome<'a> {
        let device = match head.once(DEVICE_FIELD) {
            Once::Absent => None,
            Once::Value(device) => Some(device),
            Once::Repeated => return Outcome::Rejected,
        };
        let (presented, ambient) = match head.once(FIELD) {
            Once::Repeated => return Outcome::Rejected,
            Once::Value(value) => (value, false),
            Once::Absent => match self.in_cookie(head) {
                Once::Absent => return Outcome::Absent,
                Once::Repeated => return Outcome::Rejected,
                Once::Value(value) => (value, true),
            },
        };
        let judgement = self.directory.session(presented, device, now.unix_ms.cast_signed());
        Outcome::of(judgement, presented, ambient)
    }

    /// The value of the cookie. Two of them are a sign that somebody planted one.
    fn in_cookie<'a>(&self, head: &Head<'a>) -> Once<'a> {
        let mut found = Once::Absent;
        for line in head.all("cookie") {
            for cookie in line.split(|byte| *byte == b';').map(<[u8]>::trim_ascii) {
                let value = cookie.strip_prefix(self.cookie.as_bytes());
                let Some(value) = value.and_then(|rest| rest.strip_prefix(b"=")) else { continue };
                if found != Once::Absent {
                    return Once::Repeated;
                }
                found = Once::Value(value);
            }
        }
        found
    }
}
