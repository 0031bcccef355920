//! A service on a store in memory, and the part of the gate that says who calls.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use portcullis::api::{Places, Replies, Service, Settings, Start, State, document};
use portcullis_accounts::password::{Algorithm, Argon2Cost, Hasher, Policy};
use portcullis_accounts::token::{Keyring, TokenSettings};
use portcullis_accounts::{AccountSettings, Accounts, Directory, DirectorySettings, Judgement, Tokens};
use portcullis_core::event::{AccessRecord, EventKind, Recorder, SecurityEvent};
use portcullis_core::{Identity, Secret};
use portcullis_proxy::Inside;
use serde_json::Value;

pub const PASSWORD: &str = "Quilted-Walrus-94-Harbor";

/// The service and what it works on.
pub struct Api {
    pub accounts: Arc<Accounts>,
    pub service: Option<Service>,
    inside: Inside,
    events: Arc<Mutex<Vec<String>>>,
    document: Value,
}

/// What the service answered.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

/// A request that is being put together.
pub struct Ask<'a> {
    api: &'a Api,
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

/// Who calls, as the gate found.
#[derive(Debug, Clone)]
pub enum Who {
    Bearer(String),
    Key(String),
    Session { secret: String, device: Option<String> },
}

impl Api {
    pub fn start() -> Self {
        Self::with(Replies::default(), Argon2Cost { memory_kib: 64, passes: 1, lanes: 1 })
    }

    pub fn with(replies: Replies, cost: Argon2Cost) -> Self {
        let roles: Vec<String> = ["free", "premium", "admin"].map(str::to_owned).into();
        let store = portcullis_store::open("memory:", None, &portcullis_store::Options::default()).unwrap();
        let directory = Arc::new(Directory::new(DirectorySettings {
            key_prefix: "pk_".to_owned(),
            session_idle_ms: None,
            revoked_ms: 3_600_000,
            roles: roles.clone(),
            identities: 1024,
            stale_after_ms: i64::MAX,
        }));
        directory.load(&*store, now_ms()).unwrap();
        let token_settings = TokenSettings {
            issuer: "portcullis".to_owned(),
            audience: "portcullis".to_owned(),
            access_ttl_s: 1800,
            refresh_ttl_s: 604_800,
            leeway_s: 0,
        };
        let keyring = Keyring::hs256(&[Secret::new("correct-horse-battery-staple-0123456789")]).unwrap();
        let tokens = Arc::new(Tokens::new(token_settings, keyring).unwrap());
        let settings = AccountSettings {
            hasher: Hasher::new(Algorithm::Argon2id(cost)).unwrap(),
            policy: Policy::default(),
            registration: true,
            default_role: "free".to_owned(),
            roles: roles.clone(),
            key_prefix: "pk_".to_owned(),
            max_keys: 10,
            key_ttl_ms: None,
            session_ttl_ms: 86_400_000,
            session_idle_ms: None,
            max_sessions: 10,
            device_ttl_ms: 1_800_000,
            max_devices: 3,
            attempt_ttl_ms: 300_000,
            lockout_attempts: 5,
            lockout_window_s: 300,
            totp_issuer: "Portcullis".to_owned(),
        };
        let accounts = Arc::new(Accounts::new(store, directory, tokens, settings).unwrap());
        let events = Arc::new(Mutex::new(Vec::new()));
        let places = Places::below("");
        let document = serde_json::from_str(&document(&places, &roles)).unwrap();
        let (service, inside) = Service::start(Start {
            state: State { accounts: Arc::clone(&accounts), audit: None },
            settings: Settings { places, replies, roles, ..Settings::default() },
            recorder: {
                let events = Arc::clone(&events);
                Arc::new(move || Box::new(Events(Arc::clone(&events))))
            },
            complain: Arc::new(|complaint| panic!("a fault: {complaint}")),
            cores: 2,
        })
        .unwrap();
        Self { accounts, service: Some(service), inside, events, document }
    }

    pub fn connect(&self) -> UnixStream {
        let stream = self.inside.connect().unwrap();
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        stream
    }

