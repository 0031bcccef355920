//! Who has the file and not the key reads nothing.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use portcullis_core::port::{ApiKey, Device, SigningKey, Store, Totp, UserChange};
use portcullis_core::{Id, Secret};

use super::{Folder, KEY, opened, user};

/// Everything that is planted begins with this.
const PLANTED: &str = "Planted-Word-";

/// How many are planted.
const PLANTS: usize = 9;

#[test]
fn no_secret_stands_in_clear_in_any_file() {
    for key in [KEY, "q9nK8w1cX0m2rT5uY7zA3bC4dE6fG8hJ0kL2mN4pQ6s=", "orbit velvet it's candle"] {
        let folder = Folder::new();
        let store = opened(&folder.file(), Some(key)).unwrap();
        plant(&*store);
        let names: Vec<_> = folder.content().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["store.db", "store.db-shm", "store.db-wal"]);
        assert_eq!(found(&folder), Vec::<String>::new(), "while it is open");
        assert_eq!(readable_by_python(&folder), Some(false));
        drop(store);
        assert_eq!(found(&folder), Vec::<String>::new(), "after it was closed");
        assert_eq!(readable_by_python(&folder), Some(false));
        assert!(
            folder.content().iter().all(|(_, bytes)| !bytes.windows(16).any(|w| w == b"SQLite format 3\0"))
        );
        let store = opened(&folder.file(), Some(key)).unwrap();
        assert!(store.account_by_name(&planted(0)).unwrap().is_some(), "with the key it is there");
    }
}

/// The test above can find them.
#[test]
fn in_a_plain_file_every_one_of_them_is_found() {
    let folder = Folder::new();
    let store = opened(&folder.file(), None).unwrap();
    plant(&*store);
    let found = found(&folder);
    for number in 0..PLANTS {
        assert!(found.contains(&planted(number)), "{number} is not among {found:?}");
    }
    assert_eq!(readable_by_python(&folder), Some(true));
}

#[test]
fn nobody_but_the_owner_may_read_the_files() {
    for key in [None, Some(KEY)] {
        let folder = Folder::new();
        let store = opened(&folder.file(), key).unwrap();
        plant(&*store);
        for (name, _) in folder.content() {
            let mode = std::fs::metadata(folder.0.join(&name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        assert_eq!(folder.content().len(), 3);
        drop(store);
    }
}

#[test]
fn what_was_deleted_is_overwritten() {
    let folder = Folder::new();
    let store = opened(&folder.file(), None).unwrap();
    plant(&*store);
    let id = store.account_by_name(&planted(0)).unwrap().unwrap().user.id;
    store.delete_user(id).unwrap();
    drop(store);
    let left = found(&folder);
    // The signing key and the pending device are nobody's.
    assert!(left.iter().all(|left| [7, 8].map(planted).contains(left)), "{left:?}");
}

fn planted(number: usize) -> String {
    format!("{PLANTED}{number:04}")
}

fn plant(store: &dyn Store) {
    let mut new = user(1);
    new.user.name = planted(0);
    new.user.email = Some(planted(1));
    new.user.role = planted(2);
    new.password = Some(planted(3));
    store.create_users(&[new.clone()]).unwrap();
    let secret = Secret::new(planted(4));
    let totp = Totp { secret, confirmed: true, last_step: 1, recovery: vec![[7; 32]] };
    store.change_user(new.user.id, &UserChange::Totp(Some(totp))).unwrap();
    let key = ApiKey {
        id: Id::fresh(1, 1),
        user: new.user.id,
        name: planted(5),
        prefix: "pk_".to_owned(),
        digest: [1; 32],
        scopes: vec![planted(6)],
        bindings: Vec::new(),
        role: None,
        created_ms: 0,
        expires_ms: None,
        last_used_ms: None,
        revoked_ms: None,
        replaced_by: None,
    };
    store.create_keys(&[key]).unwrap();
    let signing = SigningKey {
        kid: "one".to_owned(),
        algorithm: "EdDSA".to_owned(),
        private: Secret::new(planted(7)),
        created_ms: 0,
        expires_ms: None,
    };
    assert!(store.create_signing_key(&signing, 0, true).unwrap());
    let device = Device {
        id: Id::fresh(1, 2),
        digest: [2; 32],
        user: None,
        name: planted(8),
        created_ms: 0,
        expires_ms: 1,
        registered_ms: None,
    };
    store.create_device(&device).unwrap();
}

/// What of it stands in any file of the folder.
fn found(folder: &Folder) -> Vec<String> {
    let mut found = Vec::new();
    for (_, bytes) in folder.content() {
        for at in (0..bytes.len()).filter(|at| bytes[*at..].starts_with(PLANTED.as_bytes())) {
            let end = bytes.len().min(at + PLANTED.len() + 4);
            found.push(String::from_utf8_lossy(&bytes[at..end]).into_owned());
        }
    }
    found.sort();
    found.dedup();
    found
}

/// Whether the SQLite of Python's standard library can read the tables.
fn readable_by_python(folder: &Folder) -> Option<bool> {
    let program = "import sqlite3, sys\n\
        connection = sqlite3.connect('file:' + sys.argv[1] + '?mode=ro', uri=True)\n\
        try: connection.execute('SELECT * FROM users').fetchall()\n\
        except sqlite3.DatabaseError as error: sys.exit(3 if 'not a database' in str(error) else 4)\n";
    let ended = Command::new("python3").args(["-c", program]).arg(folder.file()).status().unwrap();
    match ended.code() {
        Some(0) => Some(true),
        Some(3) => Some(false),
        _ => None,
    }
}
