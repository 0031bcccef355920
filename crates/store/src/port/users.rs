//! Users and what they prove themselves by.

use portcullis_core::Id;
use portcullis_core::port::{
    Account, Changed, NewUser, StoreError, Totp, User, UserChange, UserField, Users,
};

use super::SqlStore;
use super::changes::note;
use crate::sql::{Fault, Row, Transaction, Value};

macro_rules! columns {
    () => {
        "id, name, email, role, active, created_ms, last_login_ms, valid_from_ms"
    };
}
macro_rules! account_columns {
    () => {
        concat!(columns!(), ", password, totp_secret, totp_confirmed, totp_last_step, totp_recovery")
    };
}

impl Users for SqlStore {
    fn create_users(&self, users: &[NewUser]) -> Result<(), StoreError> {
        let keys: Vec<_> =
            users.iter().map(|new| (lower(&new.user.name), new.user.email.as_deref().map(lower))).collect();
        let rows: Vec<[Value<'_>; 12]> = users
            .iter()
            .zip(&keys)
            .map(|(NewUser { user, password }, (name, email))| {
                [
                    user.id.into(),
                    (&user.name).into(),
                    name.into(),
                    user.email.as_ref().into(),
                    email.as_ref().into(),
                    (&user.role).into(),
                    user.active.into(),
                    user.created_ms.into(),
                    user.last_login_ms.into(),
                    user.valid_from_ms.into(),
                    password.as_ref().into(),
                    NO_CODES,
                ]
            })
            .collect();
        let head = "INSERT INTO users (id, name, name_key, email, email_key, role, active, created_ms,
                        last_login_ms, valid_from_ms, password, totp_confirmed, totp_last_step, totp_recovery)
                    VALUES";
        let row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, FALSE, 0, ?)";
        let made = self.database.write(|transaction| {
            transaction.insert(head, row, &rows).map_err(taken)?;
            note(transaction, Changed::User, users.iter().map(|new| new.user.id))
        });
        match (made, users) {
            // Where both are taken the name is told, whichever index the database looked into first.
            (Err(StoreError::Taken(UserField::Email)), [one])
                if self.account_by_name(&one.user.name)?.is_some() =>
            {
                Err(StoreError::Taken(UserField::Name))
            }
            (made, _) => made,
        }
    }

    fn account(&self, id: Id) -> Result<Option<Account>, StoreError> {
        let sql = concat!("SELECT ", account_columns!(), " FROM users WHERE id = ?1");
        self.database.first(sql, &[id.into()], |row| self.read_account(row))
    }

    fn account_by_name(&self, name: &str) -> Result<Option<Account>, StoreError> {
        if name.contains('\0') {
            return Ok(None);
        }
        let sql = concat!("SELECT ", account_columns!(), " FROM users WHERE name_key = ?1");
        self.database.first(sql, &[(&lower(name)).into()], |row| self.read_account(row))
    }

    fn users(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, StoreError> {
        let first = concat!("SELECT ", columns!(), " FROM users ORDER BY name_key LIMIT ?1");
        let next =
            concat!("SELECT ", columns!(), " FROM users WHERE name_key > ?1 ORDER BY name_key LIMIT ?2");
        // No name has a zero byte, so that what stands before the first one sorts the same.
        match after.map(|name| lower(name.split('\0').next().unwrap_or_default())) {
            None => self.database.list(first, &[limit.into()], user),
            Some(after) => self.database.list(next, &[(&after).into(), limit.into()], user),
        }
    }

    fn each_user(&self, take: &mut dyn FnMut(User)) -> Result<(), StoreError> {
        self.database.each(concat!("SELECT ", columns!(), " FROM users"), &[], user, take)
    }

    fn count_users(&self) -> Result<u64, StoreError> {
        let count = self.database.first("SELECT COUNT(*) FROM users", &[], |row| row.int(0))?;
        Ok(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    }

    fn change_user(&self, id: Id, change: &UserChange) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            let changed = self.change(transaction, id, change)?;
            if changed == 0 {
                let there = transaction.first(ID, &[id.into()], |row| row.id(0))?;
                return there.map(drop).ok_or(StoreError::Missing("user").into());
            }
            note(transaction, Changed::User, [id])
        })
    }

    fn take_totp_step(&self, id: Id, step: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE users SET totp_last_step = ?2
                   WHERE id = ?1 AND totp_secret IS NOT NULL AND totp_last_step < ?2";
        self.database.write(|transaction| Ok(transaction.execute(sql, &[id.into(), step.into()])? == 1))
    }

    fn take_recovery_code(&self, id: Id, digest: &[u8; 32]) -> Result<bool, StoreError> {
        self.database.write(|transaction| {
            let sql = "SELECT totp_recovery FROM users WHERE id = ?1 {lock}";
            let codes = transaction.first(sql, &[id.into()], |row| recovery(row.bytes(0)?))?;
            let mut codes = codes.unwrap_or_default();
            let Some(at) = codes.iter().position(|code| code == digest) else { return Ok(false) };
            codes.remove(at);
            let sql = "UPDATE users SET totp_recovery = ?2 WHERE id = ?1";
            Ok(transaction.execute(sql, &[id.into(), codes.as_flattened().into()])? == 1)
        })
    }

    fn delete_user(&self, id: Id) -> Result<(), StoreError> {
        self.database.write(|transaction| {
            // Everything of the user goes with the row (ON DELETE CASCADE).
            if transaction.execute("DELETE FROM users WHERE id = ?1", &[id.into()])? == 0 {
                return Err(StoreError::Missing("user").into());
            }
            note(transaction, Changed::User, [id])
        })
    }
}

