//! One line of the log, as text or as JSON. Everything that a client said is redacted and escaped here.

use std::fmt::Write as _;

use portcullis_core::clock::write_rfc3339;
use portcullis_core::event::{AccessRecord, EventKind, SecurityEvent, Subject};
use portcullis_core::redact;

use super::{Format, Level};

/// The longest text of a client that is written, in bytes.
const LONGEST: usize = 1024;
/// The longest `User-Agent`.
const LONGEST_AGENT: usize = 256;

/// Appends lines to a buffer.
pub(super) struct Line<'a> {
    format: Format,
    out: &'a mut String,
    /// What was redacted and is not yet escaped.
    scratch: String,
}

impl<'a> Line<'a> {
    pub(super) fn new(format: Format, out: &'a mut String) -> Self {
        Self { format, out, scratch: String::new() }
    }

    /// Appends lines with a scratch buffer of the caller's, which saves an allocation for each line.
    pub(super) fn with_scratch(format: Format, out: &'a mut String, scratch: &mut String) -> Self {
        Self { format, out, scratch: std::mem::take(scratch) }
    }

    /// Gives the scratch buffer back.
    pub(super) fn into_scratch(self) -> String {
        self.scratch
    }

    /// A line about the process itself.
    pub(super) fn process(&mut self, level: Level, unix_ms: u64, message: &str) {
        match self.format {
            Format::Text => {
                write_rfc3339(self.out, unix_ms);
                let _ = write!(self.out, " {:<5} ", short(level));
                self.redact(|out| redact::text(message, out), usize::MAX);
                // A message of several lines (an error of the configuration) stays readable.
                for (number, line) in self.scratch.trim_end().split('\n').enumerate() {
                    if number > 0 {
                        self.out.push_str("\n    ");
                    }
                    escape_control(line, self.out);
                }
            }
            Format::Json => {
                self.begin(level, unix_ms, "process");
                self.text("message", message, usize::MAX);
                self.out.push('}');
            }
        }
        self.out.push('\n');
    }

