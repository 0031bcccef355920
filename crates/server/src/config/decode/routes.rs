//! Routes, limits and the policy tests.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_core::Denial;
use portcullis_core::quota::{LimitSpec, Scope};
use portcullis_core::route::{Pattern, PatternError, RouteTable};
use portcullis_gate::validate::Query;

use super::super::model::{
    Auth, Endpoints, Limit, Mode, PolicyTest, Route, RouteAuth, RoutePattern, Upstream, WebSocket,
};
use super::super::problem::{Problem, nearest};
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::{Context, Reader, access, headers, validate};

/// Scopes of the interface that a later version brings.
const LATER_SCOPES: [&str; 2] = ["session", "device"];
const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "WS"];
/// What a test may expect beside the code of a refusal: that the application, or the gateway itself, answers.
const OUTCOMES: [&str; 2] = ["forward", "answered"];

/// The entries of `[[limits]]`.
pub(super) fn limits(root: &Reader<'_>, name: &str) -> Vec<Limit> {
    root.list(name, |node| limit(node, ""))
}

/// A limit: `"60/minute per ip"` or `{ rate, mode, name }`.
pub(super) fn limit(node: &Node, name: &str) -> Result<Limit, Complaint> {
    let Some(table) = node.as_table() else {
        return rate(node).map(|spec| spelled(spec, name, node));
    };
    let spec = table
        .get("rate")
        .ok_or_else(|| Complaint::new("a limit without `rate`", "rate = \"100/minute per ip\""))?;
    let mode = |node: &Node| value::choice(node, super::keys::MODES).map_err(|it| it.at(&node.origin));
    let mode = match table.get("mode").map(mode).transpose()? {
        Some("observe") => Mode::Observe,
        _ => Mode::Enforce,
    };
    let named =
        table.get("name").map(|node| value::text(node).map_err(|it| it.at(&node.origin))).transpose()?;
    Ok(Limit {
        mode,
        origin: spec.origin.clone(),
        ..spelled(rate(spec).map_err(|it| it.at(&spec.origin))?, named.unwrap_or(name), spec)
    })
}

/// What holds where a route says nothing.
pub(super) struct Defaults<'a> {
    /// Index into the upstreams.
    pub upstream: usize,
    /// Bytes.
    pub body_max: u64,
    pub query: Option<&'a Query>,
}

