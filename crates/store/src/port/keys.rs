//! API keys, by their digests.

use portcullis_core::Id;
use portcullis_core::port::{ApiKey, Changed, Keys, StoreError};

use super::changes::note;
use super::{SqlStore, missing};
use crate::sql::{Fault, Row, Transaction, Value};

macro_rules! columns {
    () => {
        "id, user_id, name, prefix, digest, scopes, bindings, role, created_ms, expires_ms, last_used_ms, \
         revoked_ms, replaced_by"
    };
}

impl Keys for SqlStore {
    fn create_keys(&self, keys: &[ApiKey]) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            insert(transaction, keys)?;
            note(transaction, Changed::Key, keys.iter().map(|key| key.id))
        })
    }

    fn key(&self, id: Id) -> Result<Option<ApiKey>, StoreError> {
        self.database.first(concat!("SELECT ", columns!(), " FROM api_keys WHERE id = ?1"), &[id.into()], key)
    }

    fn keys_of(&self, user: Id) -> Result<Vec<ApiKey>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM api_keys WHERE user_id = ?1 ORDER BY created_ms DESC, id DESC"
        );
        self.database.list(sql, &[user.into()], key)
    }

    fn keys(&self, after: Option<Id>, limit: u32) -> Result<Vec<ApiKey>, StoreError> {
        let first = concat!("SELECT ", columns!(), " FROM api_keys ORDER BY id LIMIT ?1");
        let next = concat!("SELECT ", columns!(), " FROM api_keys WHERE id > ?1 ORDER BY id LIMIT ?2");
        match after {
            None => self.database.list(first, &[limit.into()], key),
            Some(after) => self.database.list(next, &[after.into(), limit.into()], key),
        }
    }

    fn each_key(&self, now_ms: i64, take: &mut dyn FnMut(ApiKey)) -> Result<(), StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM api_keys WHERE revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms >= ?1)"
        );
        self.database.each(sql, &[now_ms.into()], key, take)
    }

    fn rotate_key(&self, old: Id, new: &ApiKey, old_expires_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE api_keys SET replaced_by = ?3,
                       expires_ms = CASE WHEN expires_ms < ?4 THEN expires_ms ELSE ?4 END
                   WHERE id = ?1 AND user_id = ?2 AND revoked_ms IS NULL";
        self.database.write(|transaction| {
            let values = [old.into(), new.user.into(), new.id.into(), old_expires_ms.into()];
            if transaction.execute(sql, &values)? == 0 {
                return Err(StoreError::Missing("API key").into());
            }
            insert(transaction, std::slice::from_ref(new))?;
            note(transaction, Changed::Key, [new.id, old])
        })
    }

    fn revoke_key(&self, id: Id, at_ms: i64) -> Result<(), StoreError> {
        let sql = "UPDATE api_keys SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL";
        self.database.write(|transaction| {
            if transaction.execute(sql, &[id.into(), at_ms.into()])? == 0 {
                let sql = "SELECT id FROM api_keys WHERE id = ?1";
                let there = transaction.first(sql, &[id.into()], |row| row.id(0))?;
                return there.map(drop).ok_or(StoreError::Missing("API key").into());
            }
            note(transaction, Changed::Key, [id])
        })
    }

    fn revoke_keys_of(&self, user: Id, at_ms: i64) -> Result<u64, StoreError> {
        let sql =
            "UPDATE api_keys SET revoked_ms = ?2 WHERE user_id = ?1 AND revoked_ms IS NULL RETURNING id";
        self.database.write(|transaction| {
            let revoked = transaction.list(sql, &[user.into(), at_ms.into()], |row| row.id(0))?;
            let count = revoked.len() as u64;
            note(transaction, Changed::Key, revoked)?;
            Ok(count)
        })
    }

    fn keys_used(&self, used: &[(Id, i64)]) -> Result<(), StoreError> {
        let sql = "UPDATE api_keys SET last_used_ms = ?2
                   WHERE id = ?1 AND (last_used_ms IS NULL OR last_used_ms < ?2)";
        let rows = in_order(used);
        self.database.write(|transaction| transaction.execute_each(sql, &rows))
    }
}

/// Two that note the same rows in the same order do not wait for each other in a circle.
pub(super) fn in_order<'a>(moments: &[(Id, i64)]) -> Vec<[Value<'a>; 2]> {
    let mut moments = moments.to_vec();
    moments.sort_unstable();
    moments.into_iter().map(|(id, ms)| [id.into(), ms.into()]).collect()
}

fn insert(transaction: &mut Transaction<'_>, keys: &[ApiKey]) -> Result<(), Fault> {
    let lists: Vec<_> = keys.iter().map(|key| (list(&key.scopes), list(&key.bindings))).collect();
    let rows: Vec<[Value<'_>; 13]> = keys
        .iter()
        .zip(&lists)
        .map(|(key, (scopes, bindings))| {
            [
                key.id.into(),
                key.user.into(),
                (&key.name).into(),
                (&key.prefix).into(),
                (&key.digest).into(),
                scopes.into(),
                bindings.into(),
                key.role.as_ref().into(),
                key.created_ms.into(),
                key.expires_ms.into(),
                key.last_used_ms.into(),
                key.revoked_ms.into(),
                key.replaced_by.into(),
            ]
        })
        .collect();
    let head = concat!("INSERT INTO api_keys (", columns!(), ") VALUES");
    transaction.insert(head, "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", &rows).map_err(missing("user"))
}

fn key(row: &Row<'_>) -> Result<ApiKey, Fault> {
    Ok(ApiKey {
        id: row.id(0)?,
        user: row.id(1)?,
        name: row.text(2)?.to_owned(),
        prefix: row.text(3)?.to_owned(),
        digest: row.digest(4)?,
        scopes: unlist(row.text(5)?)?,
        bindings: unlist(row.text(6)?)?,
        role: row.maybe_text(7)?.map(str::to_owned),
        created_ms: row.int(8)?,
        expires_ms: row.maybe_int(9)?,
        last_used_ms: row.maybe_int(10)?,
        revoked_ms: row.maybe_int(11)?,
        replaced_by: row.maybe_id(12)?,
    })
}

/// Most keys have no list, and a million of them are read at start: an empty one is no JSON.
fn list<T: serde::Serialize>(list: &[T]) -> String {
    if list.is_empty() { String::new() } else { serde_json::to_string(list).unwrap_or_default() }
}

fn unlist<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, Fault> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    serde_json::from_str(text)
        .map_err(|error| StoreError::Broken(format!("the list of a key: {error}")).into())
}
