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
