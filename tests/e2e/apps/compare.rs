//! The same request to the gateway and to the application, and what may differ between the answers.

use super::Behind;
use portcullis_tests::{Connection, Request, Response};
use std::net::SocketAddr;

/// Fields of one connection (RFC 9110 section 7.6.1), and the clock.
const OF_THE_CONNECTION: [&str; 3] = ["connection", "keep-alive", "date"];
/// What the application says of itself; the gateway removes it.
const REMOVED: [&str; 2] = ["server", "x-powered-by"];
/// What the gateway adds, each exactly once.
const ADDED: [&str; 6] = [
    "x-request-id",
    "x-content-type-options",
    "x-frame-options",
    "referrer-policy",
    "content-security-policy",
    "x-xss-protection",
];
/// What the gateway adds to a request.
const TOLD: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-real-ip", "x-request-id", "traceparent"];

/// A final answer with the interim ones before it.
pub(super) struct Whole {
    pub(super) interim: Vec<(u16, Vec<(String, String)>)>,
    pub(super) answer: Response,
}

impl Whole {
    pub(super) fn of(address: SocketAddr, request: &Request, head_only: bool) -> Self {
        Self::on(&mut Connection::open(address), &request.bytes(), head_only)
    }

    pub(super) fn on(connection: &mut Connection, bytes: &[u8], head_only: bool) -> Self {
        connection.send(bytes);
        let mut interim = Vec::new();
        loop {
            let answer = if head_only { connection.response_to_head() } else { connection.response() };
            if answer.status >= 200 {
                return Self { interim, answer };
            }
            interim.push((answer.status, plain(&answer, &[])));
        }
    }

    /// Fails where the gateway's answer differs from the application's in more than it may.
    pub(super) fn must_be_like(&self, direct: &Self, what: &str) {
        let (gateway, direct_answer) = (&self.answer, &direct.answer);
        assert_eq!(
            gateway.status, direct_answer.status,
            "{what}: {}\nfor {}",
            gateway.head, direct_answer.head
        );
        assert_eq!(self.interim, direct.interim, "{what}: interim answers");
        for name in REMOVED {
            assert_eq!(gateway.field(name), None, "{what}: {name} says what runs behind the gateway");
        }
        for name in ADDED {
            assert!(gateway.field(name).is_some(), "{what}: no {name} in {}", gateway.head);
        }
        assert_eq!(plain(gateway, &ADDED), plain(direct_answer, &ADDED), "{what}: fields");
        assert_eq!(gateway.trailers, direct_answer.trailers, "{what}: trailers");
        assert_eq!(gateway.body.len(), direct_answer.body.len(), "{what}: length of the body");
        assert!(gateway.body == direct_answer.body, "{what}: the bodies differ");
    }
}

impl Behind {
    /// Sends the request to both; returns the gateway's answer.
    pub(super) fn alike(&self, request: &Request) -> Response {
        self.alike_as(request, false)
    }

    /// As [`Self::alike`], for HEAD.
    pub(super) fn alike_to_head(&self, request: &Request) -> Response {
        self.alike_as(request, true)
    }

    fn alike_as(&self, request: &Request, head_only: bool) -> Response {
        let bytes = request.bytes();
        let line = String::from_utf8_lossy(&bytes).lines().next().unwrap_or_default().to_owned();
        let direct = Whole::of(self.direct, request, head_only);
        let gateway = Whole::of(self.address(), request, head_only);
        gateway.must_be_like(&direct, &line);
        gateway.answer
    }

    /// Fails unless `/echo` heard, through the gateway, everything the client said and nothing but what the
    /// gateway is documented to add.
    pub(super) fn heard_alike(&self, request: &Request) {
        let direct = request.send_to(self.direct).json();
        let gateway = request.send_to(self.address()).json();
        for name in ["method", "raw_path", "query", "size", "sha256"] {
            assert_eq!(gateway[name], direct[name], "{name}");
        }
        let fields = |heard: &serde_json::Value| -> Vec<(String, String)> {
            serde_json::from_value::<Vec<(String, String)>>(heard["headers"].clone())
                .unwrap()
                .into_iter()
                .filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str()))
                .collect()
        };
        let (mut heard, told): (Vec<_>, Vec<_>) =
            fields(&gateway).into_iter().partition(|(name, _)| !TOLD.contains(&name.as_str()));
        let mut said = fields(&direct);
        heard.sort();
        said.sort();
        assert_eq!(heard, said, "what the application heard of the client");
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-request-id"] {
            let count = told.iter().filter(|(told, _)| told == name).count();
            assert_eq!(count, 1, "{name} in {told:?}");
        }
    }
}

/// The fields that must be equal, names in lower case, sorted by name; the order of one name's values stays.
fn plain(answer: &Response, without: &[&str]) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = answer
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| {
            let name = name.as_str();
            !OF_THE_CONNECTION.contains(&name) && !REMOVED.contains(&name) && !without.contains(&name)
        })
        .collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}
