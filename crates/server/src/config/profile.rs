//! The profiles inside the binary: an ordinary configuration file and a dialect of environment names each.

use std::sync::Arc;

use super::dialect::{self, Dialect};
use super::origin::{Origin, Text, TextKind};
use super::problem::Problem;

#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    /// The file, where this version has it.
    body: Option<&'static str>,
    pub dialect: &'static Dialect,
}

pub const PROFILES: [Profile; 5] = [
    Profile {
        name: "pump-analyzer",
        body: Some(include_str!("../../../../profiles/pump-analyzer.toml")),
        dialect: &dialect::PUMP_ANALYZER,
    },
    Profile { name: "ticker-service", body: None, dialect: &dialect::TICKER_SERVICE },
    Profile { name: "echotuner", body: None, dialect: &dialect::ECHOTUNER },
    Profile {
        name: "kalshiwhale",
        body: Some(include_str!("../../../../profiles/kalshiwhale.toml")),
        dialect: &dialect::KALSHIWHALE,
    },
    Profile { name: "btc-forecasting", body: None, dialect: &dialect::BTC_FORECASTING },
];

pub fn find(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

impl Profile {
    /// Whether this version can run it.
    pub fn available(&self) -> bool {
        self.body.is_some()
    }

    /// The configuration file.
    pub fn body(&self) -> Option<&'static str> {
        self.body
    }

    pub(super) fn text(&self) -> Option<Arc<Text>> {
        let body = self.body?.to_owned();
        Some(Arc::new(Text { name: self.name.to_owned(), path: None, kind: TextKind::Profile, body }))
    }
}

/// The profile a user named, or why there is none.
pub(super) fn named(name: &str, origin: &Origin) -> Result<&'static Profile, Problem> {
    let here = || PROFILES.iter().filter(|profile| profile.available()).map(|profile| profile.name);
    match find(name) {
        Some(profile) if profile.available() => Ok(profile),
        Some(_) => {
            let list: Vec<String> = here().map(|it| format!("`{it}`")).collect();
            Err(Problem::new(origin, format!("the profile `{name}` is not in this version"))
                .mend(format!("this version has {}", list.join(" and "))))
        }
        None => Err(Problem::new(origin, format!("there is no profile `{name}`"))
            .nearest(name, PROFILES.iter().map(|profile| profile.name))),
    }
}
