//! What was done and asked for: the audit log, and figures of the gateway.

use http::StatusCode;
use portcullis_accounts::AccountError;
use portcullis_core::port::{AuditFilter, Store, StoreError, UsedBy};
use serde::Serialize;

use crate::api::answer::Answer;
use crate::api::bodies::recorded::{Activity, AuditRecord, Busy, Caller, Figures};
use crate::api::call::Call;
use crate::api::refusal::Refusal;
use crate::api::service::State;

/// Records in an answer where nobody says how many.
const RECORDS: u32 = 100;
/// Callers in one.
const CALLERS: u32 = 10;
/// Users and routes in one.
const BUSIEST: u32 = 20;
/// Of the last hours.
const HOURS: i64 = 24;
const HOUR_MS: i64 = 3_600_000;

/// `GET /admin/audit-log`
pub fn audit_log(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct AuditLog {
        audit_log: Vec<AuditRecord>,
    }
    let text = |name| call.asked(name).map(str::to_owned);
    let filter = AuditFilter {
        before: call.asked_number("before"),
        event: text("event"),
        user: text("user"),
        from_ms: call.asked_moment("from"),
        to_ms: call.asked_moment("to"),
        limit: limit(call, RECORDS),
    };
    let records = recorded(state).audit(&filter).map_err(refusal)?;
    let audit_log = records.into_iter().map(AuditRecord::from).collect();
    Answer::json(StatusCode::OK, &AuditLog { audit_log })
}

/// `GET /admin/metrics`
pub fn metrics(state: &State, call: &Call) -> Result<Answer, Refusal> {
    let (store, from_ms) = (recorded(state), from_ms(call));
    let busiest = |by| -> Result<Vec<Activity>, Refusal> {
        let most = store.most_used(by, from_ms, BUSIEST).map_err(refusal)?;
        Ok(most.into_iter().map(Activity::from).collect())
    };
    let busy = Busy {
        metrics: Figures::from(store.span(from_ms).map_err(refusal)?),
        user_activity: busiest(UsedBy::User)?,
        api_usage: busiest(UsedBy::Endpoint)?,
    };
    Answer::json(StatusCode::OK, &busy)
}

/// `GET /admin/limits/top`
pub fn top(state: &State, call: &Call) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Top {
        top: Vec<Caller>,
    }
    let most =
        recorded(state).most_used(UsedBy::Caller, from_ms(call), limit(call, CALLERS)).map_err(refusal)?;
    Answer::json(StatusCode::OK, &Top { top: most.into_iter().map(Caller::from).collect() })
}

/// The store with all of it, once everything that waits was written to it.
fn recorded(state: &State) -> &dyn Store {
    match &state.audit {
        Some(audit) => {
            audit.catch_up();
            &**audit.store()
        }
        None => &**state.accounts.store(),
    }
}

fn limit(call: &Call, default: u32) -> u32 {
    call.asked_number("limit").and_then(|limit| u32::try_from(limit).ok()).unwrap_or(default)
}

fn from_ms(call: &Call) -> i64 {
    call.now_ms.saturating_sub(call.asked_number("hours").unwrap_or(HOURS).saturating_mul(HOUR_MS))
}

fn refusal(error: StoreError) -> Refusal {
    AccountError::from(error).into()
}
