//! A PostgreSQL server of the test's own, from the package of the system.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::net::free_port;
use super::scratch::Scratch;
use super::wait::until;

/// The password of its only user.
const PASSWORD: &str = "Planted-Server-Word-31";

/// The server, until it is dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    port: u16,
    folder: Scratch,
}

impl Postgres {
    /// Makes a cluster in a folder of its own and starts it on a free port of loopback.
    pub fn start() -> Self {
        let folder = Scratch::new();
        let word = folder.write("word", PASSWORD);
        let data = folder.file("data");
        std::fs::create_dir(&data).unwrap();
        for path in [folder.path(), Path::new(&data), Path::new(&word)] {
            give(path);
        }
        let made = command("initdb")
            .args(["-D", &data, "-U", "portcullis", "-A", "scram-sha-256", "--no-sync", "-E", "UTF8"])
            .arg(format!("--pwfile={word}"))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let mut postgres = Self { server: serve(&folder, port), port, folder };
        postgres.wait();
        postgres
    }

    /// Its address with user and password, as a gateway takes it.
    pub fn url(&self) -> String {
        format!("postgres://portcullis:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// The password, which must be found nowhere.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Everything that is in it, as its own tool writes it down.
    pub fn dump(&self) -> String {
        let output = Command::new(program("pg_dump"))
            .args(["--inserts", &self.url()])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Ends it without waiting for anybody's connection.
    pub fn stop(&mut self) {
        let _ = Command::new("kill").args(["-INT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }

    /// Starts it again on the same port with what it had.
    pub fn start_again(&mut self) {
        self.server = serve(&self.folder, self.port);
        self.wait();
    }

    fn wait(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let log = self.folder.file("log");
        until("the database to answer", || {
            let ended = self.server.try_wait().unwrap();
            assert!(ended.is_none(), "{}", std::fs::read_to_string(&log).unwrap_or_default());
            TcpStream::connect(address).ok()?;
            let ready = Command::new(program("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .unwrap();
            ready.success().then_some(())
        });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(folder: &Scratch, port: u16) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.path().join("log")).unwrap();
    command("postgres")
        .args(["-D", &folder.file("data"), "-p", &port.to_string(), "-h", "127.0.0.1"])
        .args(["-k", &folder.file("data"), "-F"])
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// A program of the server. It refuses to run as root: then it runs as the user of the package.
fn command(name: &str) -> Command {
    let program = program(name);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.stdin(Stdio::null()).current_dir("/");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn give(path: &Path) {
    if is_root() {
        let given = Command::new("chown").arg("postgres").arg(path).status().unwrap();
        assert!(given.success(), "chown {}", path.display());
    }
}

/// Debian keeps them where no path looks, beside those of other versions; the newest is taken.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, path)| (version, path.join("bin").join(name)))
        .filter(|(_, path)| path.exists())
        .max();
    newest.map_or_else(|| PathBuf::from(name), |(_, path)| path)
}
