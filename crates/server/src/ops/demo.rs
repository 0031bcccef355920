//! `demo`: a sample API behind the gateway, with commands to paste.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use portcullis_accounts::NewKey;
use portcullis_sample::System;

use super::accounts::Opened;
use super::serve;
use crate::cli::generate::{Kind, fresh};
use crate::config::Sources;

/// The configuration of the demonstration; it is also what a newcomer would write.
const CONFIG: &str = r#"# The demonstration of Portcullis: a sample API behind keys, tokens, roles, limits and CORS.
upstream = "http://{upstream}"

[server]
listen = "{listen}"

[store]
url = "sqlite:portcullis.db"
encryption_key = "file:store-key"

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
match = "POST /realtime/start"
roles = ["admin"]

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
    let token = folder.secret("ingest-token", Kind::Token)?;
    folder.secret("store-key", Kind::EncryptionKey)?;
    let config = CONFIG.replace("{upstream}", &upstream).replace("{listen}", listen);
    let path = folder.0.join("portcullis.toml");
    std::fs::write(&path, config).with_context(|| format!("{}", path.display()))?;
    let sources = Sources { config_path: Some(path.clone()), ..sources.clone() };
    let people = people(&sources)?;
    let _ = std::io::stdout().write_all(introduction(&people, &token, listen, &path).as_bytes());
    serve::serve(&sources, Vec::new())
}

/// Who may come to the demonstration.
struct People {
    admin_password: String,
    user_password: String,
    /// Of the user.
    key: String,
}

/// Makes an administrator, a user and a key of hers.
fn people(sources: &Sources) -> Result<People> {
    let opened = Opened::open(sources)?;
    let now_ms = opened.now_ms();
    let (admin_password, user_password) = (fresh(Kind::Password)?, fresh(Kind::Password)?);
    opened.accounts.add_user("admin", Some("admin@example.com"), "admin", Some(&admin_password), now_ms)?;
    let user =
        opened.accounts.add_user("alice", Some("alice@example.com"), "free", Some(&user_password), now_ms)?;
    let new = NewKey { name: "demonstration".to_owned(), ..NewKey::default() };
    let (key, _) = opened.accounts.create_key(user.id, new, now_ms)?;
    Ok(People { admin_password, user_password, key })
}

/// What to paste. Passwords and keys of a demonstration are shown; they end with it.
fn introduction(people: &People, token: &str, listen: &str, config: &Path) -> String {
    let base = format!("http://{listen}");
    let mut out = String::from("A sample API now stands behind the gateway. Try, in another terminal:\n\n");
    let mut show = |what: &str, command: &str| {
        let _ = writeln!(out, "# {what}\n{command}\n");
    };
    let People { admin_password, user_password, key } = people;
    let login = |name: &str, password: &str| {
        format!(
            "curl -s {base}/portcullis/auth/login -H 'Content-Type: application/json' \\\n  \
             -d '{{\"username\":\"{name}\",\"password\":\"{password}\"}}'"
        )
    };
    let token_of = |name: &str, password: &str| {
        format!("TOKEN=$({} | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')", login(name, password))
    };
    show("no key: 401", &format!("curl -i {base}/api/status"));
    show(
        "with the key of the user alice: 200, and the headers of the limit",
        &format!("curl -i -H 'X-API-Key: {key}' {base}/api/status"),
    );
    show("alice logs in and gets an access token and a refresh token", &login("alice", user_password));
    show(
        "the role of alice is not enough for what only an admin may: 403",
        &format!(
            "{}\ncurl -i -X POST {base}/realtime/start -H \"Authorization: Bearer $TOKEN\"",
            token_of("alice", user_password)
        ),
    );
    show(
        "the admin may: 200",
        &format!(
            "{}\ncurl -i -X POST {base}/realtime/start -H \"Authorization: Bearer $TOKEN\"",
            token_of("admin", admin_password)
        ),
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
    show("who has an account", &format!("portcullis users list --config {}", config.display()));
    show(
        "what the gateway would do with a request, and why",
        &format!("portcullis explain --config {} POST /live/ingest", config.display()),
    );
    show(
        "what was recorded of all this, and whether anybody has changed it since",
        &format!(
            "portcullis audit list --limit 10 --config {0}\nportcullis audit verify --config {0}",
            config.display()
        ),
    );
    out.push_str(&format!("Every endpoint of the gateway itself: {base}/portcullis/docs\n\n"));
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
    fn secret(&self, name: &str, kind: Kind) -> Result<String> {
        let secret = fresh(kind)?;
        std::fs::write(self.0.join(name), &secret)?;
        Ok(secret)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
