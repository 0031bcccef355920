//! SQLite, in a file or in memory: one connection writes, a few read.

use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use portcullis_core::port::StoreError;
use rusqlite::{Connection, ErrorCode, Transaction as Begun, TransactionBehavior, params_from_iter};

use super::pool::Pool;
use super::{Fault, Row, Transaction, Value, dialect, unavailable, until};

mod create;
mod file;
mod held;
mod open;

pub(crate) use open::{in_file, in_memory};

use file::{File, Role};
use held::Held;

/// An open SQLite database. Its fields are dropped in this order: the file is let go of when no connection
/// is left.
pub(crate) struct Sqlite {
    readers: Option<Readers>,
    writer: Mutex<Connection>,
    limit: Duration,
    about: String,
    _held: Option<Held>,
}

struct Readers {
    file: File,
    pool: Pool<Connection>,
}

impl Sqlite {
    pub(super) fn write<T>(
        &self,
        act: &mut dyn FnMut(&mut Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let connection = self.lock()?;
        let begun = Begun::new_unchecked(&connection, TransactionBehavior::Immediate)?;
        let done = act(&mut Transaction::Sqlite(&begun))?;
        begun.commit()?;
        Ok(done)
    }

    pub(super) fn read<T>(
        &self,
        act: impl FnOnce(&mut Transaction<'_>) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let Some(readers) = &self.readers else {
            return act(&mut Transaction::Sqlite(&*self.lock()?));
        };
        let lease = readers
            .pool
            .lend(until(self.limit), |_| true, || readers.file.connect(Role::Reader))
            .map_err(|error| unavailable(error.to_string()))?
            .ok_or_else(|| unavailable("every connection was in use"))?;
        act(&mut Transaction::Sqlite(&lease))
    }

    pub(super) fn is_in_memory(&self) -> bool {
        self.readers.is_none()
    }

    pub(super) fn describe(&self) -> &str {
        &self.about
    }

    fn lock(&self) -> Result<MutexGuard<'_, Connection>, Fault> {
        self.writer.try_lock_for(self.limit).ok_or_else(|| unavailable("another act has not ended in time"))
    }
}

/// The file is whole without its log afterwards, so that it can be copied.
impl Drop for Sqlite {
    fn drop(&mut self) {
        if let Some(readers) = &self.readers {
            readers.pool.clear();
            // Where another process is at work it stays undone, and nothing is lost.
            let _ = self.writer.get_mut().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        }
    }
}

pub(super) fn execute(connection: &Connection, sql: &str, values: &[Value<'_>]) -> Result<u64, Fault> {
    let mut statement = connection.prepare_cached(&dialect::sqlite(sql))?;
    Ok(u64::try_from(statement.execute(params_from_iter(values))?).unwrap_or(u64::MAX))
}

pub(super) fn each(
    connection: &Connection,
    sql: &str,
    values: &[Value<'_>],
    mut take: impl FnMut(&Row<'_>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(&dialect::sqlite(sql))?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        take(&Row::Sqlite(row))?;
    }
    Ok(())
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(code, message) = &error else {
            return StoreError::Broken(error.to_string()).into();
        };
        match code.extended_code {
            rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY => {
                return Fault::Unique(message.clone().unwrap_or_default());
            }
            rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY => return Fault::Orphan,
            _ => {}
        }
        match code.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                unavailable("another process has not ended its act in time")
            }
            ErrorCode::ReadOnly => unavailable("it is open for reading only"),
            ErrorCode::DiskFull => unavailable("the disk is full"),
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::FileLockingProtocolFailed => unavailable(error.to_string()),
            _ => StoreError::Broken(error.to_string()).into(),
        }
    }
}
