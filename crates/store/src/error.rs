//! Why a store cannot be opened: each reason apart, with what, where and how to mend it.

/// Why a store was not opened. What was found is left as it was, byte for byte.
///
/// No message holds a key, a password or a whole URL; a place is a path, or a server with its database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL names nothing that this version knows.
    #[error(
        "the store's URL is not understood: {0}; it is `sqlite:PATH`, `memory:` or `postgres://USER@HOST/DATABASE`"
    )]
    Url(String),
    /// There is no store, and none was to be made.
    #[error(
        "there is no store at {place} yet: `portcullis run` makes it, or `store.url` should name another one"
    )]
    Absent {
        /// Where.
        place: String,
    },
    /// The folder of the file is not there.
    #[error("the folder {place} does not exist: make it, or let `store.url` name another one")]
    Folder {
        /// The folder.
        place: String,
    },
    /// This account of the system may not use the file or the folder.
    #[error(
        "{place} cannot be used: {why}; give the gateway's user read and write access to the file and its folder"
    )]
    Permission {
        /// The file or the folder.
        place: String,
        /// What the system says.
        why: String,
    },
    /// A file of some other kind.
    #[error("{place} is no database: {why}; let `store.url` name another file, or move this one away")]
    NotADatabase {
        /// The file.
        place: String,
        /// How that shows.
        why: String,
    },
    /// Another program's database.
    #[error(
        "{place} is the database of another program and is not touched: let `store.url` (PORTCULLIS_STORE__URL) name one that Portcullis has for itself"
    )]
    Foreign {
        /// The file or the database.
        place: String,
    },
    /// It is encrypted, and the key is another.
    #[error(
        "the key does not open {place}: it was made with another one; set `store.encryption_key` (DATABASE_ENCRYPTION_KEY) to that"
    )]
    WrongKey {
        /// The file or the database.
        place: String,
    },
    /// It is encrypted, and there is no key.
    #[error("{place} is encrypted and no key is set: set `store.encryption_key` (DATABASE_ENCRYPTION_KEY)")]
    Encrypted {
        /// The file or the database.
        place: String,
    },
    /// It is not encrypted, but a key is set.
    #[error(
        "{place} is not encrypted although a key is set: encrypt it as the manual's page on the store says, or let `store.url` name a new one"
    )]
    Plain {
        /// The file or the database.
        place: String,
    },
    /// The key cannot be one.
    #[error("the store's key cannot be used: {0}; `portcullis generate encryption-key` makes one")]
    Key(String),
    /// This build has no SQLCipher, so that a key would be passed over in silence.
    #[error("this build cannot encrypt: SQLCipher is not in it; build with the bundled SQLCipher")]
    NoCipher,
    /// A later version of Portcullis made or changed it.
    #[error(
        "{place} has schema {found}, and this version knows {known}: run the version that made it, or a later one"
    )]
    Newer {
        /// The file or the database.
        place: String,
        /// The number of its last migration.
        found: i64,
        /// The last number that this version knows.
        known: i64,
    },
    /// An earlier version made it, and it was opened for reading only.
    #[error(
        "{place} has schema {found}, this version needs {known}, and it is opened for reading only: `portcullis run` brings it up to date"
    )]
    Older {
        /// The file or the database.
        place: String,
        /// The number of its last migration.
        found: i64,
        /// The number that this version needs.
        known: i64,
    },
    /// A migration that was applied is not the one that this version has under that number.
    #[error(
        "{place} was built by a changed migration {number}: it is not what any release made; restore a backup"
    )]
    Altered {
        /// The file or the database.
        place: String,
        /// The migration.
        number: i64,
    },
    /// The server cannot be reached or does not answer in time.
    #[error(
        "{place} cannot be reached: {why}; is the server running, and are host and port of `store.url` right?"
    )]
    Unreachable {
        /// The server.
        place: String,
        /// What came of it.
        why: String,
    },
    /// No encrypted connection to the server came about.
    #[error(
        "no encrypted connection to {place}: {why}; `sslrootcert=FILE` names its authority, `sslmode` what is asked of it"
    )]
    Tls {
        /// The server.
        place: String,
        /// What came of it.
        why: String,
    },
    /// The server refuses the user.
    #[error("{place} refuses the login: {why}; correct user and password of `store.url`")]
    Login {
        /// The server.
        place: String,
        /// What it says.
        why: String,
    },
    /// The server has no such database.
    #[error("{place} does not exist: make it with `createdb`, owned by the user of `store.url`")]
    NoDatabase {
        /// The server and the database.
        place: String,
    },
    /// Anything else; the next try may succeed.
    #[error("{place} cannot be opened: {why}")]
    Failed {
        /// The file or the database.
        place: String,
        /// What came of it.
        why: String,
    },
}
