//! Credentials by their digests, compact: of a million API keys each takes 102 octets, beside users and identities.
//!
//! An entry stands in a shard chosen by its digest; two indexes of small numbers find it, by digest and by id.
//! The identities that checks hand out are made when they are first asked for and kept in a ring of fixed size.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use hashbrown::HashTable;
use parking_lot::{Mutex, RwLock};
use portcullis_core::{Id, Identity};
use subtle::ConstantTimeEq;

use super::Judgement;
use super::people::{Person, Standing};
use super::shard::{SHARDS, hash_of, hash_of_digest, shard_of, shard_of_digest};

/// How many bits of a place are the index in its shard.
const INDEX_BITS: u32 = 26;
/// How many entries are allocated at once: nothing is moved when a shard grows, and hardly anything stands empty.
const CHUNK: usize = 256;
const NONE: u32 = u32::MAX;
/// Uses of a shard's entries that wait to be noted in the store. When it is full, a use is noted a minute later.
const NOTES: usize = 4096;

/// All credentials of one kind. `X` is what only this kind has.
#[derive(Debug)]
pub(super) struct Table<X> {
    shards: [RwLock<Shard<X>>; SHARDS],
    places: [RwLock<HashTable<Place>>; SHARDS],
    notes: [Mutex<Vec<(Id, i64)>>; SHARDS],
    /// How many identities a shard keeps.
    identities: usize,
}

/// One credential.
#[derive(Debug)]
pub(super) struct Entry<X> {
    digest: [u8; 32],
    /// An `Id` is aligned to 16 octets and would cost 16 more.
    id: [u8; 16],
    pub(super) person: Arc<Person>,
    /// `i64::MAX` for no end.
    pub(super) expires_ms: i64,
    pub(super) extra: X,
    /// In seconds since 1970.
    used_s: AtomicU32,
    /// Where its identity is kept.
    kept: u32,
}

/// A credential to be taken over.
#[derive(Debug)]
pub(super) struct New<X> {
    pub(super) id: Id,
    pub(super) digest: [u8; 32],
    pub(super) person: Arc<Person>,
    pub(super) expires_ms: i64,
    pub(super) used_ms: i64,
    pub(super) extra: X,
}

/// What taking one over came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Put {
    Added,
    Same,
    Changed,
}

/// A use of a credential.
#[derive(Debug, Clone, Copy)]
pub(super) struct Use {
    pub(super) now_ms: i64,
    /// How often it is noted, in milliseconds; none for a look that is no use.
    pub(super) noted_ms: Option<i64>,
    /// Under which rules identities are made: one made under others is made anew.
    pub(super) rules: u32,
}

#[derive(Debug)]
struct Shard<X> {
    chunks: Vec<Vec<Option<Entry<X>>>>,
    free: Vec<u32>,
    by_digest: HashTable<u32>,
    kept: Vec<Option<Kept>>,
    hand: usize,
    /// Grows with every entry that comes, changes or goes.
    changes: u64,
}

#[derive(Debug)]
struct Kept {
    entry: u32,
    stamp: u64,
    identity: Arc<Identity>,
}

/// Where an entry stands: its shard and its index there.
#[derive(Debug, Clone, Copy)]
struct Place(u32);

impl<X> Entry<X> {
    pub(super) fn id(&self) -> Id {
        Id::from_octets(self.id)
    }

    /// When it was last used, in milliseconds since 1970, to about a minute.
    pub(super) fn used_ms(&self) -> i64 {
        i64::from(self.used_s.load(Ordering::Relaxed)) * 1000
    }

