//! The PostgreSQL server of this run, from the package of the system: started once, on a socket in a folder of
//! its own and on a free port of loopback, and ended when the run ends, however it ends.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The password of its users.
pub const PASSWORD: &str = "Planted-Server-Word-31";

/// A server.
pub struct Server {
    folder: PathBuf,
    pub port: u16,
    account: Option<(u32, u32)>,
    running: Mutex<Option<Child>>,
    /// While this is open, the guard waits.
    guard: Mutex<Option<ChildStdin>>,
}

/// The one that all tests share; each has a database of its own.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start("shared"))
}

impl Server {
    /// Makes a cluster and starts it.
    pub fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("portcullis-pg-{}-{name}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
        let account = account();
        if let Some((user, group)) = account {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let guard = Mutex::new(None);
        let server = Self { folder, port, account, running: Mutex::new(None), guard };
        server.prepare();
        server.run();
        server
    }

    /// The URL of a new, empty database, by the socket.
    pub fn database(&self) -> String {
        self.url(&self.new_database())
    }

    /// A new, empty database.
    pub fn new_database(&self) -> String {
        let name = format!("d{}", super::next());
        self.sql("postgres", &format!("CREATE DATABASE {name} OWNER portcullis"));
        name
    }

    /// The URL of a database, by the socket.
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://portcullis@{folder}:{}/{database}", self.port)
    }

    /// The URL of a database, by the port.
    pub fn tcp(&self, database: &str) -> String {
        format!("postgres://portcullis:{PASSWORD}@localhost:{}/{database}", self.port)
    }

    /// The authority that signed the certificate of the server.
    pub fn authority(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    /// Runs statements as the owner of everything and returns what they print.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let mut psql = self.program("psql");
        psql.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", database, "-c", sql]);
        let output = psql.arg("-h").arg(&self.folder).arg("-p").arg(self.port.to_string()).output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Everything in a database, as its own tool writes it down.
    pub fn dump(&self, database: &str) -> String {
        let mut dump = self.program("pg_dump");
        dump.args(["--inserts", "-U", "postgres", "-d", database]);
        let output = dump.arg("-h").arg(&self.folder).arg("-p").arg(self.port.to_string()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Sends a signal to the server and to what it started.
    pub fn signal(&self, name: &str) {
        let running = self.running.lock().unwrap();
        let parent = running.as_ref().unwrap().id().to_string();
        let children = run(Command::new("pgrep").args(["-P", &parent])).stdout;
        let children = String::from_utf8(children).unwrap();
        let ids = children.split_whitespace().chain([parent.as_str()]);
        run(Command::new("kill").arg(format!("-{name}")).args(ids));
    }

    /// Ends it without waiting for anybody, as a server that is restarted.
    pub fn stop(&self) {
        let child = self.running.lock().unwrap().take();
        let Some(mut child) = child else { return };
        run(Command::new("kill").args(["-INT", &child.id().to_string()]));
        child.wait().unwrap();
    }

    /// Starts it, on the same port with what it had.
    pub fn run(&self) {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.join("log")).unwrap();
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.folder.join("data")).arg("-k").arg(&self.folder);
        // Nothing here outlives the machine, so it need not be safe from its end.
        command.args(["-F", "-h", "127.0.0.1", "-p", &self.port.to_string(), "-c", "max_connections=300"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        *self.guard.lock().unwrap() = Some(guard(child.id(), &self.folder));
        *self.running.lock().unwrap() = Some(child);
        self.wait();
    }

    fn prepare(&self) {
        let data = self.folder.join("data");
        let mut initdb = self.program("initdb");
        initdb.args(["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8", "-D"]);
        let made = initdb.arg(&data).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        self.certify();
        let entry = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), entry).unwrap();
        let mut settings = OpenOptions::new().append(true).open(data.join("postgresql.conf")).unwrap();
        let folder = self.folder.display();
        writeln!(
            settings,
            "ssl = on\nssl_cert_file = '{folder}/server.crt'\nssl_key_file = '{folder}/server.key'"
        )
        .unwrap();
    }

    /// An authority of its own, and a certificate for `localhost`.
    fn certify(&self) {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let (ca, ca_key, request) = (file("ca.crt"), file("ca.key"), file("server.csr"));
        let (certificate, key, names) = (file("server.crt"), file("server.key"), file("names"));
        fs::write(&names, "subjectAltName = DNS:localhost\nbasicConstraints = CA:FALSE\n").unwrap();
        // The key must be readable by the server's account and nobody else.
        let private = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key).unwrap();
        drop::<File>(private);
        let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-subj", "/CN=a test's authority", "-days", "2"]).args(curve);
        run(openssl
            .args(["-addext", "keyUsage=critical,keyCertSign"])
            .args(["-keyout", &ca_key, "-out", &ca]));
        let mut openssl = Command::new("openssl");
        run(openssl
            .args(["req", "-subj", "/CN=localhost"])
            .args(curve)
            .args(["-keyout", &key, "-out", &request]));
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-req", "-days", "2", "-in", &request, "-CA", &ca, "-CAkey", &ca_key]);
        run(openssl.args(["-CAcreateserial", "-extfile", &names, "-out", &certificate]));
        if let Some((user, group)) = self.account {
            chown(&key, Some(user), Some(group)).unwrap();
        }
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut ready = self.program("pg_isready");
            let ready =
                ready.arg("-q").arg("-h").arg(&self.folder).arg("-p").arg(self.port.to_string()).status();
            if ready.unwrap().success() {
                break;
            }
            let ended = self.running.lock().unwrap().as_mut().unwrap().try_wait().unwrap();
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < deadline, "{}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        // The account that the store logs in with: no more than an owner of its database.
        let role = format!(
            "DO $$ BEGIN CREATE ROLE portcullis LOGIN PASSWORD '{PASSWORD}';
             EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        );
        self.sql("postgres", &role);
    }

    /// A program of the server, as an account that it agrees to run as.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(path(name));
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command.stdin(Stdio::null()).current_dir("/");
        command
    }
}

/// Ends a server of a test of its own; the shared one ends with the run.
impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A process that ends the server and removes its folder as soon as this one is gone: its input ends then,
/// also where the run was killed.
fn guard(server: u32, folder: &Path) -> ChildStdin {
    let script = r#"cat >/dev/null
        kill -0 "$1" 2>/dev/null || exit 0
        kill -INT "$1"
        for i in $(seq 100); do kill -0 "$1" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$1" 2>/dev/null
        rm -rf "$2""#;
    let mut guard = Command::new("sh");
    guard.args(["-c", script, "guard", &server.to_string()]).arg(folder);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // Not among those that a terminal interrupts together with the run.
    guard.process_group(0).spawn().unwrap().stdin.take().unwrap()
}

/// Who the server runs as where this is root, whom it refuses.
fn account() -> Option<(u32, u32)> {
    let id = |arguments: &[&str]| -> Option<u32> {
        let output = Command::new("id").args(arguments).output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().parse().unwrap())
    };
    (id(&["-u"])? == 0).then(|| {
        let name = if id(&["-u", "postgres"]).is_some() { "postgres" } else { "nobody" };
        (id(&["-u", name]).unwrap(), id(&["-g", name]).unwrap())
    })
}

/// Debian keeps them where no path looks, beside those of other versions; the newest is taken.
fn path(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path())))
        .map(|(version, path)| (version, path.join("bin").join(name)))
        .filter(|(_, path)| path.exists())
        .max();
    newest.map_or_else(|| PathBuf::from(name), |(_, path)| path)
}

fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}
