//! From what waits to what is kept: everything that a client said is redacted and cut here.

use portcullis_core::audit::AuditRecord;
use portcullis_core::event::EventKind;
use portcullis_core::redact;

use super::waiting::{Fixed, Texts};

/// The longest text of a client that is kept, in bytes.
const LONGEST: usize = 1024;
/// The longest `User-Agent`, name and device.
const LONGEST_NAME: usize = 256;

/// The record.
pub(super) fn of(fixed: &Fixed, texts: &Texts<'_>) -> AuditRecord {
    AuditRecord {
        at_ms: i64::try_from(fixed.at_ms).unwrap_or(i64::MAX),
        event: fixed.event.map_or(AuditRecord::REQUEST, EventKind::name).into(),
        request_id: text(texts.request_id, LONGEST_NAME),
        user: texts.user.map(|user| text(user, LONGEST_NAME)),
        user_id: fixed.user_id,
        ip: fixed.ip.map(|ip| ip.to_string()),
        method: text(texts.method, 32),
        endpoint: path(texts.path),
        query: texts.query.map(|query| cut(written(|out| redact::query(query, out)), LONGEST)),
        route: texts.route.to_owned(),
        user_agent: texts.user_agent.map(|agent| text(agent, LONGEST_NAME)),
        device: texts.device.map(|device| text(device, LONGEST_NAME)),
        request_data: texts.data.map(str::to_owned),
        status: fixed.status,
        duration_us: fixed.duration_us,
        success: match fixed.event {
            Some(EventKind::AuthAttempt { success }) => Some(success),
            _ => None,
        },
        reason: text(texts.reason, LONGEST_NAME),
        details: text(texts.details, LONGEST),
    }
}

/// A text, redacted first and cut then: the other way round the cut would leave half a secret that nothing
/// recognises.
pub fn text(text: &str, longest: usize) -> String {
    cut(written(|out| redact::text(text, out)), longest)
}

/// A path.
pub fn path(path: &str) -> String {
    cut(written(|out| redact::path(path, out)), LONGEST)
}

fn written(write: impl FnOnce(&mut String)) -> String {
    let mut out = String::new();
    write(&mut out);
    out
}

/// Control characters would speak to the terminal of whoever reads the log.
fn cut(mut text: String, longest: usize) -> String {
    if text.contains(char::is_control) {
        text = text.replace(char::is_control, "\u{fffd}");
    }
    text.truncate(text.floor_char_boundary(longest));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_redacted_and_cut() {
        let fixed = Fixed {
            at_ms: 5,
            event: Some(EventKind::AuthAttempt { success: false }),
            request: true,
            recorded: true,
            refused: true,
            ip: Some([192, 0, 2, 7].into()),
            user_id: None,
            status: 401,
            duration_us: 9,
        };
        let long = "word ".repeat(1000);
        let texts = Texts {
            path: "/users/user@example.com",
            query: Some("api_key=abc&page=2"),
            user_agent: Some(&long),
            user: Some("user@example.com"),
            device: Some("a\u{9b}31mb"),
            reason: "invalid-credential",
            ..Texts::default()
        };
        let record = of(&fixed, &texts);
        assert_eq!(record.endpoint, "/users/[EMAIL_REDACTED]");
        assert_eq!(record.query.as_deref(), Some("api_key=[redacted]&page=[redacted]"));
        assert_eq!(record.user.as_deref(), Some("[EMAIL_REDACTED]"));
        assert_eq!(record.device.as_deref(), Some("a\u{fffd}31mb"));
        assert_eq!((record.user_agent.unwrap().len(), record.success), (LONGEST_NAME, Some(false)));
        assert_eq!((&*record.event, record.ip.as_deref()), ("auth_attempt", Some("192.0.2.7")));
    }
}
