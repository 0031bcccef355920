//! Sessions of the one that asks.

use http::StatusCode;
use portcullis_accounts::service::Binding;
use portcullis_core::identity::Scheme;
use portcullis_core::{Id, redact};
use serde::Serialize;

use super::answer::Answer;
use super::bodies::{asked, told};
use super::call::Call;
use super::live::Cookie;
use super::refusal::Refusal;
use super::service::State;

/// `POST /auth/sessions`
pub fn create(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let asked: asked::NewSession = call.body()?;
    let binding = match &asked {
        asked::NewSession::Cookie {} => Binding::Browser,
        asked::NewSession::Device { device_id, device_secret } => Binding::Device {
            id: device_id.parse().map_err(|_| Refusal::not_found())?,
            secret: device_secret,
        },
    };
    let mut agent = String::new();
    redact::text(call.caller.agent.as_deref().unwrap_or_default(), &mut agent);
    let started = state.accounts.create_session(call.user()?, binding, &agent, call.now_ms)?;
    let (secret, session) = (started.secret, started.session);
    let in_cookie = matches!(asked, asked::NewSession::Cookie {});
    let shown = told::SessionMade {
        id: session.id.to_string(),
        session_id: (!in_cookie).then(|| secret.clone()),
        device_id: session.device.map(|id| id.to_string()),
        expires_at: told::moment(session.expires_ms),
    };
    let answer = Answer::json(StatusCode::CREATED, &shown)?.about(format!("session {}", session.id));
    if !in_cookie {
        return Ok(answer);
    }
    let seconds = (session.expires_ms - call.now_ms).max(0) / 1000;
    Ok(answer.with_cookie(cookie(&call.live.cookie, &secret, seconds)))
}

/// `GET /auth/sessions`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Sessions {
        sessions: Vec<told::Session>,
    }
    let asks = current(call)?;
    let sessions = state.accounts.sessions_of(call.user()?)?;
    let sessions = sessions.into_iter().map(|session| told::Session::new(session, asks)).collect();
    Answer::json(StatusCode::OK, &Sessions { sessions })
}

/// `DELETE /auth/sessions/{id}`
pub fn end(state: &State, call: &Call) -> Result<Answer, Refusal> {
    end_of(state, call, Some(call.user()?))
}

/// Ends a session; with an owner, only one of its own.
pub fn end_of(state: &State, call: &Call, owner: Option<Id>) -> Result<Answer, Refusal> {
    let id = call.id()?;
    state.accounts.end_session(owner, id)?;
    let answer = Answer::done().about(format!("session {id}"));
    let in_browser = current(call)? == Some(id) && call.proven()?.device.is_none();
    Ok(if in_browser { answer.with_cookie(no_cookie(&call.live.cookie)) } else { answer })
}

/// The session that asks, where it is one.
pub fn current(call: &Call) -> Result<Option<Id>, Refusal> {
    let proven = call.proven()?;
    Ok((proven.scheme == Scheme::Session).then(|| proven.credential.parse().ok()).flatten())
}

/// Takes the cookie away.
pub fn no_cookie(cookie: &Cookie) -> String {
    self::cookie(cookie, "", 0)
}

/// RFC 6265bis: no script reads it, no other site sends it with what changes something.
fn cookie(cookie: &Cookie, value: &str, seconds: i64) -> String {
    let Cookie { name, secure } = cookie;
    let secure = if *secure { "; Secure" } else { "" };
    format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_for_the_server_alone() {
        let host = Cookie::default();
        assert_eq!(
            cookie(&host, "secret", 60),
            "__Host-session=secret; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"
        );
        let plain = Cookie { name: "session".into(), secure: false };
        assert_eq!(no_cookie(&plain), "session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }
}
