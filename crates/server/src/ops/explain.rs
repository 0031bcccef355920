//! `explain`: what the gateway would do with a request, step by step, without sending it.

use std::fmt::Write as _;
use std::net::IpAddr;

use anyhow::Result;
use portcullis_core::Now;
use portcullis_core::quota::LimitTable;
use portcullis_gate::Gate;
use portcullis_proxy::{Explanation, Outcome, Snapshot, explain};

use super::serve::random_pair;
use crate::config::model::PolicyTest;

/// A request to be explained.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// Where it comes from.
    pub from: IpAddr,
}

impl From<&PolicyTest> for Question {
    fn from(test: &PolicyTest) -> Self {
        Self {
            method: test.method.clone(),
            target: test.target.clone(),
            headers: test.headers.clone(),
            from: test.from,
        }
    }
}

/// Memory of the counters of an explanation: nothing is counted in it.
const TABLE: usize = 64 * 1024;

/// Explains a request as the first of its kind.
pub fn of(snapshot: &Snapshot, question: &Question) -> Result<Explanation> {
    let gate = Gate::new(LimitTable::new(TABLE), random_pair()?);
    let now = Now { monotonic_ms: 0, unix_ms: jiff::Timestamp::now().as_millisecond().unsigned_abs() };
    // TLS ends at the listener; the answer to a question does not depend on it but for one header.
    Ok(explain(&gate, snapshot, question.head().as_bytes(), question.from, false, now))
}

impl Question {
    /// The head as a client would send it.
    fn head(&self) -> String {
        let method = if self.method == "WS" { "GET" } else { &self.method };
        let mut head = format!("{method} {} HTTP/1.1\r\n", self.target);
        let named = |name: &str| self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        if !named("host") {
            head.push_str("Host: localhost\r\n");
        }
        if self.method == "WS" && !named("upgrade") {
            head.push_str("Connection: Upgrade\r\nUpgrade: websocket\r\n");
        }
        for (name, value) in &self.headers {
            // Control characters in a value are for the parser to refuse, as it would on the wire.
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head.push_str("\r\n");
        head
    }
}

/// The account as text, a line a step.
pub fn text(question: &Question, explanation: &Explanation) -> String {
    let mut out = format!("{} {} from {}\n", question.method, question.target, question.from);
    for step in &explanation.steps {
        let mark = if step.passed { "pass" } else { "STOP" };
        let _ = writeln!(out, "  {mark}  {:<15} {}", step.stage, step.finding);
    }
    let _ = match &explanation.outcome {
        Outcome::Forward(upstream) => writeln!(out, "=> forwarded to `{upstream}`"),
        Outcome::Own => writeln!(out, "=> answered by the gateway"),
        Outcome::Login => {
            writeln!(out, "=> 101 by the gateway, which waits for the login in the first message")
        }
        Outcome::Preflight => writeln!(out, "=> 200, a preflight answered by the gateway"),
        Outcome::Denied(denial) => {
            let status = explanation.status.unwrap_or_else(|| denial.status());
            writeln!(out, "=> {status} {} ({})", denial.code(), denial.detail())
        }
    };
    out
}

/// The account as JSON.
pub fn json(question: &Question, explanation: &Explanation) -> serde_json::Value {
    let outcome = match &explanation.outcome {
        Outcome::Forward(_) => "forward",
        Outcome::Own => "own",
        Outcome::Login => "login",
        Outcome::Preflight => "preflight",
        Outcome::Denied(_) => "denied",
    };
    let upstream = match &explanation.outcome {
        Outcome::Forward(name) => Some(name),
        _ => None,
    };
    serde_json::json!({
        "method": question.method,
        "target": question.target,
        "from": question.from,
        "route": explanation.route,
        "outcome": outcome,
        "upstream": upstream,
        "status": explanation.status,
        "code": explanation.outcome.code(),
        "steps": explanation.steps.iter().map(|step| serde_json::json!({
            "stage": step.stage, "passed": step.passed, "finding": step.finding,
        })).collect::<Vec<_>>(),
    })
}
