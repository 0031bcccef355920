//! The bodies of what administrators read about what was done and asked for, and what they ask it by.

use jiff::Timestamp;
use portcullis_core::audit::Link;
use portcullis_core::port::{Span, Used};
use serde::Serialize;
use serde_json::Value;

use super::forms::{ANY_NAME, EVENT, TEXT};
use super::told::moment;
use crate::api::shape::{Field, Kind, Shape};

/// The most records in one answer.
const MOST: i64 = 1000;
/// For how long what was asked for is counted, in hours: 30 days.
const LONGEST_H: i64 = 720;

const LIMIT: Field = Field::new("limit", Kind::Integer(1, MOST), "The most entries").optional();
const HOURS: Field =
    Field::new("hours", Kind::Integer(1, LONGEST_H), "Of the last hours; 24 without it").optional();

/// What `GET /admin/audit-log` takes.
pub static AUDIT_QUERY: [Field; 6] = [
    LIMIT,
    Field::new("before", Kind::Integer(1, i64::MAX), "Older than the record with this id").optional(),
    Field::new("event", Kind::Text(&EVENT), "Of this event").optional(),
    Field::new("user", Kind::Text(&ANY_NAME), "Of the user with this name or id").optional(),
    Field::new("from", Kind::Moment, "That happened then or later").optional(),
    Field::new("to", Kind::Moment, "That happened before").optional(),
];

/// What `GET /admin/metrics` takes.
pub static METRICS_QUERY: [Field; 1] = [HOURS];

/// What `GET /admin/limits/top` takes.
pub static TOP_QUERY: [Field; 2] = [LIMIT, HOURS];

/// A record of the audit log.
pub static AUDIT_RECORD: Shape = Shape {
    name: "AuditRecord",
    fields: &[
        Field::new("id", Kind::Integer(1, i64::MAX), "Its number; they have no gap"),
        Field::new("timestamp", Kind::Moment, "When it happened"),
        Field::new("event", Kind::Text(&TEXT), "`request`, or what it was beside that"),
        Field::new("user_id", Kind::Text(&TEXT), "Who it was").nullable(),
        Field::new("username", Kind::Text(&TEXT), "Its name, as it was then").nullable(),
        Field::new("method", Kind::Text(&TEXT), "The method"),
        Field::new("endpoint", Kind::Text(&TEXT), "The path, redacted"),
        Field::new("query", Kind::Text(&TEXT), "The names of the query; its values are left out").nullable(),
        Field::new("route", Kind::Text(&TEXT), "The route that matched"),
        Field::new("ip_address", Kind::Text(&TEXT), "Where it came from").nullable(),
        Field::new("user_agent", Kind::Text(&TEXT), "`User-Agent`, redacted").nullable(),
        Field::new("device_id", Kind::Text(&TEXT), "The device").nullable(),
        Field::new("request_data", Kind::Any, "The body, redacted; null where it passes to an application")
            .nullable(),
        Field::new("response_status", Kind::Integer(0, 999), "The status; 0 where there was no answer"),
        Field::new("response_time_ms", Kind::Number, "Milliseconds from the head to the end of the answer"),
        Field::new("success", Kind::Boolean, "Whether a credential was accepted, where one was judged")
            .nullable(),
        Field::new("reason", Kind::Text(&TEXT), "The stable code of the refusal or the change"),
        Field::new("details", Kind::Text(&TEXT), "A sentence for people"),
        Field::new("request_id", Kind::Text(&TEXT), "Finds the request in the log"),
        Field::new("hash", Kind::Text(&TEXT), "The hash that binds it to all before it"),
    ],
};

/// `GET /admin/audit-log`
pub static AUDIT_LOG: Shape = Shape {
    name: "AuditLog",
    fields: &[Field::new("audit_log", Kind::Things(&AUDIT_RECORD), "Newest first")],
};

/// See [`AUDIT_RECORD`].
#[derive(Debug, Serialize)]
pub struct AuditRecord {
    pub id: i64,
    pub timestamp: Timestamp,
    pub event: String,
    pub user_id: Option<String>,
    pub username: Option<String>,
    pub method: String,
    pub endpoint: String,
    pub query: Option<String>,
    pub route: String,
    pub ip_address: Option<String>,
    pub user_agent: Option<String>,
    pub device_id: Option<String>,
    pub request_data: Option<Value>,
    pub response_status: u16,
    pub response_time_ms: f64,
    pub success: Option<bool>,
    pub reason: String,
    pub details: String,
    pub request_id: String,
    pub hash: String,
}

impl From<Link> for AuditRecord {
    fn from(link: Link) -> Self {
        let mark = link.mark().to_string();
        let Link { number, record, .. } = link;
        Self {
            id: number,
            timestamp: moment(record.at_ms),
            event: record.event.into_owned(),
            user_id: record.user_id.map(|id| id.to_string()),
            username: record.user,
            method: record.method,
            endpoint: record.endpoint,
            query: record.query,
            route: record.route,
            ip_address: record.ip,
            user_agent: record.user_agent,
            device_id: record.device,
            request_data: record.request_data.and_then(|data| serde_json::from_str(&data).ok()),
            response_status: record.status,
            response_time_ms: record.duration_us as f64 / 1000.0,
            success: record.success,
            reason: record.reason,
            details: record.details,
            request_id: record.request_id,
            hash: mark.rsplit(':').next().unwrap_or_default().to_owned(),
        }
    }
}

/// A record as programs see it, on the command line, too.
pub fn audit_json(link: Link) -> Value {
    // Its values are texts and numbers: there is nothing that cannot be written.
    serde_json::to_value(AuditRecord::from(link)).unwrap_or_default()
}

