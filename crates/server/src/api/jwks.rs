//! `GET /.well-known/jwks.json`

use bytes::Bytes;

use super::answer::Answer;
use super::call::Call;
use super::refusal::Refusal;
use super::service::State;

/// How long the keys may be kept, in seconds: short beside the overlap of two keys.
const KEPT_S: u32 = 300;

/// The public keys; none where tokens are signed with a shared secret.
pub fn show(state: &State, _: &Call) -> Result<Answer, Refusal> {
    let keys = serde_json::to_vec(&state.accounts.tokens().jwks()).map_err(Refusal::internal)?;
    Ok(Answer::document("application/json", Bytes::from(keys), KEPT_S))
}
