//! The recorder of one core: lines are formatted into its buffer, and the buffer is handed over when it is
//! full, or when the core has a moment.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent};

use super::line::Line;
use super::{Level, Shared};

/// Bytes after which a buffer is handed over.
const FULL: usize = 16 * 1024;
/// Bytes of security events that are kept while the writer is behind.
const KEPT: usize = 256 * 1024;

pub(super) struct CoreRecorder {
    shared: Arc<Shared>,
    access: String,
    /// How many lines stand in `access`.
    lines: u64,
    security: String,
    scratch: String,
}

impl CoreRecorder {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, access: String::new(), lines: 0, security: String::new(), scratch: String::new() }
    }

    fn hand_over_access(&mut self) {
        if self.access.is_empty() {
            return;
        }
        let lines = std::mem::replace(&mut self.access, String::with_capacity(FULL + 1024));
        let count = std::mem::take(&mut self.lines);
        if let Err(mut refused) = self.shared.hand_over(lines) {
            self.shared.dropped.fetch_add(count, Ordering::Relaxed);
            refused.clear();
            self.access = refused;
        }
    }

    fn hand_over_security(&mut self) {
        if self.security.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.security);
        if let Err(refused) = self.shared.hand_over(lines) {
            self.security = refused;
            if self.security.len() > KEPT {
                let count = self.security.bytes().filter(|byte| *byte == b'\n').count() as u64;
                self.shared.dropped.fetch_add(count, Ordering::Relaxed);
                self.security.clear();
            }
        }
    }

    /// Says how many lines were lost, once there is room to say it.
    fn confess(&mut self) {
        let dropped = self.shared.dropped.swap(0, Ordering::Relaxed);
        if dropped == 0 {
            return;
        }
        let mut line = String::new();
        let unix_ms = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as u64);
        let message = format!("{dropped} lines of this log were lost: the writer could not keep up");
        Line::new(self.shared.format(), &mut line).process(Level::Warn, unix_ms, &message);
        if self.shared.hand_over(line).is_err() {
            self.shared.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }
}

impl Recorder for CoreRecorder {
    fn security(&mut self, event: &SecurityEvent<'_>) {
        if !self.shared.writes_security() {
            return;
        }
        // A proven credential is worth a line where requests are; everything else is always written.
        if event.kind == (EventKind::AuthAttempt { success: true }) && self.shared.level() < Level::Info {
            return;
        }
        let mut line = Line::with_scratch(self.shared.format(), &mut self.security, &mut self.scratch);
        line.security(event);
        self.scratch = line.into_scratch();
        if self.security.len() >= FULL {
            self.hand_over_security();
        }
    }

    fn access(&mut self, record: &AccessRecord<'_>) {
        if self.shared.level() < Level::Info {
            return;
        }
        let mut line = Line::with_scratch(self.shared.format(), &mut self.access, &mut self.scratch);
        line.access(record);
        self.scratch = line.into_scratch();
        self.lines += 1;
        if self.access.len() >= FULL {
            self.hand_over_access();
        }
    }

    fn flush(&mut self) {
        self.hand_over_security();
        self.hand_over_access();
        self.confess();
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FileSettings, Format, Log, Settings};
    use super::*;
    use portcullis_core::event::Subject;
    use std::time::Duration;

    fn log_to(name: &str, level: Level) -> (Log, std::path::PathBuf) {
        let folder = std::env::temp_dir().join(format!("portcullis-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("server.log");
        let file = FileSettings { path: path.clone(), rotate: 100_000, keep: Duration::from_secs(3600) };
        (
            Log::start(&Settings { format: Format::Json, level, security: true, file: Some(file) }).unwrap(),
            path,
        )
    }

    const RECORD: AccessRecord<'static> = AccessRecord {
        unix_ms: 0,
        subject: Subject {
            request_id: "",
            client: None,
            method: "GET",
            path: "/",
            query: None,
            route: "",
            user: None,
            user_id: None,
            device: None,
            user_agent: None,
        },
        status: 200,
        denial: None,
        verdict: None,
        bytes_in: 0,
        bytes_out: 0,
        duration_us: 0,
        aborted: false,
    };

    #[test]
    fn every_line_is_written_or_counted() {
        let (log, path) = log_to("counted", Level::Info);
        let mut recorder = log.recorder();
        for _ in 0..5000 {
            recorder.access(&RECORD);
        }
        recorder.flush();
        log.shutdown();
        let folder = path.parent().unwrap();
        let (mut lines, mut lost) = (0, 0);
        for entry in std::fs::read_dir(folder).unwrap() {
            for line in std::fs::read_to_string(entry.unwrap().path()).unwrap().lines() {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                match value["message"].as_str() {
                    Some(message) => lost += message.split(' ').next().unwrap().parse::<u64>().unwrap(),
                    None => lines += 1,
                }
            }
        }
        assert_eq!(lines + lost, 5000, "{lines} written, {lost} lost");
        assert!(lines > 1000, "most are written");
        assert!(std::fs::read_dir(folder).unwrap().count() > 1, "the file was put aside at 100 kB");
        let _ = std::fs::remove_dir_all(folder);
    }

    #[test]
    fn security_events_are_written_at_every_level() {
        let (log, path) = log_to("level", Level::Warn);
        let mut recorder = log.recorder();
        recorder.access(&RECORD);
        recorder.security(&SecurityEvent {
            kind: EventKind::RateLimitExceeded,
            unix_ms: 0,
            subject: RECORD.subject,
            status: 429,
            reason: "rate-limited",
            details: "",
            observed: false,
        });
        recorder.flush();
        log.shutdown();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("rate_limit_exceeded") && !text.contains("\"access\""), "{text}");
        let _ = std::fs::remove_dir_all(path.parent().unwrap());
    }
}
