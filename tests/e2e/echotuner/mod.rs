//! EchoTuner: the claims E-* of the contract, against the profile of that name.

use portcullis_tests::{
    Accounts, Device, Gateway, Launch, Login, Request, Session, Upstream, assert_reached, assert_refused,
    await_warning, warned,
};

mod application;
mod cors;
mod deployment;
mod env;
mod headers;
mod input;
mod keys;
mod limits;
mod logs;
mod sessions;
mod timeouts;

/// A key as `openssl rand -base64 32` makes one.
const SECRET_KEY: &str = "b3F0V4yK+8m/Qz1Lr7cXw2Nn5pTj9sHd6gUeAaRiYkE=";

/// An origin of the guide.
const FRONTEND: &str = "https://yourdomain.com";
const ORIGINS: &str = "https://yourdomain.com,https://app.yourdomain.com";

/// A page of nobody's.
const FOREIGN: &str = "https://evil.example";

const LIMITED: &str = r#"{"detail":"Rate limit exceeded"}"#;

/// What the real application takes.
const PROMPT: &str =
    r#"{"prompt":"upbeat indie for a rainy walk","session_id":"session-1","device_id":"device-1"}"#;

/// The gateway with the profile and its one required name, on a free port; `url` is the application's.
fn launch(url: &str) -> Launch {
    Launch::profile("echotuner", url).env("SECRET_KEY", SECRET_KEY)
}

/// The same, with an allowance that no test uses up by chance.
fn generous(upstream: &Upstream) -> Launch {
    launch(&upstream.url()).env("RATE_LIMIT_REQUESTS_PER_MINUTE", "10000")
}

/// Somebody with a device and a session on it.
struct Visitor {
    login: Login,
    device: Device,
    session: Session,
}

impl Visitor {
    /// Registers, logs in, and begins a session on a device of its own.
    #[track_caller]
    fn new(gateway: &Gateway, name: &str) -> Self {
        let accounts = Accounts::of(gateway);
        let login = accounts.newcomer(name);
        let device = accounts.device();
        let session = accounts.session(&login.access, &device);
        Self { login, device, session }
    }

    /// The request as this visitor's client sends it.
    fn sign(&self, request: Request) -> Request {
        request.header("X-Session-ID", &self.session.secret).header("X-Device-ID", &self.device.id)
    }
}

/// A request that asks for a playlist.
fn generate() -> Request {
    Request::post("/playlist/generate", PROMPT)
}
