//! Keys that tokens are signed with.

use portcullis_core::Id;
use portcullis_core::port::{Changed, SigningKey, SigningKeys, StoreError};
use sha2::{Digest, Sha256};

use super::SqlStore;
use super::changes::note;
use crate::sql::{Fault, Lock, Row};

impl SigningKeys for SqlStore {
    fn create_signing_key(
        &self,
        key: &SigningKey,
        others_expire_ms: i64,
        only_first: bool,
    ) -> Result<bool, StoreError> {
        let private = self.sealed(&label(&key.kid), key.private.expose())?;
        let current = "SELECT kid FROM signing_keys WHERE algorithm = ?1 AND expires_ms IS NULL LIMIT 1";
        let end = "UPDATE signing_keys SET expires_ms = ?2 WHERE algorithm = ?1 AND expires_ms IS NULL";
        let insert = "INSERT INTO signing_keys (kid, algorithm, private, created_ms, expires_ms)
                      VALUES (?1, ?2, ?3, ?4, ?5)";
        self.database.write(|transaction| {
            // Of several nodes that start at once each must see what the one before it made.
            transaction.lock(Lock::SigningKeys)?;
            let algorithm = (&key.algorithm).into();
            if only_first && transaction.first(current, &[algorithm], |_| Ok(()))?.is_some() {
                return Ok(false);
            }
            transaction.execute(end, &[algorithm, others_expire_ms.into()])?;
            let values = [
                (&key.kid).into(),
                algorithm,
                private.as_slice().into(),
                key.created_ms.into(),
                key.expires_ms.into(),
            ];
            transaction.execute(insert, &values)?;
            note(transaction, Changed::SigningKey, [without_meaning(&key.kid)])?;
            Ok(true)
        })
    }

    fn signing_keys(&self, now_ms: i64) -> Result<Vec<SigningKey>, StoreError> {
        let sql = "SELECT kid, algorithm, private, created_ms, expires_ms FROM signing_keys
                   WHERE expires_ms IS NULL OR expires_ms > ?1 ORDER BY created_ms DESC, kid DESC";
        self.database.list(sql, &[now_ms.into()], |row| self.signing_key(row))
    }
}

impl SqlStore {
    fn signing_key(&self, row: &Row<'_>) -> Result<SigningKey, Fault> {
        let kid = row.text(0)?.to_owned();
        Ok(SigningKey {
            private: self.opened(&label(&kid), row.bytes(2)?)?,
            kid,
            algorithm: row.text(1)?.to_owned(),
            created_ms: row.int(3)?,
            expires_ms: row.maybe_int(4)?,
        })
    }
}

fn label(kid: &str) -> String {
    format!("signing-key/{kid}")
}

/// The log names what changed by 16 bytes, and a key has a text for a name.
fn without_meaning(kid: &str) -> Id {
    let digest: [u8; 32] = Sha256::digest(kid).into();
    Id::from_octets(digest.first_chunk().copied().unwrap_or_default())
}
