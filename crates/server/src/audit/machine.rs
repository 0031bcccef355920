//! How busy the machine is: processors, memory, and the file system of the working directory.

use std::fs;

/// Reads it, again and again.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// Ticks of the processors when they were last read: busy, and all.
    ticks: Option<(u64, u64)>,
}

/// Hundredths of a percent; 0 where the system does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    /// Of the processors, since the last look.
    pub cpu: u64,
    pub memory: u64,
    pub disk: u64,
}

impl Machine {
    pub fn look(&mut self) -> Load {
        let now = fs::read_to_string("/proc/stat").ok().and_then(|text| ticks(&text));
        let cpu = match (self.ticks, now) {
            (Some((busy, all)), Some((busy_now, all_now))) => {
                share(busy_now.saturating_sub(busy), all_now.saturating_sub(all))
            }
            _ => 0,
        };
        self.ticks = now.or(self.ticks);
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| memory(&text)).unwrap_or(0);
        let disk = rustix::fs::statvfs(".").map_or(0, |disk| {
            let used = disk.f_blocks.saturating_sub(disk.f_bfree);
            // As df(1) does: what only root may use is neither used nor free.
            share(used, used + disk.f_bavail)
        });
        Load { cpu, memory, disk }
    }
}

fn share(part: u64, whole: u64) -> u64 {
    (part.saturating_mul(10_000)).checked_div(whole).unwrap_or(0).min(10_000)
}

/// The first line of `/proc/stat` (`proc_stat(5)`): user, nice, system, idle, iowait, irq, softirq, steal.
fn ticks(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).map_while(|it| it.parse().ok()).collect();
    let all: u64 = ticks.iter().sum();
    let idle = ticks.get(3)? + ticks.get(4).unwrap_or(&0);
    Some((all - idle, all))
}

/// `/proc/meminfo` (`proc_meminfo(5)`).
fn memory(text: &str) -> Option<u64> {
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let (total, available) = (of("MemTotal:")?, of("MemAvailable:")?);
    Some(share(total.saturating_sub(available), total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_says_is_read() {
        assert_eq!(ticks("cpu  10 0 20 60 10 0 0 0 5 5\ncpu0 1 1\n"), Some((30, 100)));
        assert_eq!(ticks("cpu0 1\n"), None);
        let text = "MemTotal:       1000 kB\nMemFree: 100 kB\nMemAvailable:    250 kB\n";
        assert_eq!(memory(text), Some(7500));
        let mut machine = Machine::default();
        machine.look();
        let load = machine.look();
        assert!(load.memory > 0 && load.disk > 0 && load.cpu <= 10_000, "{load:?}");
    }
}
