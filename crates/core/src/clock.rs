//! Time as a parameter: a moment is read once at the door of a request and handed down.

/// A moment on both clocks: one that only goes forward, for arithmetic, and the calendar, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds on a clock that never jumps; its zero has no meaning.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub unix_ms: u64,
}

impl Now {
    /// The same moment moved by `ms` milliseconds, for tests with a clock moved by hand.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self { monotonic_ms: self.monotonic_ms + ms, unix_ms: self.unix_ms + ms }
    }
}
