//! What cannot be opened is told apart, and stays as it was, byte for byte.

use std::fs;
use std::process::Command;

use portcullis_core::Secret;
use portcullis_store::{OpenError, Options, open};

use super::{Folder, KEY, opened, user};

const OTHER: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

/// Opens, expects a refusal, and that nothing in the folder changed.
fn refused(folder: &Folder, key: Option<&str>) -> OpenError {
    let before = folder.content();
    let error = opened(&folder.file(), key).err().unwrap();
    assert!(before == folder.content(), "{error}: the folder was changed");
    let text = error.to_string();
    assert!(text.contains(folder.0.to_str().unwrap()), "{text}: it does not say where");
    assert!(!text.contains(KEY) && !text.contains(OTHER), "{text}");
    error
}

fn filled(key: Option<&str>) -> Folder {
    let folder = Folder::new();
    let store = opened(&folder.file(), key).unwrap();
    store.create_users(&[user(1)]).unwrap();
    folder
}

/// A connection that knows the key of [`filled`].
fn connection(folder: &Folder, key: bool) -> rusqlite::Connection {
    // The store begins SQLite for every thread; without one, two tests may meet where it is half begun.
    drop(open("memory:", None, &Options::default()).unwrap());
    let connection = rusqlite::Connection::open(folder.file()).unwrap();
    if key {
        connection.execute_batch(&format!("PRAGMA key = \"x'{KEY}'\"")).unwrap();
    }
    connection
}

#[test]
fn a_wrong_key() {
    let folder = filled(Some(KEY));
    for key in [OTHER, "a passphrase instead"] {
        let error = refused(&folder, Some(key));
        assert!(matches!(error, OpenError::WrongKey { .. }), "{error}");
    }
    assert!(opened(&folder.file(), Some(KEY)).unwrap().account(user(1).user.id).unwrap().is_some());
}

#[test]
fn a_key_for_a_file_in_clear_and_none_for_an_encrypted_one() {
    let error = refused(&filled(None), Some(KEY));
    assert!(matches!(error, OpenError::Plain { .. }), "{error}");
    let error = refused(&filled(Some(KEY)), None);
    assert!(matches!(error, OpenError::Encrypted { .. }), "{error}");
}

#[test]
fn a_log_left_by_a_killed_process_stays_too() {
    let folder = filled(Some(KEY));
    let store = opened(&folder.file(), Some(KEY)).unwrap();
    store.create_users(&[user(2)]).unwrap();
    // As kill -9 leaves it: a file with its log.
    let copy = Folder::new();
    for (name, bytes) in folder.content() {
        if name != "store.db-shm" {
            fs::write(copy.0.join(name), bytes).unwrap();
        }
    }
    let files = |folder: &Folder| {
        let mut content = folder.content();
        // The index of the log is made anew by whoever looks.
        content.retain(|(name, _)| !name.ends_with("-shm"));
        content
    };
    let before = files(&copy);
    assert!(before.iter().any(|(name, bytes)| name.ends_with("-wal") && !bytes.is_empty()));
    assert!(matches!(opened(&copy.file(), Some(OTHER)), Err(OpenError::WrongKey { .. })));
    assert!(matches!(opened(&copy.file(), None), Err(OpenError::Encrypted { .. })));
    assert!(before == files(&copy), "the file or its log was changed");
    assert_eq!(opened(&copy.file(), Some(KEY)).unwrap().count_users().unwrap(), 2);
}

#[test]
fn a_newer_schema_and_a_changed_one() {
    for key in [None, Some(KEY)] {
        let folder = filled(key);
        let newer = "INSERT INTO migrations (number, name, checksum, applied_ms)
            VALUES (9999, 'later', zeroblob(32), 0)";
        connection(&folder, key.is_some()).execute_batch(newer).unwrap();
        let error = refused(&folder, key);
        assert!(matches!(error, OpenError::Newer { found: 9999, .. }), "{error}");

        let folder = filled(key);
        let altered = "UPDATE migrations SET checksum = zeroblob(32) WHERE number = 1";
        connection(&folder, key.is_some()).execute_batch(altered).unwrap();
        let error = refused(&folder, key);
        assert!(matches!(error, OpenError::Altered { number: 1, .. }), "{error}");
    }
}

#[test]
fn the_database_of_another_program() {
    for (key, mode) in [(None, "DELETE"), (None, "WAL"), (Some(KEY), "DELETE"), (Some(KEY), "WAL")] {
        let folder = Folder::new();
        let other = connection(&folder, key.is_some());
        let sql =
            format!("PRAGMA journal_mode = {mode}; CREATE TABLE users (a); INSERT INTO users VALUES (1)");
        other.execute_batch(&sql).unwrap();
        drop(other);
        let error = refused(&folder, key);
        assert!(matches!(error, OpenError::Foreign { .. }), "{mode}: {error}");
    }
}

