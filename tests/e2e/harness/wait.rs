//! Waiting for conditions, with a deadline.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long a condition may take before the test fails: long enough for a busy machine of two cores.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until the answer is there; fails with `what` when it does not come.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        // The pause between two looks at a condition that nobody announces.
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Now, in whole seconds since 1970.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
