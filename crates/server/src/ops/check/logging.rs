//! Whether what happens can be found afterwards.

use super::{Item, Subject};
use crate::config::model::LogLevel;

/// P-BP-05: failed attempts, refusals and accesses are written.
pub(super) fn events(subject: &Subject<'_>) -> Item {
    const ID: &str = "logging";
    const TITLE: &str = "logging";
    let log = &subject.config.log;
    let place = match &log.file {
        Some(path) => format!("stderr and {}", path.display()),
        None => "stderr".to_owned(),
    };
    match log.level {
        LogLevel::Error => Item::warn(
            ID,
            TITLE,
            format!("security events on {place}; neither accesses nor warnings at this level"),
            "log.level = \"info\"",
        ),
        LogLevel::Warn => {
            Item::pass(ID, TITLE, format!("security events on {place}; accesses from level info on"))
        }
        _ => Item::pass(ID, TITLE, format!("accesses and security events on {place}")),
    }
}

/// T-CK-08: who did what can be shown afterwards.
pub(super) fn audit(subject: &Subject<'_>) -> Item {
    const ID: &str = "audit-log";
    const TITLE: &str = "audit log";
    let audit = &subject.config.audit;
    let days = audit.retention.as_secs() / 86_400;
    match (audit.enabled, &audit.store, &subject.config.accounts) {
        (true, Some(own), _) => {
            Item::pass(ID, TITLE, format!("in {}, kept for {days} days", own.url.shown()))
        }
        (true, None, _) => Item::pass(ID, TITLE, format!("beside the accounts, kept for {days} days")),
        (false, None, None) => Item::pass(
            ID,
            TITLE,
            "none, but the log; [audit] url = \"sqlite:audit.db\" has every request recorded",
        ),
        (false, ..) => Item::warn(
            ID,
            TITLE,
            "switched off: nobody can say afterwards who did what",
            "audit.enabled = true",
        ),
    }
}
