//! What a WebSocket of a route may cost, and how it logs in.

use std::time::Duration;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::Scope;

use super::super::model::{Messages, Mode, RouteAuth, RoutePattern, WebSocket};
use super::super::problem::Problem;
use super::super::value::{self, Complaint};
use super::{Reader, limits};

/// The shortest time between two pings of one connection.
const SHORTEST_PING: Duration = Duration::from_secs(1);

pub(super) fn of_route(
    route: &Reader<'_>,
    pattern: &RoutePattern,
    auth: &RouteAuth,
    mode: Mode,
) -> WebSocket {
    let reader = route.section("websocket");
    let matches_none = !pattern.methods.is_empty() && !pattern.methods.iter().any(|it| it == "WS");
    let mend = || format!("match = \"WS {}\"", pattern.path);
    if route.node("websocket").is_some() && matches_none {
        route.problem(
            Problem::new(
                &reader.origin,
                format!("`websocket` on `{}`, which no WebSocket matches", pattern.text),
            )
            .mend(mend()),
        );
    }
    let logs_in = auth.schemes().contains(&Scheme::FirstMessage);
    if logs_in && matches_none {
        route.problem(
            Problem::new(
                &route.origin_of("auth"),
                format!("`first-message` on `{}`, which no WebSocket matches", pattern.text),
            )
            .mend(mend()),
        );
    }
    if logs_in && mode == Mode::Observe {
        route.problem(
            Problem::new(
                &route.origin_of("mode"),
                "a first message cannot be only observed: what is no login would be one for the application",
            )
            .mend("take `mode` away; `messages` and limits have a mode of their own"),
        );
    }
    if !logs_in && reader.node("auth_timeout").is_some() {
        route.problem(
            Problem::new(
                &reader.origin_of("auth_timeout"),
                "`auth_timeout` on a route without a login by first message: there is nothing to wait for",
            )
            .mend("auth = \"first-message\""),
        );
    }
    WebSocket {
        idle_timeout: reader.leaf("idle_timeout", value::duration),
        connections: reader.integer("connections"),
        max_message: reader.leaf("max_message", value::size),
        auth_timeout: reader.leaf("auth_timeout", value::duration).unwrap_or_default(),
        messages: reader.leaf("messages", |node| {
            let limit = limits::limit(node, Scope::Global)?;
            if limit.scope != Scope::Global {
                let scope = limit.scope;
                return Err(Complaint::new(
                    format!("messages count for each connection, not per {scope}"),
                    "messages = \"600/minute\"",
                ));
            }
            let observes = mode == Mode::Observe || limit.mode == Mode::Observe;
            Ok(Messages { rate: limit.rate, mode: if observes { Mode::Observe } else { Mode::Enforce } })
        }),
        connections_per_ip: reader.integer("connections_per_ip"),
        connections_per_user: reader.integer("connections_per_user"),
        connections_per_path: reader.integer("connections_per_path"),
        ping: reader.leaf("ping", |node| match value::duration(node)? {
            time if time < SHORTEST_PING => {
                Err(Complaint::new("pings more often than once a second", "ping = \"30s\""))
            }
            time => Ok(time),
        }),
    }
}
