//! An application started by `portcullis run … -- CMD`, and the way to it past the gateway.

use portcullis_tests::{Gateway, Launch, free_port, until};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Which application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    FastApi,
    Express,
}

/// How the gateway reaches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp,
    Unix,
}

/// An application behind the gateway.
pub(super) struct Behind {
    pub(super) kind: Kind,
    pub(super) gateway: Gateway,
    /// The application itself: the very one behind the gateway, or its twin where that one has no TCP address.
    pub(super) direct: SocketAddr,
    _twin: Option<Twin>,
}

impl Behind {
    /// `portcullis run --upstream URL --listen 127.0.0.1:0 -- CMD`.
    pub(super) fn start(kind: Kind, transport: Transport) -> Self {
        let port = free_port();
        let direct = SocketAddr::from(([127, 0, 0, 1], port));
        let launch = Launch::run();
        let (upstream, twin) = match transport {
            Transport::Tcp => (format!("http://{direct}"), None),
            Transport::Unix => (format!("unix:{}", launch.path("app.sock")), Some(Twin::start(kind, direct))),
        };
        let command = kind.command(&upstream);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let folder = launch.path(".");
        // A body may be 1 MiB where nobody says otherwise; these tests send more.
        let gateway = launch
            .arg("--upstream")
            .arg(&upstream)
            .env("PORTCULLIS_SERVER__CAPS__BODY", "64 MiB")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("TMPDIR", &folder)
            .application(&command)
            .start();
        Self { kind, gateway, direct, _twin: twin }
    }

    /// The gateway's own address, which clients use.
    pub(super) fn address(&self) -> SocketAddr {
        self.gateway.address()
    }
}

impl Kind {
    /// The command that starts it, listening at `http://HOST:PORT` or `unix:PATH`.
    fn command(self, address: &str) -> Vec<String> {
        let (folder, program) = self.prepared();
        let (tcp, unix) = (address.strip_prefix("http://"), address.strip_prefix("unix:"));
        let words: Vec<String> = match self {
            Kind::Express => vec![program, format!("{folder}/app.js"), tcp.unwrap_or(address).to_owned()],
            Kind::FastApi => {
                let mut words = vec![program, "-m".into(), "uvicorn".into(), "app:app".into()];
                words.extend(["--app-dir".into(), folder, "--log-level".into(), "warning".into()]);
                match (tcp.and_then(|tcp| tcp.rsplit_once(':')), unix) {
                    (Some((host, port)), _) => {
                        words.extend(["--host".into(), host.into(), "--port".into(), port.into()]);
                    }
                    (None, Some(path)) => words.extend(["--uds".into(), path.into()]),
                    (None, None) => panic!("not an address: {address}"),
                }
                words
            }
        };
        words
    }

    /// Its folder and the program that runs it; installed where that has not been done yet.
    pub(super) fn prepared(self) -> (String, String) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("apps/prepare");
        let name = match self {
            Kind::FastApi => "fastapi",
            Kind::Express => "express",
        };
        let output = Command::new(&script).arg(name).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{} {name}: {}", script.display(), output.status);
        let printed = String::from_utf8(output.stdout).unwrap();
        let mut words = printed.split_whitespace().skip(1).map(str::to_owned);
        words.next().zip(words.next()).unwrap_or_else(|| panic!("prepare said: {printed}"))
    }
}

/// A second instance, without a gateway.
struct Twin(Child);

impl Twin {
    fn start(kind: Kind, address: SocketAddr) -> Self {
        let command = kind.command(&format!("http://{address}"));
        let child = Command::new(&command[0])
            .args(&command[1..])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let twin = Self(child);
        until("the application to answer", || TcpStream::connect(address).ok());
        twin
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        // A polite end first, so that it removes its files.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}
