//! The accounts of the forecasting API: names and tokens in memory, as far as the guide's commands need them.

use crate::fastapi::{Answer, Kind, Model, Refusal, optional, required};
use crate::identifier::{digest, now, token};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;

const MOST_USERS: usize = 1000;
const MOST_TOKENS: usize = 1000;
/// Seconds; the guide's `ACCESS_TOKEN_EXPIRE_MINUTES`.
const LIFETIME: u64 = 1800;

const REGISTRATION: Model = Model {
    fields: &[
        required("username", Kind::Short(100)),
        required("email", Kind::Short(200)),
        required("password", Kind::Short(200)),
        optional("role", Kind::Short(20)),
    ],
    closed: false,
};
const LOGIN: Model = Model {
    fields: &[required("username", Kind::Short(100)), required("password", Kind::Short(200))],
    closed: false,
};

type Shared = State<Arc<Mutex<Users>>>;

#[derive(Default)]
pub(super) struct Users {
    users: Vec<User>,
    /// Access tokens and whose they are, the oldest first.
    tokens: VecDeque<(String, String)>,
}

struct User {
    name: String,
    email: String,
    salt: String,
    /// Salted SHA-256. Enough for a sample that forgets everything when it ends; the gateway's own accounts
    /// use a password hash.
    verifier: [u8; 32],
    created_at: String,
    last_login: Option<String>,
}

pub(super) fn routes(users: &Arc<Mutex<Users>>) -> Router {
    Router::new()
        .route("/auth/register", post(register))
        .route("/auth/login", post(login))
        .route("/auth/profile", get(profile))
        .route("/auth/api-key", post(api_key))
        .route("/admin/users", get(list))
        .with_state(users.clone())
}

async fn register(State(users): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = REGISTRATION.read(&headers, &body)?;
    let said = |name: &str| fields[name].as_str().unwrap_or_default().to_owned();
    let (name, email, salt) = (said("username"), said("email"), token()?);
    if !email.contains('@') {
        let issue = json!({
            "type": "value_error", "loc": ["body", "email"],
            "msg": "value is not a valid email address: An email address must have an @-sign.", "input": email,
        });
        return Err(Refusal::invalid(vec![issue]));
    }
    let mut users = users.lock();
    if users.users.iter().any(|user| user.name == name) {
        return Err(Refusal::bad_request("Username already registered"));
    }
    if users.users.iter().any(|user| user.email == email) {
        return Err(Refusal::bad_request("Email already registered"));
    }
    if users.users.len() >= MOST_USERS {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Registration is closed"));
    }
    let verifier = digest(&[&salt, &said("password")]);
    let user = User { name, email, salt, verifier, created_at: now(), last_login: None };
    let shown = user.shown();
    users.users.push(user);
    Ok(Json(shown))
}

async fn login(State(users): Shared, headers: HeaderMap, body: Bytes) -> Answer {
    let fields = LOGIN.read(&headers, &body)?;
    let said = |name: &str| fields[name].as_str().unwrap_or_default();
    let (access, refresh) = (token()?, token()?);
    let mut users = users.lock();
    let user = users
        .users
        .iter_mut()
        .find(|user| {
            user.name == said("username") && user.verifier == digest(&[&user.salt, said("password")])
        })
        .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Invalid credentials"))?;
    user.last_login = Some(now());
    let name = user.name.clone();
    if users.tokens.len() >= MOST_TOKENS {
        users.tokens.pop_front();
    }
    users.tokens.push_back((access.clone(), name));
    Ok(Json(json!({
        "access_token": access, "refresh_token": refresh, "token_type": "bearer", "expires_in": LIFETIME,
    })))
}

async fn profile(State(users): Shared, headers: HeaderMap) -> Answer {
    let users = users.lock();
    users.caller(&headers).map(|user| Json(user.shown()))
}

async fn api_key(State(users): Shared, headers: HeaderMap) -> Answer {
    let key = token()?;
    users.lock().caller(&headers)?;
    Ok(Json(json!({ "api_key": key, "message": "API key generated successfully" })))
}

async fn list(State(users): Shared) -> Json<Value> {
    let users: Vec<Value> = users.lock().users.iter().map(User::shown).collect();
    Json(json!({ "users": users }))
}

impl Users {
    pub(super) fn len(&self) -> usize {
        self.users.len()
    }

    /// Whoever the gateway names, or whose token it is.
    fn caller(&self, headers: &HeaderMap) -> Result<&User, Refusal> {
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = said(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
        let of_token = self.tokens.iter().find(|(token, _)| Some(token.as_str()) == bearer);
        let name = of_token.map(|(_, name)| name.as_str()).or(said("x-auth-user"));
        name.and_then(|name| self.users.iter().find(|user| user.name == name))
            .ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "Invalid token"))
    }
}

impl User {
    fn shown(&self) -> Value {
        json!({
            "username": self.name, "email": self.email, "role": "free", "is_active": true,
            "created_at": self.created_at, "last_login": self.last_login,
        })
    }
}
