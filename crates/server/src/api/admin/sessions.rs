//! Sessions of everybody.

use http::StatusCode;
use portcullis_accounts::AccountError;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::bodies::told;
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::api::service::State;
use crate::api::sessions;

/// `GET /admin/sessions`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Sessions {
        sessions: Vec<told::Session>,
        next: Option<String>,
    }
    let page = call.page();
    let mut all =
        state.accounts.store().sessions(page.after_id(), page.and_one()).map_err(AccountError::from)?;
    let next = page.cut(&mut all, |session| session.id.to_string());
    let asks = sessions::current(call)?;
    let sessions = all.into_iter().map(|session| told::Session::new(session, asks)).collect();
    Answer::json(StatusCode::OK, &Sessions { sessions, next })
}

/// `DELETE /admin/sessions/{id}`
pub fn end(state: &State, call: &Call) -> Result<Answer, Refusal> {
    sessions::end_of(state, call, None)
}
