//! What the log says of an act: one security event for each that was done, or refused for a reason that matters.

use std::time::Instant;

use portcullis_core::audit::AuditRecord;
use portcullis_core::event::{EventKind, Recorder, SecurityEvent, Subject};

use super::answer::Answer;
use super::bodies::forms::USER_NAME;
use super::caller::Caller;
use super::endpoints::{Act, Endpoint};
use super::refusal::Refusal;
use crate::audit::{self, Tale};

/// What was asked for, as far as the log is concerned.
#[derive(Debug)]
pub struct Asked<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// Who asked.
    pub caller: &'a Caller,
    /// The user that the body names, as it was sent.
    pub named: Option<&'a str>,
    /// The path as it was sent.
    pub path: &'a str,
    /// The route of the gate that led here.
    pub pattern: &'a str,
    /// When, in milliseconds since 1970.
    pub now_ms: i64,
}

/// Records an act that was done. `details` says which thing of whose.
pub fn done(recorder: &mut dyn Recorder, asked: &Asked<'_>, status: u16, details: &str) {
    let Some(kind) = kind_of_act(asked.endpoint) else { return };
    record(recorder, asked, kind, status, asked.endpoint.id, details);
}

/// Records a refusal, where it is one of a credential or of a right.
pub fn refused(recorder: &mut dyn Recorder, asked: &Asked<'_>, refusal: &Refusal) {
    let Some(kind) = kind_of_refusal(refusal) else { return };
    record(recorder, asked, kind, refusal.status, refusal.code, "");
}

/// What the audit log is told of a request: the end of it makes one record of both. `recorded`: whether it stands
/// there already. Of one that was only read there is nothing to tell.
pub fn tale(
    asked: &Asked<'_>,
    outcome: Result<&Answer, &Refusal>,
    data: Option<&str>,
    recorded: bool,
) -> Tale {
    let (event, reason, details) = match outcome {
        Ok(answer) => (kind_of_act(asked.endpoint), asked.endpoint.id, answer.details.as_str()),
        Err(refusal) => (kind_of_refusal(refusal), refusal.code, ""),
    };
    let proven = asked.caller.proven.as_ref();
    Tale {
        recorded,
        event,
        reason: reason.to_owned(),
        details: details.to_owned(),
        user: user(asked).map(str::to_owned),
        user_id: proven.and_then(|proven| proven.id),
        data: data.map(str::to_owned),
    }
}

/// The record of a change that was made, complete: it is written before the change is answered. `path` and `data`
/// are redacted.
pub fn of_change(asked: &Asked<'_>, answer: &Answer, data: Option<String>, since: Instant) -> AuditRecord {
    let caller = asked.caller;
    let proven = caller.proven.as_ref();
    AuditRecord {
        at_ms: asked.now_ms,
        event: EventKind::AccountChanged.name().into(),
        request_id: text(&caller.request_id),
        user: user(asked).map(text),
        user_id: proven.and_then(|proven| proven.id),
        ip: Some(caller.address().to_string()),
        method: asked.endpoint.method.to_owned(),
        endpoint: audit::path(asked.path),
        query: None,
        route: asked.pattern.to_owned(),
        user_agent: caller.agent.as_deref().map(text),
        device: proven.and_then(|proven| proven.device).map(|id| id.to_string()),
        request_data: data,
        status: answer.status(),
        duration_us: u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX),
        success: None,
        reason: asked.endpoint.id.to_owned(),
        details: audit::text(&answer.details, LONGEST),
    }
}

/// The longest sentence, and the longest name or `User-Agent`, in bytes.
const LONGEST: usize = 1024;
const LONGEST_NAME: usize = 256;

fn text(text: &str) -> String {
    audit::text(text, LONGEST_NAME)
}

fn kind_of_act(endpoint: &Endpoint) -> Option<EventKind> {
    match endpoint.act {
        Act::Reads => None,
        Act::Authenticates => Some(EventKind::AuthAttempt { success: true }),
        Act::Changes => Some(EventKind::AccountChanged),
    }
}