    /// The line of an answered request.
    pub(super) fn access(&mut self, record: &AccessRecord<'_>) {
        let subject = &record.subject;
        match self.format {
            Format::Text => {
                write_rfc3339(self.out, record.unix_ms);
                self.out.push_str(" INFO  access ");
                self.client(subject);
                self.request(subject);
                let _ = write!(
                    self.out,
                    " {} {}B in {}B {}.{:03}ms",
                    record.status,
                    record.bytes_out,
                    record.bytes_in,
                    record.duration_us / 1000,
                    record.duration_us % 1000
                );
                self.pair("route", subject.route, LONGEST);
                self.pair("user", subject.user.unwrap_or_default(), LONGEST);
                self.pair("denial", record.denial.unwrap_or_default(), LONGEST);
                if record.aborted {
                    self.out.push_str(" aborted");
                }
                self.pair("agent", subject.user_agent.unwrap_or_default(), LONGEST_AGENT);
                self.pair("id", subject.request_id, LONGEST);
            }
            Format::Json => {
                self.begin(Level::Info, record.unix_ms, "access");
                self.subject(subject);
                let _ = write!(
                    self.out,
                    r#","status":{},"bytes_in":{},"bytes_out":{},"duration_ms":{}.{:03}"#,
                    record.status,
                    record.bytes_in,
                    record.bytes_out,
                    record.duration_us / 1000,
                    record.duration_us % 1000
                );
                if let Some(denial) = record.denial {
                    self.text("reason", denial, LONGEST);
                }
                if record.aborted {
                    self.out.push_str(r#","aborted":true"#);
                }
                self.out.push('}');
            }
        }
        self.out.push('\n');
    }

    /// The line of a security event.
    pub(super) fn security(&mut self, event: &SecurityEvent<'_>) {
        let level = level_of(event);
        let subject = &event.subject;
        match self.format {
            Format::Text => {
                write_rfc3339(self.out, event.unix_ms);
                let _ = write!(self.out, " {:<5} {} ", short(level), event.kind.name());
                if event.status != 0 {
                    let _ = write!(self.out, "{} ", event.status);
                }
                self.client(subject);
                if !subject.method.is_empty() {
                    self.request(subject);
                }
                self.pair("reason", event.reason, LONGEST);
                if let EventKind::AuthAttempt { success } = event.kind {
                    let _ = write!(self.out, " success={success}");
                }
                if event.observed {
                    self.out.push_str(" observed=true");
                }
                self.pair("details", event.details, usize::MAX);
                self.pair("device", subject.device.unwrap_or_default(), LONGEST_AGENT);
                self.pair("agent", subject.user_agent.unwrap_or_default(), LONGEST_AGENT);
                self.pair("id", subject.request_id, LONGEST);
            }
            Format::Json => {
                self.begin(level, event.unix_ms, event.kind.name());
                self.subject(subject);
                if event.status != 0 {
                    let _ = write!(self.out, r#","status":{}"#, event.status);
                }
                if let EventKind::AuthAttempt { success } = event.kind {
                    let _ = write!(self.out, r#","success":{success}"#);
                }
                self.text("reason", event.reason, LONGEST);
                self.text("details", event.details, usize::MAX);
                if event.observed {
                    self.out.push_str(r#","observed":true"#);
                }
                self.out.push('}');
            }
        }
        self.out.push('\n');
    }

    fn client(&mut self, subject: &Subject<'_>) {
        match subject.client {
            Some(client) => {
                let _ = write!(self.out, "{} ", client.address);
            }
            None => self.out.push_str("- "),
        }
    }

    /// `"POST /live/ingest?limit=[redacted]"`
    fn request(&mut self, subject: &Subject<'_>) {
        self.out.push('"');
        escape_text(cut(subject.method, 32), self.out);
        self.out.push(' ');
        self.redact(|out| redact::path(subject.path, out), LONGEST);
        escape_text(&self.scratch, self.out);
        if let Some(query) = subject.query {
            self.out.push('?');
            self.redact(|out| redact::query(query, out), LONGEST);
            escape_text(&self.scratch, self.out);
        }
        self.out.push('"');
    }

    fn pair(&mut self, name: &str, value: &str, longest: usize) {
        if value.is_empty() {
            return;
        }
        self.redact(|out| redact::text(value, out), longest);
        let _ = write!(self.out, " {name}=");
        let plain = self.scratch.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'=');
        if plain {
            self.out.push_str(&self.scratch);
        } else {
            self.out.push('"');
            escape_text(&self.scratch, self.out);
            self.out.push('"');
        }
    }

    /// Redacts into the scratch buffer, then cuts: the other way round the cut would leave half a secret that
    /// nothing recognises.
    fn redact(&mut self, redact: impl FnOnce(&mut String), longest: usize) {
        self.scratch.clear();
        redact(&mut self.scratch);
        let end = cut(&self.scratch, longest).len();
        self.scratch.truncate(end);
    }

    fn begin(&mut self, level: Level, unix_ms: u64, event: &str) {
        self.out.push_str(r#"{"timestamp":""#);
        write_rfc3339(self.out, unix_ms);
        let _ = write!(self.out, r#"","level":"{}","event":"{event}""#, level.name());
    }

    fn subject(&mut self, subject: &Subject<'_>) {
        if !subject.request_id.is_empty() {
            self.text("request_id", subject.request_id, LONGEST);
        }
        if let Some(client) = subject.client {
            let _ = write!(self.out, r#","ip":"{}""#, client.address);
        }
        for (name, value) in
            [("user_id", subject.user), ("device_id", subject.device), ("user_agent", subject.user_agent)]
        {
            if let Some(value) = value {
                self.text(name, value, LONGEST_AGENT);
            }
        }
        if !subject.method.is_empty() {
            self.text("method", subject.method, 32);
            self.redact(|out| redact::path(subject.path, out), LONGEST);
            self.scratch("endpoint");
        }
        if let Some(query) = subject.query {
            self.redact(|out| redact::query(query, out), LONGEST);
            self.scratch("query");
        }
        if !subject.route.is_empty() {
            self.raw("route", subject.route);
        }
    }

    /// A JSON member whose value may hold anything.
    fn text(&mut self, name: &str, value: &str, longest: usize) {
        self.redact(|out| redact::text(value, out), longest);
        self.scratch(name);
    }

    /// A JSON member with what stands in the scratch buffer.
    fn scratch(&mut self, name: &str) {
        let _ = write!(self.out, r#","{name}":""#);
        escape_json(&self.scratch, self.out);
        self.out.push('"');
    }

    fn raw(&mut self, name: &str, value: &str) {
        let _ = write!(self.out, r#","{name}":""#);
        escape_json(value, self.out);
        self.out.push('"');
    }
}

fn level_of(event: &SecurityEvent<'_>) -> Level {
    match event.kind {
        EventKind::AuthAttempt { success: true } | EventKind::AccountChanged => Level::Info,
        EventKind::SuspiciousActivity => Level::Error,
        EventKind::AuthAttempt { success: false }
        | EventKind::WebSocketAuthFailed
        | EventKind::AccessDenied
        | EventKind::RateLimitExceeded
        | EventKind::CorsViolation
        | EventKind::SsrfBlocked
        | EventKind::EgressDenied
        | EventKind::Lockout
        | EventKind::BreakerOpened
        | EventKind::ConfigChanged => Level::Warn,
    }
}

fn short(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN",
        Level::Info => "INFO",
        Level::Debug => "DEBUG",
    }
}

fn cut(text: &str, longest: usize) -> &str {
    let mut end = text.len().min(longest);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// A line of our own words that may quote somebody else's.
fn escape_control(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            control if control.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", control as u32);
            }
            other => out.push(other),
        }
    }
}

/// Nothing a client says may begin a line of its own or end a quotation.
fn escape_text(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(out, "\\u{{{:x}}}", control as u32);
            }
            other => out.push(other),
        }
    }
}

fn escape_json(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            // Beyond what JSON asks for, so that no terminal is told anything either.
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", control as u32);
            }
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::Client;

    const SUBJECT: Subject<'static> = Subject {
        request_id: "0b2c9a52-4d4f-4c5e-9a44-2b53f8a1d2c3",
        client: None,
        method: "GET",
        path: "/verify",
        query: Some("server_seed=5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"),
        route: "GET /verify",
        user: None,
        user_id: None,
        device: None,
        user_agent: Some("evil\r\nINFO forged \"line\" user@example.com"),
    };

