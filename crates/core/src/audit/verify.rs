//! Walking the chain: the first thing that is wrong is named.

use super::{AuditRecord, Ends, Link, Mark};

/// Takes the records of a store one after another, oldest first.
#[derive(Debug, Clone)]
pub struct Verifier {
    cut: Mark,
    /// The record that was taken last.
    at: Mark,
    /// What the store called its last record before the walk.
    head: Mark,
    expected: Option<Mark>,
    /// What the last record of a removal says of it.
    removal: Option<String>,
    records: u64,
    flaw: Option<Flaw>,
}

/// That a chain is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// How many records were looked at.
    pub records: u64,
    /// Between which marks.
    pub ends: Ends,
}

/// What is wrong with a chain, with the first number at which it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// What a record says is not what was written.
    #[error("record {number} is not what was written: it was changed, or another stands in its place")]
    Altered {
        /// The record.
        number: i64,
    },
    /// A record does not follow the one before it.
    #[error(
        "record {number} does not follow the one before it: that one was written anew, or this one was put in"
    )]
    Detached {
        /// The record.
        number: i64,
    },
    /// Records are gone.
    #[error("records {from} to {to} are missing")]
    Missing {
        /// The first of them.
        from: i64,
        /// The last of them.
        to: i64,
    },
    /// A record stands where a later one should.
    #[error("record {number} stands behind record {after}: it was moved, or put in")]
    Misplaced {
        /// The record.
        number: i64,
        /// What stands before it.
        after: i64,
    },
    /// A record behind the last one that the store knows of.
    #[error("record {number} stands behind the last one that was written: it was put in")]
    PutIn {
        /// The record.
        number: i64,
    },
    /// The oldest records are gone, and no record says that they were removed.
    #[error("the records up to {number} are gone, and no record says that they were removed for their age")]
    Cut {
        /// The last of them.
        number: i64,
    },
    /// The chain is not the one of which a mark was noted.
    #[error("record {number} is not the one that was noted: it or one before it was written anew")]
    Unexpected {
        /// The record.
        number: i64,
    },
    /// The record of which a mark was noted was removed for its age.
    #[error("record {number}, which was noted, was removed for its age: nothing can be said of it")]
    Gone {
        /// The record.
        number: i64,
    },
}

impl Flaw {
    /// The first broken record.
    pub fn number(&self) -> i64 {
        match *self {
            Self::Altered { number }
            | Self::Detached { number }
            | Self::Misplaced { number, .. }
            | Self::PutIn { number }
            | Self::Cut { number }
            | Self::Unexpected { number }
            | Self::Gone { number }
            | Self::Missing { from: number, .. } => number,
        }
    }
}

impl Verifier {
    /// For the records that a store says it keeps.
    pub fn new(ends: Ends) -> Self {
        Self {
            cut: ends.cut,
            at: ends.cut,
            head: ends.head,
            expected: None,
            removal: None,
            records: 0,
            flaw: None,
        }
    }

    /// The same; the chain must hold this mark, too, that was noted elsewhere.
    #[must_use]
    pub fn expecting(self, mark: Mark) -> Self {
        Self { expected: Some(mark), ..self }
    }

    /// Takes the next record.
    pub fn take(&mut self, link: &Link) {
        self.records += 1;
        if self.flaw.is_none() {
            self.flaw = self.judge(link);
            self.at = link.mark();
        }
    }

    /// What came of it. `now` is what the store says of its ends after the walk: it may have grown meanwhile.
    pub fn finish(self, now: Ends) -> Result<Proof, Flaw> {
        if let Some(flaw) = self.flaw {
            return Err(flaw);
        }
        if self.at.number < self.head.number {
            return Err(Flaw::Missing { from: self.at.number + 1, to: self.head.number });
        }
        if self.at.number > now.head.number {
            return Err(Flaw::PutIn { number: now.head.number + 1 });
        }
        if self.cut.number > 0 && self.removal != Some(self.cut.to_string()) {
            return Err(Flaw::Cut { number: self.cut.number });
        }
        match self.expected {
            Some(mark) if mark.number < self.cut.number => return Err(Flaw::Gone { number: mark.number }),
            Some(mark) if mark.number == self.cut.number && mark != self.cut => {
                return Err(Flaw::Unexpected { number: mark.number });
            }
            Some(mark) if mark.number > self.at.number => {
                return Err(Flaw::Missing { from: self.at.number + 1, to: mark.number });
            }
            _ => {}
        }
        Ok(Proof { records: self.records, ends: Ends { cut: self.cut, head: self.at } })
    }

    fn judge(&mut self, link: &Link) -> Option<Flaw> {
        let (number, next) = (link.number, self.at.number + 1);
        if number > next {
            return Some(Flaw::Missing { from: next, to: number - 1 });
        }
        if number < next {
            return Some(Flaw::Misplaced { number, after: self.at.number });
        }
        if !link.is_whole() {
            return Some(Flaw::Altered { number });
        }
        if link.previous != self.at.hash {
            return Some(Flaw::Detached { number });
        }
        if number == self.head.number && link.hash != self.head.hash {
            return Some(Flaw::Altered { number });
        }
        if self.expected.is_some_and(|mark| mark.number == number && mark.hash != link.hash) {
            return Some(Flaw::Unexpected { number });
        }
        if link.record.event == AuditRecord::PRUNED {
            self.removal = Some(link.record.details.clone());
        }
        None
    }
}