/// Sums and means.
static FIGURES: Shape = Shape {
    name: "Figures",
    fields: &[
        Field::new("avg_cpu", Kind::Number, "Use of the processors of the machine, in percent"),
        Field::new("avg_memory", Kind::Number, "Use of its memory, in percent"),
        Field::new("avg_disk", Kind::Number, "Use of the file system with the working directory, in percent"),
        Field::new(
            "max_connections",
            Kind::Integer(0, i64::MAX),
            "The most connections that were open at once",
        ),
        Field::new("avg_requests_per_minute", Kind::Number, "Over the minutes in which the gateway ran"),
        Field::new("avg_response_time_ms", Kind::Number, "From the head to the end of the answer"),
        Field::new("minutes", Kind::Integer(0, i64::MAX), "Minutes in which the gateway ran"),
        Field::new("requests", Kind::Integer(0, i64::MAX), "Requests that were answered"),
        Field::new("client_errors", Kind::Integer(0, i64::MAX), "Answers with 400 to 499"),
        Field::new("server_errors", Kind::Integer(0, i64::MAX), "Answers with 500 to 599"),
        Field::new("refused", Kind::Integer(0, i64::MAX), "Requests that the gateway refused"),
        Field::new("rate_limited", Kind::Integer(0, i64::MAX), "Those of them above a limit"),
        Field::new(
            "authenticated",
            Kind::Integer(0, i64::MAX),
            "Requests whose caller was known, and logins",
        ),
        Field::new(
            "failed_authentications",
            Kind::Integer(0, i64::MAX),
            "Those that were refused for their credential",
        ),
        Field::new("suspicious", Kind::Integer(0, i64::MAX), "Malformed requests and lockouts"),
        Field::new("slow", Kind::Integer(0, i64::MAX), "Requests whose answer took half a second or longer"),
    ],
};

/// Who asked for how much.
static ACTIVITY: Shape = Shape {
    name: "Activity",
    fields: &[
        Field::new("name", Kind::Text(&TEXT), "A user or a route"),
        Field::new("requests", Kind::Integer(0, i64::MAX), "How many requests"),
        Field::new("errors", Kind::Integer(0, i64::MAX), "How many of them were answered with 400 or above"),
        Field::new("last_request", Kind::Moment, "When the last one came"),
    ],
};

/// `GET /admin/metrics`
pub static METRICS: Shape = Shape {
    name: "Metrics",
    fields: &[
        Field::new("metrics", Kind::Thing(&FIGURES), "Sums and means"),
        Field::new("user_activity", Kind::Things(&ACTIVITY), "The users who asked most"),
        Field::new("api_usage", Kind::Things(&ACTIVITY), "The routes that were asked for most"),
    ],
};

/// See [`METRICS`].
#[derive(Debug, Serialize)]
pub struct Busy {
    pub metrics: Figures,
    pub user_activity: Vec<Activity>,
    pub api_usage: Vec<Activity>,
}

/// See [`FIGURES`].
#[derive(Debug, Serialize)]
pub struct Figures {
    avg_cpu: f64,
    avg_memory: f64,
    avg_disk: f64,
    max_connections: u64,
    avg_requests_per_minute: f64,
    avg_response_time_ms: f64,
    minutes: u64,
    requests: u64,
    client_errors: u64,
    server_errors: u64,
    refused: u64,
    rate_limited: u64,
    authenticated: u64,
    failed_authentications: u64,
    suspicious: u64,
    slow: u64,
}

impl From<Span> for Figures {
    fn from(Span { minutes, all }: Span) -> Self {
        let percent = |hundredths: u64| hundredths as f64 / 100.0;
        let mean = |sum: u64, of: u64| if of == 0 { 0.0 } else { rounded(sum as f64 / of as f64) };
        Self {
            avg_cpu: percent(all.cpu),
            avg_memory: percent(all.memory),
            avg_disk: percent(all.disk),
            max_connections: all.connections,
            avg_requests_per_minute: mean(all.requests, minutes),
            avg_response_time_ms: rounded(mean(all.duration_us, all.requests) / 1000.0),
            minutes,
            requests: all.requests,
            client_errors: all.client_errors,
            server_errors: all.server_errors,
            refused: all.refused,
            rate_limited: all.limited,
            authenticated: all.proven,
            failed_authentications: all.unproven,
            suspicious: all.suspicious,
            slow: all.slow,
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

/// See [`ACTIVITY`].
#[derive(Debug, Serialize)]
pub struct Activity {
    name: String,
    requests: u64,
    errors: u64,
    last_request: Timestamp,
}

impl From<Used> for Activity {
    fn from(used: Used) -> Self {
        let Used { name, requests, errors, last_ms } = used;
        Self { name, requests, errors, last_request: moment(last_ms) }
    }
}

/// One caller of a route.
static CALLER: Shape = Shape {
    name: "Caller",
    fields: &[
        Field::new(
            "identifier",
            Kind::Text(&TEXT),
            "The user, or the address of a client without one, and the route",
        ),
        Field::new("requests", Kind::Integer(0, i64::MAX), "How many requests"),
        Field::new("last_request", Kind::Moment, "When the last one came"),
    ],
};

/// `GET /admin/limits/top`
pub static TOP: Shape =
    Shape { name: "Top", fields: &[Field::new("top", Kind::Things(&CALLER), "Those who asked most, first")] };

/// See [`CALLER`].
#[derive(Debug, Serialize)]
pub struct Caller {
    identifier: String,
    requests: u64,
    last_request: Timestamp,
}

impl From<Used> for Caller {
    fn from(used: Used) -> Self {
        Self { identifier: used.name, requests: used.requests, last_request: moment(used.last_ms) }
    }
}
