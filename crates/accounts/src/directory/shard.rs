//! Where a thing lives: which shard, and its place there.

use portcullis_core::Id;

/// Locks a table is cut into. Two cores that check at random meet in one of 64.
pub(super) const SHARDS: usize = 64;

/// The shard of an id.
pub(super) fn shard_of(id: Id) -> usize {
    (hash_of(id) >> 40) as usize % SHARDS
}

/// The hash of an id. Ids end in 62 random bits that the gateway drew, so nobody outside chooses which of
/// them meet; the multiplication (2^64 / golden ratio) brings them to the top bits, which tables look at first.
pub(super) fn hash_of(id: Id) -> u64 {
    let octets = id.octets();
    let mut low = [0; 8];
    low.copy_from_slice(&octets[8..]);
    u64::from_be_bytes(low).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The shard of a digest.
pub(super) fn shard_of_digest(digest: &[u8; 32]) -> usize {
    usize::from(digest[0]) % SHARDS
}

/// The hash of a digest: a part of it, since SHA-256 spreads better than anything that could follow it.
pub(super) fn hash_of_digest(digest: &[u8; 32]) -> u64 {
    let mut part = [0; 8];
    part.copy_from_slice(&digest[8..16]);
    u64::from_be_bytes(part)
}
