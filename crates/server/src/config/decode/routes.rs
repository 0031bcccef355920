//! Routes and the policy tests.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_core::Denial;
use portcullis_core::route::{Pattern, PatternError, RouteTable};
use portcullis_gate::validate::Query;

use super::super::model::{
    Auth, Endpoints, GeneralLimits, Mode, PolicyTest, Role, Route, RoutePattern, Upstream,
};
use super::super::problem::{Problem, nearest};
use super::super::tree::Node;
use super::super::value::{self, Complaint};
use super::{Reader, headers, limits, patterns, schemes, validate, websocket};

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "WS"];
/// What a test may expect beside the code of a refusal: that the application, or the gateway itself, answers.
const OUTCOMES: [&str; 2] = ["forward", "answered"];

/// What holds where a route says nothing.
pub(super) struct Defaults<'a> {
    pub roles: &'a [Role],
    /// Whether limits are in force.
    pub limiter: bool,
    /// Index into the upstreams.
    pub upstream: usize,
    /// Bytes.
    pub body_max: u64,
    pub query: Option<&'a Query>,
    pub patterns: &'a patterns::General,
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
            Some(node) => schemes::route_auth(node, &reader, "auth", auth),
            None => auth.default.clone(),
        };
        let roles = schemes::roles(&reader, &route_auth, defaults.roles);
        let limits = limits::of_route(&reader, &route_auth);
        let mode = match reader.choice("mode", super::keys::MODES) {
            Some("observe") => Mode::Observe,
            _ => Mode::Enforce,
        };
        let websocket = websocket::of_route(&reader, &pattern, &route_auth, mode);
        let (validate, body_max) = validate::of_route(&reader, defaults);
        routes.push(Route {
            auth: route_auth,
            roles,
            limits: if defaults.limiter { limits } else { Vec::new() },
            general_limits: match reader.choice("general_limits", super::keys::GENERAL) {
                Some("show") => GeneralLimits::Show,
                Some("off") => GeneralLimits::Off,
                _ => GeneralLimits::Count,
            },
            upstream: upstream(&reader, upstreams).unwrap_or(defaults.upstream),
            mode,
            body_max,
            validate,
            websocket,
            pattern,
            origin,
        });
    }
    limits::shared(root, &routes);
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
