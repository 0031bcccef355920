//! Users of another system, taken over with the hashes of their passwords.

use std::collections::HashMap;

use portcullis_core::port::{NewUser, StoreError, UserField};

use super::register::{check_email, check_name, fresh};
use super::{Accounts, Result};
use crate::error::AccountError;
use crate::password::Hasher;
use crate::random;

/// A user of another system.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The name.
    pub name: String,
    /// The address.
    pub email: Option<String>,
    /// The role.
    pub role: String,
    /// The hash of the password: bcrypt or argon2.
    pub password_hash: Option<String>,
}

impl Accounts {
    /// Takes users over from another system, all or none. Their hashes go on being verified, and are replaced at
    /// their next login. An error names the row, counted from 1.
    pub fn import_users(&self, rows: &[Imported], now_ms: i64) -> Result<usize> {
        let mut users = Vec::with_capacity(rows.len());
        let (mut names, mut emails) = (HashMap::new(), HashMap::new());
        for (index, row) in rows.iter().enumerate() {
            let number = index + 1;
            self.check_row(row).map_err(|why| AccountError::Import { row: number, why })?;
            let taken = [
                names.insert(row.name.to_ascii_lowercase(), number).map(|row| ("name", row)),
                row.email.as_ref().and_then(|email| {
                    emails.insert(email.to_ascii_lowercase(), number).map(|row| ("e-mail address", row))
                }),
            ];
            if let Some((what, other)) = taken.into_iter().flatten().next() {
                let why = format!("row {other} has the same {what}");
                return Err(AccountError::Import { row: number, why });
            }
            let user = fresh(random::id(now_ms)?, &row.name, row.email.as_deref(), &row.role, now_ms);
            users.push(NewUser { user, password: row.password_hash.clone() });
        }
        match self.store.create_users(&users) {
            Err(StoreError::Taken(field)) => return Err(self.whose(field, &names, &emails)?),
            done => done?,
        }
        // Row by row is how changes are read back: for so many at once, the log tells of them just as well.
        if self.directory.is_loaded() {
            self.directory.follow(&*self.store, now_ms)?;
        }
        Ok(users.len())
    }

    fn check_row(&self, row: &Imported) -> std::result::Result<(), String> {
        let said = |error: AccountError| error.to_string();
        check_name(&row.name).map_err(said)?;
        row.email.as_deref().map_or(Ok(()), check_email).map_err(said)?;
        self.known_role(&row.role).map_err(said)?;
        if row.password_hash.as_deref().is_some_and(|hash| !Hasher::accepts(hash)) {
            return Err("the hash is neither bcrypt nor argon2 of a cost that can be verified".to_owned());
        }
        Ok(())
    }

    /// Which row has the value that a user here has already.
    fn whose(
        &self,
        field: UserField,
        names: &HashMap<String, usize>,
        emails: &HashMap<String, usize>,
    ) -> Result<AccountError> {
        let mut row = None;
        self.store.each_user(&mut |user| {
            let found = match field {
                UserField::Name => names.get(&user.name.to_ascii_lowercase()),
                UserField::Email => user.email.and_then(|email| emails.get(&email.to_ascii_lowercase())),
            };
            row = row.into_iter().chain(found.copied()).min();
        })?;
        // It can have gone again meanwhile.
        Ok(row.map_or(StoreError::Taken(field).into(), |row| AccountError::Import {
            row,
            why: format!("the {field} is taken"),
        }))
    }
}
