//! Records on their way from one core to the writer: copied as they are, without an allocation for each.

use std::net::IpAddr;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use portcullis_core::Id;
use portcullis_core::event::EventKind;

/// How many texts a record has.
pub(super) const TEXTS: usize = 11;
/// How often who waits for room looks whether it still should.
const LOOK: Duration = Duration::from_millis(100);
/// Bytes of memory that an empty buffer keeps.
const KEPT: usize = 256 * 1024;
/// The longest text that is copied, in bytes.
const LONGEST: usize = 16 * 1024;

/// The texts of a record, in the order in which they are copied.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Texts<'a> {
    pub request_id: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    pub route: &'a str,
    pub reason: &'a str,
    pub details: &'a str,
    pub query: Option<&'a str>,
    pub user: Option<&'a str>,
    pub device: Option<&'a str>,
    pub user_agent: Option<&'a str>,
    /// Redacted JSON.
    pub data: Option<&'a str>,
}

/// What is no text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fixed {
    pub at_ms: u64,
    /// What it was, beside a request.
    pub event: Option<EventKind>,
    /// Whether it is the end of a request, which is counted.
    pub request: bool,
    /// Whether it is recorded; what was recorded before is only counted.
    pub recorded: bool,
    /// Whether the gateway refused.
    pub refused: bool,
    pub ip: Option<IpAddr>,
    pub user_id: Option<Id>,
    pub status: u16,
    pub duration_us: u64,
}

/// One record as it waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw {
    pub fixed: Fixed,
    /// Where its texts begin.
    from: usize,
    /// The length of each; `NONE` for one that is not there.
    lengths: [u16; TEXTS],
}

const NONE: u16 = u16::MAX;

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Held {
    texts: String,
    raws: Vec<Raw>,
}

/// The buffer of one core.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    held: Mutex<Held>,
    freed: Condvar,
}

impl Waiting {
    /// Puts a record into the buffer. Where there is no room, it asks `patient` again and again whether to wait;
    /// false: it did not, and the record is lost.
    pub fn push(&self, fixed: Fixed, texts: &Texts<'_>, room: usize, patient: impl Fn() -> bool) -> bool {
        let mut held = self.held.lock();
        while held.size() > room {
            if !patient() {
                return false;
            }
            self.freed.wait_for(&mut held, LOOK);
        }
        held.push(fixed, texts);
        true
    }

    /// Takes everything, and leaves `empty` in its place.
    pub fn take(&self, empty: Held) -> Held {
        let held = std::mem::replace(&mut *self.held.lock(), empty);
        self.free();
        held
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.held.lock().raws.is_empty()
    }

    /// Lets those who wait look again.
    pub fn free(&self) {
        self.freed.notify_all();
    }
}

impl Held {
    fn push(&mut self, fixed: Fixed, texts: &Texts<'_>) {
        let from = self.texts.len();
        let all: [Option<&str>; TEXTS] = [
            Some(texts.request_id),
            Some(texts.method),
            Some(texts.path),
            Some(texts.route),
            Some(texts.reason),
            Some(texts.details),
            texts.query,
            texts.user,
            texts.device,
            texts.user_agent,
            texts.data,
        ];
        let lengths = all.map(|text| {
            let Some(text) = text else { return NONE };
            let text = &text[..text.floor_char_boundary(LONGEST)];
            self.texts.push_str(text);
            text.len() as u16
        });
        self.raws.push(Raw { fixed, from, lengths });
    }

    fn size(&self) -> usize {
        self.texts.len() + self.raws.len() * size_of::<Raw>()
    }

    /// The records, in the order in which they came.
    pub fn records(&self) -> impl Iterator<Item = (&Fixed, Texts<'_>)> {
        self.raws.iter().map(|raw| (&raw.fixed, self.texts_of(raw)))
    }

    fn texts_of(&self, raw: &Raw) -> Texts<'_> {
        let mut from = raw.from;
        let parts = raw.lengths.map(|length| {
            (length != NONE).then(|| {
                let to = from + usize::from(length);
                let text = &self.texts[from..to];
                from = to;
                text
            })
        });
        let there = |at: usize| parts[at].unwrap_or_default();
        Texts {
            request_id: there(0),
            method: there(1),
            path: there(2),
            route: there(3),
            reason: there(4),
            details: there(5),
            query: parts[6],
            user: parts[7],
            device: parts[8],
            user_agent: parts[9],
            data: parts[10],
        }
    }

    /// Forgets what it holds and keeps the memory, as far as an ordinary turn needs it.
    pub fn clear(&mut self) {
        self.texts.clear();
        self.raws.clear();
        self.texts.shrink_to(KEPT);
        self.raws.shrink_to(KEPT / size_of::<Raw>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Fixed = Fixed {
        at_ms: 1,
        event: None,
        request: true,
        recorded: true,
        refused: false,
        ip: None,
        user_id: None,
        status: 200,
        duration_us: 7,
    };

    #[test]
    fn what_was_put_in_comes_out() {
        let waiting = Waiting::default();
        let long = "ä".repeat(LONGEST);
        let one =
            Texts { request_id: "one", path: "/a", user: Some(""), data: Some("{}"), ..Texts::default() };
        let two = Texts { path: &long, query: Some("q"), ..Texts::default() };
        assert!(waiting.push(FIXED, &one, 1_000_000, || false));
        assert!(waiting.push(Fixed { status: 401, ..FIXED }, &two, 1_000_000, || false));
        let held = waiting.take(Held::default());
        assert!(waiting.is_empty());
        let records: Vec<_> = held.records().collect();
        let (fixed, texts) = records[0];
        assert_eq!(
            (fixed.status, texts.request_id, texts.path, texts.user, texts.data, texts.query),
            (200, "one", "/a", Some(""), Some("{}"), None)
        );
        let (fixed, texts) = records[1];
        assert_eq!(
            (fixed.status, texts.path.len(), texts.query, texts.user),
            (401, LONGEST, Some("q"), None)
        );
    }

    #[test]
    fn a_full_buffer_loses_or_waits() {
        let waiting = Waiting::default();
        let push = |patient: &dyn Fn() -> bool| waiting.push(FIXED, &Texts::default(), 500, patient);
        let taken = (0..100).take_while(|_| push(&|| false)).count();
        assert!((2..20).contains(&taken), "{taken}");
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| push(&|| true));
            std::thread::park_timeout(Duration::from_millis(20));
            assert!(!waits.is_finished());
            waiting.take(Held::default());
            assert!(waits.join().unwrap());
        });
        assert!(!waiting.is_empty());
    }
}
