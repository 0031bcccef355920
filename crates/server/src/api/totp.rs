//! The second factor of the one that asks.

use http::StatusCode;

use super::answer::Answer;
use super::bodies::{asked, told};
use super::call::Call;
use super::refusal::Refusal;
use super::service::State;

/// `POST /auth/totp/enroll`
pub fn enroll(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let enrolled = state.accounts.totp_enroll(call.user()?)?;
    Answer::json(StatusCode::OK, &told::Totp { secret: enrolled.secret, uri: enrolled.uri })
}

/// `POST /auth/totp/confirm`
pub fn confirm(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::TotpCode = call.body()?;
    let recovery_codes = state.accounts.totp_confirm(call.user()?, &body.code, call.now_ms)?;
    Answer::json(StatusCode::OK, &told::Recovery { recovery_codes })
}

/// `DELETE /auth/totp`
pub fn remove(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::TotpCode = call.body()?;
    state.accounts.totp_disable(call.user()?, &body.code, call.from(), call.now_ms)?;
    Ok(Answer::done())
}
