//! Devices, registered or about to be.

use portcullis_core::Id;
use portcullis_core::port::{Changed, Device, Devices, Registration, StoreError};

use super::changes::{note, note_all};
use super::users::lock_user;
use super::{SqlStore, missing};
use crate::sql::{Fault, Row};

macro_rules! columns {
    () => {
        "id, digest, user_id, name, created_ms, expires_ms, registered_ms"
    };
}

impl Devices for SqlStore {
    fn create_device(&self, device: &Device) -> Result<(), StoreError> {
        let sql = concat!("INSERT INTO devices (", columns!(), ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
        let values = [
            device.id.into(),
            (&device.digest).into(),
            device.user.into(),
            (&device.name).into(),
            device.created_ms.into(),
            device.expires_ms.into(),
            device.registered_ms.into(),
        ];
        self.database.write(|transaction| {
            transaction.execute(sql, &values).map_err(missing("user"))?;
            // Whoever serves from memory knows registered ones only; anybody may begin a registration.
            note(transaction, Changed::Device, device.user.map(|_| device.id))
        })
    }

    fn device(&self, id: Id) -> Result<Option<Device>, StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM devices WHERE id = ?1");
        self.database.first(sql, &[id.into()], device)
    }

    fn devices_of(&self, user: Id) -> Result<Vec<Device>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM devices WHERE user_id = ?1 ORDER BY created_ms DESC, id DESC"
        );
        self.database.list(sql, &[user.into()], device)
    }

    fn devices(&self, after: Option<Id>, limit: u32) -> Result<Vec<Device>, StoreError> {
        let first = concat!("SELECT ", columns!(), " FROM devices ORDER BY id LIMIT ?1");
        let next = concat!("SELECT ", columns!(), " FROM devices WHERE id > ?1 ORDER BY id LIMIT ?2");
        match after {
            None => self.database.list(first, &[limit.into()], device),
            Some(after) => self.database.list(next, &[after.into(), limit.into()], device),
        }
    }

    fn each_device(&self, take: &mut dyn FnMut(Device)) -> Result<(), StoreError> {
        let sql = concat!("SELECT ", columns!(), " FROM devices WHERE user_id IS NOT NULL");
        self.database.each(sql, &[], device, take)
    }

    fn register_device(&self, id: Id, user: Id, now_ms: i64, most: u32) -> Result<Registration, StoreError> {
        self.database.write(|transaction| {
            // Of several at once each must see the others, or the user would end up with more than `most`.
            lock_user(transaction, user)?;
            let sql = "SELECT user_id, expires_ms FROM devices WHERE id = ?1 {lock}";
            let found = transaction.first(sql, &[id.into()], |row| Ok((row.maybe_id(0)?, row.int(1)?)))?;
            match found {
                None => return Ok(Registration::Unknown),
                Some((Some(owner), _)) if owner == user => return Ok(Registration::Done),
                Some((Some(_), _)) => return Ok(Registration::Foreign),
                Some((None, expires_ms)) if expires_ms <= now_ms => return Ok(Registration::Unknown),
                Some((None, _)) => {}
            }
            let sql = "SELECT COUNT(*) FROM devices WHERE user_id = ?1";
            let others = transaction.first(sql, &[user.into()], |row| row.int(0))?.unwrap_or(0);
            if others >= i64::from(most) {
                return Ok(Registration::TooMany);
            }
            let sql = "UPDATE devices SET user_id = ?2, registered_ms = ?3 WHERE id = ?1";
            transaction.execute(sql, &[id.into(), user.into(), now_ms.into()])?;
            note(transaction, Changed::Device, [id])?;
            Ok(Registration::Done)
        })
    }

    fn remove_device(&self, id: Id) -> Result<Vec<Id>, StoreError> {
        self.database.write(|transaction| {
            // No session can be bound to it from here on.
            let sql = "SELECT id FROM devices WHERE id = ?1 {lock}";
            transaction.first(sql, &[id.into()], |row| row.id(0))?.ok_or(StoreError::Missing("device"))?;
            let sql = "DELETE FROM sessions WHERE device_id = ?1 RETURNING id";
            let ended = transaction.list(sql, &[id.into()], |row| row.id(0))?;
            transaction.execute("DELETE FROM devices WHERE id = ?1", &[id.into()])?;
            let sessions = ended.iter().map(|session| (Changed::Session, *session));
            note_all(transaction, sessions.chain([(Changed::Device, id)]))?;
            Ok(ended)
        })
    }

    fn expire_devices(&self, now_ms: i64) -> Result<Vec<Id>, StoreError> {
        let sql = "DELETE FROM devices WHERE user_id IS NULL AND expires_ms <= ?1 RETURNING id";
        self.database.write(|transaction| transaction.list(sql, &[now_ms.into()], |row| row.id(0)))
    }
}

fn device(row: &Row<'_>) -> Result<Device, Fault> {
    Ok(Device {
        id: row.id(0)?,
        digest: row.digest(1)?,
        user: row.maybe_id(2)?,
        name: row.text(3)?.to_owned(),
        created_ms: row.int(4)?,
        expires_ms: row.int(5)?,
        registered_ms: row.maybe_int(6)?,
    })
}
