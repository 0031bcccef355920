//! BTC Forecasting: every claim B-* of the contract that the product meets, against the profile of that name.

use portcullis_tests::{Accounts, Application, Gateway, Launch, Login, Request, Response, System};
use serde_json::Value;

mod audit;
mod auth;
mod checklist;
mod cors;
mod env;
mod keys;
mod password;
mod rate;
mod response;
mod roles;
mod socket;
mod store;
mod tls;
mod tokens;

/// A key as `openssl rand -hex 32` makes one.
const SECRET: &str = "5d2f7a90c41be8363f0d9ab27c58e1f46b0792adc3e5184f9a6d2c7be0318f54";

/// A key of the store, as `portcullis generate encryption-key` makes one.
const ENCRYPTION_KEY: &str = "c3VyZWx5LW5vdC1hLXBsYWNlaG9sZGVyLWtleS0zMiE=";

/// The password of the guide.
const GUIDE_PASSWORD: &str = "SecurePassword123!";

const REGISTER: &str = r#"curl -X POST "http://localhost:8000/auth/register" \
  -H "Content-Type: application/json" \
  -d '{
    "username": "newuser",
    "email": "user@example.com",
    "password": "SecurePassword123!",
    "role": "free"
  }'"#;

const LOGIN: &str = r#"curl -X POST "http://localhost:8000/auth/login" \
  -H "Content-Type: application/json" \
  -d '{
    "username": "newuser",
    "password": "SecurePassword123!"
  }'"#;

/// The gateway with the profile, on a free port; `url` is the application's.
fn launch(url: &str) -> Launch {
    Launch::profile("btc-forecasting", url)
        .env("JWT_SECRET_KEY", SECRET)
        .env("DATABASE_ENCRYPTION_KEY", ENCRYPTION_KEY)
}

/// The sample application behind the gateway.
struct Behind {
    gateway: Gateway,
    accounts: Accounts,
    _application: Application,
}

impl Behind {
    fn start() -> Self {
        Self::with(|launch| launch)
    }

    /// The same, with more said.
    fn with(more: impl FnOnce(Launch) -> Launch) -> Self {
        let application = Application::start(System::Btc);
        let gateway = more(launch(application.url())).start();
        let accounts = Accounts::at_root(&gateway);
        Self { gateway, accounts, _application: application }
    }

    /// The same after an orderly end and another start.
    fn again(self, more: impl FnOnce(Launch) -> Launch) -> Self {
        let gateway = more(self.gateway.stop()).start();
        let accounts = Accounts::at_root(&gateway);
        Self { gateway, accounts, ..self }
    }

    fn send(&self, request: &Request) -> Response {
        request.send_to(self.gateway.address())
    }

    /// Somebody with a role, logged in.
    #[track_caller]
    fn user(&self, name: &str, role: &str) -> Login {
        self.gateway.user(&self.accounts, name, role)
    }
}

/// A forecast, without a credential.
fn predict() -> Request {
    Request::post("/predict", r#"{"days": 7}"#)
}

/// Fails unless the answer is a forecast of the application's.
#[track_caller]
fn assert_forecast(answer: &Response) {
    assert_eq!(answer.status, 200, "{}{}", answer.head, answer.text());
    assert_eq!(answer.json()["predictions"].as_array().map(Vec::len), Some(7), "{}", answer.text());
}

/// Fails unless the answer is a refusal that says exactly this.
#[track_caller]
fn assert_refused(answer: &Response, status: u16, detail: &str) {
    let body = format!(r#"{{"detail":"{detail}"}}"#);
    assert_eq!((answer.status, answer.text()), (status, body.as_str()), "{}", answer.head);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    if status == 401 {
        let challenge = answer.field("www-authenticate").unwrap_or_else(|| panic!("{}", answer.head));
        assert!(challenge.starts_with("Bearer"), "{challenge}");
    }
}

/// The names of a JSON object, sorted.
fn names(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().expect("an object").keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}