fn kind_of_refusal(refusal: &Refusal) -> Option<EventKind> {
    match refusal.status {
        _ if refusal.code == "locked-out" => Some(EventKind::Lockout),
        401 => Some(EventKind::AuthAttempt { success: false }),
        _ if refusal.code == "account-disabled" => Some(EventKind::AuthAttempt { success: false }),
        403 => Some(EventKind::AccessDenied),
        _ => None,
    }
}

/// Who asks: whoever is proven, else whoever the body names. What stands in the place of a name may be an address,
/// or a password typed into the wrong field.
fn user<'a>(asked: &Asked<'a>) -> Option<&'a str> {
    let is_name = |name: &&str| USER_NAME.judge(name).is_none() && !name.contains('@');
    let proven = asked.caller.proven.as_ref().map(|proven| proven.user.as_str());
    proven.or(asked.named.filter(is_name))
}

fn record(
    recorder: &mut dyn Recorder,
    asked: &Asked<'_>,
    kind: EventKind,
    status: u16,
    reason: &str,
    details: &str,
) {
    let proven = asked.caller.proven.as_ref();
    let device = proven.and_then(|proven| proven.device).map(|id| id.to_string());
    recorder.security(&SecurityEvent {
        kind,
        unix_ms: asked.now_ms.unsigned_abs(),
        subject: Subject {
            request_id: &asked.caller.request_id,
            client: Some(asked.caller.client),
            method: asked.endpoint.method,
            path: asked.path,
            query: None,
            route: "",
            user: user(asked),
            user_id: proven.and_then(|proven| proven.id),
            device: device.as_deref(),
            user_agent: asked.caller.agent.as_deref(),
        },
        status,
        reason,
        details,
        observed: false,
    });
    recorder.flush();
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use portcullis_core::Client;
    use portcullis_core::event::AccessRecord;

    use super::super::endpoints;
    use super::*;

    #[derive(Default)]
    struct Lines(Vec<String>);

    impl Recorder for Lines {
        fn security(&mut self, event: &SecurityEvent<'_>) {
            let user = event.subject.user.unwrap_or("-");
            let success = match event.kind {
                EventKind::AuthAttempt { success } => format!(" {success}"),
                _ => String::new(),
            };
            self.0.push(format!("{}{success} {} {user}", event.kind.name(), event.reason));
        }

        fn access(&mut self, _: &AccessRecord<'_>) {}

        fn flush(&mut self) {}
    }

    fn line(id: &str, named: Option<&str>, refusal: Option<Refusal>) -> String {
        let endpoint = endpoints::all().find(|endpoint| endpoint.id == id).unwrap();
        let client = Client::direct(Ipv4Addr::LOCALHOST.into(), false);
        let caller = Caller { proven: None, client, request_id: String::new(), agent: None };
        let asked = Asked { endpoint, caller: &caller, named, path: "/", pattern: "", now_ms: 0 };
        let mut lines = Lines::default();
        match refusal {
            None => done(&mut lines, &asked, 200, ""),
            Some(refusal) => refused(&mut lines, &asked, &refusal),
        }
        lines.0.join("\n")
    }

    #[test]
    fn every_act_has_its_event() {
        assert_eq!(line("login", Some("bob"), None), "auth_attempt true login bob");
        assert_eq!(line("revoke_key", None, None), "account_changed revoke_key -");
        assert_eq!(line("profile", None, None), "");
        let refused = |status, code| line("login", Some("bob"), Some(Refusal::new(status, code, "")));
        assert_eq!(refused(401, "invalid-login"), "auth_attempt false invalid-login bob");
        assert_eq!(refused(400, "account-disabled"), "auth_attempt false account-disabled bob");
        assert_eq!(refused(429, "locked-out"), "lockout locked-out bob");
        assert_eq!(refused(403, "role-not-allowed"), "access_denied role-not-allowed bob");
        assert_eq!(refused(422, "invalid-request"), "");
    }

    #[test]
    fn what_is_no_name_is_not_logged_as_one() {
        let failed = || Some(Refusal::new(401, "invalid-login", ""));
        for named in ["Correct Horse!", "bob@example.com", "päss"] {
            assert_eq!(line("login", Some(named), failed()), "auth_attempt false invalid-login -");
        }
    }
}
