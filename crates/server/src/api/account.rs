//! Registering, logging in and out, tokens, the profile and the password.

use http::StatusCode;
use portcullis_accounts::error::AccountError;
use portcullis_accounts::service::{Granted, Registration};
use portcullis_core::identity::ADMIN;
use portcullis_core::identity::Scheme;

use super::answer::Answer;
use super::bodies::{asked, told};
use super::call::Call;
use super::refusal::Refusal;
use super::service::State;
use super::sessions;

/// `POST /auth/register`
pub fn register(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::Register = call.body()?;
    let by = call.caller.proven.as_ref().filter(|proven| proven.role.as_deref() == Some(ADMIN));
    let email = Some(body.email.as_str());
    let user = if let (Some(_), Some(role)) = (by, &body.role) {
        state.accounts.add_user(&body.username, email, role, Some(&body.password), call.now_ms)?
    } else {
        let role = body.role.as_deref();
        let asked = Registration { name: &body.username, email, password: &body.password, role };
        state.accounts.register(&asked, call.now_ms)?
    };
    let details = format!("user {} with the role {}", user.name, user.role);
    Ok(Answer::json(StatusCode::CREATED, &told::User::from(user))?.about(details))
}

/// `POST /auth/login`
pub fn login(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::Login = call.body()?;
    let code = body.totp.as_deref();
    let granted = state.accounts.login(&body.username, &body.password, code, call.from(), call.now_ms)?;
    tokens(granted)
}

/// `POST /auth/login/totp`
pub fn login_totp(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::LoginTotp = call.body()?;
    tokens(state.accounts.login_totp(&body.attempt, &body.totp, call.from(), call.now_ms)?)
}

/// `POST /auth/refresh`
pub fn refresh(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::Refresh = call.body()?;
    tokens(state.accounts.refresh(&body.refresh_token, call.now_ms)?)
}

/// `POST /auth/logout`
pub fn logout(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let (proven, user) = (call.proven()?, call.user()?);
    let id = proven.credential.parse().map_err(|_| Refusal::internal("a login without an id"))?;
    if proven.scheme == Scheme::Session {
        state.accounts.end_session(Some(user), id)?;
    } else {
        state.accounts.logout(id, call.now_ms)?;
    }
    let answer = Answer::done().about(format!("the {} that asked", proven.scheme));
    let in_browser = proven.scheme == Scheme::Session && proven.device.is_none();
    Ok(if in_browser { answer.with_cookie(sessions::no_cookie(&call.live.cookie)) } else { answer })
}

/// `GET /auth/profile`
pub fn profile(state: &State, call: &Call) -> Result<Answer, Refusal> {
    Answer::json(StatusCode::OK, &told::User::from(state.accounts.profile(call.user()?)?))
}

/// `POST /auth/password`
pub fn change_password(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::Password = call.body()?;
    let (old, new) = (&body.current_password, &body.new_password);
    state
        .accounts
        .change_password(call.user()?, old, new, call.from(), call.now_ms)
        .map_err(|error| Refusal::of_account(&error, "/new_password"))?;
    Ok(Answer::done())
}

fn tokens(granted: Granted) -> Result<Answer, Refusal> {
    let details = format!("user {}", granted.user.name);
    let tokens = told::Tokens {
        access_token: granted.access.token,
        refresh_token: granted.refresh,
        token_type: "bearer",
        expires_in: granted.access.expires_in_s,
    };
    Ok(Answer::json(StatusCode::OK, &tokens)?.about(details))
}

impl From<AccountError> for Refusal {
    fn from(error: AccountError) -> Self {
        Refusal::of_account(&error, "/password")
    }
}
