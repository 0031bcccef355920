//! Processor time and memory of a process tree, and of the machine, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

/// Microseconds a tick: `USER_HZ` is 100 for user space on every Linux that tokio runs on.
const TICK_US: u64 = 10_000;

/// The fields of `/proc/PID/stat` that are read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: u32,
    /// User and system ticks of all threads, those that ended included, and of reaped children.
    pub(crate) ticks: u64,
}

/// Processor time of a tree, told twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// From `stat`: ended threads and reaped children included, 10 ms coarse for each process.
    ticked_us: u64,
    /// From `schedstat` of the threads alive now: exact to the nanosecond, blind to ended ones.
    live_us: u64,
    processes: u64,
}

impl Cpu {
    /// Microseconds used since an earlier reading: the exact figure, unless a thread or process has ended in
    /// between, which shows as a difference larger than the coarseness of the other.
    pub(crate) fn since(&self, earlier: &Cpu) -> u64 {
        let ticked = self.ticked_us.saturating_sub(earlier.ticked_us);
        let live = self.live_us.saturating_sub(earlier.live_us);
        let coarseness = 2 * TICK_US * self.processes.max(earlier.processes);
        if ticked.abs_diff(live) <= coarseness { live } else { ticked }
    }
}

/// Memory in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Memory {
    /// Resident, pages shared between processes counted once for each.
    #[serde(rename = "rss_kib")]
    pub(crate) rss: u64,
    /// Proportional: shared pages divided among those who share them.
    #[serde(rename = "pss_kib")]
    pub(crate) pss: u64,
}

/// Ticks of the whole machine since boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) busy: u64,
    pub(crate) idle: u64,
    /// Taken by the hypervisor for others.
    pub(crate) steal: u64,
}

/// The process and everything that descends from it.
pub(crate) fn tree(root: u32) -> io::Result<Vec<u32>> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end between the listing and the reading.
        let Ok(stat) = stat(pid) else { continue };
        children.entry(stat.parent).or_default().push(pid);
    }
    let mut found = vec![root];
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// Processor time, user and system, that the tree has used.
pub(crate) fn cpu(root: u32) -> io::Result<Cpu> {
    let mut cpu = Cpu { ticked_us: 0, live_us: 0, processes: 0 };
    for pid in tree(root)? {
        let stat = match stat(pid) {
            Ok(stat) => stat,
            Err(error) if pid == root => return Err(error),
            Err(_) => continue,
        };
        cpu.ticked_us += stat.ticks * TICK_US;
        cpu.processes += 1;
        let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { continue };
        for thread in threads {
            cpu.live_us += schedstat_us(&thread?.path().join("schedstat")).unwrap_or(0);
        }
    }
    Ok(cpu)
}

/// Microseconds that one thread of this process has used.
pub(crate) fn thread_cpu_us(tid: u32) -> io::Result<u64> {
    schedstat_us(Path::new(&format!("/proc/self/task/{tid}/schedstat")))
}