#[test]
fn what_is_no_database() {
    let text = b"The quick brown fox jumps over the lazy dog. ".repeat(300);
    let pictures = [&text[..], &text[..4096], b"short", b""];
    for content in pictures {
        for key in [None, Some(KEY)] {
            let folder = Folder::new();
            fs::write(folder.file(), content).unwrap();
            let error = refused(&folder, key);
            assert!(matches!(error, OpenError::NotADatabase { .. }), "{} bytes: {error}", content.len());
        }
    }
    let folder = Folder::new();
    fs::create_dir(folder.file()).unwrap();
    let error = refused(&folder, None);
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
}

#[test]
fn no_folder_and_no_file() {
    let folder = Folder::new();
    let error = opened(&folder.0.join("none/store.db"), Some(KEY)).err().unwrap();
    assert!(matches!(error, OpenError::Folder { .. }), "{error}");
    let url = format!("sqlite:{}", folder.file().display());
    let options = Options { create: false, ..Options::default() };
    let error = open(&url, Some(&Secret::from(KEY)), &options).err().unwrap();
    assert!(matches!(error, OpenError::Absent { .. }), "{error}");
    assert!(folder.content().is_empty(), "nothing was made");
}

/// Root may do everything, so that another account has to try: this program again, under nobody's id.
#[test]
fn no_permission() {
    let folder = filled(Some(KEY));
    let before = folder.content();
    fs::set_permissions(&folder.0, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    // The program itself stands where only its owner may look.
    let program = folder.0.join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let root = rustix::process::geteuid().is_root();
    if !root {
        fs::set_permissions(folder.file(), std::os::unix::fs::PermissionsExt::from_mode(0o000)).unwrap();
    }
    let mut command = if root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]).arg(&program);
        command
    } else {
        Command::new(&program)
    };
    command.args(["--exact", "opening::as_nobody", "--ignored", "--nocapture"]).current_dir("/");
    let ended = command.env(FILE, folder.file()).output().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success(), "{told}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(told.contains("refused for want of permission twice"), "{told}");
    fs::remove_file(&program).unwrap();
    if !root {
        fs::set_permissions(folder.file(), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    assert!(before == folder.content(), "the folder was changed");
}

const FILE: &str = "PORTCULLIS_TEST_REFUSED_FILE";

#[test]
#[ignore = "started by the test above"]
fn as_nobody() {
    let Ok(file) = std::env::var(FILE) else { return };
    let error = opened(file.as_ref(), Some(KEY)).err().unwrap();
    assert!(matches!(error, OpenError::Permission { .. }), "{error}");
    let beside = std::path::Path::new(&file).with_file_name("new.db");
    let error = opened(&beside, Some(KEY)).err();
    // Only root's test runs as somebody else, who may make nothing beside the file.
    let owner = std::fs::metadata(beside.parent().unwrap()).unwrap();
    if std::os::unix::fs::MetadataExt::uid(&owner) != rustix::process::geteuid().as_raw() {
        assert!(matches!(error, Some(OpenError::Permission { .. })), "{error:?}");
    }
    println!("refused for want of permission twice");
}

/// The manual's page on the store says how; a key with which the copy opens, and no other.
#[test]
fn a_plain_file_is_encrypted_as_the_manual_says() {
    let folder = filled(None);
    let copy = folder.0.join("new.db");
    let sql = format!(
        "ATTACH '{}' AS new KEY \"x'{KEY}'\"; SELECT sqlcipher_export('new'); PRAGMA new.application_id = 1346587731;",
        copy.display()
    );
    let plain = connection(&folder, false);
    // The export answers with a row, which a batch would pass over all the same.
    plain.execute_batch(&sql).unwrap();
    drop(plain);
    let store = opened(&copy, Some(KEY)).unwrap();
    assert_eq!(store.account(user(1).user.id).unwrap().unwrap().user, user(1).user);
    store.create_users(&[user(2)]).unwrap();
    drop(store);
    assert!(matches!(opened(&copy, None), Err(OpenError::Encrypted { .. })));
    assert!(matches!(opened(&copy, Some(OTHER)), Err(OpenError::WrongKey { .. })));
}

#[test]
fn a_copy_beside_a_running_gateway_is_whole_and_encrypted() {
    let folder = filled(Some(KEY));
    let store = opened(&folder.file(), Some(KEY)).unwrap();
    store.create_users(&[user(2)]).unwrap();
    let copy = folder.0.join("copy.db");
    connection(&folder, true).execute_batch(&format!("VACUUM INTO '{}'", copy.display())).unwrap();
    store.create_users(&[user(3)]).unwrap();
    assert!(matches!(opened(&copy, None), Err(OpenError::Encrypted { .. })));
    let copy = opened(&copy, Some(KEY)).unwrap();
    assert_eq!((copy.count_users().unwrap(), store.count_users().unwrap()), (2, 3));
}
