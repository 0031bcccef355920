//! Routes, limits and the policy tests.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_core::Denial;
use portcullis_core::quota::{LimitSpec, Rate, Scope};

use super::super::model::{
    Auth, Endpoints, Limit, Mode, PolicyTest, Route, RouteAuth, RoutePattern, Upstream, WebSocket,
};
use super::super::origin::Origin;
use super::super::problem::{Problem, nearest};
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::{Context, Reader, access, headers};

/// Scopes of the interface that a later version brings.
const LATER_SCOPES: [&str; 2] = ["session", "device"];
const METHODS: [&str; 10] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "WS"];
/// The code of a test that expects the request to go through.
pub const FORWARDED: &str = "forwarded";

/// The entries of `[[limits]]`.
pub(super) fn limits(root: &Reader<'_>, name: &str) -> Vec<Limit> {
    root.list(name, |node| limit(node, ""))
}

/// A limit: `"60/minute per ip"` or `{ rate, mode, name }`.
pub(super) fn limit(node: &Node, name: &str) -> Result<Limit, Complaint> {
    let Some(table) = node.as_table() else {
        return rate(node).map(|spec| spelled(spec, name, node));
    };
    let spec = table.get("rate").ok_or_else(|| Complaint::new("a limit without `rate`", "rate = \"100/minute per ip\""))?;
    let mode = match table.get("mode").map(|node| value::choice(node, super::keys::MODES)).transpose()? {
        Some("observe") => Mode::Observe,
        _ => Mode::Enforce,
    };
    let named = table.get("name").map(value::text).transpose()?.unwrap_or(name);
    Ok(Limit { mode, origin: node.origin.clone(), ..spelled(rate(spec)?, named, spec) })
}

/// What stands when `auth.failures.limit` was wrong: the default of the interface.
pub(super) fn default_failures() -> Limit {
    Limit {
        name: "auth.failures".into(),
        rate: Rate::per_minute(std::num::NonZeroU32::MIN.saturating_add(19)),
        scope: Scope::Ip,
        mode: Mode::Enforce,
        origin: Origin::Default,
    }
}

pub(super) fn routes(
    root: &Reader<'_>,
    auth: &Auth,
    upstreams: &[Upstream],
    default_upstream: usize,
    body_max: u64,
    endpoints: &Endpoints,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for reader in root.entries("routes") {
        let Some(pattern) = reader.leaf("match", pattern) else {
            if reader.node("match").is_none() {
                reader.problem(
                    Problem::new(&reader.origin, "a route without `match`").mend("match = \"POST /live/ingest\""),
                );
            }
            continue;
        };
        let origin = reader.origin_of("match");
        if let Some(other) = routes.iter().find(|other| same_requests(&other.pattern, &pattern)) {
            reader.problem(
                Problem::new(&origin, format!("`{}` can never be reached: another route has the same match", pattern.text))
                    .also(&other.origin, "here is the first")
                    .mend("keep one of the two"),
            );
        }
        if !endpoints.prefix.is_empty()
            && (pattern.path == endpoints.prefix || pattern.path.starts_with(&format!("{}/", endpoints.prefix)))
        {
            reader.problem(
                Problem::new(&origin, format!("`{}` can never be reached: the gateway's own endpoints stand there", pattern.text))
                    .mend("move them with [endpoints] prefix"),
            );
        }
        let route_auth = match reader.node("auth") {
            Some(node) => access::route_auth(node, &reader, "auth", auth),
            None => auth.default.clone(),
        };
        let limits = reader.list("limits", |node| {
            if let Some(table) = node.as_table() {
                super::unknown_keys(table, "limits[]", &reader.path_of("limits"), reader.context);
            }
            limit(node, "")
        });
        for limit in limits.iter().filter(|limit| limit.scope.needs_identity() && route_auth == RouteAuth::Open) {
            reader.problem(
                Problem::new(&limit.origin, format!("this limit counts per {}, and the route proves nobody: it can never apply", limit.scope))
                    .mend("count `per ip`, or give the route an `auth`"),
            );
        }
        let body = reader.section("body");
        let websocket = reader.section("websocket");
        let socket_keys = reader.node("websocket").is_some();
        if socket_keys && !pattern.methods.is_empty() && !pattern.methods.iter().any(|it| it == "WS") {
            reader.problem(
                Problem::new(&websocket.origin, format!("`websocket` on `{}`, which no WebSocket matches", pattern.text))
                    .mend(format!("match = \"WS {}\"", pattern.path)),
            );
        }
        routes.push(Route {
            auth: route_auth,
            limits,
            upstream: upstream(&reader, upstreams).unwrap_or(default_upstream),
            mode: match reader.choice("mode", super::keys::MODES) {
                Some("observe") => Mode::Observe,
                _ => Mode::Enforce,
            },
            body_max: if body.node("max").is_some() { body.size("max") } else { body_max },
            websocket: WebSocket {
                idle_timeout: websocket.leaf("idle_timeout", value::duration),
                connections: websocket.integer("connections"),
            },
            pattern,
            origin,
        });
    }
    routes
}

