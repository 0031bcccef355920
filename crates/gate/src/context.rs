//! What is known of one request while it is decided, and after.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use portcullis_core::event::EventKind;
use portcullis_core::quota::Verdict;
use portcullis_core::{Client, Head, Id, Identity, Now};

use crate::cors::Origin;
use crate::validate::Invalid;
use crate::validate::patterns::Findings;

/// The facts of one request, filled in by the stages in their order.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The moment its head was complete.
    pub now: Now,
    /// The id in `X-Request-Id`, in the log and towards the application.
    pub request_id: RequestId,
    /// Who stands at the door; the peer itself until the edge has looked further.
    pub client: Client,
    /// The index of the route that matched in [`crate::Policy`]; `None` before it is known.
    pub route: Option<usize>,
    /// What the `Origin` field says.
    pub origin: Origin,
    /// Whether pages of the origin it names may act with cookies: our own, and those that CORS trusts.
    pub trusted_origin: bool,
    /// The limit to show: the tightest of those that applied.
    pub verdict: Option<Verdict>,
    /// The methods of a path that refuses this one, for `Allow`.
    pub allow: String,
    /// What a preflight asked to send, where the answer repeats it.
    pub requested_headers: Option<Box<[u8]>>,
    /// Who it is, once proven.
    pub identity: Option<Arc<Identity>>,
    /// Whether a credential proves somebody: known before [`RequestContext::identity`] is.
    pub proven: bool,
    /// Whether its credential is one that a browser sends by itself: a cookie.
    pub ambient: bool,
    /// Whether it is a WebSocket whose first message has to log in.
    pub awaits_login: bool,
    /// Whether a token was announced as a subprotocol of a WebSocket, of which the application hears nothing: a browser
    /// wants to be told that one of those that it named was chosen.
    pub announced: bool,
    /// What `X-Device-ID` names, where a limit asked.
    pub device: Named,
    /// What is wrong with its query or body, where that is why it is refused.
    pub invalid: Option<Invalid>,
    /// The URL in its body that may not be called, where that is why it is refused.
    pub refused_url: Option<RefusedAt>,
    /// What of an attack it holds.
    pub findings: Findings,
    /// What is worth an event beside the denial itself.
    pub notes: Vec<Note>,
    /// The account of every step, for `explain`; `None` on the hot path.
    pub steps: Option<Vec<Step>>,
    /// Decide without counting anything: `explain` changes nothing.
    pub dry: bool,
}

/// Where a URL stood that may not be called, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedAt {
    /// A JSON Pointer into the body.
    pub pointer: String,
    /// The reason, in words of ours alone.
    pub why: String,
}

/// What a request names in `X-Device-ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Named {
    /// No device.
    #[default]
    Nothing,
    /// A device that nobody registered: the client may have invented it.
    Stranger,
    /// A registered one.
    Device(Id),
}

/// Something to record that is not the denial.
#[derive(Debug, Clone)]
pub struct Note {
    /// What happened.
    pub kind: EventKind,
    /// A stable word.
    pub reason: &'static str,
    /// One sentence for people.
    pub details: Cow<'static, str>,
    /// Whether a rule in `observe` mode would have refused.
    pub observed: bool,
}

/// One step of the decision, as `explain` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage: `edge`, `route`, `cors`, `limits`, `authentication`, `validate`, `forward`.
    pub stage: &'static str,
    /// What it found.
    pub finding: String,
    /// Whether the request went on after it.
    pub passed: bool,
}

impl RequestContext {
    /// A context for a request that just arrived from `peer`.
    pub fn new(now: Now, peer: IpAddr, secure: bool, request_id: RequestId) -> Self {
        Self {
            now,
            request_id,
            client: Client::direct(peer, secure),
            route: None,
            origin: Origin::None,
            trusted_origin: false,
            verdict: None,
            allow: String::new(),
            requested_headers: None,
            identity: None,
            proven: false,
            ambient: false,
            awaits_login: false,
            announced: false,
            device: Named::Nothing,
            invalid: None,
            refused_url: None,
            findings: Findings::default(),
            notes: Vec::new(),
            steps: None,
            dry: false,
        }
    }

    /// The same, telling every step and counting nothing.
    #[must_use]
    pub fn explaining(mut self) -> Self {
        self.steps = Some(Vec::new());
        self.dry = true;
        self
    }

    /// Adds a step for `explain`; the sentence is only built when somebody asked.
    pub(crate) fn step(&mut self, stage: &'static str, passed: bool, finding: impl FnOnce() -> String) {
        if let Some(steps) = &mut self.steps {
            steps.push(Step { stage, finding: finding(), passed });
        }
    }

    /// Keeps the tighter of two verdicts: a refusal before an admission, then the fewest remaining.
    pub(crate) fn show(&mut self, verdict: Verdict) {
        let tighter = match &self.verdict {
            None => true,
            Some(shown) => {
                (verdict.admitted, verdict.remaining, u64::MAX - verdict.reset_ms)
                    < (shown.admitted, shown.remaining, u64::MAX - shown.reset_ms)
            }
        };
        if tighter {
            self.verdict = Some(verdict);
        }
    }
}

/// The id of a request: the client's own where it sent a usable one, else a random UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    text: [u8; RequestId::MAX],
    len: u8,
}

impl RequestId {
    /// The longest id taken from a client, in bytes; a longer one is replaced.
    pub const MAX: usize = 64;

    /// The id the client sent in `X-Request-Id`, if it is short and made of letters, digits and `-_.`:
    /// anything else could be a way to write into somebody's log.
    pub fn of(head: &Head<'_>) -> Option<Self> {
        let value = head.field("x-request-id")?;
        let usable = (8..=Self::MAX).contains(&value.len())
            && value.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if !usable {
            return None;
        }
        let mut text = [0; Self::MAX];
        text[..value.len()].copy_from_slice(value);
        Some(Self { text, len: value.len() as u8 })
    }

    /// A version 4 UUID (RFC 9562) from 128 random bits.
    pub fn from_random(bits: u128) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let mut text = [0; Self::MAX];
        let mut at = 0;
        for nibble in (0..32).rev() {
            if matches!(nibble, 23 | 19 | 15 | 11) {
                text[at] = b'-';
                at += 1;
            }
            text[at] = HEX[(bits >> (nibble * 4)) as usize & 0xf];
            at += 1;
        }
        Self { text, len: at as u8 }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The id as bytes, all ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::{Field, Upgrade};

    fn sent(value: &[u8]) -> Option<RequestId> {
        let fields = [Field { name: "x-request-id", value }];
        RequestId::of(&Head {
            method: "GET",
            path: "/",
            query: None,
            authority: "",
            secure: false,
            upgrade: Upgrade::None,
            fields: &fields,
        })
    }

    #[test]
    fn a_generated_id_is_a_version_4_uuid() {
        let id = RequestId::from_random(u128::MAX);
        assert_eq!(id.as_str(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(RequestId::from_random(0).as_str(), "00000000-0000-4000-8000-000000000000");
    }

    #[test]
    fn an_id_of_the_client_is_kept_only_if_harmless() {
        assert_eq!(sent(b"abc-123_XYZ.9").unwrap().as_str(), "abc-123_XYZ.9");
        for bad in
            [&b"short"[..], b"with blank in it", b"line\nbreak-in-it", &[b'a'; 65], "ümlaut-id".as_bytes()]
        {
            assert!(sent(bad).is_none(), "{bad:?}");
        }
    }
}