/// The id of the calling thread.
pub(crate) fn thread_id() -> io::Result<u32> {
    let link = fs::read_link("/proc/thread-self")?;
    let tid = link.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
    tid.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// What the tree holds in memory.
pub(crate) fn memory(root: u32) -> io::Result<Memory> {
    let mut sum = Memory::default();
    for pid in tree(root)? {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        let Memory { rss, pss } = parse_rollup(&text).ok_or(io::ErrorKind::InvalidData)?;
        sum.rss += rss;
        sum.pss += pss;
    }
    Ok(sum)
}

/// What the machine's processors did since boot.
pub(crate) fn machine() -> io::Result<Machine> {
    parse_machine(&fs::read_to_string("/proc/stat")?).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

impl Machine {
    /// Microseconds that processors were busy since an earlier reading.
    pub(crate) fn busy_us_since(&self, earlier: &Machine) -> u64 {
        self.busy.saturating_sub(earlier.busy) * TICK_US
    }

    /// The part of all processor time since an earlier reading that the hypervisor took.
    pub(crate) fn steal_since(&self, earlier: &Machine) -> f64 {
        let steal = self.steal.saturating_sub(earlier.steal);
        let all = steal + self.busy.saturating_sub(earlier.busy) + self.idle.saturating_sub(earlier.idle);
        if all == 0 { 0.0 } else { steal as f64 / all as f64 }
    }
}

fn schedstat_us(path: &Path) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    let ns = text.split(' ').next().and_then(|field| field.parse::<u64>().ok());
    Ok(ns.ok_or(io::ErrorKind::InvalidData)? / 1000)
}

fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// The name may hold blanks and brackets: fields are counted from the last bracket (proc(5)).
fn parse_stat(text: &str) -> Option<Stat> {
    let mut fields = text.get(text.rfind(')')? + 1..)?.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    // utime, stime, cutime, cstime are the fields 14 to 17; the iterator stands after field 4.
    let mut ticks = 0;
    for _ in 0..9 {
        fields.next()?;
    }
    for _ in 0..4 {
        ticks += fields.next()?.parse::<u64>().ok()?;
    }
    Some(Stat { parent, ticks })
}

fn parse_rollup(text: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    Some(Memory { rss: field("Rss:")?, pss: field("Pss:")? })
}

fn parse_machine(text: &str) -> Option<Machine> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let mut fields = [0_u64; 8];
    let mut words = line.split_ascii_whitespace();
    for field in &mut fields {
        *field = words.next()?.parse().ok()?;
    }
    let [user, nice, system, idle, iowait, irq, softirq, steal] = fields;
    Some(Machine { busy: user + nice + system + irq + softirq, idle: idle + iowait, steal })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_survives_a_name_with_brackets() {
        let line = "42 (a) b (c)) S 7 42 42 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 500 1000 10";
        assert_eq!(parse_stat(line), Some(Stat { parent: 7, ticks: 110 }));
        assert_eq!(parse_stat("42 (cut) S 7 42"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn rollup_reads_both_figures() {
        let text = "aa-bb ---p 0 00:00 0 [rollup]\nRss:    1234 kB\nPss:     567 kB\nPss_Dirty:  1 kB\n";
        assert_eq!(parse_rollup(text), Some(Memory { rss: 1234, pss: 567 }));
        assert_eq!(parse_rollup("Rss: 1 kB\n"), None);
    }

    #[test]
    fn machine_counts_busy_idle_and_steal_apart() {
        let then = parse_machine("cpu  1 2 3 40 5 6 7 8 0 0\ncpu0 …").unwrap();
        assert_eq!(then, Machine { busy: 19, idle: 45, steal: 8 });
        let now = Machine { busy: 24, idle: 49, steal: 9 };
        assert_eq!(now.busy_us_since(&then), 50_000);
        assert!((now.steal_since(&then) - 0.1).abs() < 1e-9);
    }

    #[test]
    fn this_process_is_in_its_own_tree_with_its_child() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let tree = tree(std::process::id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(tree.contains(&std::process::id()));
        assert!(tree.contains(&child.id()));
    }

    #[test]
    fn the_exact_figure_counts_unless_something_ended() {
        let then = Cpu { ticked_us: 100_000, live_us: 104_321, processes: 1 };
        let steady = Cpu { ticked_us: 900_000, live_us: 911_111, processes: 1 };
        assert_eq!(steady.since(&then), 806_790);
        let ended = Cpu { ticked_us: 900_000, live_us: 50_000, processes: 1 };
        assert_eq!(ended.since(&then), 800_000);
    }

    #[test]
    fn work_shows_up_as_processor_time() {
        let me = std::process::id();
        let before = cpu(me).unwrap();
        let tid = thread_id().unwrap();
        let thread_before = thread_cpu_us(tid).unwrap();
        let mut value = 1_u64;
        while cpu(me).unwrap().since(&before) < 3 * TICK_US {
            value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005));
        }
        assert!(thread_cpu_us(tid).unwrap() > thread_before);
        assert!(memory(std::process::id()).unwrap().rss > 500);
    }
}
