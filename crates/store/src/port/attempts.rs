//! Logins that wait for a second factor. They live for minutes and are in no change log.

use portcullis_core::Id;
use portcullis_core::port::{Attempt, Attempts, StoreError};

use super::{SqlStore, missing};
use crate::sql::{Fault, Row};

impl Attempts for SqlStore {
    fn create_attempt(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let sql = "INSERT INTO attempts (id, digest, user_id, created_ms, expires_ms, failures)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = [
            attempt.id.into(),
            (&attempt.digest).into(),
            attempt.user.into(),
            attempt.created_ms.into(),
            attempt.expires_ms.into(),
            attempt.failures.into(),
        ];
        self.database.write(|transaction| {
            transaction.execute(sql, &values).map_err(missing("user"))?;
            Ok(())
        })
    }

    fn attempt(&self, digest: &[u8; 32], now_ms: i64) -> Result<Option<Attempt>, StoreError> {
        let sql = "SELECT id, digest, user_id, created_ms, expires_ms, failures FROM attempts
                   WHERE digest = ?1 AND expires_ms > ?2";
        self.database.first(sql, &[digest.into(), now_ms.into()], attempt)
    }

    fn attempt_failed(&self, id: Id) -> Result<u32, StoreError> {
        let sql = "UPDATE attempts SET failures = failures + 1 WHERE id = ?1 RETURNING failures";
        self.database.write(|transaction| {
            let failures = transaction.first(sql, &[id.into()], |row| row.int(0))?;
            let failures = failures.ok_or(StoreError::Missing("login attempt"))?;
            Ok(u32::try_from(failures).unwrap_or(u32::MAX))
        })
    }

    fn end_attempt(&self, id: Id) -> Result<bool, StoreError> {
        let sql = "DELETE FROM attempts WHERE id = ?1";
        self.database.write(|transaction| Ok(transaction.execute(sql, &[id.into()])? == 1))
    }

    fn expire_attempts(&self, now_ms: i64) -> Result<Vec<Id>, StoreError> {
        let sql = "DELETE FROM attempts WHERE expires_ms <= ?1 RETURNING id";
        self.database.write(|transaction| transaction.list(sql, &[now_ms.into()], |row| row.id(0)))
    }
}

fn attempt(row: &Row<'_>) -> Result<Attempt, Fault> {
    Ok(Attempt {
        id: row.id(0)?,
        digest: row.digest(1)?,
        user: row.id(2)?,
        created_ms: row.int(3)?,
        expires_ms: row.int(4)?,
        failures: u32::try_from(row.int(5)?).unwrap_or(u32::MAX),
    })
}
