//! The production checklist: every item that configuration and environment can answer. A new item is a file
//! (or a function in one) and a line in `ITEMS`.

mod accounts;
mod application;
mod authentication;
mod environment;
mod keys;
mod limits;
mod logging;
mod network;
mod origins;
mod outbound;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use crate::config::Loaded;
use crate::config::model::{Config, Environment};

/// How an item turned out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Warn,
    Fail,
}

/// One item of the checklist, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Stable, for programs.
    pub id: &'static str,
    pub title: &'static str,
    pub verdict: Verdict,
    /// What was found.
    pub finding: String,
    /// How to do better; nothing where it passed.
    pub mend: Option<String>,
}

/// What items look at.
struct Subject<'a> {
    loaded: &'a Loaded,
    config: &'a Config,
    /// The working directory.
    directory: &'a Path,
    production: bool,
}

const ITEMS: &[fn(&Subject<'_>) -> Item] = &[
    authentication::configured,
    authentication::strength,
    authentication::storage,
    keys::age,
    authentication::open_routes,
    authentication::known_passwords,
    accounts::store,
    accounts::lockout,
    accounts::registration,
    limits::requests,
    limits::failures,
    network::bind_address,
    network::tls,
    origins::cors,
    limits::size,
    outbound::allowed,
    logging::events,
    logging::audit,
    environment::mode,
    environment::debug,
    environment::file,
    application::in_front,
    application::headers,
    application::errors,
    application::credentials,
];

/// The whole checklist.
#[derive(Debug)]
pub struct Report {
    pub items: Vec<Item>,
    pub environment: Environment,
    /// What is worth a look beside the items.
    pub notes: Vec<String>,
}

/// Judges a configuration. `directory` is where the caller stands.
pub fn judge(loaded: &Loaded, directory: &Path) -> Report {
    let production = loaded.config.environment == Environment::Production;
    let subject = Subject { loaded, config: &loaded.config, directory, production };
    Report {
        items: ITEMS.iter().map(|item| item(&subject)).collect(),
        environment: loaded.config.environment,
        notes: loaded.warnings.iter().map(|warning| warning.0.message.clone()).collect(),
    }
}

impl Report {
    pub fn fails(&self) -> bool {
        self.items.iter().any(|item| item.verdict == Verdict::Fail)
    }

    /// Out of 10: a passed item counts one, a warning half.
    pub fn score(&self) -> f64 {
        let points: f64 = self.items.iter().map(|item| item.verdict.points()).sum();
        (points / self.items.len() as f64 * 100.0).round() / 10.0
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        let width = self.items.iter().map(|item| item.title.len()).max().unwrap_or(0);
        for item in &self.items {
            let _ = writeln!(out, "{}  {:width$}  {}", item.verdict.word(), item.title, item.finding);
            if let Some(mend) = &item.mend {
                let _ = writeln!(out, "      {:width$}  mend: {mend}", "");
            }
        }
        let count = |verdict| self.items.iter().filter(|item| item.verdict == verdict).count();
        let _ = writeln!(
            out,
            "\n{:.1}/10 in {}: {} pass, {} warn, {} fail",
            self.score(),
            self.environment.name(),
            count(Verdict::Pass),
            count(Verdict::Warn),
            count(Verdict::Fail)
        );
        out
    }

    pub fn json(&self) -> serde_json::Value {
        let items: Vec<_> = self
            .items
            .iter()
            .map(|item| {
                json!({
                    "id": item.id, "title": item.title, "verdict": item.verdict.word(), "finding": item.finding,
                    "mend": item.mend,
                })
            })
            .collect();
        json!({
            "score": self.score(), "out_of": 10, "environment": self.environment.name(), "fails": self.fails(),
            "items": items, "notes": self.notes,
        })
    }
}

impl Verdict {
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }

    fn points(self) -> f64 {
        match self {
            Verdict::Pass => 1.0,
            Verdict::Warn => 0.5,
            Verdict::Fail => 0.0,
        }
    }
}

impl Item {
    fn pass(id: &'static str, title: &'static str, finding: impl Into<String>) -> Self {
        Self { id, title, verdict: Verdict::Pass, finding: finding.into(), mend: None }
    }

    fn warn(
        id: &'static str,
        title: &'static str,
        finding: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { id, title, verdict: Verdict::Warn, finding: finding.into(), mend: Some(mend.into()) }
    }

    fn fail(
        id: &'static str,
        title: &'static str,
        finding: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Fail, ..Self::warn(id, title, finding, mend) }
    }

    /// A failure in production, elsewhere a warning.
    fn unsafe_in_production(self, subject: &Subject<'_>) -> Self {
        let verdict = if subject.production { Verdict::Fail } else { Verdict::Warn };
        Self { verdict, ..self }
    }
}

#[cfg(test)]
mod tests;
