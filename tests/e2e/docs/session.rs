//! A reader's terminal: one shell in which the blocks of a page run in order, and what they leave running.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portcullis_tests::{PATIENCE, Scratch, binary, free_port, until};

use super::blocks::Block;

/// Ports as readers see them. Every page gets free ones instead.
const PORTS: [u16; 8] = [8000, 8001, 8002, 8443, 9000, 9001, 9002, 9100];

/// Where a gateway listens that is told nothing.
const DEFAULT_PORT: &str = "8000";
/// Where a profile expects the application.
const PROFILES_PORT: &str = "9000";

/// How long a block may take: a page may make a hundred requests on a busy machine.
const LONGEST: Duration = Duration::from_secs(120);

/// Begins the line that says how a block ended.
const END: &str = "\u{1}end";

pub(super) struct Session {
    shell: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    /// Where the reader is.
    folder: Scratch,
    /// Blocks as files, and what runs in the background printed.
    notes: Scratch,
    /// Leaders of process groups in the background.
    background: Vec<(String, String)>,
    ports: Vec<(String, String)>,
    count: usize,
}

/// How a block ended.
pub(super) struct Ended {
    pub(super) status: i32,
    /// The command that failed, if one did: not only the last one counts.
    pub(super) failed: String,
    pub(super) output: String,
}

impl Session {
    pub(super) fn start() -> Self {
        let (folder, notes) = (Scratch::new(), Scratch::new());
        let bin = notes.path().join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(std::fs::canonicalize(binary()).unwrap(), bin.join("portcullis")).unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut shell = Command::new("bash")
            .args(["--norc", "--noprofile"])
            .current_dir(folder.path())
            .env_clear()
            .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", bin.display()))
            .env("HOME", folder.path())
            .env("LANG", "C.UTF-8")
            .env("NO_PROXY", "*")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .process_group(0)
            .spawn()
            .unwrap();
        let (send, output) = channel();
        let printed = shell.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(printed).split(b'\n') {
                let Ok(line) = line else { return };
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        let ports = PORTS.map(|port| (port.to_string(), free_port().to_string())).to_vec();
        let input = shell.stdin.take();
        let mut session =
            Self { shell, input, output, folder, notes, background: Vec::new(), ports, count: 0 };
        session.say("exec 2>&1; set -E -o pipefail; trap '_failed=$BASH_COMMAND' ERR");
        session
    }

    /// The text with free ports in the place of those that readers see.
    pub(super) fn with_ports(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
            let len = rest[at..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - at);
            let number = &rest[at..at + len];
            out.push_str(&rest[..at]);
            let free = self.ports.iter().find(|(port, _)| port == number);
            out.push_str(free.map_or(number, |(_, free)| free));
            rest = &rest[at + len..];
        }
        out + rest
    }

    /// Writes a file where the reader is.
    pub(super) fn write(&self, name: &str, text: &str) {
        self.folder.write(name, &self.with_ports(text));
    }

    /// Runs a block to its end.
    pub(super) fn run(&mut self, block: &Block) -> Ended {
        let script = self.script(block);
        self.say(&format!(
            "_failed=; source {script} </dev/null; printf '\\n{END} %s %s\\n' \"$?\" \"$_failed\""
        ));
        let mut output = String::new();
        let deadline = Instant::now() + LONGEST;
        loop {
            match self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => match line.strip_prefix(END) {
                    Some(end) => {
                        let (status, failed) = end.trim_start().split_once(' ').unwrap_or((end, ""));
                        let status = status.trim().parse().unwrap();
                        return Ended { status, failed: failed.to_owned(), output };
                    }
                    None => output.push_str(&format!("{line}\n")),
                },
                Err(RecvTimeoutError::Timeout) => panic!("it does not end; so far:\n{output}{}", self.logs()),
                Err(RecvTimeoutError::Disconnected) => panic!("the shell ended:\n{output}{}", self.logs()),
            }
        }
    }

    /// Leaves a block running and waits until it is `ready`: a port that takes connections, or a file.
    pub(super) fn leave_running(&mut self, block: &Block, ready: &str) {
        let script = self.script(block);
        let log = self.notes.file(&format!("{}.log", self.count));
        let environment = self.default_ports(block, ready);
        self.say(&format!(
            "set -m; ( {environment} source {script} ) </dev/null >{log} 2>&1 & printf '{END} %s\\n' $!; set +m"
        ));
        let line = self.output.recv_timeout(LONGEST).unwrap();
        let group = line.strip_prefix(END).unwrap().trim().to_owned();
        self.background.push((group.clone(), log));
        let ready = self.with_ports(ready);
        let deadline = Instant::now() + PATIENCE;
        until(&format!("{ready} to be there"), || {
            let here = match ready.parse::<u16>() {
                Ok(port) => TcpStream::connect(("127.0.0.1", port)).is_ok(),
                Err(_) => self.folder.path().join(&ready).exists(),
            };
            let lives = here || signal("0", &group);
            assert!(lives && Instant::now() < deadline, "it does not come to {ready}:{}", self.logs());
            here.then_some(())
        });
    }

    /// Waits until a file where the reader is has that many lines with a text.
    pub(super) fn await_lines(&self, file: &str, lines: usize, text: &str) {
        until(&format!("{lines} lines with `{text}` in {file}"), || {
            let written = self.folder.read(file)?;
            (written.lines().filter(|line| line.contains(text)).count() >= lines).then_some(())
        });
    }

    /// A gateway that is told no address, or a profile that is told no upstream, takes the default one, which
    /// this machine may not have free.
    fn default_ports(&self, block: &Block, ready: &str) -> String {
        let file = self.folder.read("portcullis.toml").unwrap_or_default();
        let told = |option: &str, key: &str| block.text.contains(option) || file.contains(key);
        let mut names = String::new();
        if !block.text.contains("portcullis run") {
            return names;
        }
        if ready == DEFAULT_PORT && !told("--listen", "listen") {
            names += &format!("export PORTCULLIS_SERVER__LISTEN=127.0.0.1:{DEFAULT_PORT};");
        }
        if block.text.contains("--profile") && !told("--upstream", "upstream") {
            names += &format!("export PORTCULLIS_UPSTREAM=http://127.0.0.1:{PROFILES_PORT};");
        }
        self.with_ports(&names)
    }

    /// Ends everything that runs in the background.
    pub(super) fn stop(&mut self) {
        for (group, _) in &self.background {
            signal("TERM", group);
        }
        for (group, _) in self.background.drain(..) {
            let deadline = Instant::now() + PATIENCE;
            while signal("0", &group) {
                if Instant::now() > deadline {
                    signal("KILL", &group);
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
    }

    /// What the background printed.
    pub(super) fn logs(&self) -> String {
        let of = |(_, log): &(String, String)| std::fs::read_to_string(log).unwrap_or_default();
        let texts: Vec<String> = self.background.iter().map(of).collect();
        format!("\n--- in the background:\n{}", texts.join("\n---\n"))
    }

    fn script(&mut self, block: &Block) -> String {
        self.count += 1;
        self.notes.write(&format!("{}.sh", self.count), &self.with_ports(&block.text))
    }

    fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stop();
        self.input = None;
        // What a block left behind with `&` is in the shell's own group.
        signal("TERM", &self.shell.id().to_string());
        let _ = self.shell.wait();
    }
}

/// Sends a signal to a process group; whether there was one.
fn signal(name: &str, group: &str) -> bool {
    let kill = format!("kill -s {name} -- -{group} 2>/dev/null");
    Command::new("sh").args(["-c", &kill]).status().is_ok_and(|status| status.success())
}
