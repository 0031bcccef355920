//! What the service of the accounts knows of its requests: a core, which records that the request was answered,
//! finds it here and makes one record of both.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use portcullis_core::Id;
use portcullis_core::event::EventKind;

/// How many tales may wait for the end of their request.
const MOST: usize = 4096;
/// After how long nobody will ask for one any more.
const STALE: Duration = Duration::from_secs(60);

/// What is told of one request.
#[derive(Debug, Clone, Default)]
pub struct Tale {
    /// Whether it stands in the log already.
    pub recorded: bool,
    /// What it was, beside a request.
    pub event: Option<EventKind>,
    /// A stable word.
    pub reason: String,
    /// A sentence for people.
    pub details: String,
    /// Who it was, or said to be.
    pub user: Option<String>,
    /// The user's id.
    pub user_id: Option<Id>,
    /// What was sent, redacted.
    pub data: Option<String>,
}

/// Tales of requests that are under way. The id may be the client's own, so that its address counts, too: nobody
/// else's request is told of.
#[derive(Debug, Default)]
pub(super) struct Told {
    count: AtomicUsize,
    tales: Mutex<HashMap<(String, IpAddr), (Instant, Tale)>>,
}

impl Told {
    pub fn tell(&self, request_id: &str, from: IpAddr, tale: Tale) {
        let mut tales = self.tales.lock();
        if tales.len() >= MOST {
            tales.retain(|_, (since, _)| since.elapsed() < STALE);
        }
        // One that does not fit is no loss but of what it says: the request itself is recorded.
        if tales.len() < MOST {
            tales.insert((request_id.to_owned(), from), (Instant::now(), tale));
        }
        self.count.store(tales.len(), Ordering::Release);
    }

    /// Takes what was told of a request. Where nothing is told of any, no lock is taken.
    pub fn take(&self, request_id: &str, from: IpAddr) -> Option<Tale> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut tales = self.tales.lock();
        let tale = tales.remove(&(request_id.to_owned(), from));
        self.count.store(tales.len(), Ordering::Release);
        tale.map(|(_, tale)| tale)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_tale_is_of_one_request_and_taken_once() {
        let (told, here) = (Told::default(), IpAddr::from(Ipv4Addr::LOCALHOST));
        told.tell("one", here, Tale { reason: "login".to_owned(), ..Tale::default() });
        assert!(told.take("two", here).is_none());
        assert!(told.take("one", [192, 0, 2, 1].into()).is_none(), "another client's request of that id");
        assert_eq!(told.take("one", here).unwrap().reason, "login");
        assert!(told.take("one", here).is_none());
        for number in 0..2 * MOST {
            told.tell(&number.to_string(), here, Tale::default());
        }
        assert_eq!(told.tales.lock().len(), MOST);
    }
}
