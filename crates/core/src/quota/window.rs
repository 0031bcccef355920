//! The sliding window of one key: a log of admissions that fits in 55 octets.
//!
//! Up to [`MARKS`] admissions are remembered one by one. A larger limit is remembered in groups of
//! `quantum = ceil(limit / MARKS)`, each by the moment of its **last** member, and the group that is still
//! filling by the moment of the latest admission. So every admission is remembered at its own moment or later:
//! it never leaves the window too early (no interval of the window's length sees more than the limit), and at
//! most `quantum - 1` of those remembered have in truth left it (who stays that far below the limit in every
//! window is never refused).

use super::{Rate, Verdict};

/// How many groups are remembered.
pub(super) const MARKS: usize = 18;

/// The octets of a stored log.
pub(super) const PACKED: usize = 6 + 4 + 4 + 4 + 1 + 2 * MARKS;

/// The admissions of one key that may still lie in the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Log {
    /// When the latest admission was.
    last_ms: u64,
    /// The window it was counted under.
    window_s: u32,
    /// How many admissions a mark stands for.
    quantum: u32,
    /// Admissions since the newest mark, fewer than `quantum`.
    partial: u32,
    /// How many marks there are.
    len: u8,
    /// The moments of the groups' last members, oldest first: the low half of the tick that ends at or after
    /// them. A tick is 1/65535 of the window, rounded up to a millisecond.
    marks: [u16; MARKS],
}

impl Log {
    /// The log of a key that nobody used.
    pub(super) const EMPTY: Self =
        Self { last_ms: 0, window_s: 1, quantum: 1, partial: 0, len: 0, marks: [0; MARKS] };

    /// What a request at `now_ms` would be told, without counting it.
    pub(super) fn peek(mut self, rate: &Rate, now_ms: u64) -> Verdict {
        self.adopt_window(rate.window_s());
        self.verdict(rate, now_ms)
    }

    /// Counts a request at `now_ms` if the limit allows it, and says what to tell it.
    ///
    /// A moment before that of the latest admission counts as that moment: cores read the clock before they
    /// wait for each other. A refusal forgets nothing, so what is in the log does not depend on who asked.
    pub(super) fn take(&mut self, rate: &Rate, now_ms: u64) -> Verdict {
        self.adopt_window(rate.window_s());
        let before = self.verdict(rate, now_ms);
        if !before.admitted {
            return before;
        }
        let asked_ms = now_ms;
        let now_ms = now_ms.max(self.last_ms);
        self.forget_expired(now_ms);
        self.adopt_quantum(rate.count().div_ceil(MARKS as u32));
        self.last_ms = now_ms;
        self.partial += 1;
        if self.partial == self.quantum {
            self.partial = 0;
            self.push(self.tick(now_ms));
        }
        Verdict { remaining: before.remaining - 1, reset_ms: self.idle_from_ms() - asked_ms, ..before }
    }

    /// Undoes one `take` that was counted at `taken_ms`. If others were counted after it, the oldest of those
    /// since then is taken off, which keeps the later, safer moments.
    pub(super) fn give_back(&mut self, taken_ms: u64) {
        if taken_ms + self.window_ms() <= self.last_ms {
            return; // It has left the window, and may have been forgotten already.
        }
        let len = usize::from(self.len);
        match (0..len).find(|&index| self.mark_ms(index) >= taken_ms) {
            Some(index) => {
                self.marks.copy_within(index + 1..len, index);
                self.len -= 1;
                if self.partial > 0 {
                    self.partial -= 1;
                    self.push(self.tick(self.last_ms));
                } else {
                    self.partial = self.quantum - 1;
                }
            }
            None if self.last_ms >= taken_ms => self.partial = self.partial.saturating_sub(1),
            None => {}
        }
    }

    /// Whether nothing of it lies in the window any more.
    pub(super) fn is_idle(&self, now_ms: u64) -> bool {
        (self.len == 0 && self.partial == 0) || self.idle_from_ms() <= now_ms
    }

    /// The moment from which nothing of it lies in the window.
    pub(super) fn idle_from_ms(&self) -> u64 {
        self.last_ms + self.window_ms()
    }

    fn verdict(&self, rate: &Rate, now_ms: u64) -> Verdict {
        let expired = self.expired(now_ms.max(self.last_ms));
        let used = self.count_without(expired);
        let limit = u64::from(rate.count());
        let remaining = limit.saturating_sub(used) as u32;
        Verdict {
            admitted: remaining > 0,
            limit: rate.count(),
            window_s: rate.window_s(),
            remaining,
            reset_ms: if used == 0 { 0 } else { self.idle_from_ms() - now_ms },
            retry_after_ms: if remaining > 0 { 0 } else { self.room_from_ms(limit) - now_ms },
        }
    }

    /// The moment from which fewer than `limit` are in the window.
    fn room_from_ms(&self, limit: u64) -> u64 {
        let Some(in_groups) = limit.checked_sub(1 + u64::from(self.partial)) else {
            return self.idle_from_ms(); // The limit was lowered below the size of a group.
        };
        let leaving = u64::from(self.len).saturating_sub(in_groups / u64::from(self.quantum));
        match (leaving as usize).checked_sub(1) {
            Some(index) => self.mark_ms(index) + self.window_ms(),
            None => self.last_ms,
        }
    }

