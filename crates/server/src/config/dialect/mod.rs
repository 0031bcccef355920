//! The environment names of the five systems, one file each: adding a name touches one line. A profile chooses
//! the dialect; without one, only `PORTCULLIS_` names are read.

mod apply;
mod btc_forecasting;
mod echotuner;
mod kalshiwhale;
mod own;
mod pump_analyzer;
mod ticker_service;

pub use apply::Facts;
pub(super) use apply::apply;
pub(super) use apply::{find, set};
pub use btc_forecasting::BTC_FORECASTING;
pub use echotuner::ECHOTUNER;
pub use kalshiwhale::KALSHIWHALE;
pub(super) use own::own_names;
pub use pump_analyzer::PUMP_ANALYZER;
pub use ticker_service::TICKER_SERVICE;

/// The names of one system.
#[derive(Debug)]
pub struct Dialect {
    pub names: &'static [Name],
    /// Names that its application reads; left alone, and never taken for a misspelt one of ours.
    pub application: &'static [&'static str],
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
    /// Reload of the application's code: warned of in production.
    Reload,
    /// Read and without effect; the words say why.
    Unused(&'static str),
    /// A later version reads it.
    Later,
}

/// Where a number goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The limit of that name, in `limits` or in a route.
    Limit(&'static str),
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

const fn later(name: &'static str, doc: &'static str) -> Name {
    Name { name, meaning: Meaning::Later, default: "", doc, example: Example::None }
}

impl Meaning {
    /// The key it sets, for people.
    pub fn key(&self) -> String {
        match self {
            Meaning::Set(path) => (*path).to_owned(),
            Meaning::Number { at: At::Limit(name), .. } => format!("the limit `{name}`"),
            Meaning::Number { at: At::Route { matching, key }, .. } => {
                format!("{key} of the route `{matching}`")
            }
            Meaning::Secret(scheme) => format!("auth.{scheme}.value"),
            Meaning::Host | Meaning::Port => "server.listen".to_owned(),
            Meaning::Environment => "environment".to_owned(),
            Meaning::LogLevel => "log.level".to_owned(),
            Meaning::Debug | Meaning::Reload => "(the application's; checked in production)".to_owned(),
            Meaning::Unused(_) => "(no effect)".to_owned(),
            Meaning::Later => "(not in this version)".to_owned(),
        }
    }
}
