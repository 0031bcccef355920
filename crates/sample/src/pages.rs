//! The pages every FastAPI application has: `/docs` and `/openapi.json`, and an index of the sample.

use crate::System;
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::fmt::Write;

pub(crate) const ENDPOINTS: &[&str] = &["GET /docs", "GET /openapi.json", "WS /echo"];

pub(crate) fn routes(system: System) -> Router {
    Router::new().route("/docs", get(docs)).route("/openapi.json", get(openapi)).with_state(system)
}

/// `/` where the application is all systems at once.
pub(crate) async fn index() -> Html<String> {
    Html(page("Sample application", System::All))
}

async fn docs(State(system): State<System>) -> Html<String> {
    Html(page("API documentation", system))
}

async fn openapi(State(system): State<System>) -> Json<Value> {
    let mut paths: Map<String, Value> = Map::new();
    for (method, path) in system.endpoints().into_iter().filter_map(|endpoint| endpoint.split_once(' ')) {
        if method == "WS" {
            continue;
        }
        let operations = paths.entry(path).or_insert_with(|| json!({}));
        operations[method.to_ascii_lowercase()] = json!({
            "summary": format!("{method} {path}"),
            "responses": { "200": { "description": "Successful Response" } },
        });
    }
    let info = json!({ "title": "Portcullis sample application", "version": env!("CARGO_PKG_VERSION") });
    Json(json!({ "openapi": "3.1.0", "info": info, "paths": paths }))
}

fn page(title: &str, system: System) -> String {
    let mut items = String::new();
    for endpoint in system.endpoints() {
        let _ = write!(items, "<li><code>{endpoint}</code></li>");
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\
         <body><h1>{title}</h1><ul>{items}</ul></body></html>"
    )
}
