//! The chain: records, numbered without a gap, each bound to the one before.

use std::fmt;
use std::str::FromStr;

use super::AuditRecord;
use super::encode::hash;

/// A place in the chain: the number of a record and its hash. Written down elsewhere (`17:9f86…`), it shows that
/// nothing up to there was changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The number of the record; 0 before the first.
    pub number: i64,
    /// Its hash; zeros before the first.
    pub hash: [u8; 32],
}

/// A record in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number: the first is 1.
    pub number: i64,
    /// The hash of the record before it.
    pub previous: [u8; 32],
    /// Its hash.
    pub hash: [u8; 32],
    /// What it says.
    pub record: AuditRecord,
}

/// Between which marks a store keeps records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// The last record that was removed; [`Mark::BEGINNING`] where none was.
    pub cut: Mark,
    /// The last record.
    pub head: Mark,
}

impl Mark {
    /// Before the first record.
    pub const BEGINNING: Self = Self { number: 0, hash: [0; 32] };

    /// The record in the place after this one.
    pub fn next(self, record: AuditRecord) -> Link {
        let number = self.number + 1;
        let hash = hash(number, &self.hash, &record);
        Link { number, previous: self.hash, hash, record }
    }
}

impl Link {
    /// Its place.
    pub fn mark(&self) -> Mark {
        Mark { number: self.number, hash: self.hash }
    }

    /// Whether its hash is that of what it says.
    pub fn is_whole(&self) -> bool {
        hash(self.number, &self.previous, &self.record) == self.hash
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.number)?;
        self.hash.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A text that is no mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a mark: NUMBER:HASH, where the hash is 64 hexadecimal digits")]
pub struct NotAMark;

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let (number, digits) = text.split_once(':').ok_or(NotAMark)?;
        let number = number.parse().ok().filter(|number| *number >= 0).ok_or(NotAMark)?;
        let digits = digits.as_bytes();
        if digits.len() != 64 {
            return Err(NotAMark);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(NotAMark);
            *byte = (digit(pair[0])? * 16 + digit(pair[1])?) as u8;
        }
        Ok(Self { number, hash })
    }
}
