//! Families of refresh tokens.

use portcullis_core::Id;
use portcullis_core::port::{Changed, Families, Family, Rotation, StoreError};

use super::changes::note;
use super::{SqlStore, missing};
use crate::sql::{Fault, Row};

impl Families for SqlStore {
    fn create_family(&self, family: &Family) -> Result<(), StoreError> {
        let sql = "INSERT INTO families (id, user_id, generation, created_ms, expires_ms, revoked_ms)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = [
            family.id.into(),
            family.user.into(),
            family.generation.into(),
            family.created_ms.into(),
            family.expires_ms.into(),
            family.revoked_ms.into(),
        ];
        self.database.write(|transaction| {
            transaction.execute(sql, &values).map_err(missing("user"))?;
            note(transaction, Changed::Family, family.revoked_ms.map(|_| family.id))
        })
    }

    fn family(&self, id: Id) -> Result<Option<Family>, StoreError> {
        let sql = "SELECT id, user_id, generation, created_ms, expires_ms, revoked_ms FROM families
                   WHERE id = ?1";
        self.database.first(sql, &[id.into()], family)
    }

    fn rotate_family(
        &self,
        id: Id,
        generation: i64,
        now_ms: i64,
        expires_ms: i64,
    ) -> Result<Rotation, StoreError> {
        let rotate = "UPDATE families SET generation = generation + 1, expires_ms = ?4
                      WHERE id = ?1 AND generation = ?2 AND revoked_ms IS NULL AND expires_ms > ?3
                      RETURNING generation";
        let end = "UPDATE families SET revoked_ms = ?2
                   WHERE id = ?1 AND revoked_ms IS NULL AND expires_ms > ?2 RETURNING generation";
        self.database.write(|transaction| {
            let values = [id.into(), generation.into(), now_ms.into(), expires_ms.into()];
            if let Some(next) = transaction.first(rotate, &values, |row| row.int(0))? {
                return Ok(Rotation::Rotated(next));
            }
            let Some(valid) = transaction.first(end, &[id.into(), now_ms.into()], |row| row.int(0))? else {
                return Ok(Rotation::Ended);
            };
            note(transaction, Changed::Family, [id])?;
            // A token from the future is of a store that was set back to an older backup: the token that is
            // valid here was used long ago, so the family ends as well.
            Ok(if generation < valid { Rotation::Reused } else { Rotation::Ended })
        })
    }

    fn revoke_family(&self, id: Id, at_ms: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE families SET revoked_ms = ?2 WHERE id = ?1 AND revoked_ms IS NULL RETURNING id";
        Ok(!self.revoke(sql, id, at_ms)?.is_empty())
    }

    fn revoke_families_of(&self, user: Id, at_ms: i64) -> Result<Vec<Id>, StoreError> {
        let sql =
            "UPDATE families SET revoked_ms = ?2 WHERE user_id = ?1 AND revoked_ms IS NULL RETURNING id";
        self.revoke(sql, user, at_ms)
    }

    fn each_revoked_family(&self, since_ms: i64, take: &mut dyn FnMut(Id, i64)) -> Result<(), StoreError> {
        let sql = "SELECT id, revoked_ms FROM families WHERE revoked_ms IS NOT NULL AND revoked_ms >= ?1";
        self.database.each(sql, &[since_ms.into()], |row| Ok((row.id(0)?, row.int(1)?)), &mut |(id, ms)| {
            take(id, ms);
        })
    }

    fn forget_families(&self, before_ms: i64) -> Result<u64, StoreError> {
        let sql = "DELETE FROM families WHERE expires_ms < ?1";
        self.database.write(|transaction| transaction.execute(sql, &[before_ms.into()]))
    }
}

impl SqlStore {
    fn revoke(&self, sql: &str, id: Id, at_ms: i64) -> Result<Vec<Id>, StoreError> {
        self.database.write(|transaction| {
            let ended = transaction.list(sql, &[id.into(), at_ms.into()], |row| row.id(0))?;
            note(transaction, Changed::Family, ended.iter().copied())?;
            Ok(ended)
        })
    }
}

fn family(row: &Row<'_>) -> Result<Family, Fault> {
    Ok(Family {
        id: row.id(0)?,
        user: row.id(1)?,
        generation: row.int(2)?,
        created_ms: row.int(3)?,
        expires_ms: row.int(4)?,
        revoked_ms: row.maybe_int(5)?,
    })
}
