//! The recorder of one core: what the log gets, and a copy for the writer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent, Subject};

use super::Shared;
use super::waiting::{Fixed, Texts, Waiting};

pub(super) struct CoreRecorder {
    shared: Arc<Shared>,
    buffer: Arc<Waiting>,
    log: Box<dyn Recorder>,
}

impl CoreRecorder {
    pub fn new(shared: Arc<Shared>, buffer: Arc<Waiting>, log: Box<dyn Recorder>) -> Self {
        Self { shared, buffer, log }
    }

    fn push(&self, fixed: Fixed, texts: &Texts<'_>) {
        let shared = &self.shared;
        let patient = || shared.waits.load(Ordering::Relaxed) && !shared.closing.load(Ordering::Relaxed);
        if !self.buffer.push(fixed, texts, shared.room, patient) {
            shared.lose();
        }
    }
}

impl Recorder for CoreRecorder {
    fn security(&mut self, event: &SecurityEvent<'_>) {
        self.log.security(event);
        let wanted =
            self.shared.records.load(Ordering::Relaxed) && self.shared.security.load(Ordering::Relaxed);
        if !wanted || is_said_by_its_request(event) {
            return;
        }
        let subject = &event.subject;
        let fixed = Fixed {
            at_ms: event.unix_ms,
            event: Some(event.kind),
            request: false,
            recorded: true,
            refused: false,
            ip: subject.client.map(|client| client.address),
            user_id: subject.user_id,
            status: event.status,
            duration_us: 0,
        };
        self.push(fixed, &Texts { reason: event.reason, details: event.details, ..texts(subject) });
    }

    fn access(&mut self, record: &AccessRecord<'_>) {
        self.log.access(record);
        let subject = &record.subject;
        let ip = subject.client.map(|client| client.address);
        let tale = ip.and_then(|ip| self.shared.told.take(subject.request_id, ip));
        let mut fixed = Fixed {
            at_ms: record.unix_ms,
            event: record.denial.and_then(EventKind::of_denial),
            request: true,
            recorded: self.shared.records.load(Ordering::Relaxed),
            refused: record.denial.is_some(),
            ip,
            user_id: subject.user_id,
            status: record.status,
            duration_us: record.duration_us,
        };
        let aborted = if record.aborted { "the client went away before the answer ended" } else { "" };
        let mut texts =
            Texts { reason: record.denial.unwrap_or_default(), details: aborted, ..texts(subject) };
        if let Some(tale) = &tale {
            fixed.recorded &= !tale.recorded;
            fixed.event = tale.event.or(fixed.event);
            fixed.user_id = fixed.user_id.or(tale.user_id);
            texts.user = texts.user.or(tale.user.as_deref());
            texts.data = tale.data.as_deref();
            if !tale.reason.is_empty() {
                texts.reason = &tale.reason;
            }
            if !tale.details.is_empty() {
                texts.details = &tale.details;
            }
        }
        self.push(fixed, &texts);
    }

    fn flush(&mut self) {
        self.log.flush();
    }
}

fn texts<'a>(subject: &Subject<'a>) -> Texts<'a> {
    Texts {
        request_id: subject.request_id,
        method: subject.method,
        path: subject.path,
        route: subject.route,
        query: subject.query,
        user: subject.user,
        device: subject.device,
        user_agent: subject.user_agent,
        ..Texts::default()
    }
}

/// Whether the record of the request that ended so says the same: of a refusal, its reason; of a success, who it
/// was.
fn is_said_by_its_request(event: &SecurityEvent<'_>) -> bool {
    let of_request = !event.subject.method.is_empty() && !event.observed;
    of_request
        && (event.kind == EventKind::AuthAttempt { success: true }
            || EventKind::of_denial(event.reason) == Some(event.kind))
}