    fn both(write: impl Fn(&mut Line<'_>)) -> (String, serde_json::Value) {
        let (mut text, mut json) = (String::new(), String::new());
        write(&mut Line::new(Format::Text, &mut text));
        write(&mut Line::new(Format::Json, &mut json));
        assert_eq!(text.matches('\n').count(), 1, "one line: {text}");
        assert_eq!(json.matches('\n').count(), 1, "one line: {json}");
        (text, serde_json::from_str(&json).unwrap())
    }

    fn subject() -> Subject<'static> {
        Subject { client: Some(Client::direct([203, 0, 113, 9].into(), false)), ..SUBJECT }
    }

    #[test]
    fn an_access_line_holds_no_secret_and_no_forged_line() {
        let record = AccessRecord {
            unix_ms: 1_795_230_000_123,
            subject: subject(),
            status: 401,
            denial: Some("missing-credential"),
            verdict: None,
            bytes_in: 1,
            bytes_out: 2,
            duration_us: 1234,
            aborted: false,
        };
        let (text, json) = both(|line| line.access(&record));
        assert!(text.starts_with("2026-11-21T03:00:00.123Z INFO  access 203.0.113.9 \"GET /verify?server_seed=[redacted]\" 401 2B in 1B 1.234ms"), "{text}");
        assert!(!text.contains("5f70bf18") && !text.contains("user@example.com"), "{text}");
        assert_eq!(json["event"], "access");
        assert_eq!(json["query"], "server_seed=[redacted]");
        assert_eq!(json["duration_ms"], 1.234);
        assert!(json["user_agent"].as_str().unwrap().contains("[EMAIL_REDACTED]"));
    }

    #[test]
    fn a_secret_across_the_longest_text_is_found_before_the_cut() {
        let agent = format!(
            "{}{}",
            "x ".repeat(120),
            "5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
        );
        let record = AccessRecord {
            unix_ms: 0,
            subject: Subject { user_agent: Some(&agent), ..subject() },
            status: 200,
            denial: None,
            verdict: None,
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            aborted: false,
        };
        let (text, json) = both(|line| line.access(&record));
        assert!(!text.contains("5f70") && !json.to_string().contains("5f70"), "{text}\n{json}");
    }

    #[test]
    fn the_guides_grep_finds_violations() {
        let event = |kind, status, details| SecurityEvent {
            kind,
            unix_ms: 0,
            subject: subject(),
            status,
            reason: "x",
            details,
            observed: false,
        };
        for (kind, status, details, word) in [
            (EventKind::AuthAttempt { success: false }, 401, "Invalid ingest token", "401"),
            (EventKind::RateLimitExceeded, 429, "Rate limit exceeded", "429"),
            (EventKind::CorsViolation, 200, "CORS: the origin is not allowed", "CORS"),
        ] {
            let (text, json) = both(|line| line.security(&event(kind, status, details)));
            assert!(text.contains(word) && text.contains(kind.name()), "{text}");
            assert!(json.to_string().contains(word), "{json}");
            assert_eq!(json["ip"], "203.0.113.9");
        }
    }
}
