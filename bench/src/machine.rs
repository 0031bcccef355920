//! What the figures were measured on.

use std::fs;
use std::thread;

use serde::Serialize;

/// The machine and its state before the first round.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) processors: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Load averages over 1, 5 and 15 minutes.
    pub(crate) load: String,
    /// Whether a hypervisor is beneath it.
    pub(crate) virtualized: bool,
    pub(crate) build: &'static str,
}

impl Machine {
    /// Reads it from `/proc`; what cannot be read is said to be unknown.
    pub(crate) fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        Machine {
            processor: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            processors: thread::available_parallelism().map_or(1, usize::from),
            memory_mib: field(&meminfo, "MemTotal").and_then(kib).unwrap_or(0) / 1024,
            kernel: read_line("/proc/sys/kernel/osrelease"),
            load: load(),
            virtualized: field(&cpuinfo, "flags").is_some_and(|flags| flags.contains("hypervisor")),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
        }
    }
}

/// The load averages now.
pub(crate) fn load() -> String {
    read_line("/proc/loadavg").split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn read_line(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

fn kib(value: &str) -> Option<u64> {
    value.strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "model\t\t: 1\nmodel name\t: Some CPU @ 2:1\nMemTotal:  2048 kB\n";
        assert_eq!(field(text, "model name"), Some("Some CPU @ 2:1"));
        assert_eq!(field(text, "MemTotal").and_then(kib), Some(2048));
        assert_eq!(field(text, "name"), None);
    }
}
