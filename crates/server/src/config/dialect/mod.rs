//! The environment names of the five systems, one file each: adding a name touches one line. A profile chooses
//! the dialect; without one, only `PORTCULLIS_` names are read.

mod apply;
mod btc_forecasting;
mod echotuner;
mod kalshiwhale;
mod own;
mod pairs;
mod place;
mod pump_analyzer;
mod ticker_service;

pub use apply::Facts;
pub(super) use apply::apply;
pub use btc_forecasting::BTC_FORECASTING;
pub use echotuner::ECHOTUNER;
pub use kalshiwhale::KALSHIWHALE;
pub(super) use own::own_names;
pub(super) use place::{find, set};
pub use pump_analyzer::PUMP_ANALYZER;
pub use ticker_service::TICKER_SERVICE;

/// The names of one system.
#[derive(Debug)]
pub struct Dialect {
    pub names: &'static [Name],
    /// Where a name must be set and is not, what the system says itself.
    pub unset: &'static [(&'static str, &'static str)],
    /// Names that its application reads; left alone, and never taken for a misspelt one of ours.
    pub application: &'static [&'static str],
}

impl Dialect {
    /// The name by which the system knows a key.
    pub fn name_of(&self, key: &str) -> Option<&'static str> {
        self.names.iter().find(|name| name.meaning.key() == key).map(|name| name.name)
    }
}

/// One name.
#[derive(Debug, Clone, Copy)]
pub struct Name {
    pub name: &'static str,
    pub meaning: Meaning,
    /// What the system takes when it is not set.
    pub default: &'static str,
    pub doc: &'static str,
    /// What `portcullis init` writes into `.env`.
    pub example: Example,
}

/// What a name does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Sets a key to the text.
    Set(&'static str),
    /// Sets a key to the number with a unit: `{}s`.
    Number { at: At, form: &'static str },
    /// The secret of a scheme: `auth.SCHEME.value`.
    Secret(&'static str),
    /// A secret that is no credential of callers, at this key.
    SecretAt(&'static str),
    /// How many in a window, of the limit of that name; its other half is `Window`.
    Count(&'static str),
    /// The seconds of the window of the limit of that name.
    Window(&'static str),
    /// Origins of pages, which may send cookies; where nobody says any, all may call and none may.
    Origins,
    /// Whether the security headers of profile and gateway are written.
    SecureHeaders,
    /// Whether the listener speaks TLS: with the files that other names say.
    Tls,
    /// The database of the application, which becomes the store where it is nobody else's.
    Database,
    /// The directory of the log: the file of that name in it.
    LogDirectory(&'static str),
    /// A password of the application, which keeps it; a known default is warned of.
    Password,
    /// The host of `server.listen`.
    Host,
    /// The port of `server.listen`.
    Port,
    /// `production`, `development` and the words people use for them.
    Environment,
    /// A level of Python's `logging`.
    LogLevel,
    /// Debug mode of the application: refused in production.
    Debug,
    /// Debug mode of an application whose default it is: warned of in production.
    DebugByDefault,
    /// Reload of the application's code: warned of in production.
    Reload,
    /// Read and without effect; the words say why.
    Unused(&'static str),
}

impl Name {
    /// Whether an application reads it too, and needs it: it is passed on.
    pub fn is_shared(&self) -> bool {
        matches!(self.meaning, Meaning::Password)
    }
}

/// Where a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The limit of that name, in `limits` or in a route.
    Limit(&'static str),
    /// That key.
    Key(&'static str),
    /// What everybody of that role has; for the lowest one, what those have too who are nobody: the limit
    /// `anonymous`.
    Tier(&'static str),
    /// A key of the route with that match.
    Route { matching: &'static str, key: &'static str },
}

/// What an example file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    Text(&'static str),
    /// A fresh secret: 32 bytes in hex.
    Hex,
    /// A fresh secret: 32 bytes in URL-safe base64, 43 characters.
    UrlSafe,
    /// A fresh key of the store: 32 bytes in URL-safe base64 with padding, 44 characters.
    EncryptionKey,
    /// A fresh secret for signatures: 48 bytes in base64, 64 characters.
    SigningKey,
    /// Not written.
    None,
}

const fn name(
    name: &'static str,
    meaning: Meaning,
    default: &'static str,
    doc: &'static str,
    example: Example,
) -> Name {
    Name { name, meaning, default, doc, example }
}

impl Meaning {
    /// The key it sets, for people.
    pub fn key(&self) -> String {
        match self {
            Meaning::Number { at: At::Limit(name), .. } | Meaning::Count(name) | Meaning::Window(name) => {
                format!("the limit `{name}`")
            }
            Meaning::Number { at: At::Route { matching, key }, .. } => {
                format!("{key} of the route `{matching}`")
            }
            Meaning::Set(path) | Meaning::Number { at: At::Key(path), .. } | Meaning::SecretAt(path) => {
                (*path).to_owned()
            }
            Meaning::Number { at: At::Tier(role), .. } => format!("roles.{role}.limit"),
            Meaning::Origins => "cors.origins".to_owned(),
            Meaning::SecureHeaders => "headers".to_owned(),
            Meaning::Tls => "server.tls".to_owned(),
            Meaning::Database => "store.url".to_owned(),
            Meaning::LogDirectory(_) => "log.file".to_owned(),
            Meaning::Password => "(the application's; known defaults are warned of)".to_owned(),
            Meaning::Secret(scheme) => format!("auth.{scheme}.value"),
            Meaning::Host | Meaning::Port => "server.listen".to_owned(),
            Meaning::Environment => "environment".to_owned(),
            Meaning::LogLevel => "log.level".to_owned(),
            Meaning::Debug | Meaning::DebugByDefault | Meaning::Reload => {
                "(the application's; checked in production)".to_owned()
            }
            Meaning::Unused(_) => "(no effect)".to_owned(),
        }
    }
}
