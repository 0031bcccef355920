//! A log file that is put aside by size and thrown away by age.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::FileSettings;

/// The most files that are kept beside the one that is written.
const MOST: usize = 99;

#[derive(Debug)]
pub(super) struct LogFile {
    settings: FileSettings,
    file: File,
    size: u64,
}

impl LogFile {
    /// Opens the file to append, readable by its owner only.
    pub(super) fn open(settings: FileSettings) -> io::Result<Self> {
        let (file, size) = open(&settings.path)?;
        let log = Self { settings, file, size };
        log.forget_old();
        Ok(log)
    }

    pub(super) fn path(&self) -> &Path {
        &self.settings.path
    }

    pub(super) fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.was_moved() {
            (self.file, self.size) = open(&self.settings.path)?;
        }
        if self.size > 0 && self.size + lines.len() as u64 > self.settings.rotate {
            self.put_aside()?;
        }
        self.file.write_all(lines)?;
        self.size += lines.len() as u64;
        Ok(())
    }

    /// Whether somebody else (logrotate, an operator) moved or deleted the file.
    fn was_moved(&self) -> bool {
        match (fs::metadata(&self.settings.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => there.ino() != ours.ino() || there.dev() != ours.dev(),
            (Err(_), _) => true,
            (Ok(_), Err(_)) => false,
        }
    }

    /// `server.log` becomes `server.log.1`, that becomes `server.log.2`, and so on.
    fn put_aside(&mut self) -> io::Result<()> {
        let last = (1..=MOST).find(|number| !self.numbered(*number).exists()).unwrap_or(MOST);
        for number in (1..last).rev() {
            fs::rename(self.numbered(number), self.numbered(number + 1))?;
        }
        fs::rename(&self.settings.path, self.numbered(1))?;
        (self.file, self.size) = open(&self.settings.path)?;
        self.forget_old();
        Ok(())
    }

    fn forget_old(&self) {
        let now = SystemTime::now();
        for path in (1..=MOST).map(|number| self.numbered(number)) {
            let Ok(changed) = fs::metadata(&path).and_then(|metadata| metadata.modified()) else { continue };
            if now.duration_since(changed).is_ok_and(|age| age > self.settings.keep) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.settings.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("portcullis-logfile-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn it_is_put_aside_by_size_and_private() {
        let folder = folder("size");
        let path = folder.join("server.log");
        let settings = FileSettings { path: path.clone(), rotate: 10, keep: Duration::from_secs(60) };
        let mut file = LogFile::open(settings).unwrap();
        for line in ["one-1\n", "two-22\n", "three\n"] {
            file.write(line.as_bytes()).unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(fs::read_to_string(folder.join("server.log.1")).unwrap(), "two-22\n");
        assert_eq!(fs::read_to_string(folder.join("server.log.2")).unwrap(), "one-1\n");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn one_that_was_moved_away_is_made_anew() {
        let folder = folder("moved");
        let path = folder.join("server.log");
        let settings = FileSettings { path: path.clone(), rotate: 1000, keep: Duration::from_secs(60) };
        let mut file = LogFile::open(settings).unwrap();
        file.write(b"before\n").unwrap();
        fs::rename(&path, folder.join("elsewhere")).unwrap();
        file.write(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        fs::remove_dir_all(folder).unwrap();
    }
}