/// A limit by identity applies to nobody where every route is open.
pub(super) fn identity_limits(limits: &[Limit], default: &RouteAuth, routes: &[Route], context: &Context<'_>) {
    let open = *default == RouteAuth::Open && routes.iter().all(|route| route.auth == RouteAuth::Open);
    for limit in limits.iter().filter(|limit| open && limit.scope.needs_identity()) {
        context.problems.borrow_mut().push(
            Problem::new(&limit.origin, format!("this limit counts per {}, and no route proves anybody: it can never apply", limit.scope))
                .mend("count `per ip`, or configure [auth.api_key]"),
        );
    }
}

pub(super) fn tests(root: &Reader<'_>, routes: &[Route]) -> Vec<PolicyTest> {
    let mut tests = Vec::new();
    for reader in root.entries("tests") {
        let Some((method, target)) = reader.leaf("request", request) else {
            if reader.node("request").is_none() {
                reader.problem(Problem::new(&reader.origin, "a test without `request`").mend("request = \"GET /\""));
            }
            continue;
        };
        let expect = reader.section("expect");
        let status = expect.leaf("status", |node| value::integer(node, 100, 599));
        let code = expect.leaf("code", |node| {
            let word = value::text(node)?;
            let codes = Denial::CODES.into_iter().chain([FORWARDED]);
            if codes.clone().any(|code| code == word) {
                return Ok(word.to_owned());
            }
            let mend = nearest(word, codes).map_or("`forwarded`, or the code of a refusal".into(), |near| format!("did you mean `{near}`?"));
            Err(Complaint::new(format!("`{word}` is not the code of a refusal"), mend))
        });
        let route = expect.leaf("route", |node| {
            let text = value::text(node)?;
            if routes.iter().any(|route| route.pattern.text == text) {
                return Ok(text.to_owned());
            }
            let mend = nearest(text, routes.iter().map(|route| route.pattern.text.as_str()))
                .map_or("the `match` of a route".into(), |near| format!("did you mean `{near}`?"));
            Err(Complaint::new(format!("there is no route `{text}`"), mend))
        });
        let expects = ["status", "code", "route"].iter().any(|name| expect.node(name).is_some());
        if !expects {
            reader.problem(
                Problem::new(&reader.origin, "a test that expects nothing").mend("expect = { status = 401 }"),
            );
        }
        let from = reader.leaf("from", |node| {
            let text = value::text(node)?;
            text.parse::<IpAddr>().map_err(|_| Complaint::new(format!("`{text}` is not an address"), "\"192.0.2.1\""))
        });
        tests.push(PolicyTest {
            name: reader.text("name").unwrap_or_else(|| format!("{method} {target}")),
            method,
            target,
            headers: headers::fields(&reader, "headers", false),
            from: from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            status: status.and_then(|it| u16::try_from(it).ok()),
            code,
            route,
            origin: reader.origin,
        });
    }
    tests
}

fn rate(node: &Node) -> Result<LimitSpec, Complaint> {
    let text = match &node.value {
        Value::Integer(count) => {
            return Err(Complaint::new(format!("{count} has no window"), format!("\"{count}/minute per ip\"")));
        }
        _ => value::text(node)?,
    };
    text.parse().map_err(|error: portcullis_core::quota::RateError| {
        let word = error.word().unwrap_or_default();
        if LATER_SCOPES.contains(&word) {
            return Complaint::new(format!("`per {word}` is not in this version"), "per ip, user, key, route or global");
        }
        let near = nearest(word, error.valid());
        let mend = near.map_or("COUNT/[N]UNIT [per SCOPE]: \"60/minute\", \"10/5m per ip\"".into(), |near| {
            format!("did you mean `{near}`?")
        });
        Complaint::new(format!("`{text}` is not a rate: {}", error.problem), mend)
    })
}