    /// Whether this use is one to be noted: true for one caller in `every_ms`.
    fn touch(&self, now_ms: i64, every_ms: i64) -> bool {
        let last_s = self.used_s.load(Ordering::Relaxed);
        let now_s = seconds(now_ms);
        i64::from(now_s) * 1000 >= i64::from(last_s) * 1000 + every_ms.max(1000)
            && self.used_s.compare_exchange(last_s, now_s, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl<X> Table<X> {
    /// An empty table that keeps at most `identities` identities.
    pub(super) fn new(identities: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| RwLock::new(Shard::new())),
            places: std::array::from_fn(|_| RwLock::default()),
            notes: std::array::from_fn(|_| Mutex::default()),
            identities: (identities / SHARDS).max(1),
        }
    }

    /// Finds a credential and judges it: `refuse` says why not, `make` who it is.
    pub(super) fn check(
        &self,
        digest: &[u8; 32],
        by: Use,
        refuse: impl FnOnce(&Entry<X>, &Standing) -> Option<Judgement>,
        make: impl FnOnce(&Entry<X>, &Standing) -> Identity,
    ) -> Judgement {
        let shard = &self.shards[shard_of_digest(digest)];
        let (made, stamp, changes) = {
            let shard = shard.read();
            let Some(entry) = shard.find(digest) else { return Judgement::Rejected };
            let standing = entry.person.standing();
            if let Some(refusal) = refuse(entry, &standing) {
                return refusal;
            }
            if by.noted_ms.is_some_and(|every_ms| entry.touch(by.now_ms, every_ms)) {
                self.note(entry.id(), by.now_ms);
            }
            let stamp = u64::from(by.rules) << 32 | u64::from(standing.version);
            if let Some(identity) = shard.identity(entry, stamp) {
                return Judgement::Proven(Arc::clone(identity));
            }
            (Arc::new(make(entry, &standing)), stamp, shard.changes)
        };
        shard.write().keep(digest, changes, stamp, &made, self.identities);
        Judgement::Proven(made)
    }

    /// The digest of the credential with that id.
    pub(super) fn digest_of(&self, id: Id) -> Option<[u8; 32]> {
        let places = self.places[shard_of(id)].read();
        let place = *places.find(hash_of(id), |place| self.is_at(*place, id))?;
        drop(places);
        let (shard, index) = place.split();
        self.shards[shard]
            .read()
            .entry(index)
            .filter(|entry| entry.id == id.octets())
            .map(|entry| entry.digest)
    }

    /// Takes a credential over as it is now.
    pub(super) fn put(&self, new: New<X>) -> Put
    where
        X: PartialEq,
    {
        let (id, at) = (new.id, shard_of_digest(&new.digest));
        let (index, put) = self.shards[at].write().put(new);
        if put == Put::Added {
            let place = Place((at as u32) << INDEX_BITS | index);
            let mut places = self.places[shard_of(id)].write();
            // Places are locked before shards, here and wherever both are.
            places.insert_unique(hash_of(id), place, |place| self.id_at(*place).map_or(0, hash_of));
        }
        put
    }

    /// Takes a credential over that is not there yet, to be found after [`Self::index`]: indexes that are made
    /// once, in their size, leave nothing behind that they grew out of.
    pub(super) fn fill(&mut self, new: New<X>) {
        let shard = self.shards[shard_of_digest(&new.digest)].get_mut();
        shard.place(Entry::from(new));
    }

    /// Indexes what was filled in.
    pub(super) fn index(&mut self) {
        for at in 0..SHARDS {
            let shard = self.shards[at].get_mut();
            let Shard { chunks, by_digest, .. } = shard;
            let hash = |index: &u32| entry(chunks, *index).map_or(0, |entry| hash_of_digest(&entry.digest));
            let filled = || {
                (0..).zip(chunks.iter().flatten()).filter_map(|(index, entry)| Some((index, entry.as_ref()?)))
            };
            *by_digest = HashTable::with_capacity(filled().count());
            for (index, entry) in filled() {
                by_digest.insert_unique(hash_of_digest(&entry.digest), index, hash);
            }
        }
        let place = |at: usize, index: u32| Place((at as u32) << INDEX_BITS | index);
        let mut counts = [0; SHARDS];
        self.each(|_, _, id| counts[shard_of(id)] += 1);
        let mut places = counts.map(HashTable::with_capacity);
        self.each(|at, index, id| {
            places[shard_of(id)]
                .insert_unique(hash_of(id), place(at, index), |place| self.id_at(*place).map_or(0, hash_of));
        });
        self.places = places.map(RwLock::new);
    }

    /// Takes a credential out. False where there is none.
    pub(super) fn remove(&self, id: Id) -> bool {
        let mut places = self.places[shard_of(id)].write();
        let Ok(found) = places.find_entry(hash_of(id), |place| self.is_at(*place, id)) else { return false };
        let (place, _) = found.remove();
        drop(places);
        let (shard, index) = place.split();
        self.shards[shard].write().remove(index);
        true
    }

    /// Takes out whatever `which` names, and says how many that were.
    pub(super) fn remove_where(&self, which: impl Fn(&Entry<X>) -> bool) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            // Looked through under the lock that checks share; only what is found is taken out alone.
            let ids: Vec<Id> = {
                let shard = shard.read();
                shard.chunks.iter().flatten().flatten().filter(|entry| which(entry)).map(Entry::id).collect()
            };
            removed += ids.into_iter().filter(|id| self.remove(*id)).count();
        }
        removed
    }

    /// Takes the uses that wait to be noted.
    pub(super) fn take_notes(&self) -> Vec<(Id, i64)> {
        let mut all = Vec::new();
        for notes in &self.notes {
            all.append(&mut notes.lock());
        }
        all
    }

    /// Notes a use that another table saw.
    pub(super) fn carry(&self, id: Id, used_ms: i64) {
        if let Some(digest) = self.digest_of(id) {
            let shard = self.shards[shard_of_digest(&digest)].read();
            if let Some(entry) = shard.find(&digest) {
                entry.used_s.fetch_max(seconds(used_ms), Ordering::Relaxed);
            }
            self.note(id, used_ms);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.read().by_digest.len()).sum()
    }

    fn each(&self, mut take: impl FnMut(usize, u32, Id)) {
        for (at, shard) in self.shards.iter().enumerate() {
            let shard = shard.read();
            for (index, entry) in (0..).zip(shard.chunks.iter().flatten()) {
                if let Some(entry) = entry {
                    take(at, index, entry.id());
                }
            }
        }
    }

    fn note(&self, id: Id, used_ms: i64) {
        let mut notes = self.notes[shard_of(id)].lock();
        if notes.len() < NOTES {
            notes.push((id, used_ms));
        }
    }

    fn is_at(&self, place: Place, id: Id) -> bool {
        self.id_at(place) == Some(id)
    }

    fn id_at(&self, place: Place) -> Option<Id> {
        let (shard, index) = place.split();
        self.shards[shard].read().entry(index).map(Entry::id)
    }
}

