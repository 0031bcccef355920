//! What PostgreSQL's errors mean to an act, and what they may say to people.

use std::error::Error as _;

use portcullis_core::port::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::sql::{Fault, unavailable};

/// The fault behind an error (PostgreSQL manual, appendix A).
pub(super) fn of(error: &Error) -> Fault {
    let Some(db) = error.as_db_error() else {
        // Not what the server says but what the driver makes of it: a wrong type is no broken connection.
        return if error.is_closed() || has_io(error) {
            Fault::Lost(text(error))
        } else {
            StoreError::Broken(text(error)).into()
        };
    };
    match *db.code() {
        SqlState::UNIQUE_VIOLATION => Fault::Unique(db.constraint().unwrap_or_default().to_owned()),
        SqlState::FOREIGN_KEY_VIOLATION => Fault::Orphan,
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => Fault::Again(text(error)),
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN => Fault::Lost(text(error)),
        SqlState::READ_ONLY_SQL_TRANSACTION => unavailable("the server takes no writes"),
        // 08 connection, 53 resources, 55 state (locks), 57 operator (timeouts, starting up), 58 system.
        ref code if ["08", "53", "55", "57", "58"].iter().any(|class| code.code().starts_with(class)) => {
            unavailable(text(error))
        }
        _ => StoreError::Broken(text(error)).into(),
    }
}

/// What an error says, without the details in which a server repeats values.
pub(super) fn text(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} ({})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

fn has_io(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        if error.is::<std::io::Error>() {
            return true;
        }
        source = error.source();
    }
    false
}
