//! The text format of Prometheus, version 0.0.4.

use std::fmt::Write as _;

use portcullis_proxy::core::{AuditState, Shared as Engine};

use super::{BUCKETS_US, Counts, LimitCounts, RouteCounts, USED};

/// All of it.
pub(super) fn of(counts: &Counts, engine: &Engine) -> String {
    let mut out = String::new();
    head(&mut out, "requests_total", "counter", "Answered requests, by route and class of the status");
    let mut routes: Vec<(&str, &RouteCounts)> =
        counts.routes.iter().map(|(name, it)| (&**name, it)).collect();
    routes.sort_unstable_by_key(|(name, _)| *name);
    for (route, counts) in &routes {
        let classes = counts.classes.iter().enumerate().filter(|(_, count)| **count > 0);
        for (class, count) in classes {
            let class = if class == 0 { "none".to_owned() } else { format!("{class}xx") };
            let _ = writeln!(
                out,
                "portcullis_requests_total{{route=\"{}\",status=\"{class}\"}} {count}",
                escaped(route)
            );
        }
    }
    let about = "From the head read to the last byte written, by route";
    head(&mut out, "request_duration_seconds", "histogram", about);
    for (route, counts) in &routes {
        durations(&mut out, &escaped(route), counts);
    }
    head(
        &mut out,
        "refusals_total",
        "counter",
        "Requests that the gateway refused, by the code of the refusal",
    );
    for (reason, count) in &counts.refusals {
        let _ = writeln!(out, "portcullis_refusals_total{{reason=\"{reason}\"}} {count}");
    }
    let about = "How much of the tightest limit that applied was used, with each request within it";
    head(&mut out, "limit_used_ratio", "histogram", about);
    for ((count, window_s), limit) in &counts.limits {
        used(&mut out, &format!("{count}/{window_s}s"), limit);
    }
    head(&mut out, "limit_refusals_total", "counter", "Requests above a limit, by the limit");
    for ((count, window_s), limit) in &counts.limits {
        let refused = limit.refused;
        let _ = writeln!(out, "portcullis_limit_refusals_total{{limit=\"{count}/{window_s}s\"}} {refused}");
    }
    head(&mut out, "security_events_total", "counter", "Security events, by name");
    for ((event, success), count) in &counts.events {
        let success = success.map_or_else(String::new, |success| format!(",success=\"{success}\""));
        let _ = writeln!(out, "portcullis_security_events_total{{event=\"{event}\"{success}}} {count}");
    }
    let failed = counts.events.get(&("auth_attempt", Some(false))).copied().unwrap_or(0);
    head(
        &mut out,
        "authentication_failures_total",
        "counter",
        "Credentials that were wrong, expired or missing",
    );
    let _ = writeln!(out, "portcullis_authentication_failures_total {failed}");
    head(&mut out, "connections", "gauge", "Open connections");
    let _ = writeln!(out, "portcullis_connections {}", engine.connections());
    head(
        &mut out,
        "audit_recording",
        "gauge",
        "1 while requests are recorded, 0 while records wait or are lost",
    );
    let recording = match engine.audit() {
        AuditState::None => None,
        AuditState::Recording => Some(1),
        AuditState::Behind | AuditState::Losing => Some(0),
    };
    if let Some(recording) = recording {
        let _ = writeln!(out, "portcullis_audit_recording {recording}");
    }
    head(&mut out, "build_info", "gauge", "The version");
    let _ = writeln!(out, "portcullis_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    out
}

fn head(out: &mut String, name: &str, kind: &str, about: &str) {
    let _ = writeln!(out, "# HELP portcullis_{name} {about}\n# TYPE portcullis_{name} {kind}");
}

fn durations(out: &mut String, route: &str, counts: &RouteCounts) {
    let name = "portcullis_request_duration_seconds";
    let mut within = 0;
    for (end_us, count) in BUCKETS_US.iter().zip(counts.buckets) {
        within += count;
        let end = *end_us as f64 / 1e6;
        let _ = writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"{end}\"}} {within}");
    }
    let all: u64 = counts.classes.iter().sum();
    let _ = writeln!(out, "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {all}");
    let _ = writeln!(out, "{name}_sum{{route=\"{route}\"}} {}", counts.sum_us as f64 / 1e6);
    let _ = writeln!(out, "{name}_count{{route=\"{route}\"}} {all}");
}

fn used(out: &mut String, limit: &str, counts: &LimitCounts) {
    let name = "portcullis_limit_used_ratio";
    let mut within = 0;
    for (end, count) in USED.iter().zip(counts.used) {
        within += count;
        let end = *end as f64 / 100.0;
        let _ = writeln!(out, "{name}_bucket{{limit=\"{limit}\",le=\"{end}\"}} {within}");
    }
    let _ = writeln!(out, "{name}_bucket{{limit=\"{limit}\",le=\"+Inf\"}} {within}");
    let _ = writeln!(out, "{name}_sum{{limit=\"{limit}\"}} {}", counts.sum_percent as f64 / 100.0);
    let _ = writeln!(out, "{name}_count{{limit=\"{limit}\"}} {within}");
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