impl<X> Shard<X> {
    fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            by_digest: HashTable::new(),
            kept: Vec::new(),
            hand: 0,
            changes: 0,
        }
    }

    fn entry(&self, index: u32) -> Option<&Entry<X>> {
        entry(&self.chunks, index)
    }

    fn slot(&mut self, index: u32) -> Option<&mut Option<Entry<X>>> {
        self.chunks.get_mut(index as usize / CHUNK)?.get_mut(index as usize % CHUNK)
    }

    fn entry_mut(&mut self, index: u32) -> Option<&mut Entry<X>> {
        self.slot(index)?.as_mut()
    }

    fn index(&self, digest: &[u8; 32]) -> Option<u32> {
        let is_it = |index: &u32| self.entry(*index).is_some_and(|entry| entry.digest.ct_eq(digest).into());
        self.by_digest.find(hash_of_digest(digest), is_it).copied()
    }

    fn find(&self, digest: &[u8; 32]) -> Option<&Entry<X>> {
        self.entry(self.index(digest)?)
    }

    fn identity(&self, entry: &Entry<X>, stamp: u64) -> Option<&Arc<Identity>> {
        let kept = self.kept.get(entry.kept as usize)?.as_ref()?;
        (kept.stamp == stamp).then_some(&kept.identity)
    }

    /// Keeps an identity that was made when the shard had seen `changes`.
    fn keep(&mut self, digest: &[u8; 32], changes: u64, stamp: u64, identity: &Arc<Identity>, most: usize) {
        if self.changes != changes {
            return; // It may have been made from what is no longer so.
        }
        let Some(index) = self.index(digest) else { return };
        let fresh = Kept { entry: index, stamp, identity: Arc::clone(identity) };
        let Some(entry) = self.entry(index) else { return };
        let slot = if (entry.kept as usize) < self.kept.len() {
            entry.kept as usize
        } else if self.kept.len() < most {
            self.kept.push(None);
            self.kept.len() - 1
        } else {
            self.hand = (self.hand + 1) % self.kept.len();
            self.hand
        };
        if let Some(old) = self.kept[slot].replace(fresh)
            && old.entry != index
            && let Some(other) = self.entry_mut(old.entry)
        {
            other.kept = NONE;
        }
        if let Some(entry) = self.entry_mut(index) {
            entry.kept = slot as u32;
        }
    }

    fn put(&mut self, new: New<X>) -> (u32, Put)
    where
        X: PartialEq,
    {
        let index = self.index(&new.digest);
        if let Some(index) = index
            && let Some(entry) = self.entry_mut(index)
        {
            entry.used_s.fetch_max(seconds(new.used_ms), Ordering::Relaxed);
            if entry.expires_ms == new.expires_ms && entry.extra == new.extra {
                return (index, Put::Same);
            }
            (entry.expires_ms, entry.extra) = (new.expires_ms, new.extra);
            let kept = std::mem::replace(&mut entry.kept, NONE);
            self.forget(kept);
            return (index, Put::Changed);
        }
        self.changes += 1;
        let (digest, fresh) = (new.digest, Entry::from(new));
        let index = self.place(fresh);
        let chunks = &self.chunks;
        self.by_digest.insert_unique(hash_of_digest(&digest), index, |index| {
            entry(chunks, *index).map_or(0, |entry| hash_of_digest(&entry.digest))
        });
        (index, Put::Added)
    }

    fn place(&mut self, fresh: Entry<X>) -> u32 {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slot(index)
        {
            *slot = Some(fresh);
            return index;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.push(Some(fresh));
        }
        let in_last = self.chunks.last().map_or(0, Vec::len);
        (self.chunks.len() * CHUNK - CHUNK + in_last - 1) as u32
    }

    fn remove(&mut self, index: u32) {
        let Some(entry) = self.slot(index).and_then(Option::take) else { return };
        let found = self.by_digest.find_entry(hash_of_digest(&entry.digest), |other| *other == index);
        if let Ok(found) = found {
            found.remove();
        }
        self.free.push(index);
        self.forget(entry.kept);
    }

    fn forget(&mut self, kept: u32) {
        self.changes += 1;
        if let Some(slot) = self.kept.get_mut(kept as usize) {
            *slot = None;
        }
    }
}

impl<X> From<New<X>> for Entry<X> {
    fn from(new: New<X>) -> Self {
        Self {
            digest: new.digest,
            id: new.id.octets(),
            person: new.person,
            expires_ms: new.expires_ms,
            extra: new.extra,
            used_s: AtomicU32::new(seconds(new.used_ms)),
            kept: NONE,
        }
    }
}

impl Place {
    fn split(self) -> (usize, u32) {
        ((self.0 >> INDEX_BITS) as usize, self.0 & ((1 << INDEX_BITS) - 1))
    }
}

fn entry<X>(chunks: &[Vec<Option<Entry<X>>>], index: u32) -> Option<&Entry<X>> {
    chunks.get(index as usize / CHUNK)?.get(index as usize % CHUNK)?.as_ref()
}

fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.max(0) / 1000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
