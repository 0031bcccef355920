//! The real binary: started as a user starts it, in a folder and an environment of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::journal::Journal;
use super::scratch::Scratch;
use super::wait::{PATIENCE, until};

/// The last line of the banner; the address follows.
const LISTENING: &str = "listening on ";

/// The binary under test: `PORTCULLIS_BIN`, or the newest that was built.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("PORTCULLIS_BIN") {
        return PathBuf::from(path);
    }
    let built = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    let newest = ["release", "debug"]
        .into_iter()
        .map(|profile| built.join(profile).join("portcullis"))
        .filter_map(|path| Some((path.metadata().ok()?.modified().ok()?, path)))
        .max();
    newest.map_or_else(
        || panic!("no portcullis in {}: cargo build -p portcullis", built.display()),
        |(_, path)| path,
    )
}

/// How the binary is to be started.
#[derive(Debug, Clone)]
pub struct Launch {
    folder: Arc<Scratch>,
    arguments: Vec<String>,
    application: Vec<String>,
    environment: Vec<(String, String)>,
    stdin: Option<String>,
}

impl Launch {
    /// `portcullis COMMAND`, in an empty folder and with nothing of this process's environment but `PATH`.
    pub fn command(command: &str) -> Self {
        Self::within(Arc::new(Scratch::new()), command)
    }

    fn within(folder: Arc<Scratch>, command: &str) -> Self {
        let arguments = command.split_whitespace().map(str::to_owned).collect();
        Self { folder, arguments, application: Vec::new(), environment: Vec::new(), stdin: None }
    }

    /// `portcullis run` on a free port of loopback.
    pub fn run() -> Self {
        Self::command("run --listen 127.0.0.1:0")
    }

    /// `portcullis run` with a profile, before an upstream, on a free port of loopback.
    pub fn profile(name: &str, upstream: &str) -> Self {
        Self::run().arg("--profile").arg(name).arg("--upstream").arg(upstream)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the folder the binary starts in.
    #[must_use]
    pub fn file(self, name: &str, text: &str) -> Self {
        self.folder.write(name, text);
        self
    }

    /// Writes `portcullis.toml` and names it.
    #[must_use]
    pub fn config(self, text: &str) -> Self {
        let path = self.folder.write("portcullis.toml", text);
        self.arg("--config").arg(&path)
    }

    /// What it reads from its standard input; without it, there is nothing.
    #[must_use]
    pub fn stdin(mut self, text: &str) -> Self {
        self.stdin = Some(text.to_owned());
        self
    }

    /// The application to start after `--`.
    #[must_use]
    pub fn application(mut self, command: &[&str]) -> Self {
        self.application = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The full path a file of the folder has, for settings that name it.
    pub fn path(&self, name: &str) -> String {
        self.folder.file(name)
    }

    /// The folder it starts in.
    pub fn folder(&self) -> &Scratch {
        &self.folder
    }

    /// Another command in the same folder, with the same environment, profile and configuration: what an operator
    /// does beside a gateway that runs, or that has ended.
    #[must_use]
    pub fn beside(&self, command: &str) -> Self {
        let mut beside = Self::within(Arc::clone(&self.folder), command);
        beside.environment.clone_from(&self.environment);
        let option = |option: &str| {
            let at = self.arguments.iter().position(|argument| argument == option)?;
            self.arguments.get(at + 1)
        };
        for (name, value) in
            [("PORTCULLIS_PROFILE", option("--profile")), ("PORTCULLIS_UPSTREAM", option("--upstream"))]
        {
            beside.environment.extend(value.map(|value| (name.to_owned(), value.clone())));
        }
        match option("--env-file") {
            Some(file) => beside.arg("--env-file").arg(file),
            None => beside,
        }
    }

    /// Starts it and waits until it says where it listens; fails with what it printed otherwise.
    pub fn start(self) -> Gateway {
        match self.outcome() {
            Outcome::Serves(gateway) => gateway,
            Outcome::Ended { status, output } => panic!("it does not serve ({status}):\n{output}"),
        }
    }

    /// Starts it and waits until it ends; fails when it serves. Returns whether it succeeded and what it printed.
    pub fn finish(self) -> (bool, String) {
        match self.outcome() {
            Outcome::Serves(gateway) => panic!("it serves:\n{}", gateway.log()),
            Outcome::Ended { status, output } => (status.success(), output),
        }
    }

    /// Starts it and waits until it ends with an error; returns what it printed.
    pub fn refused(self) -> String {
        let (success, output) = self.finish();
        assert!(!success, "it ended well:\n{output}");
        output
    }

    /// Runs a command to its end and keeps its two streams apart.
    pub fn ran(self) -> Ran {
        let mut child = self.spawn();
        let (stdout, stderr) = (Journal::default(), Journal::default());
        stdout.follow(child.stdout.take().unwrap());
        stderr.follow(child.stderr.take().unwrap());
        let status = until("the command to end", || child.try_wait().unwrap());
        Ran { status, stdout: stdout.whole(), stderr: stderr.whole() }
    }

    /// Starts it, and waits until it serves or ends.
    pub fn outcome(self) -> Outcome {
        let mut child = self.spawn();
        let journal = Journal::default();
        journal.follow(child.stdout.take().unwrap());
        journal.follow(child.stderr.take().unwrap());
        let serves = self.arguments.first().is_some_and(|command| command == "run" || command == "demo");
        let mut gateway = Gateway {
            child,
            journal,
            launch: self,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            secure: false,
        };
        // Only these listen; what others print may well mention an address.
        let line = if serves { gateway.journal.find(|line| listening(line).is_some()) } else { None };
        if let Some((address, secure)) = line.as_deref().and_then(listening) {
            (gateway.address, gateway.secure) = (address, secure);
            return Outcome::Serves(gateway);
        }
        let status = gateway.wait_for_exit();
        Outcome::Ended { status, output: gateway.journal.whole() }
    }

    fn spawn(&self) -> Child {
        let binary = binary();
        let mut command = Command::new(&binary);
        command.args(&self.arguments);
        if !self.application.is_empty() {
            command.arg("--").args(&self.application);
        }
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        if let (Some(text), Some(mut stdin)) = (&self.stdin, child.stdin.take()) {
            // One that ends without reading says why by itself.
            let _ = stdin.write_all(text.as_bytes());
        }
        child
    }
}

/// A command that has ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// How.
    pub status: ExitStatus,
    /// What it printed for programs and people.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Ran {
    /// What it printed; fails unless it succeeded.
    #[track_caller]
    pub fn succeeded(self) -> String {
        assert!(self.status.success(), "{}: {}{}", self.status, self.stdout, self.stderr);
        self.stdout
    }

    /// What it printed, as JSON; fails unless it succeeded.
    #[track_caller]
    pub fn json(self) -> serde_json::Value {
        let text = self.succeeded();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text:?}"))
    }

