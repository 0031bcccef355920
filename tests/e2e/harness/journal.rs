//! What a program printed, line by line as it comes, and waiting for a line.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::wait::PATIENCE;

/// The lines of both output streams of a program, in the order in which they came.
#[derive(Debug, Clone, Default)]
pub(crate) struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    pages: Mutex<Pages>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Pages {
    lines: Vec<String>,
    open_streams: usize,
}

impl Journal {
    /// Follows a stream until it ends, on a thread of its own.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) {
        self.shared.pages.lock().unwrap().open_streams += 1;
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
                let text = String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
                line.clear();
                shared.pages.lock().unwrap().lines.push(text);
                shared.changed.notify_all();
            }
            shared.pages.lock().unwrap().open_streams -= 1;
            shared.changed.notify_all();
        });
    }

    /// Everything so far.
    pub(crate) fn text(&self) -> String {
        self.shared.pages.lock().unwrap().lines.join("\n")
    }

    /// The first line that fits, as soon as it is there; nothing when all streams end without it or it does
    /// not come in time.
    pub(crate) fn find(&self, fits: impl Fn(&str) -> bool) -> Option<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        let mut pages = self.shared.pages.lock().unwrap();
        loop {
            if let Some(line) = pages.lines[seen..].iter().find(|line| fits(line)) {
                return Some(line.clone());
            }
            seen = pages.lines.len();
            let left = deadline.saturating_duration_since(Instant::now());
            if pages.open_streams == 0 || left.is_zero() {
                return None;
            }
            pages = self.shared.changed.wait_timeout(pages, left).unwrap().0;
        }
    }

    /// Everything, once all streams have ended.
    pub(crate) fn whole(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut pages = self.shared.pages.lock().unwrap();
        while pages.open_streams > 0 && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            pages = self.shared.changed.wait_timeout(pages, left).unwrap().0;
        }
        pages.lines.join("\n")
    }
}
