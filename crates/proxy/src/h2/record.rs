//! What is recorded of an HTTP/2 request when its answer ends, or is dropped.

use std::rc::Rc;
use std::time::Instant;

use portcullis_core::Denial;
use portcullis_gate::RequestContext;
use portcullis_gate::trail::{Ending, Trail};

use super::connection::Active;
use crate::core::{Core, Local};

/// The record of one request, written once: at the latest when it is dropped, since a client that hangs up
/// lets everything of its request be dropped wherever it stands.
pub(super) struct Record {
    core: Rc<Core>,
    local: Rc<Local>,
    trail: Trail,
    since: Instant,
    pub(super) ctx: RequestContext,
    pub(super) status: u16,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) aborted: bool,
    written: bool,
    _active: Active,
}

impl Record {
    pub(super) fn new(
        core: Rc<Core>,
        local: Rc<Local>,
        trail: Trail,
        since: Instant,
        ctx: RequestContext,
        active: Active,
    ) -> Self {
        Self {
            core,
            local,
            trail,
            since,
            ctx,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            aborted: false,
            written: false,
            _active: active,
        }
    }

    /// Writes the events of the decision and the access record.
    pub(super) fn finish(&mut self, denial: Option<&Denial>) {
        self.written = true;
        let recorder = &mut **self.core.recorder.borrow_mut();
        self.trail.events(&self.local.policy, &self.ctx, denial, self.status, recorder);
        let ending = Ending {
            status: self.status,
            denial: denial.map(Denial::code),
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            duration_us: self.since.elapsed().as_micros() as u64,
            aborted: self.aborted,
        };
        self.trail.access(&self.local.policy, &self.ctx, &ending, recorder);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.written {
            self.aborted = true;
            self.finish(None);
        }
    }
}