fn spelled(spec: LimitSpec, name: &str, node: &Node) -> Limit {
    Limit {
        name: if name.is_empty() { node.as_text().unwrap_or_default().to_owned() } else { name.to_owned() },
        rate: spec.rate,
        scope: spec.scope.unwrap_or(Scope::Ip),
        mode: Mode::Enforce,
        origin: node.origin.clone(),
    }
}

/// `METHOD[,METHOD] PATH` or `PATH`.
fn pattern(node: &Node) -> Result<RoutePattern, Complaint> {
    const MEND: &str = "METHOD PATH: \"POST /live/ingest\", \"GET,HEAD /items/{id}\", \"/static/{*rest}\"";
    let text = value::text(node)?.trim();
    let mut words = text.split_whitespace();
    let (methods, path) = match (words.next(), words.next(), words.next()) {
        (Some(path), None, None) if path.starts_with('/') => (Vec::new(), path),
        (Some(methods), Some(path), None) => (methods.split(',').map(str::to_owned).collect(), path),
        (Some(word), None, None) if METHODS.contains(&word) => {
            return Err(Complaint::new(format!("`{word}` has no path"), format!("\"{word} /…\"")));
        }
        _ => return Err(Complaint::new(format!("`{text}` is not a match"), MEND)),
    };
    for method in &methods {
        if METHODS.contains(&method.as_str()) {
            continue;
        }
        let upper = method.to_ascii_uppercase();
        let mend = nearest(&upper, METHODS).map_or(MEND.to_owned(), |near| format!("did you mean `{near}`?"));
        // Other methods are legal (WebDAV); small letters and near misses are not meant.
        if !value::is_token(method) || *method != upper || nearest(&upper, METHODS).is_some() {
            return Err(Complaint::new(format!("`{method}` is not a method"), mend));
        }
    }
    if !path.starts_with('/') {
        return Err(Complaint::new(format!("`{path}` is not a path"), format!("begin with a slash: \"/{path}\"")));
    }
    if path.contains(['?', '#']) {
        return Err(Complaint::new("a match has no query", "take away what follows the path"));
    }
    let segments: Vec<&str> = path[1..].split('/').collect();
    let last = segments.len() - 1;
    for (at, segment) in segments.iter().enumerate() {
        let inner = segment.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        match inner {
            Some(name) if name.starts_with('*') && at != last => {
                return Err(Complaint::new(format!("`{segment}` takes the rest of the path, and more follows"), "put it at the end"));
            }
            Some(name) if is_name(name.strip_prefix('*').unwrap_or(name)) => {}
            None if !segment.contains(['{', '}', '*']) && *segment != "." && *segment != ".." => {
                if segment.is_empty() && at != last {
                    return Err(Complaint::new("an empty segment", "one slash between two segments"));
                }
            }
            _ => {
                return Err(Complaint::new(
                    format!("`{segment}` is not a segment"),
                    "a name, {name} for one segment, or {*rest} for the rest",
                ));
            }
        }
    }
    Ok(RoutePattern { text: text.to_owned(), path: path.to_owned(), methods })
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether two patterns match exactly the same requests.
fn same_requests(one: &RoutePattern, other: &RoutePattern) -> bool {
    let shape = |path: &str| -> Vec<String> {
        let anonymous = |segment: &str| match segment.as_bytes() {
            [b'{', b'*', ..] => "{*}".to_owned(),
            [b'{', ..] => "{}".to_owned(),
            _ => segment.to_owned(),
        };
        path.split('/').map(anonymous).collect()
    };
    let overlap =
        one.methods.is_empty() && other.methods.is_empty() || one.methods.iter().any(|it| other.methods.contains(it));
    overlap && shape(&one.path) == shape(&other.path)
}

fn upstream(reader: &Reader<'_>, upstreams: &[Upstream]) -> Option<usize> {
    let name = reader.text("upstream")?;
    let found = upstreams.iter().position(|it| it.name == name);
    if found.is_none() {
        reader.problem(
            Problem::new(&reader.origin_of("upstream"), format!("there is no upstream `{name}`"))
                .nearest(&name, upstreams.iter().map(|it| it.name.as_str())),
        );
    }
    found
}

fn request(node: &Node) -> Result<(String, String), Complaint> {
    let text = value::text(node)?;
    match text.split_once(' ') {
        Some((method, target)) if value::is_token(method) && target.starts_with('/') && !target.contains(' ') => {
            Ok((method.to_owned(), target.to_owned()))
        }
        _ => Err(Complaint::new(format!("`{text}` is not a request"), "METHOD PATH: \"POST /live/ingest\"")),
    }
}