    pub fn ask(&self, method: &str, target: &str) -> Ask<'_> {
        let fields = [
            ("Host", "gate"),
            ("X-Auth-Client", "192.0.2.7"),
            ("X-Auth-Secure", "1"),
            ("X-Request-Id", "request-1"),
            ("User-Agent", "test/1"),
        ];
        Ask {
            api: self,
            method: method.to_owned(),
            target: target.to_owned(),
            fields: fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            body: Vec::new(),
        }
    }

    pub fn get(&self, who: &Who, target: &str) -> Reply {
        self.ask("GET", target).by(who).send()
    }

    pub fn post(&self, target: &str, body: &Value) -> Reply {
        self.ask("POST", target).json(body).send()
    }

    /// The events since the last call.
    pub fn events(&self) -> Vec<String> {
        std::mem::take(&mut *self.events.lock().unwrap())
    }

    /// A user who registered and logged in.
    pub fn user(&self, name: &str) -> Who {
        let body = serde_json::json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
        let reply = self.post("/auth/register", &body);
        assert_eq!(reply.status, 201, "{reply:?}");
        self.login(name)
    }

    pub fn login(&self, name: &str) -> Who {
        let reply = self.post("/auth/login", &serde_json::json!({ "username": name, "password": PASSWORD }));
        assert_eq!(reply.status, 200, "{reply:?}");
        Who::Bearer(reply.text("access_token"))
    }

    /// An administrator, as the command line makes one.
    pub fn admin(&self) -> Who {
        self.accounts.add_user("root.admin", None, "admin", Some(PASSWORD), now_ms()).unwrap();
        self.login("root.admin")
    }

    /// What the gate finds about a credential.
    pub fn judge(&self, who: &Who) -> Judgement {
        let directory = self.accounts.directory();
        let now_ms = now_ms();
        match who {
            Who::Bearer(token) => match self.accounts.tokens().access(token.as_bytes(), now_ms) {
                Ok(claims) => directory.bearer(&claims, now_ms),
                Err(_) => Judgement::Rejected,
            },
            Who::Key(key) => directory.api_key(key.as_bytes(), now_ms),
            Who::Session { secret, device } => {
                directory.session(secret.as_bytes(), device.as_deref().map(str::as_bytes), now_ms)
            }
        }
    }

    pub fn is_valid(&self, who: &Who) -> bool {
        matches!(self.judge(who), Judgement::Proven(_))
    }

    /// The document has this answer.
    fn check(&self, method: &str, target: &str, reply: &Reply) {
        let path = target.split('?').next().unwrap();
        let fits = |pattern: &str| {
            let (pattern, path) = (pattern.split('/'), path.split('/'));
            pattern.clone().count() == path.clone().count()
                && pattern.zip(path).all(|(one, other)| one.starts_with('{') || one == other)
        };
        let paths = self.document["paths"].as_object().unwrap();
        let exact = paths.get(path);
        let Some(item) = exact.or_else(|| paths.iter().find(|(at, _)| fits(at)).map(|(_, item)| item)) else {
            return;
        };
        let Some(operation) = item.get(method.to_lowercase()) else { return };
        let mut response = &operation["responses"][reply.status.to_string()];
        assert!(response.is_object(), "{method} {target}: {} is not documented", reply.status);
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(reference.trim_start_matches('#')).unwrap();
        }
        let documented = response["content"].as_object();
        match reply.field("content-type") {
            None => assert!(documented.is_none(), "{method} {target}: a body is documented"),
            Some(kind) => {
                let essence = kind.split(';').next().unwrap();
                assert!(documented.unwrap().contains_key(essence), "{method} {target}: {kind}");
            }
        }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if let Some(service) = self.service.take() {
            service.stop();
        }
    }
}

impl Ask<'_> {
    pub fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(known, _)| known != name);
        self
    }

    pub fn json(self, body: &Value) -> Self {
        self.field("Content-Type", "application/json").body(body.to_string().as_bytes())
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.to_vec();
        self
    }

    /// Says who calls, as the gate writes it.
    pub fn by(self, who: &Who) -> Self {
        match self.api.judge(who) {
            Judgement::Proven(identity) => self.identity(&identity),
            other => panic!("the gate would not let this in: {other:?}"),
        }
    }

    pub fn identity(mut self, identity: &Identity) -> Self {
        let mut put = |name: &str, value: String| self.fields.push((name.to_owned(), value));
        put("X-Auth-User", identity.user.to_string());
        put("X-Auth-Method", identity.scheme.name().to_owned());
        put("X-Auth-Credential", identity.credential.to_string());
        if let Some(role) = &identity.role {
            put("X-Auth-Role", role.to_string());
        }
        if let Some(id) = identity.id {
            put("X-Auth-Id", id.to_string());
        }
        if let Some(device) = identity.device {
            put("X-Auth-Device", device.to_string());
        }
        self
    }

    pub fn send(self) -> Reply {
        let mut stream = self.api.connect();
        stream.write_all(&self.bytes()).unwrap();
        let reply = Reply::read(&mut stream);
        self.api.check(&self.method, &self.target, &reply);
        reply
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.target);
        for (name, value) in &self.fields {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str(&format!("Content-Length: {}\r\n\r\n", self.body.len()));
        let mut out = out.into_bytes();
        out.extend_from_slice(&self.body);
        out
    }
}

impl Reply {
    /// Reads an answer after which the connection ends.
    pub fn read(stream: &mut UnixStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: bytes[end + 4..].to_vec() }
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub fn text(&self, member: &str) -> String {
        self.json()[member].as_str().unwrap_or_else(|| panic!("no {member}: {self:?}")).to_owned()
    }

    /// The status and the stable code of a refusal.
    pub fn refusal(&self) -> (u16, String) {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        (self.status, self.text("code"))
    }
}

pub fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

struct Events(Arc<Mutex<Vec<String>>>);

impl Recorder for Events {
    fn security(&mut self, event: &SecurityEvent<'_>) {
        let success = match event.kind {
            EventKind::AuthAttempt { success } => format!(" {success}"),
            _ => String::new(),
        };
        let user = event.subject.user.unwrap_or("-");
        let line = format!("{}{success} {} {user} {}", event.kind.name(), event.reason, event.details);
        self.0.lock().unwrap().push(line.trim_end().to_owned());
    }

    fn access(&mut self, _: &AccessRecord<'_>) {}

    fn flush(&mut self) {}
}
