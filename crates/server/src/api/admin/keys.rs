//! API keys of everybody.

use http::StatusCode;
use portcullis_accounts::AccountError;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::bodies::{asked, told};
use crate::api::call::Call;
use crate::api::keys;
use crate::api::refusal::Refusal;
use crate::api::service::State;

/// `GET /admin/keys`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Keys {
        keys: Vec<told::Key>,
        next: Option<String>,
    }
    let page = call.page();
    let mut keys =
        state.accounts.store().keys(page.after_id(), page.and_one()).map_err(AccountError::from)?;
    let next = page.cut(&mut keys, |key| key.id.to_string());
    Answer::json(StatusCode::OK, &Keys { keys: keys.into_iter().map(told::Key::from).collect(), next })
}

/// `POST /admin/keys`
pub fn create(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::NewKeyOf = call.body()?;
    let user = state.accounts.find_user(&body.user)?;
    keys::make(state, call, user.id, body.key)
}

/// `POST /admin/keys/{id}/rotate`
pub fn rotate(state: &State, call: &Call) -> Result<Answer, Refusal> {
    keys::rotate_of(state, call, None)
}

/// `DELETE /admin/keys/{id}`
pub fn revoke(state: &State, call: &Call) -> Result<Answer, Refusal> {
    keys::revoke_of(state, call, None)
}
