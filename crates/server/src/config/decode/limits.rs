//! Limits: of every route, of one, and of those who have a role.

use portcullis_core::quota::{LimitSpec, Scope};

use super::super::model::{Auth, Limit, Mode, Route, RouteAuth};
use super::super::problem::{Problem, nearest};
use super::super::tree::{Node, Value};
use super::super::value::{self, Complaint};
use super::{Context, Reader};

/// The entries of `[[limits]]`.
pub(super) fn limits(root: &Reader<'_>, name: &str) -> Vec<Limit> {
    let limits = root.list(name, |node| limit(node, Scope::Ip));
    // Each of them is one counter already.
    limits.into_iter().map(|limit| Limit { shared: None, ..limit }).collect()
}

/// A limit: `"60/minute per ip"` or `{ rate, mode, name }`; it counts by `scope` where it does not say.
pub(super) fn limit(node: &Node, scope: Scope) -> Result<Limit, Complaint> {
    let Some(table) = node.as_table() else {
        return rate(node).map(|spec| spelled(spec, scope, node));
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
    let limit = spelled(rate(spec).map_err(|it| it.at(&spec.origin))?, scope, spec);
    let name = named.map_or_else(|| limit.name.clone(), str::to_owned);
    Ok(Limit { mode, name, shared: named.map(str::to_owned), ..limit })
}

/// A limit by identity applies to nobody where nobody proves anything.
pub(super) fn by_identity(limits: &[Limit], auth: &Auth, routes: &[Route], context: &Context<'_>) {
    let open = routes.iter().map(|route| &route.auth).chain([&auth.default]).all(|it| *it == RouteAuth::Open);
    for limit in limits.iter().filter(|limit| open && needs_proof(limit.scope)) {
        let message =
            format!("this limit counts per {}, and no route proves anybody: it can never apply", limit.scope);
        let problem = Problem::new(&limit.origin, message);
        context.problems.borrow_mut().push(problem.mend("count `per ip`, or configure [auth.api_key]"));
    }
}

/// The limits of one route.
pub(super) fn of_route(route: &Reader<'_>, auth: &RouteAuth) -> Vec<Limit> {
    let limits = route.list("limits", |node| {
        if let Some(table) = node.as_table() {
            super::unknown_keys(table, "limits[]", &route.path_of("limits"), route.context);
        }
        limit(node, Scope::Ip)
    });
    for limit in limits.iter().filter(|limit| *auth == RouteAuth::Open && needs_proof(limit.scope)) {
        let message =
            format!("this limit counts per {}, and the route proves nobody: it can never apply", limit.scope);
        let problem = Problem::new(&limit.origin, message);
        route.problem(problem.mend("count `per ip`, or give the route an `auth`"));
    }
    limits
}

fn needs_proof(scope: Scope) -> bool {
    matches!(scope, Scope::User | Scope::Key)
}

/// Limits of one name in several routes are one counter: it cannot have two sizes, or count a request twice.
pub(super) fn shared(root: &Reader<'_>, routes: &[Route]) {
    let named = || {
        let of = |route: &'_ Route| route.limits.len();
        routes.iter().enumerate().flat_map(move |(at, route)| (0..of(route)).map(move |limit| (at, limit)))
    };
    let limit = |(route, limit): (usize, usize)| &routes[route].limits[limit];
    for (at, one) in named().enumerate() {
        let Some(name) = &limit(one).shared else { continue };
        let Some(first) = named().take(at).find(|other| limit(*other).shared.as_ref() == Some(name)) else {
            continue;
        };
        let (later, earlier) = (limit(one), limit(first));
        let problem = if one.0 == first.0 {
            Problem::new(&later.origin, format!("the limit `{name}` stands twice in one route"))
                .mend("give one of them another name")
        } else if (later.rate, later.scope) != (earlier.rate, earlier.scope) {
            Problem::new(
                &later.origin,
                format!("the limit `{name}` is one counter for several routes, and they disagree on it"),
            )
            .mend(format!("\"{} per {}\" here too, or another name", earlier.rate, earlier.scope))
        } else {
            continue;
        };
        root.problem(problem.also(&earlier.origin, "here is the first"));
    }
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
        let near = nearest(word, error.valid());
        let mend = near.map_or("COUNT/[N]UNIT [per SCOPE]: \"60/minute\", \"10/5m per ip\"".into(), |near| {
            format!("did you mean `{near}`?")
        });
        Complaint::new(format!("`{text}` is not a rate: {}", error.problem), mend)
    })
}

fn spelled(spec: LimitSpec, scope: Scope, node: &Node) -> Limit {
    Limit {
        name: node.as_text().unwrap_or_default().to_owned(),
        shared: None,
        rate: spec.rate,
        scope: spec.scope.unwrap_or(scope),
        mode: Mode::Enforce,
        origin: node.origin.clone(),
    }
}
