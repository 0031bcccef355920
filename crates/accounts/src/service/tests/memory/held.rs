//! The ports of what users hold beside keys, and the log.

use portcullis_core::Id;
use portcullis_core::port::{
    Attempt, Attempts, ChangeLog, Changed, Changes, Device, Devices, Families, Family, Registration,
    Rotation, Session, Sessions, SigningKey, SigningKeys, StoreError,
};

use super::{Done, Memory, page, picked};

impl Sessions for Memory {
    fn create_session(&self, session: &Session, most: u32) -> Done<Vec<Id>> {
        let mut rows = self.rows()?;
        rows.user(session.user)?;
        rows.sessions.insert(session.id, session.clone());
        rows.log(Changed::Session, session.id);
        let mut of_user: Vec<_> = rows.sessions.values().filter(|one| one.user == session.user).collect();
        of_user.sort_by_key(|one| (one.id == session.id, one.last_seen_ms));
        let ended: Vec<_> = of_user
            .iter()
            .map(|one| one.id)
            .take(of_user.len() - (most as usize).min(of_user.len()))
            .collect();
        Ok(rows.end_sessions(|one| ended.contains(&one.id)))
    }

    fn session(&self, id: Id) -> Done<Option<Session>> {
        Ok(self.rows()?.sessions.get(&id).cloned())
    }

    fn sessions_of(&self, user: Id) -> Done<Vec<Session>> {
        Ok(self.rows()?.sessions.values().rev().filter(|session| session.user == user).cloned().collect())
    }

    fn sessions(&self, after: Option<Id>, limit: u32) -> Done<Vec<Session>> {
        Ok(page(&self.rows()?.sessions, after, limit))
    }

    fn each_session(&self, take: &mut dyn FnMut(Session)) -> Done<()> {
        self.rows()?.sessions.values().for_each(|session| take(session.clone()));
        Ok(())
    }

    fn end_session(&self, id: Id) -> Done<bool> {
        Ok(!self.rows()?.end_sessions(|session| session.id == id).is_empty())
    }

    fn end_sessions_of(&self, user: Id) -> Done<Vec<Id>> {
        Ok(self.rows()?.end_sessions(|session| session.user == user))
    }

    fn expire_sessions(&self, now_ms: i64, idle_since_ms: i64) -> Done<Vec<Id>> {
        let over = |session: &Session| session.expires_ms <= now_ms || session.last_seen_ms <= idle_since_ms;
        Ok(self.rows()?.end_sessions(over))
    }

    fn sessions_seen(&self, seen: &[(Id, i64)]) -> Done<()> {
        let mut rows = self.rows()?;
        for (id, at_ms) in seen {
            rows.sessions.entry(*id).and_modify(|session| session.last_seen_ms = *at_ms);
        }
        Ok(())
    }
}

impl Attempts for Memory {
    fn create_attempt(&self, attempt: &Attempt) -> Done<()> {
        let mut rows = self.rows()?;
        rows.user(attempt.user)?;
        rows.attempts.insert(attempt.id, attempt.clone());
        Ok(())
    }

    fn attempt(&self, digest: &[u8; 32], now_ms: i64) -> Done<Option<Attempt>> {
        let rows = self.rows()?;
        let mut open = rows.attempts.values().filter(|attempt| attempt.expires_ms > now_ms);
        Ok(open.find(|attempt| attempt.digest == *digest).cloned())
    }

    fn attempt_failed(&self, id: Id) -> Done<u32> {
        let mut rows = self.rows()?;
        let attempt = rows.attempts.get_mut(&id).ok_or(StoreError::Missing("attempt"))?;
        attempt.failures += 1;
        Ok(attempt.failures)
    }

    fn end_attempt(&self, id: Id) -> Done<bool> {
        Ok(self.rows()?.attempts.remove(&id).is_some())
    }

    fn expire_attempts(&self, now_ms: i64) -> Done<Vec<Id>> {
        let mut rows = self.rows()?;
        let over = picked(&rows.attempts, |attempt| attempt.expires_ms <= now_ms);
        rows.attempts.retain(|id, _| !over.contains(id));
        Ok(over)
    }
}

impl Devices for Memory {
    fn create_device(&self, device: &Device) -> Done<()> {
        self.rows()?.devices.insert(device.id, device.clone());
        Ok(())
    }

    fn device(&self, id: Id) -> Done<Option<Device>> {
        Ok(self.rows()?.devices.get(&id).cloned())
    }

    fn devices_of(&self, user: Id) -> Done<Vec<Device>> {
        Ok(self.rows()?.devices.values().rev().filter(|device| device.user == Some(user)).cloned().collect())
    }

    fn devices(&self, after: Option<Id>, limit: u32) -> Done<Vec<Device>> {
        Ok(page(&self.rows()?.devices, after, limit))
    }

    fn each_device(&self, take: &mut dyn FnMut(Device)) -> Done<()> {
        let rows = self.rows()?;
        rows.devices.values().filter(|device| device.user.is_some()).for_each(|device| take(device.clone()));
        Ok(())
    }

