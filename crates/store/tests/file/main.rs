//! What a file on a disk has to bear: a process that is killed, eyes that are not meant for it, and being
//! opened by mistake.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod crash;
mod first;
mod opening;
mod secrecy;
mod tampering;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use portcullis_core::port::{NewUser, Store, User};
use portcullis_core::{Id, Secret};
use portcullis_store::{OpenError, Options, open};

/// 32 bytes in hexadecimal digits.
const KEY: &str = "6f1c0d8e9a2b47c35d60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6";

/// A folder of the test's own, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("portcullis-file-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("store.db")
    }

    /// The name and content of everything in it.
    fn content(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let mut content: Vec<_> = entries
            .filter(|path| path.is_file())
            .map(|path| {
                (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(&path).unwrap())
            })
            .collect();
        content.sort();
        content
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn opened(path: &Path, key: Option<&str>) -> Result<Arc<dyn Store>, OpenError> {
    let key = key.map(Secret::from);
    open(&format!("sqlite:{}", path.display()), key.as_ref(), &Options::default())
}

/// The `number`th user of a run.
fn user(number: u64) -> NewUser {
    let user = User {
        id: Id::fresh(1_790_000_000_000 + number, u128::from(number)),
        name: format!("user-{number}"),
        email: Some(format!("user-{number}@example.org")),
        role: "free".to_owned(),
        active: true,
        created_ms: 0,
        last_login_ms: None,
        valid_from_ms: 0,
    };
    NewUser { user, password: Some(format!("hash-of-{number}")) }
}
