//! The whole configuration, from sources on disk to typed values: layers, dialects, production and what breaks.

mod accounts;
mod audit;
mod broken;
mod broken_access;
mod btc_forecasting;
mod dialects;
mod echotuner;
mod layers;
mod refused;
mod shown;
mod ticker_service;
mod validate;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::problem::Problems;
use super::{Loaded, Sources, load, read};

/// A directory of its own with the files of one case; gone with the value.
pub(super) struct Case {
    pub(super) sources: Sources,
}

impl Case {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("portcullis-config-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        Self { sources: Sources { directory, ..Sources::default() } }
    }

    /// With a configuration file.
    pub(super) fn config(body: &str) -> Self {
        Self::new().file("portcullis.toml", body)
    }

    /// With a profile.
    pub(super) fn profile(name: &str) -> Self {
        let mut case = Self::new();
        case.sources.profile = Some(name.into());
        case
    }

    pub(super) fn file(self, name: &str, body: &str) -> Self {
        std::fs::write(self.path(name), body).unwrap();
        self
    }

    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.insert(name.into(), value.into());
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.sources.directory.join(name)
    }

    pub(super) fn load(&self) -> Loaded {
        load(&self.sources).unwrap_or_else(|problems| panic!("{problems}"))
    }

    pub(super) fn read(&self) -> Loaded {
        read(&self.sources).unwrap_or_else(|problems| panic!("{problems}"))
    }

    pub(super) fn problems(&self) -> Problems {
        load(&self.sources).err().unwrap_or_else(|| panic!("accepted: {:?}", self.sources))
    }

    /// Every warning as one text.
    pub(super) fn warnings(&self) -> String {
        self.load().warnings.iter().map(ToString::to_string).collect()
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.sources.directory);
    }
}

/// The smallest configuration that is accepted, for tests about something else.
pub(super) const SMALL: &str = "upstream = \"http://127.0.0.1:9000\"\n";