    /// How many marks have left the window; one more than there are when the group that fills has left too.
    fn expired(&self, now_ms: u64) -> usize {
        if self.idle_from_ms() <= now_ms {
            return usize::from(self.len) + 1;
        }
        let window_ms = self.window_ms();
        (0..usize::from(self.len)).take_while(|&index| self.mark_ms(index) + window_ms <= now_ms).count()
    }

    fn count_without(&self, expired: usize) -> u64 {
        match usize::from(self.len).checked_sub(expired) {
            Some(groups) => groups as u64 * u64::from(self.quantum) + u64::from(self.partial),
            None => 0,
        }
    }

    fn forget_expired(&mut self, now_ms: u64) {
        let len = usize::from(self.len);
        let expired = self.expired(now_ms);
        if expired > len {
            self.len = 0;
            self.partial = 0;
        } else if expired > 0 {
            self.marks.copy_within(expired..len, 0);
            self.len -= expired as u8;
        }
    }

    /// Makes the log one of another window. What is older than it is forgotten.
    fn adopt_window(&mut self, window_s: u32) {
        if window_s == self.window_s {
            return;
        }
        let old = *self;
        self.window_s = window_s;
        self.len = 0;
        for index in 0..usize::from(old.len) {
            let moment_ms = old.mark_ms(index);
            if moment_ms + self.window_ms() > self.last_ms {
                self.push(self.tick(moment_ms));
            }
        }
    }

    /// Makes the log one of groups of another size: as many admissions, each at its moment or later. There
    /// is room for all of them where fewer than the limit remain.
    fn adopt_quantum(&mut self, quantum: u32) {
        if quantum == self.quantum {
            return;
        }
        let old = *self;
        let total = old.count_without(0);
        self.quantum = quantum;
        self.partial = (total % u64::from(quantum)) as u32;
        self.len = 0;
        for group in 1..=total / u64::from(quantum) {
            let last_member = group * u64::from(quantum) - 1;
            let index = (last_member / u64::from(old.quantum)) as usize;
            let moment_ms = if index < usize::from(old.len) { old.mark_ms(index) } else { old.last_ms };
            self.push(self.tick(moment_ms));
        }
    }

    fn push(&mut self, tick: u64) {
        if let Some(mark) = self.marks.get_mut(usize::from(self.len)) {
            *mark = tick as u16;
            self.len += 1;
        }
    }

    /// The moment of a mark, never before that of the admission it stands for, never after the latest.
    fn mark_ms(&self, index: usize) -> u64 {
        let newest = self.tick(self.last_ms);
        let age = (newest as u16).wrapping_sub(self.marks[index]);
        (newest.saturating_sub(u64::from(age)) * self.tick_ms()).min(self.last_ms)
    }

    fn tick(&self, moment_ms: u64) -> u64 {
        match self.tick_ms() {
            1 => moment_ms,
            tick_ms => moment_ms.div_ceil(tick_ms),
        }
    }

    /// What remains in a log is younger than the window, so its age in ticks fits in 16 bits.
    fn tick_ms(&self) -> u64 {
        self.window_ms().div_ceil(u64::from(u16::MAX))
    }

    /// How long an admission counts: a millisecond longer than the window. Moments are read as whole
    /// milliseconds, so two that differ by the window may lie up to a millisecond closer.
    fn window_ms(&self) -> u64 {
        u64::from(self.window_s) * 1000 + 1
    }

    /// The log as it is stored: without padding, so that lock, tag and log are one cache line.
    pub(super) fn pack(&self) -> [u8; PACKED] {
        let mut packed = [0; PACKED];
        let (head, marks) = packed.split_at_mut(PACKED - 2 * MARKS);
        head[0..6].copy_from_slice(&self.last_ms.to_le_bytes()[..6]); // 8,900 years
        head[6..10].copy_from_slice(&self.window_s.to_le_bytes());
        head[10..14].copy_from_slice(&self.quantum.to_le_bytes());
        head[14..18].copy_from_slice(&self.partial.to_le_bytes());
        head[18] = self.len;
        for (place, mark) in marks.as_chunks_mut().0.iter_mut().zip(self.marks) {
            *place = mark.to_le_bytes();
        }
        packed
    }

    /// The log that was stored.
    pub(super) fn unpack(packed: &[u8; PACKED]) -> Self {
        let (head, octets) = packed.split_at(PACKED - 2 * MARKS);
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let mut marks = [0; MARKS];
        for (mark, octets) in marks.iter_mut().zip(octets.as_chunks().0) {
            *mark = u16::from_le_bytes(*octets);
        }
        Self {
            last_ms: u64::from(number(0)) | u64::from(head[4]) << 32 | u64::from(head[5]) << 40,
            window_s: number(6),
            quantum: number(10),
            partial: number(14),
            len: head[18],
            marks,
        }
    }
}
