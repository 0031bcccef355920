//! Connections to one file, keyed and set as each role needs it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use zeroize::Zeroizing;

use crate::OpenError;

/// Our mark in the head of a file (`PRAGMA application_id`): `PCLS`.
pub(super) const APPLICATION: i32 = 0x5043_4c53;

/// A file and what its connections need.
pub(super) struct File {
    pub(super) path: PathBuf,
    /// The statement that hands over the key.
    pub(super) key: Option<Zeroizing<String>>,
    /// How long a lock of another process is waited for.
    pub(super) limit: Duration,
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Finds out what the file is, and changes nothing, not even by closing.
    Inspector,
    /// Writes, one act at a time.
    Writer,
    /// Reads beside the writer.
    Reader,
}

impl File {
    /// What messages call it.
    pub(super) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// Its path with something behind: `-wal`, `-shm`.
    pub(super) fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = OsString::from(self.path.as_os_str());
        path.push(suffix);
        PathBuf::from(path)
    }

    /// A connection to the file, which is there.
    pub(super) fn connect(&self, role: Role) -> Result<Connection, OpenError> {
        begin();
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection =
            Connection::open_with_flags(&self.path, flags).map_err(|error| self.fault(&error))?;
        self.unlock(&connection)?;
        self.settle(&connection, role).map_err(|error| self.fault(&error))?;
        Ok(connection)
    }

    /// Hands over the key. SQLite without SQLCipher takes `PRAGMA key` for an unknown word and passes over
    /// it in silence, and everything would be written in clear: so its version is asked for.
    fn unlock(&self, connection: &Connection) -> Result<(), OpenError> {
        let Some(key) = &self.key else { return Ok(()) };
        // What it has to say is in our errors.
        let fault = |error| self.fault(&error);
        connection.execute_batch("PRAGMA cipher_log_level = NONE").map_err(fault)?;
        let version: Option<String> =
            connection.query_row("PRAGMA cipher_version", [], |row| row.get(0)).ok();
        if version.is_none_or(|version| version.is_empty()) {
            return Err(OpenError::NoCipher);
        }
        connection.execute_batch(key).map_err(fault)
    }

    /// Settings of one connection. (sqlite.org/pragma.html)
    pub(super) fn settle(&self, connection: &Connection, role: Role) -> rusqlite::Result<()> {
        connection.busy_timeout(self.limit.max(Duration::from_millis(1)))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, role == Role::Inspector)?;
        connection.set_prepared_statement_cache_capacity(128);
        // FULL: a transaction that is acknowledged is on the disk, not only in the system's memory.
        connection.execute_batch(
            "PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;
             PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;",
        )?;
        match role {
            Role::Inspector => Ok(()),
            Role::Reader => connection.execute_batch("PRAGMA cache_size = -4096; PRAGMA query_only = ON"),
            Role::Writer => connection.execute_batch(
                "PRAGMA cache_size = -32768; PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 67108864",
            ),
        }
    }

    /// The reason behind a failure while opening.
    pub(super) fn fault(&self, error: &rusqlite::Error) -> OpenError {
        let place = self.place();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) if self.key.is_some() => OpenError::WrongKey { place },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
                OpenError::NotADatabase { place, why: error.to_string() }
            }
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                OpenError::Permission { place, why: error.to_string() }
            }
            _ => OpenError::Failed { place, why: error.to_string() },
        }
    }
}

/// Lets one thread begin SQLite and SQLCipher before any other opens a connection. SQLite calls itself begun
/// before it begins its extension (`sqlite3_initialize`, `SQLITE_EXTRA_INIT`): whoever came between the two
/// would find no cipher there, and its key refused.
pub(super) fn begin() {
    static BEGUN: Once = Once::new();
    // Where it fails, so does the connection that is wanted, and says why.
    BEGUN.call_once(|| drop(Connection::open_in_memory()));
}

/// The reason behind a failure of the file system.
pub(super) fn refused(path: &Path, error: &std::io::Error) -> OpenError {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let (place, why) = (path.display().to_string(), error.to_string());
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => OpenError::Permission { place, why },
        _ => OpenError::Failed { place, why },
    }
}