/// Waits until nobody else changes that user or what belongs to it, and says whether there is one.
pub(super) fn lock_user(transaction: &mut Transaction<'_>, id: Id) -> Result<(), Fault> {
    let there =
        transaction.first("SELECT id FROM users WHERE id = ?1 {lock}", &[id.into()], |row| row.id(0))?;
    there.map(drop).ok_or(StoreError::Missing("user").into())
}

/// What is kept where there are no recovery codes.
const NO_CODES: Value<'_> = Value::Bytes(b"");

const ID: &str = "SELECT id FROM users WHERE id = ?1";

impl SqlStore {
    /// Applies a change and says how many rows it touched.
    fn change(&self, transaction: &mut Transaction<'_>, id: Id, change: &UserChange) -> Result<u64, Fault> {
        let id = Value::from(id);
        let mut run = |sql: &str, values: &[Value<'_>]| transaction.execute(sql, values);
        match change {
            UserChange::Role(role) => run("UPDATE users SET role = ?2 WHERE id = ?1", &[id, role.into()]),
            UserChange::Active(active) => {
                run("UPDATE users SET active = ?2 WHERE id = ?1", &[id, (*active).into()])
            }
            UserChange::Email(email) => {
                let key = email.as_deref().map(lower);
                let values = [id, email.as_ref().into(), key.as_ref().into()];
                run("UPDATE users SET email = ?2, email_key = ?3 WHERE id = ?1", &values).map_err(taken)
            }
            UserChange::Password { hash, valid_from_ms } => run(
                "UPDATE users SET password = ?2,
                     valid_from_ms = CASE WHEN valid_from_ms < ?3 THEN ?3 ELSE valid_from_ms END
                 WHERE id = ?1",
                &[id, hash.into(), (*valid_from_ms).into()],
            ),
            UserChange::Rehash { from, to } => run(
                "UPDATE users SET password = ?3 WHERE id = ?1 AND password = ?2",
                &[id, from.into(), to.into()],
            ),
            // Never back: of two that end everything the later moment counts.
            UserChange::ValidFrom(ms) => run(
                "UPDATE users SET valid_from_ms = CASE WHEN valid_from_ms < ?2 THEN ?2 ELSE valid_from_ms END
                 WHERE id = ?1",
                &[id, (*ms).into()],
            ),
            UserChange::LoggedIn(ms) => {
                run("UPDATE users SET last_login_ms = ?2 WHERE id = ?1", &[id, (*ms).into()])
            }
            UserChange::Totp(None) => run(
                "UPDATE users SET totp_secret = NULL, totp_confirmed = FALSE, totp_last_step = 0,
                     totp_recovery = ?2
                 WHERE id = ?1",
                &[id, NO_CODES],
            ),
            UserChange::Totp(Some(totp)) => self.change_totp(transaction, id, totp),
        }
    }

    fn change_totp(
        &self,
        transaction: &mut Transaction<'_>,
        id: Value<'_>,
        totp: &Totp,
    ) -> Result<u64, Fault> {
        let Value::Id(octets) = id else { return Ok(0) };
        let secret = self.sealed(&totp_label(Id::from_octets(octets)), totp.secret.expose())?;
        transaction.execute(
            "UPDATE users SET totp_secret = ?2, totp_confirmed = ?3, totp_last_step = ?4, totp_recovery = ?5
             WHERE id = ?1",
            &[
                id,
                secret.as_slice().into(),
                totp.confirmed.into(),
                totp.last_step.into(),
                totp.recovery.as_flattened().into(),
            ],
        )
    }

    fn read_account(&self, row: &Row<'_>) -> Result<Account, Fault> {
        let user = user(row)?;
        let totp = match row.maybe_bytes(9)? {
            None => None,
            Some(kept) => Some(Totp {
                secret: self.opened(&totp_label(user.id), kept)?,
                confirmed: row.flag(10)?,
                last_step: row.int(11)?,
                recovery: recovery(row.bytes(12)?)?,
            }),
        };
        Ok(Account { user, password: row.maybe_text(8)?.map(str::to_owned), totp })
    }
}

fn user(row: &Row<'_>) -> Result<User, Fault> {
    Ok(User {
        id: row.id(0)?,
        name: row.text(1)?.to_owned(),
        email: row.maybe_text(2)?.map(str::to_owned),
        role: row.text(3)?.to_owned(),
        active: row.flag(4)?,
        created_ms: row.int(5)?,
        last_login_ms: row.maybe_int(6)?,
        valid_from_ms: row.int(7)?,
    })
}

fn recovery(bytes: &[u8]) -> Result<Vec<[u8; 32]>, Fault> {
    let (codes, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return Err(StoreError::Broken("recovery codes of another length".to_owned()).into());
    }
    Ok(codes.to_vec())
}

fn totp_label(user: Id) -> String {
    format!("totp/{user}")
}

fn lower(text: &str) -> String {
    text.to_ascii_lowercase()
}

/// Which value was taken: SQLite names the column, PostgreSQL the index that is named after it.
fn taken(fault: Fault) -> Fault {
    match fault {
        Fault::Unique(what) if what.contains("name_key") => StoreError::Taken(UserField::Name).into(),
        Fault::Unique(what) if what.contains("email_key") => StoreError::Taken(UserField::Email).into(),
        other => other,
    }
}
