//! `demo`: a sample API behind the gateway, with commands to paste.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use portcullis_sample::System;

use super::serve;
use crate::config::Sources;

/// The configuration of the demonstration; it is also what a newcomer would write.
const CONFIG: &str = r#"# The demonstration of Portcullis: a sample API behind a key, a token, limits and CORS.
upstream = "http://{upstream}"

[server]
listen = "{listen}"

[auth.api_key]
value = "file:api-key"

[auth.ingest_token]
value = "file:ingest-token"

[cors]
origins = ["http://localhost:5173"]

[[limits]]
rate = "100/minute per ip"

[[routes]]
match = "GET /health"
auth = "none"

[[routes]]
match = "POST /live/ingest"
auth = "ingest-token"
limits = ["60/minute per ip"]
"#;

/// Starts the sample API and serves it. `listen` is where the gateway answers; of `sources` the directory
/// counts.
pub fn run(sources: &Sources, listen: &str) -> Result<()> {
    let folder = Folder::new()?;
    let upstream = sample()?;
    let key = folder.secret("api-key")?;
    let token = folder.secret("ingest-token")?;
    let config = CONFIG.replace("{upstream}", &upstream).replace("{listen}", listen);
    let path = folder.0.join("portcullis.toml");
    std::fs::write(&path, config).with_context(|| format!("{}", path.display()))?;
    let _ = std::io::stdout().write_all(introduction(&key, &token, listen, &path).as_bytes());
    serve::serve(&Sources { config_path: Some(path), ..sources.clone() }, Vec::new())
}

/// What to paste. Keys of a demonstration are shown; they end with it.
fn introduction(key: &str, token: &str, listen: &str, config: &Path) -> String {
    let base = format!("http://{listen}");
    let mut out = String::from("A sample API now stands behind the gateway. Try, in another terminal:\n\n");
    let mut show = |what: &str, command: &str| {
        let _ = writeln!(out, "# {what}\n{command}\n");
    };
    show("no key: 401", &format!("curl -i {base}/api/status"));
    show(
        "with the key: 200, and the headers of the limit",
        &format!("curl -i -H 'X-API-Key: {key}' {base}/api/status"),
    );
    show(
        "the ingest endpoint asks for its own token",
        &format!(
            "curl -i -X POST {base}/live/ingest -H 'Content-Type: application/json' -H 'X-Ingest-Token: {token}' \\\n  \
             -d '{{\"id\":\"bet1\",\"nonce\":1,\"amount\":1,\"payout\":2,\"difficulty\":\"easy\",\"roundResult\":2,\
             \"clientSeed\":\"seed\",\"serverSeedHashed\":\"hash\"}}'"
        ),
    );
    show(
        "more than 100 requests in a minute: 429 with Retry-After",
        &format!(
            "for i in $(seq 110); do curl -s -o /dev/null -w '%{{http_code}} ' -H 'X-API-Key: {key}' {base}/api/status; done"
        ),
    );
    show(
        "what the gateway would do with a request, and why",
        &format!("portcullis explain --config {} POST /live/ingest", config.display()),
    );
    out.push_str("End it with Ctrl-C.\n\n");
    out
}

/// Starts the sample API on a free port of its own thread and returns where it answers.
fn sample() -> Result<String> {
    let listener =
        std::net::TcpListener::bind((IpAddr::V4(Ipv4Addr::LOCALHOST), 0)).context("the sample API")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?.to_string();
    std::thread::Builder::new().name("sample-api".to_owned()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let Ok(runtime) = runtime else { return };
        runtime.block_on(async {
            if let Ok(listener) = tokio::net::TcpListener::from_std(listener) {
                let listener = portcullis_sample::Listener::Tcp(listener);
                let _ = portcullis_sample::serve(listener, portcullis_sample::router(System::All)).await;
            }
        });
    })?;
    Ok(address)
}

/// A folder that goes when the demonstration ends.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let [name, _] = serve::random_pair()?;
        let path = std::env::temp_dir().join(format!("portcullis-demo-{name:016x}"));
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("{}", path.display()))?;
        Ok(Self(path))
    }

    /// Writes a fresh secret and returns it.
    fn secret(&self, name: &str) -> Result<String> {
        let secret = crate::cli::generate::fresh(crate::cli::generate::Kind::Token)?;
        std::fs::write(self.0.join(name), &secret)?;
        Ok(secret)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
