//! The files that this process has open, and what their heads say.
//!
//! A head is read without SQLite, so that nothing of a foreign file is touched. But POSIX lets go of every
//! lock that a process has on a file when any descriptor of it is closed (fcntl(2)), SQLite's locks too: a
//! file is looked into only while no connection of this process has it open.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use parking_lot::Mutex;

use super::file::APPLICATION;
use crate::key::Salt;

/// Device and inode of each open file, how often it is open, and its head.
static OPEN: Mutex<BTreeMap<(u64, u64), (usize, Header)>> = Mutex::new(BTreeMap::new());

/// SQLCipher's and SQLite's page, the first of which is looked at.
const PAGE: usize = 4096;

/// A file that is, or is about to be, open.
pub(super) struct Held {
    file: (u64, u64),
    pub(super) header: Header,
}

/// What the head of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: Kind,
    /// Its first 16 bytes, which are the salt of an encrypted file.
    pub(super) salt: Salt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An SQLite database with our mark.
    Ours,
    /// An SQLite database with another mark, or none.
    Foreign,
    /// As good as random, as an encrypted database is.
    Random,
    /// Nothing at all.
    Empty,
    /// A folder, a device: no file.
    NoFile,
    /// Anything else.
    Other,
}

impl Held {
    /// Looks into a file, or takes what was seen when it was opened first.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        let mut open = OPEN.lock();
        let metadata = fs::metadata(path)?;
        let file = (metadata.dev(), metadata.ino());
        if let Some((count, header)) = open.get_mut(&file) {
            *count += 1;
            return Ok(Self { file, header: *header });
        }
        let header =
            if metadata.is_file() { read(path)? } else { Header { kind: Kind::NoFile, salt: [0; 16] } };
        open.insert(file, (1, header));
        Ok(Self { file, header })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = OPEN.lock();
        if let Some((count, _)) = open.get_mut(&self.file) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.file);
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Header> {
    let mut page = Vec::with_capacity(PAGE);
    fs::File::open(path)?.take(PAGE as u64).read_to_end(&mut page)?;
    Ok(Header { kind: kind(&page), salt: page.first_chunk().copied().unwrap_or_default() })
}

/// The format of an SQLite file's head: sqlite.org/fileformat.html, section 1.3.
fn kind(page: &[u8]) -> Kind {
    if page.is_empty() {
        Kind::Empty
    } else if page.starts_with(b"SQLite format 3\0") {
        if page.get(68..72) == Some(&APPLICATION.to_be_bytes()) { Kind::Ours } else { Kind::Foreign }
    } else if looks_random(page) {
        Kind::Random
    } else {
        Kind::Other
    }
}

/// Of 4,096 random bytes each value occurs 16 times, give or take 4: that one is missing from more than 16
/// values, or is there more than 64 times, does not happen.
fn looks_random(page: &[u8]) -> bool {
    let mut counts = [0_u32; 256];
    for byte in page {
        counts[usize::from(*byte)] += 1;
    }
    page.len() == PAGE
        && counts.iter().all(|count| *count <= 64)
        && counts.iter().filter(|count| **count == 0).count() <= 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_told_apart() {
        let mut random = vec![0; PAGE];
        aws_lc_rs::rand::fill(&mut random).unwrap();
        assert_eq!(kind(&random), Kind::Random);
        assert_eq!(kind(&random[..PAGE - 1]), Kind::Other, "an encrypted database has a whole page");
        assert_eq!(kind(b""), Kind::Empty);
        assert_eq!(kind(&b"The quick brown fox. ".repeat(300)[..PAGE]), Kind::Other);
        let mut sqlite = b"SQLite format 3\0".to_vec();
        sqlite.resize(PAGE, 0);
        assert_eq!(kind(&sqlite), Kind::Foreign);
        sqlite[68..72].copy_from_slice(&APPLICATION.to_be_bytes());
        assert_eq!(kind(&sqlite), Kind::Ours);
    }
}
