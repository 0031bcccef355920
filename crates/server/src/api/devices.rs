//! Devices: their registration, and those of the one that asks.

use http::StatusCode;
use portcullis_core::Id;
use serde::Serialize;

use super::answer::Answer;
use super::bodies::{asked, told};
use super::call::Call;
use super::refusal::Refusal;
use super::service::State;

/// `POST /auth/devices`
pub fn start(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::NewDevice = call.body()?;
    let started = state.accounts.start_device(body.name.as_deref().unwrap_or_default(), call.now_ms)?;
    let shown = told::DeviceStarted {
        device_id: started.id.to_string(),
        device_secret: started.secret,
        expires_in: started.expires_in_s,
    };
    Ok(Answer::json(StatusCode::CREATED, &shown)?.about(format!("device {}", started.id)))
}

/// `GET /auth/devices`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Devices {
        devices: Vec<told::Device>,
    }
    let devices = state.accounts.devices_of(call.user()?)?;
    Answer::json(StatusCode::OK, &Devices { devices: devices.into_iter().map(told::Device::from).collect() })
}

/// `DELETE /auth/devices/{id}`
pub fn remove(state: &State, call: &Call) -> Result<Answer, Refusal> {
    remove_of(state, call, Some(call.user()?))
}

/// Removes a device; with an owner, only one of its own.
pub fn remove_of(state: &State, call: &Call, owner: Option<Id>) -> Result<Answer, Refusal> {
    let id = call.id()?;
    state.accounts.remove_device(owner, id)?;
    Ok(Answer::done().about(format!("device {id}")))
}
