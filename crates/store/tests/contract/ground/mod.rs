//! Where the cases run: a fresh store of each kind, and values to put into it.

use std::sync::Arc;

use portcullis_core::Secret;
use portcullis_core::port::Store;
use portcullis_store::{Options, open};

mod make;
pub mod postgres;
mod scratch;

pub use make::*;
pub use scratch::Scratch;

/// A key as `portcullis generate encryption-key` makes it.
pub const KEY: &str = "OQfZ5AEE0JXWm8gQXnq0q1w7JtwLdvhZ4sVjUe0sPV8=";

/// A store for one test.
pub struct Ground {
    url: String,
    key: Option<Secret>,
    store: Arc<dyn Store>,
    scratch: Option<Scratch>,
}

impl Ground {
    fn new(url: String, key: Option<&str>, scratch: Option<Scratch>) -> Self {
        let key = key.map(Secret::from);
        let store = open(&url, key.as_ref(), &Options::default()).unwrap();
        Self { url, key, store, scratch }
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// The same store as another process would have it; in memory, the same one.
    pub fn again(&self) -> Arc<dyn Store> {
        if self.url == "memory:" {
            return Arc::clone(&self.store);
        }
        open(&self.url, self.key.as_ref(), &Options::default()).unwrap()
    }

    /// A fresh store of the same kind.
    pub fn sibling(&self) -> Self {
        match (&self.scratch, &self.key) {
            (Some(_), Some(_)) => encrypted(),
            (Some(_), None) => plain(),
            (None, Some(_)) => postgres(),
            (None, None) => memory(),
        }
    }

    /// Whether it is there when it was closed.
    pub fn lasts(&self) -> bool {
        self.url != "memory:"
    }

    /// Closes the store and opens it again.
    pub fn reopen(self) -> Self {
        let Self { url, key, store, scratch } = self;
        drop(store);
        let store = open(&url, key.as_ref(), &Options { create: false, ..Options::default() }).unwrap();
        Self { url, key, store, scratch }
    }
}

/// In memory.
pub fn memory() -> Ground {
    Ground::new("memory:".to_owned(), None, None)
}

/// In a file, in clear.
pub fn plain() -> Ground {
    let scratch = Scratch::new();
    Ground::new(scratch.url("plain.db"), None, Some(scratch))
}

/// In a file, encrypted.
pub fn encrypted() -> Ground {
    let scratch = Scratch::new();
    Ground::new(scratch.url("encrypted.db"), Some(KEY), Some(scratch))
}

/// On the server of this run, in a database of its own.
pub fn postgres() -> Ground {
    Ground::new(postgres::server().database(), Some(KEY), None)
}
