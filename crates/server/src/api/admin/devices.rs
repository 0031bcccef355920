//! Devices of everybody.

use http::StatusCode;
use portcullis_accounts::AccountError;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::bodies::told;
use crate::api::call::Call;
use crate::api::devices;
use crate::api::refusal::Refusal;
use crate::api::service::State;

/// `GET /admin/devices`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Devices {
        devices: Vec<told::Device>,
        next: Option<String>,
    }
    let page = call.page();
    let mut all =
        state.accounts.store().devices(page.after_id(), page.and_one()).map_err(AccountError::from)?;
    let next = page.cut(&mut all, |device| device.id.to_string());
    Answer::json(
        StatusCode::OK,
        &Devices { devices: all.into_iter().map(told::Device::from).collect(), next },
    )
}

/// `DELETE /admin/devices/{id}`
pub fn remove(state: &State, call: &Call) -> Result<Answer, Refusal> {
    devices::remove_of(state, call, None)
}
