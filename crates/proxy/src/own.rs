//! The gateway's own endpoints, behind the same gate as everything else.

use std::net::IpAddr;

use portcullis_gate::Reply;
use portcullis_gate::policy::Own;

use crate::core::{AuditState, Core, Local, StoreState};

/// Answers an admitted request for one of them.
pub fn answer(own: Own, core: &Core, local: &Local, client: IpAddr) -> Reply {
    match own {
        Own::Health => health(core, local),
        Own::Metrics => metrics(core, client),
    }
}

/// Counters tell what an application is asked for: whoever may not read them finds nothing there.
fn metrics(core: &Core, client: IpAddr) -> Reply {
    let shown = core.shared.metrics(client);
    let (status, content_type) = match shown {
        Some(_) => (200, "text/plain; version=0.0.4; charset=utf-8"),
        None => (404, "application/json"),
    };
    Reply {
        status,
        content_type: content_type.into(),
        body: shown.unwrap_or_else(|| r#"{"detail":"Not found"}"#.to_owned()).into_bytes(),
        fields: vec![("Cache-Control".into(), "no-store".into())],
        close: false,
    }
}

/// Whether the gateway works, and whether its upstreams could last be reached. The status is 200 as long as
/// the gateway itself works: a check that restarts it because the application is down would help nobody.
fn health(core: &Core, local: &Local) -> Reply {
    let reached = |index: usize| core.shared.is_reached(index);
    let applications = local.settings.upstreams.iter().take_while(|upstream| !upstream.is_inside());
    let upstreams: Vec<_> = applications.collect();
    let all = (0..upstreams.len()).all(reached);
    let draining = core.shared.is_draining();
    let store = core.shared.store();
    let audit = match core.shared.audit() {
        AuditState::None => None,
        AuditState::Recording => Some("recording"),
        AuditState::Behind => Some("behind"),
        AuditState::Losing => Some("losing"),
    };
    let records = audit.is_none_or(|state| state == "recording");
    let status = match (draining, all && records && store != StoreState::Unreachable) {
        (true, _) => "draining",
        (false, true) => "healthy",
        (false, false) => "degraded",
    };
    let mut body =
        format!(r#"{{"status":"{status}","version":"{}","upstreams":{{"#, env!("CARGO_PKG_VERSION"));
    for (index, upstream) in upstreams.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        let state = if reached(index) { "reachable" } else { "unreachable" };
        // Names of upstreams are configuration keys: letters, digits, `-` and `_`.
        body.push_str(&format!(r#""{}":"{state}""#, upstream.name));
    }
    body.push('}');
    let breakers: Vec<_> = upstreams
        .iter()
        .zip(&local.pools)
        .filter_map(|(upstream, pool)| Some((&upstream.name, pool.upstream().breaker.as_ref()?.is_open())))
        .map(|(name, open)| format!(r#""{name}":"{}""#, if open { "open" } else { "closed" }))
        .collect();
    if !breakers.is_empty() {
        body.push_str(&format!(r#","breakers":{{{}}}"#, breakers.join(",")));
    }
    match store {
        StoreState::None => {}
        StoreState::Reachable => body.push_str(r#","store":"reachable""#),
        StoreState::Unreachable => body.push_str(r#","store":"unreachable""#),
    }
    if let Some(audit) = audit {
        body.push_str(&format!(r#","audit":"{audit}""#));
    }
    body.push('}');
    Reply {
        status: if draining { 503 } else { 200 },
        content_type: "application/json".into(),
        body: body.into_bytes(),
        fields: vec![("Cache-Control".into(), "no-store".into())],
        close: false,
    }
}
