//! People who come: what they send to the account endpoints, and how an operator makes them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

use super::gateway::Gateway;
use super::http::{Connection, Request, Response};
use super::wait::until;

/// A password that every policy takes.
pub const PASSWORD: &str = "Quiet-Harbour-47-Lanterns!";

/// The account endpoints of a gateway.
#[derive(Debug, Clone, Copy)]
pub struct Accounts {
    address: SocketAddr,
    prefix: &'static str,
    source: Option<IpAddr>,
}

/// What a login gives.
#[derive(Debug, Clone)]
pub struct Login {
    /// The token that requests carry.
    pub access: String,
    /// The token that gives the next pair.
    pub refresh: String,
}

impl Login {
    /// Reads the answer of a login or a refresh; fails when it is none.
    #[track_caller]
    pub fn of(answer: &Response) -> Self {
        assert_eq!(answer.status, 200, "{}{}", answer.head, answer.text());
        let body = answer.json();
        let token =
            |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        Self { access: token("access_token"), refresh: token("refresh_token") }
    }
}

impl Accounts {
    /// Endpoints that stand at the root, as in the profile `btc-forecasting`.
    pub fn at_root(gateway: &Gateway) -> Self {
        Self { address: gateway.address(), prefix: "", source: None }
    }

    /// Endpoints where they stand without a profile.
    pub fn of(gateway: &Gateway) -> Self {
        Self { address: gateway.address(), prefix: "/portcullis", source: None }
    }

    /// The same for a client at another address of this machine: the `number`th of a thousand.
    #[must_use]
    pub fn from(self, number: usize) -> Self {
        let source = Ipv4Addr::new(127, 0, 2 + (number / 250 % 4) as u8, 1 + (number % 250) as u8);
        Self { source: Some(source.into()), ..self }
    }

    /// Where the gateway listens.
    pub fn connection_address(&self) -> SocketAddr {
        self.address
    }

    /// The path of an endpoint.
    pub fn path(&self, endpoint: &str) -> String {
        format!("{}{endpoint}", self.prefix)
    }

    /// A request to an endpoint.
    pub fn get(&self, endpoint: &str) -> Request {
        Request::get(&self.path(endpoint))
    }

    /// A request that changes something.
    pub fn post(&self, endpoint: &str, body: &Value) -> Request {
        Request::post(&self.path(endpoint), &body.to_string())
    }

    /// A request that takes something away.
    pub fn delete(&self, endpoint: &str) -> Request {
        Request::new("DELETE", &self.path(endpoint))
    }

    /// Sends a request.
    pub fn send(&self, request: &Request) -> Response {
        match self.source {
            Some(source) => request.on(&mut Connection::open_from(source, self.address)),
            None => request.send_to(self.address),
        }
    }

    /// Waits until a request is answered with that status. What was made on another way is known to a gateway within
    /// its next look at the store; each question comes from another address, so that none is taken for a guess.
    #[track_caller]
    pub fn until(&self, what: &str, request: &Request, status: u16) {
        let mut number = 0;
        until(what, || {
            number += 1;
            (self.from(number).send(request).status == status).then_some(())
        });
    }

    /// Sends a request that must succeed, and reads its answer.
    #[track_caller]
    pub fn done(&self, request: &Request) -> Value {
        let answer = self.send(request);
        assert!((200..300).contains(&answer.status), "{}{}", answer.head, answer.text());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }

    /// Registers somebody with [`PASSWORD`].
    #[track_caller]
    pub fn register(&self, name: &str) -> Value {
        let body = json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
        self.done(&self.post("/auth/register", &body))
    }

    /// Tries to log in.
    pub fn try_login(&self, name: &str, password: &str) -> Response {
        self.send(&self.post("/auth/login", &json!({ "username": name, "password": password })))
    }

    /// Logs in with [`PASSWORD`].
    #[track_caller]
    pub fn login(&self, name: &str) -> Login {
        Login::of(&self.try_login(name, PASSWORD))
    }

    /// Registers somebody and logs in.
    #[track_caller]
    pub fn newcomer(&self, name: &str) -> Login {
        self.register(name);
        self.login(name)
    }

    /// Exchanges a refresh token.
    pub fn refresh(&self, token: &str) -> Response {
        self.send(&self.post("/auth/refresh", &json!({ "refresh_token": token })))
    }

    /// Who it is, with an access token.
    pub fn profile(&self, token: &str) -> Response {
        self.send(&self.get("/auth/profile").bearer(token))
    }

    /// Makes an API key; the answer has the key itself and its id.
    #[track_caller]
    pub fn key(&self, token: &str, wishes: &Value) -> FreshKey {
        let body = self.done(&self.post("/auth/api-key", wishes).bearer(token));
        let text =
            |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        FreshKey { key: text("api_key"), id: text("id") }
    }

    /// Registers a device.
    #[track_caller]
    pub fn device(&self) -> Device {
        let body = self.done(&self.post("/auth/devices", &json!({ "name": "a phone" })));
        let text =
            |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        Device { id: text("device_id"), secret: text("device_secret") }
    }

    /// Begins a session on a device.
    pub fn try_session(&self, token: &str, device: &Device) -> Response {
        let body = json!({ "device_id": device.id, "device_secret": device.secret });
        self.send(&self.post("/auth/sessions", &body).bearer(token))
    }

    /// Begins a session on a device; its secret id and its public one.
    #[track_caller]
    pub fn session(&self, token: &str, device: &Device) -> Session {
        let answer = self.try_session(token, device);
        assert!((200..300).contains(&answer.status), "{}{}", answer.head, answer.text());
        let body = answer.json();
        let text =
            |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        Session { secret: text("session_id"), id: text("id") }
    }

    /// A connection to the gateway.
    pub fn connection(&self) -> Connection {
        Connection::open(self.address)
    }
}

/// An API key as it is shown once.
#[derive(Debug, Clone)]
pub struct FreshKey {
    /// The key.
    pub key: String,
    /// Its public id.
    pub id: String,
}

/// A device as it is shown once.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: String,
    /// What only it has.
    pub secret: String,
}

/// A session as it is shown once.
#[derive(Debug, Clone)]
pub struct Session {
    /// What the client presents.
    pub secret: String,
    /// Its public id.
    pub id: String,
}

impl Gateway {
    /// Makes somebody with a role and [`PASSWORD`], as an operator does, while the gateway runs.
    #[track_caller]
    pub fn add_user(&self, name: &str, role: &str) {
        let command = self.command("users add").arg(name).arg("--role").arg(role);
        let command = command.arg("--email").arg(&format!("{name}@example.com")).arg("--password-stdin");
        command.stdin(&format!("{PASSWORD}\n")).ran().succeeded();
    }

    /// The same, logged in.
    #[track_caller]
    pub fn user(&self, accounts: &Accounts, name: &str, role: &str) -> Login {
        self.add_user(name, role);
        accounts.login(name)
    }
}