    fn register_device(&self, id: Id, user: Id, now_ms: i64, most: u32) -> Done<Registration> {
        let mut rows = self.rows()?;
        let others = rows.devices.values().filter(|device| device.user == Some(user)).count();
        let Some(device) = rows.devices.get_mut(&id) else { return Ok(Registration::Unknown) };
        match device.user {
            Some(owner) if owner == user => return Ok(Registration::Done),
            Some(_) => return Ok(Registration::Foreign),
            None if device.expires_ms <= now_ms => return Ok(Registration::Unknown),
            None if others >= most as usize => return Ok(Registration::TooMany),
            None => (device.user, device.registered_ms) = (Some(user), Some(now_ms)),
        }
        rows.log(Changed::Device, id);
        Ok(Registration::Done)
    }

    fn remove_device(&self, id: Id) -> Done<Vec<Id>> {
        let mut rows = self.rows()?;
        rows.devices.remove(&id).ok_or(StoreError::Missing("device"))?;
        rows.log(Changed::Device, id);
        Ok(rows.end_sessions(|session| session.device == Some(id)))
    }

    fn expire_devices(&self, now_ms: i64) -> Done<Vec<Id>> {
        let mut rows = self.rows()?;
        let over = picked(&rows.devices, |device| device.user.is_none() && device.expires_ms <= now_ms);
        rows.devices.retain(|id, _| !over.contains(id));
        Ok(over)
    }
}

impl Families for Memory {
    fn create_family(&self, family: &Family) -> Done<()> {
        let mut rows = self.rows()?;
        rows.user(family.user)?;
        rows.families.insert(family.id, family.clone());
        Ok(())
    }

    fn family(&self, id: Id) -> Done<Option<Family>> {
        Ok(self.rows()?.families.get(&id).cloned())
    }

    fn rotate_family(&self, id: Id, generation: i64, now_ms: i64, expires_ms: i64) -> Done<Rotation> {
        let mut rows = self.rows()?;
        let Some(family) = rows.families.get_mut(&id) else { return Ok(Rotation::Ended) };
        if family.revoked_ms.is_some() || family.expires_ms <= now_ms {
            return Ok(Rotation::Ended);
        }
        if family.generation == generation {
            (family.generation, family.expires_ms) = (generation + 1, expires_ms);
            return Ok(Rotation::Rotated(generation + 1));
        }
        family.revoked_ms = Some(now_ms);
        rows.log(Changed::Family, id);
        Ok(Rotation::Reused)
    }

    fn revoke_family(&self, id: Id, at_ms: i64) -> Done<bool> {
        let mut rows = self.rows()?;
        let open = rows.families.get_mut(&id).filter(|family| family.revoked_ms.is_none());
        let Some(family) = open else { return Ok(false) };
        family.revoked_ms = Some(at_ms);
        rows.log(Changed::Family, id);
        Ok(true)
    }

    fn revoke_families_of(&self, user: Id, at_ms: i64) -> Done<Vec<Id>> {
        let mut rows = self.rows()?;
        let ids = picked(&rows.families, |family| family.user == user && family.revoked_ms.is_none());
        for id in &ids {
            rows.families.entry(*id).and_modify(|family| family.revoked_ms = Some(at_ms));
            rows.log(Changed::Family, *id);
        }
        Ok(ids)
    }

    fn each_revoked_family(&self, since_ms: i64, take: &mut dyn FnMut(Id, i64)) -> Done<()> {
        let rows = self.rows()?;
        let ended = rows.families.values().filter_map(|family| Some((family.id, family.revoked_ms?)));
        ended.filter(|(_, at_ms)| *at_ms >= since_ms).for_each(|(id, at_ms)| take(id, at_ms));
        Ok(())
    }

    fn forget_families(&self, before_ms: i64) -> Done<u64> {
        let mut rows = self.rows()?;
        let before = rows.families.len();
        rows.families.retain(|_, family| family.expires_ms >= before_ms);
        Ok((before - rows.families.len()) as u64)
    }
}

impl SigningKeys for Memory {
    fn create_signing_key(&self, key: &SigningKey, others_expire_ms: i64, only_first: bool) -> Done<bool> {
        let mut rows = self.rows()?;
        let open = |other: &SigningKey| other.algorithm == key.algorithm && other.expires_ms.is_none();
        if only_first && rows.signing.iter().any(open) {
            return Ok(false);
        }
        for other in rows.signing.iter_mut().filter(|other| open(other)) {
            other.expires_ms = Some(others_expire_ms);
        }
        rows.signing.insert(0, key.clone());
        rows.log(Changed::SigningKey, Id::fresh(0, 0));
        Ok(true)
    }

    fn signing_keys(&self, now_ms: i64) -> Done<Vec<SigningKey>> {
        let rows = self.rows()?;
        Ok(rows.signing.iter().filter(|key| key.expires_ms.is_none_or(|end| end > now_ms)).cloned().collect())
    }
}

impl ChangeLog for Memory {
    fn last_change(&self) -> Done<i64> {
        Ok(self.rows()?.last)
    }

    fn changes_after(&self, number: i64) -> Done<Changes> {
        let rows = self.rows()?;
        let first = rows.log.first().map_or(rows.last + 1, |change| change.number);
        if number + 1 < first {
            return Ok(Changes::Lost);
        }
        Ok(Changes::Some(
            rows.log.iter().filter(|change| change.number > number).take(2000).copied().collect(),
        ))
    }

    fn forget_changes(&self, _before_ms: i64) -> Done<()> {
        let mut rows = self.rows()?;
        let keep = rows.log.len().saturating_sub(1);
        rows.log.drain(..keep);
        Ok(())
    }
}
