//! Users.

use http::StatusCode;
use portcullis_accounts::AccountError;
use portcullis_accounts::service::PatchUser;
use portcullis_core::port;
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::bodies::{asked, told};
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::api::service::State;

/// `GET /admin/users`
pub fn list(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Users {
        users: Vec<told::User>,
        next: Option<String>,
    }
    let page = call.page();
    let mut users = state.accounts.list_users(page.after.as_deref(), page.and_one())?;
    let next = page.cut(&mut users, |user| user.name.clone());
    Answer::json(StatusCode::OK, &Users { users: users.into_iter().map(told::User::from).collect(), next })
}

/// `POST /admin/users`
pub fn add(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::NewUser = call.body()?;
    let role = body.role.unwrap_or_else(|| state.accounts.settings().default_role.clone());
    let (email, password) = (body.email.as_deref(), body.password.as_deref());
    let made = state.accounts.add_user(&body.username, email, &role, password, call.now_ms);
    let user = made.map_err(taken_is_conflict)?;
    let details = format!("user {} with the role {}", user.name, user.role);
    Ok(Answer::json(StatusCode::CREATED, &told::User::from(user))?.about(details))
}

/// `GET /admin/users/{id}`
pub fn show(state: &State, call: &Call) -> Result<Answer, Refusal> {
    Answer::json(StatusCode::OK, &told::User::from(named(state, call)?))
}

/// `PATCH /admin/users/{id}`
pub fn change(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::ChangeUser = call.body()?;
    let user = named(state, call)?;
    if body.role.is_some() || body.active.is_some() {
        not_oneself(call, &user)?;
    }
    let mut details = format!("user {}", user.name);
    if let Some(role) = &body.role {
        details.push_str(&format!(", role {role}"));
    }
    if let Some(active) = body.active {
        details.push_str(if active { ", enabled" } else { ", disabled" });
    }
    if body.email.is_some() {
        details.push_str(", address");
    }
    let patch = PatchUser { role: body.role, active: body.active, email: body.email };
    let changed = state.accounts.patch_user(user.id, &patch, call.now_ms);
    let user = changed.map_err(taken_is_conflict)?;
    Ok(Answer::json(StatusCode::OK, &told::User::from(user))?.about(details))
}

/// `POST /admin/users/{id}/reset-password`
pub fn reset_password(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let body: asked::ResetPassword = call.body()?;
    let user = named(state, call)?;
    not_oneself(call, &user)?;
    state.accounts.reset_password(user.id, &body.password, call.now_ms)?;
    Ok(Answer::done().about(format!("user {}", user.name)))
}

/// `POST /admin/users/{id}/revoke`
pub fn revoke(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let user = named(state, call)?;
    not_oneself(call, &user)?;
    state.accounts.revoke_all(user.id, call.now_ms)?;
    Ok(Answer::done().about(format!("user {}", user.name)))
}

/// `DELETE /admin/users/{id}`
pub fn delete(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let user = named(state, call)?;
    not_oneself(call, &user)?;
    state.accounts.delete_user(user.id, call.now_ms)?;
    Ok(Answer::done().about(format!("user {}", user.name)))
}

/// Only who registers is told 400, as clients of the guide know it.
fn taken_is_conflict(error: AccountError) -> Refusal {
    let taken = matches!(error, AccountError::NameTaken | AccountError::EmailTaken);
    let refusal = Refusal::from(error);
    if taken { refusal.conflict() } else { refusal }
}

/// The user that the path names.
fn named(state: &State, call: &Call) -> Result<port::User, Refusal> {
    Ok(state.accounts.find_user(call.param("id"))?)
}

/// An administrator who locks himself out may be the last one, and who has his token for a moment must not be able
/// to take his account without the password.
fn not_oneself(call: &Call, user: &port::User) -> Result<(), Refusal> {
    if call.proven()?.id == Some(user.id) { Err(Refusal::own_account()) } else { Ok(()) }
}
