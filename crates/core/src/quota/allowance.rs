//! The limit of one thing that nobody shares: the messages of one connection.

use super::window::Log;
use super::{Rate, Verdict};

/// What one connection has used of a rate. Keeps the two promises of the table: in no interval as long as the
/// window are more admitted than the limit, and who stays well below it is never refused.
#[derive(Debug, Clone)]
pub struct Allowance {
    rate: Rate,
    log: Log,
}

impl Allowance {
    /// Nothing used yet.
    pub fn new(rate: Rate) -> Self {
        Self { rate, log: Log::EMPTY }
    }

    /// Counts one more at `now_ms` (monotonic milliseconds) if the rate allows it.
    pub fn take(&mut self, now_ms: u64) -> Verdict {
        self.log.take(&self.rate, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_admits_as_many_as_the_rate_says_in_each_window() {
        let mut allowance = Allowance::new("3/second".parse().unwrap());
        let taken: Vec<bool> =
            [0, 1, 2, 3, 1000, 1001, 1002].map(|now_ms| allowance.take(now_ms).admitted).into();
        assert_eq!(taken, [true, true, true, false, false, true, true]);
    }
}
