//! The profiles inside the binary: an ordinary configuration file and a dialect of environment names each.

use std::sync::Arc;

use super::dialect::{self, Dialect};
use super::origin::{Origin, Text, TextKind};
use super::problem::Problem;

#[derive(Debug, Clone, Copy)]
pub struct Profile {
    pub name: &'static str,
    /// The configuration file.
    pub body: &'static str,
    pub dialect: &'static Dialect,
    /// The environment file of its system, read where it is and no other is named: in production too, which it
    /// is for.
    pub env_file: Option<&'static str>,
}

pub const PROFILES: [Profile; 5] = [
    Profile {
        name: "pump-analyzer",
        body: include_str!("../../../../profiles/pump-analyzer.toml"),
        dialect: &dialect::PUMP_ANALYZER,
        env_file: None,
    },
    Profile {
        name: "ticker-service",
        body: include_str!("../../../../profiles/ticker-service.toml"),
        dialect: &dialect::TICKER_SERVICE,
        env_file: None,
    },
    Profile {
        name: "echotuner",
        body: include_str!("../../../../profiles/echotuner.toml"),
        dialect: &dialect::ECHOTUNER,
        env_file: None,
    },
    Profile {
        name: "kalshiwhale",
        body: include_str!("../../../../profiles/kalshiwhale.toml"),
        dialect: &dialect::KALSHIWHALE,
        env_file: None,
    },
    Profile {
        name: "btc-forecasting",
        body: include_str!("../../../../profiles/btc-forecasting.toml"),
        dialect: &dialect::BTC_FORECASTING,
        env_file: Some(".env.production"),
    },
];

pub fn find(name: &str) -> Option<&'static Profile> {
    PROFILES.iter().find(|profile| profile.name == name)
}

impl Profile {
    pub(super) fn text(&self) -> Arc<Text> {
        let body = self.body.to_owned();
        Arc::new(Text { name: self.name.to_owned(), path: None, kind: TextKind::Profile, body })
    }
}

/// The profile a user named, or why there is none.
pub(super) fn named(name: &str, origin: &Origin) -> Result<&'static Profile, Problem> {
    find(name).ok_or_else(|| {
        Problem::new(origin, format!("there is no profile `{name}`"))
            .nearest(name, PROFILES.iter().map(|profile| profile.name))
    })
}
