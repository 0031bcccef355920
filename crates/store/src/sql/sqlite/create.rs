//! A new file: built whole under another name, then moved to its own.
//!
//! So the file that the URL names is ours from its first moment: a crash leaves no half of one that the next
//! start would take for another program's, and of two processes that begin at once one makes it.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::{Connection, Transaction as Begun, TransactionBehavior};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::file::{APPLICATION, File, Role, refused};
use crate::OpenError;
use crate::key::{self, Material, Salt};
use crate::sql::{Fault, Transaction, migrations};

/// Makes the file, unless another process is quicker.
pub(super) fn create(path: &Path, material: Option<&Material>, limit: Duration) -> Result<(), OpenError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        return Err(OpenError::Folder { place: folder.display().to_string() });
    }
    let draft = Draft::new(path, folder)?;
    let file = File { path: draft.0.clone(), key: material.map(fresh_key).transpose()?, limit };
    let connection = file.connect(Role::Inspector)?;
    // Its name is not what the caller knows; the reasons are the same.
    build(&connection)
        .map_err(|error| OpenError::Failed { place: path.display().to_string(), why: error.to_string() })?;
    file.settle(&connection, Role::Writer).map_err(|error| file.fault(&error))?;
    connection.close().map_err(|(_, error)| file.fault(&error))?;
    draft
        .publish(path)
        .and_then(|()| fs::File::open(folder)?.sync_all())
        .map_err(|error| refused(path, &error))
}

fn build(connection: &Connection) -> Result<(), portcullis_core::port::StoreError> {
    let build = || -> Result<(), Fault> {
        let begun = Begun::new_unchecked(connection, TransactionBehavior::Exclusive)?;
        begun.pragma_update(None, "application_id", APPLICATION)?;
        let mut transaction = Transaction::Sqlite(&begun);
        migrations::begin(&mut transaction)?;
        migrations::bring_up(&mut transaction)?;
        Ok(begun.commit()?)
    };
    Ok(build()?)
}

fn fresh_key(material: &Material) -> Result<zeroize::Zeroizing<String>, OpenError> {
    let mut salt = Salt::default();
    aws_lc_rs::rand::fill(&mut salt)
        .map_err(|_| OpenError::Key("the system gives no random numbers".to_owned()))?;
    Ok(key::pragma(&material.key(&salt), &salt))
}

/// A file under construction; removed with what stands beside it, unless it was published.
struct Draft(PathBuf);

impl Draft {
    fn new(path: &Path, folder: &Path) -> Result<Self, OpenError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let draft = folder.join(format!(".{name}.new-{}-{count}", std::process::id()));
        // SQLite gives the log and its index the mode of the file.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(|error| refused(folder, &error))?;
        Ok(Self(draft))
    }

    fn publish(self, path: &Path) -> io::Result<()> {
        match renameat_with(CWD, &self.0, CWD, path, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            // Not every file system knows how to rename without replacing; a second name does the same.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match fs::hard_link(&self.0, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            },
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        for suffix in ["", "-journal", "-wal", "-shm"] {
            let mut path = self.0.clone().into_os_string();
            path.push(suffix);
            // After it was published nothing is there under this name.
            let _ = fs::remove_file(path);
        }
    }
}
