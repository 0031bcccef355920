//! A local list of passwords that were stolen elsewhere, as "Have I Been Pwned" offers it for download.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::digest;

/// SHA-1 in hexadecimal.
const HASH: usize = 40;
/// No line is longer: a hash, a colon, a count, a line break.
const LONGEST_LINE: usize = 80;
/// How many places of the list are looked at before it is believed to be in order.
const PROBES: u64 = 32;

/// A file with lines `SHA-1:COUNT` in the order of the hashes. Only a few of its blocks are read for a look-up
/// (37 for the whole list of 40 GiB), and nothing is loaded.
#[derive(Clone)]
pub struct Breached {
    file: Arc<File>,
    length: u64,
}

/// The list cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the list of breached passwords cannot be used: {0}")]
pub struct BreachedError(#[from] io::Error);

impl Breached {
    /// Opens a list and looks whether it is one: hashes, in order.
    pub fn open(path: &Path) -> Result<Self, BreachedError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let list = Self { file: Arc::new(file), length };
        let mut last = [0; HASH];
        for probe in 0..PROBES {
            let Some((_, hash)) = list.line_from(length / PROBES * probe)? else { continue };
            if hash < last {
                return Err(malformed("its hashes are not in order").into());
            }
            last = hash;
        }
        if last == [0; HASH] {
            return Err(malformed("it is empty").into());
        }
        Ok(list)
    }

    /// Whether that password is in the list.
    pub fn contains(&self, password: &[u8]) -> Result<bool, BreachedError> {
        let wanted = hexadecimal(password);
        // The line that is looked for begins in low..high, if there is one.
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.line_from(middle)? {
                Some((_, hash)) if hash == wanted => return Ok(true),
                Some((start, hash)) if hash < wanted => low = start + 1,
                _ => high = middle,
            }
        }
        Ok(false)
    }

    /// The first line that begins at `at` or after it: where, and its hash.
    fn line_from(&self, at: u64) -> io::Result<Option<(u64, [u8; HASH])>> {
        // One byte before tells whether a line begins right here.
        let before = at.saturating_sub(1);
        let mut block = [0; 2 * LONGEST_LINE];
        let mut read = 0;
        while read < block.len() {
            match self.file.read_at(&mut block[read..], before + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let block = &block[..read];
        let skipped = match at {
            0 => 0,
            _ => match block.iter().position(|byte| *byte == b'\n') {
                Some(end) => end + 1,
                None if read < 2 * LONGEST_LINE => return Ok(None),
                None => return Err(malformed("a line is too long")),
            },
        };
        let line = &block[skipped..];
        if line.is_empty() {
            return Ok(None);
        }
        let (hash, rest) = line.split_first_chunk::<HASH>().ok_or_else(|| malformed("a line has no hash"))?;
        if !hash.iter().all(u8::is_ascii_hexdigit)
            || !matches!(rest.first(), None | Some(b':' | b'\r' | b'\n'))
        {
            return Err(malformed("a line is not a SHA-1 in hexadecimal, a colon and a count"));
        }
        Ok(Some((before + skipped as u64, hash.map(|byte| byte.to_ascii_uppercase()))))
    }
}

impl fmt::Debug for Breached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breached").field("length", &self.length).finish_non_exhaustive()
    }
}

fn hexadecimal(password: &[u8]) -> [u8; HASH] {
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, password);
    let mut hash = [0; HASH];
    for (pair, byte) in hash.chunks_exact_mut(2).zip(digest.as_ref()) {
        for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
            *digit = b"0123456789ABCDEF"[usize::from(nibble)];
        }
    }
    hash
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::PathBuf;

    use super::*;

    /// A file that goes with the test.
    struct Scratch(PathBuf);

    impl Scratch {
        fn of(name: &str, text: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("portcullis-{}-{name}", std::process::id()));
            File::create(&path).unwrap().write_all(text).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            drop(std::fs::remove_file(&self.0));
        }
    }

    fn listed(passwords: impl Iterator<Item = String>, end: &str, counted: bool) -> Vec<u8> {
        let mut hashes: Vec<_> = passwords.map(|password| hexadecimal(password.as_bytes())).collect();
        hashes.sort_unstable();
        let mut text = Vec::new();
        for (at, hash) in hashes.iter().enumerate() {
            text.extend_from_slice(hash);
            if counted {
                text.extend_from_slice(format!(":{}", 7_usize.pow(at as u32 % 9)).as_bytes());
            }
            text.extend_from_slice(end.as_bytes());
        }
        text
    }

    #[test]
    fn hashes_are_those_of_the_published_list() {
        // The line of `password` in the list begins so.
        assert_eq!(&hexadecimal(b"password"), b"5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8");
    }

    #[test]
    fn every_password_of_a_list_is_found_and_no_other() {
        for (name, end, counted) in [("lf", "\n", true), ("crlf", "\r\n", true), ("bare", "\n", false)] {
            for size in [1, 2, 3, 500] {
                let text = listed((0..size).map(|number| format!("password-{number}")), end, counted);
                for text in [&text[..], text.strip_suffix(end.as_bytes()).unwrap()] {
                    let file = Scratch::of(&format!("{name}-{size}"), text);
                    let list = Breached::open(&file.0).unwrap();
                    for number in 0..size {
                        let password = format!("password-{number}");
                        assert!(list.contains(password.as_bytes()).unwrap(), "{name}: {number} of {size}");
                    }
                    for number in size..size + 300 {
                        let password = format!("password-{number}");
                        assert!(!list.contains(password.as_bytes()).unwrap(), "{name}: {number} of {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn lower_case_hashes_count_too() {
        let text = listed((0..50).map(|number| number.to_string()), "\n", true).to_ascii_lowercase();
        let file = Scratch::of("lower", &text);
        assert!(Breached::open(&file.0).unwrap().contains(b"17").unwrap());
    }

    #[test]
    fn what_is_no_such_list_is_refused() {
        let mut reversed = listed((0..500).map(|number| number.to_string()), "\n", false);
        let lines: Vec<&[u8]> = reversed.chunks(HASH + 1).rev().collect();
        reversed = lines.concat();
        for (name, text) in [
            ("empty", &b""[..]),
            ("words", b"password\n123456\n"),
            ("sha256", &[b'a'; 64]),
            ("reversed", &reversed),
            ("long", &[b'a'; 4096]),
        ] {
            let file = Scratch::of(name, text);
            assert!(Breached::open(&file.0).is_err(), "{name}");
        }
        assert!(Breached::open(Path::new("/nonexistent/list")).is_err());
    }
}