    /// What it complained of; fails unless it failed.
    #[track_caller]
    pub fn failed(self) -> String {
        assert!(!self.status.success(), "it ended well: {}{}", self.stdout, self.stderr);
        self.stderr
    }
}

/// What came of a start.
#[derive(Debug)]
pub enum Outcome {
    /// It listens.
    Serves(Gateway),
    /// It ended.
    Ended {
        /// How.
        status: ExitStatus,
        /// What it printed on both streams.
        output: String,
    },
}

/// A gateway that listens, until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    journal: Journal,
    launch: Launch,
    address: SocketAddr,
    secure: bool,
}

impl Gateway {
    /// A command in its folder, with its environment and profile.
    pub fn command(&self, command: &str) -> Launch {
        self.launch.beside(command)
    }

    /// Ends it as a failing machine would, without a word of warning, and says how to start it again.
    pub fn kill(mut self) -> Launch {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.launch.clone()
    }

    /// Ends it in order, and says how to start it again.
    pub fn stop(mut self) -> Launch {
        self.ask_to_stop();
        self.wait_for_exit();
        self.launch.clone()
    }

    /// Where it listens, as a client of this machine reaches it.
    pub fn address(&self) -> SocketAddr {
        if self.address.ip().is_unspecified() {
            return SocketAddr::from(([127, 0, 0, 1], self.address.port()));
        }
        self.address
    }

    /// The address as it printed it.
    pub fn printed_address(&self) -> SocketAddr {
        self.address
    }

    /// Whether it says that it speaks TLS.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The folder it was started in.
    pub fn folder(&self) -> &Scratch {
        &self.launch.folder
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything it printed so far.
    pub fn log(&self) -> String {
        self.journal.text()
    }

    /// The first line that holds all the words, as soon as it is printed.
    pub fn wait_for_log(&self, words: &[&str]) -> String {
        let line = self.journal.find(|line| words.iter().all(|word| line.contains(word)));
        line.unwrap_or_else(|| panic!("no line with {words:?} in:\n{}", self.log()))
    }

    /// Resident memory in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Sends SIGHUP: read the configuration again.
    pub fn ask_to_reload(&self) {
        self.signal("HUP");
    }

    /// Sends SIGTERM: finish what is under way and end.
    pub fn ask_to_stop(&self) {
        self.signal("TERM");
    }

    /// Waits until the process has ended.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the gateway to end", || child.try_wait().unwrap())
    }

    fn signal(&self, name: &str) {
        // The standard library sends only SIGKILL; the shell's own `kill` is there on every machine.
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.pid())]).status().unwrap();
        assert!(sent.success(), "SIG{name} to {}", self.pid());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        if !self.launch.application.is_empty() {
            // It must have the time to end what it started; a panic here would hide the test's own.
            let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.pid())]).status();
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of a line that says where the gateway listens, and whether it is TLS.
fn listening(line: &str) -> Option<(SocketAddr, bool)> {
    let (_, rest) = line.split_once(LISTENING)?;
    let secure = rest.starts_with("https://");
    let address = rest.strip_prefix("http://").or_else(|| rest.strip_prefix("https://"))?;
    let end =
        address.find(|c: char| c.is_whitespace() || matches!(c, '/' | ',' | '"')).unwrap_or(address.len());
    Some((address[..end].parse().ok()?, secure))
}
