//! The API keys of the one that asks.

use http::StatusCode;
use portcullis_accounts::AccountError;
use portcullis_accounts::service::NewKey;
use portcullis_core::Id;
use portcullis_core::port::ApiKey;
use serde::Serialize;

use super::answer::Answer;
use super::bodies::{asked, told};
use super::call::Call;
use super::refusal::Refusal;
use super::service::State;

/// What a key is called where nobody says.
const UNNAMED: &str = "API key";

/// `POST /auth/api-key`
pub fn create(state: &State, call: &Call) -> Result<Answer, Refusal> {
    make(state, call, call.user()?, call.body()?)
}

/// `GET /auth/api-keys`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Keys {
        api_keys: Vec<told::Key>,
    }
    let keys = state.accounts.keys_of(call.user()?)?;
    Answer::json(StatusCode::OK, &Keys { api_keys: keys.into_iter().map(told::Key::from).collect() })
}

/// `DELETE /auth/api-keys/{id}`
pub fn revoke(state: &State, call: &Call) -> Result<Answer, Refusal> {
    revoke_of(state, call, Some(call.user()?))
}

/// `POST /auth/api-keys/{id}/rotate`
pub fn rotate(state: &State, call: &Call) -> Result<Answer, Refusal> {
    rotate_of(state, call, Some(call.user()?))
}

/// Makes a key for a user.
pub fn make(state: &State, call: &Call, user: Id, asked: asked::NewKey) -> Result<Answer, Refusal> {
    let bindings = asked.bindings.unwrap_or_default().into_iter();
    let new = NewKey {
        name: asked.name.unwrap_or_else(|| UNNAMED.to_owned()),
        scopes: asked.scopes.unwrap_or_default(),
        bindings: bindings
            .flat_map(|(name, values)| values.into_iter().map(move |value| (name.clone(), value)))
            .collect(),
        role: asked.role,
        expires_ms: asked.expires_in.map(|seconds| call.now_ms.saturating_add(seconds * 1000)),
    };
    let (key, made) = state.accounts.create_key(user, new, call.now_ms)?;
    shown(key, made)
}

/// Revokes a key; with an owner, only one of its own.
pub fn revoke_of(state: &State, call: &Call, owner: Option<Id>) -> Result<Answer, Refusal> {
    let id = call.id()?;
    state.accounts.revoke_key(owner, id, call.now_ms)?;
    Ok(Answer::done().about(format!("key {id}")))
}

/// Replaces a key; with an owner, only one of its own.
pub fn rotate_of(state: &State, call: &Call, owner: Option<Id>) -> Result<Answer, Refusal> {
    let asked: asked::Rotate = call.body()?;
    let overlap_ms = asked.overlap.unwrap_or(0).saturating_mul(1000);
    let rotated = state.accounts.rotate_key(owner, call.id()?, overlap_ms, call.now_ms);
    let (key, made) = rotated.map_err(|error| {
        let ended = matches!(error, AccountError::InvalidKey(_));
        let refusal = Refusal::from(error);
        // The request is well formed; the key is not what it was.
        if ended { refusal.conflict() } else { refusal }
    })?;
    shown(key, made)
}

fn shown(key: String, made: ApiKey) -> Result<Answer, Refusal> {
    let details = format!("key {} of user {}", made.id, made.user);
    let shown = told::KeyMade { api_key: key, key: made.into(), message: "API key generated successfully" };
    Ok(Answer::json(StatusCode::CREATED, &shown)?.about(details))
}
