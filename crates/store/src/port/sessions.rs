//! Sessions.

use portcullis_core::Id;
use portcullis_core::port::{Changed, Session, Sessions, StoreError};

use super::SqlStore;
use super::changes::note;
use super::keys::in_order;
use super::users::lock_user;
use crate::sql::{Fault, Row};

macro_rules! columns {
    () => {
        "id, digest, user_id, device_id, created_ms, expires_ms, last_seen_ms, agent"
    };
}

impl Sessions for SqlStore {
    fn create_session(&self, session: &Session, most: u32) -> Result<Vec<Id>, StoreError> {
        let insert =
            concat!("INSERT INTO sessions (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
        let others =
            "SELECT id FROM sessions WHERE user_id = ?1 AND id <> ?2 ORDER BY last_seen_ms DESC, id DESC";
        self.database.write(|transaction| {
            // Of several at once each must see the others, or the user would end up with more than `most`.
            lock_user(transaction, session.user)?;
            if let Some(device) = session.device {
                let sql = "SELECT id FROM devices WHERE id = ?1 AND user_id = ?2 {lock}";
                let there = transaction.first(sql, &[device.into(), session.user.into()], |row| row.id(0))?;
                there.ok_or(StoreError::Missing("device"))?;
            }
            transaction.execute(
                insert,
                &[
                    session.id.into(),
                    (&session.digest).into(),
                    session.user.into(),
                    session.device.into(),
                    session.created_ms.into(),
                    session.expires_ms.into(),
                    session.last_seen_ms.into(),
                    (&session.agent).into(),
                ],
            )?;
            // The new one stays whatever the clocks say; it is one of `most`.
            let keep = most.saturating_sub(1) as usize;
            let values = [session.user.into(), session.id.into()];
            let ended = transaction.list(others, &values, |row| row.id(0))?.into_iter().skip(keep);
            let ended: Vec<Id> = ended.collect();
            let rows: Vec<_> = ended.iter().map(|id| [(*id).into()]).collect();
            transaction.execute_each("DELETE FROM sessions WHERE id = ?1", &rows)?;
            note(transaction, Changed::Session, ended.iter().copied().chain([session.id]))?;
            Ok(ended)
        })
    }

    fn session(&self, id: Id) -> Result<Option<Session>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM sessions WHERE id = ?1");
        self.database.first(sql, &[id.into()], session)
    }

    fn sessions_of(&self, user: Id) -> Result<Vec<Session>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM sessions WHERE user_id = ?1 ORDER BY created_ms DESC, id DESC"
        );
        self.database.list(sql, &[user.into()], session)
    }

    fn sessions(&self, after: Option<Id>, limit: u32) -> Result<Vec<Session>, StoreError> {
        let first = concat!("SELECT ", columns!(), " FROM sessions ORDER BY id LIMIT ?1");
        let next = concat!("SELECT ", columns!(), " FROM sessions WHERE id > ?1 ORDER BY id LIMIT ?2");
        match after {
            None => self.database.list(first, &[limit.into()], session),
            Some(after) => self.database.list(next, &[after.into(), limit.into()], session),
        }
    }

    fn each_session(&self, take: &mut dyn FnMut(Session)) -> Result<(), StoreError> {
        self.database.each(concat!("SELECT ", columns!(), " FROM sessions"), &[], session, take)
    }

    fn end_session(&self, id: Id) -> Result<bool, StoreError> {
        Ok(!self.end("DELETE FROM sessions WHERE id = ?1 RETURNING id", &[id.into()])?.is_empty())
    }

    fn end_sessions_of(&self, user: Id) -> Result<Vec<Id>, StoreError> {
        self.end("DELETE FROM sessions WHERE user_id = ?1 RETURNING id", &[user.into()])
    }

    fn expire_sessions(&self, now_ms: i64, idle_since_ms: i64) -> Result<Vec<Id>, StoreError> {
        let sql = "DELETE FROM sessions WHERE expires_ms <= ?1 OR last_seen_ms <= ?2 RETURNING id";
        self.end(sql, &[now_ms.into(), idle_since_ms.into()])
    }

    fn sessions_seen(&self, seen: &[(Id, i64)]) -> Result<(), StoreError> {
        let sql = "UPDATE sessions SET last_seen_ms = ?2 WHERE id = ?1 AND last_seen_ms < ?2";
        let rows = in_order(seen);
        self.database.write(|transaction| transaction.execute_each(sql, &rows))
    }
}

impl SqlStore {
    /// Runs a statement that removes sessions and returns their ids, and notes that they ended.
    fn end(&self, sql: &str, values: &[crate::sql::Value<'_>]) -> Result<Vec<Id>, StoreError> {
        self.database.write(|transaction| {
            let ended = transaction.list(sql, values, |row| row.id(0))?;
            note(transaction, Changed::Session, ended.iter().copied())?;
            Ok(ended)
        })
    }
}

fn session(row: &Row<'_>) -> Result<Session, Fault> {
    Ok(Session {
        id: row.id(0)?,
        digest: row.digest(1)?,
        user: row.id(2)?,
        device: row.maybe_id(3)?,
        created_ms: row.int(4)?,
        expires_ms: row.int(5)?,
        last_seen_ms: row.int(6)?,
        agent: row.text(7)?.to_owned(),
    })
}