pub(super) fn routes(
    root: &Reader<'_>,
    auth: &Auth,
    upstreams: &[Upstream],
    defaults: &Defaults<'_>,
    endpoints: &Endpoints,
) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for reader in root.entries("routes") {
        let Some(pattern) = reader.leaf("match", pattern) else {
            if reader.node("match").is_none() {
                reader.problem(
                    Problem::new(&reader.origin, "a route without `match`")
                        .mend("match = \"POST /live/ingest\""),
                );
            }
            continue;
        };
        let origin = reader.origin_of("match");
        if !endpoints.prefix.is_empty()
            && (pattern.path == endpoints.prefix
                || pattern.path.starts_with(&format!("{}/", endpoints.prefix)))
        {
            reader.problem(
                Problem::new(
                    &origin,
                    format!(
                        "`{}` can never be reached: the gateway's own endpoints stand there",
                        pattern.text
                    ),
                )
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
        for limit in
            limits.iter().filter(|limit| limit.scope.needs_identity() && route_auth == RouteAuth::Open)
        {
            reader.problem(
                Problem::new(
                    &limit.origin,
                    format!(
                        "this limit counts per {}, and the route proves nobody: it can never apply",
                        limit.scope
                    ),
                )
                .mend("count `per ip`, or give the route an `auth`"),
            );
        }
        let websocket = reader.section("websocket");
        let socket_keys = reader.node("websocket").is_some();
        if socket_keys && !pattern.methods.is_empty() && !pattern.methods.iter().any(|it| it == "WS") {
            reader.problem(
                Problem::new(
                    &websocket.origin,
                    format!("`websocket` on `{}`, which no WebSocket matches", pattern.text),
                )
                .mend(format!("match = \"WS {}\"", pattern.path)),
            );
        }
        let (validate, body_max) = validate::of_route(&reader, defaults);
        routes.push(Route {
            auth: route_auth,
            limits,
            upstream: upstream(&reader, upstreams).unwrap_or(defaults.upstream),
            mode: match reader.choice("mode", super::keys::MODES) {
                Some("observe") => Mode::Observe,
                _ => Mode::Enforce,
            },
            body_max,
            validate,
            websocket: WebSocket {
                idle_timeout: websocket.leaf("idle_timeout", value::duration),
                connections: websocket.integer("connections"),
                max_message: websocket.leaf("max_message", value::size),
            },
            pattern,
            origin,
        });
    }
    let patterns = routes.iter().map(|route| route.pattern.pattern.clone()).collect();
    if let Err(conflict) = RouteTable::build(patterns) {
        let (first, second) = (&routes[conflict.first], &routes[conflict.second]);
        root.problem(
            Problem::new(
                &second.origin,
                format!(
                    "`{}` can never be reached: it matches the same requests as `{}`",
                    second.pattern.text, first.pattern.text
                ),
            )
            .also(&first.origin, "here is the first")
            .mend("keep one of the two"),
        );
    }
    routes
}

/// A limit by identity applies to nobody where every route is open.
pub(super) fn identity_limits(
    limits: &[Limit],
    default: &RouteAuth,
    routes: &[Route],
    context: &Context<'_>,
) {
    let open = *default == RouteAuth::Open && routes.iter().all(|route| route.auth == RouteAuth::Open);
    for limit in limits.iter().filter(|limit| open && limit.scope.needs_identity()) {
        context.problems.borrow_mut().push(
            Problem::new(
                &limit.origin,
                format!(
                    "this limit counts per {}, and no route proves anybody: it can never apply",
                    limit.scope
                ),
            )
            .mend("count `per ip`, or configure [auth.api_key]"),
        );
    }
}

pub(super) fn tests(root: &Reader<'_>, routes: &[Route]) -> Vec<PolicyTest> {
    let mut tests = Vec::new();
    for reader in root.entries("tests") {
        let Some((method, target)) = reader.leaf("request", request) else {
            if reader.node("request").is_none() {
                reader.problem(
                    Problem::new(&reader.origin, "a test without `request`").mend("request = \"GET /\""),
                );
            }
            continue;
        };
        let expect = reader.section("expect");
        let status = expect.leaf("status", |node| value::integer(node, 100, 599));
        let code = expect.leaf("code", |node| {
            let word = value::text(node)?;
            let codes = Denial::CODES.into_iter().chain(OUTCOMES);
            if codes.clone().any(|code| code == word) {
                return Ok(word.to_owned());
            }
            let mend = nearest(word, codes)
                .map_or("`forward`, `answered`, or the code of a refusal".into(), |near| {
                    format!("did you mean `{near}`?")
                });
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
            text.parse::<IpAddr>()
                .map_err(|_| Complaint::new(format!("`{text}` is not an address"), "\"192.0.2.1\""))
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
            return Err(Complaint::new(
                format!("{count} has no window"),
                format!("\"{count}/minute per ip\""),
            ));
        }
        _ => value::text(node)?,
    };
    text.parse().map_err(|error: portcullis_core::quota::RateError| {
        let word = error.word().unwrap_or_default();
        if LATER_SCOPES.contains(&word) {
            return Complaint::new(
                format!("`per {word}` is not in this version"),
                "per ip, user, key, route or global",
            );
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
    let text = value::text(node)?.trim();
    let pattern: Pattern = text.parse().map_err(|error: PatternError| {
        let at = text.get(error.offset..).unwrap_or_default();
        let place = if at.is_empty() || at == text { String::new() } else { format!(", at `{at}`") };
        Complaint::new(format!("`{text}` is not a match: {}{place}", error.problem), error.problem.mend())
    })?;
    let (methods, path) = text.split_once([' ', '\t']).unwrap_or(("", text));
    let methods: Vec<String> = methods.split(',').filter(|it| !it.is_empty()).map(str::to_owned).collect();
    // Other methods are legal (WebDAV has a dozen); a near miss of a common one is not meant.
    for method in methods.iter().filter(|it| !METHODS.contains(&it.as_str())) {
        if let Some(near) = nearest(method, METHODS) {
            return Err(Complaint::new(
                format!("`{method}` is hardly a method"),
                format!("did you mean `{near}`?"),
            ));
        }
    }
    Ok(RoutePattern { text: text.to_owned(), methods, path: path.trim_start().to_owned(), pattern })
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
        Some((method, target))
            if value::is_token(method) && target.starts_with('/') && !target.contains(' ') =>
        {
            Ok((method.to_owned(), target.to_owned()))
        }
        _ => Err(Complaint::new(format!("`{text}` is not a request"), "METHOD PATH: \"POST /live/ingest\"")),
    }
}
