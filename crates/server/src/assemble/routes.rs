//! The routes of a policy: those of the configuration, the default one, and the gateway's own.

use std::time::Duration;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::{LimitSpec, Scope};
use portcullis_core::route::Pattern;
use portcullis_gate::limit::{self, LimitRule, Mode};
use portcullis_gate::policy::{MessageRule, Own, Route, Target, WebSocketRules};
use portcullis_gate::validate;

use super::places;
use crate::api;
use crate::api::endpoints::Access;
use crate::config::model::{self, Config};
use crate::config::origin::Origin;
use crate::config::{Problem, Problems};

fn accepts(auth: &model::RouteAuth) -> Vec<Scheme> {
    auth.schemes().to_vec()
}

/// Limits of a route, those that need no identity apart from those that do.
#[derive(Default)]
struct Rules {
    before: Vec<LimitRule>,
    after: Vec<LimitRule>,
}

impl Rules {
    /// Adds the limits of one place, with the ceilings of those whose key the client chooses.
    fn add(&mut self, place: &str, limits: &[model::Limit], force: Option<Mode>) {
        let mut rules: Vec<LimitRule> = Vec::new();
        for limit in limits {
            let own = match limit.mode {
                model::Mode::Observe => Mode::Observe,
                model::Mode::Enforce => Mode::Enforce,
            };
            let shared = limit.shared.as_ref().map(|name| format!("shared {name}"));
            let place = shared.as_deref().unwrap_or(place);
            let rule = LimitRule::new(place, limit.rate, limit.scope, force.unwrap_or(own));
            rules.extend(rule.ceiling(place));
            rules.push(rule);
        }
        limit::tell_apart(&mut rules);
        self.take(rules);
    }

    /// Adds the tiers of the roles.
    fn tiers(&mut self, roles: &[model::Role], force: Option<Mode>) {
        for role in roles {
            let tier = |limit: &model::Limit| {
                LimitRule::tier(&role.name, limit.rate, limit.scope, force.unwrap_or(Mode::Enforce))
            };
            let mut rules: Vec<LimitRule> = role.limits.iter().map(tier).collect();
            limit::tell_apart(&mut rules);
            self.after.extend(rules);
        }
    }

    fn take(&mut self, rules: Vec<LimitRule>) {
        let (after, before): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| rule.scope.needs_identity());
        self.before.extend(before);
        self.after.extend(after);
    }
}

/// The limits that every route has, as this one has them.
fn general_rules(config: &Config, general: model::GeneralLimits) -> Rules {
    let mut rules = Rules::default();
    let force = match general {
        model::GeneralLimits::Off => return rules,
        model::GeneralLimits::Show => Some(Mode::Show),
        model::GeneralLimits::Count => None,
    };
    rules.add("", &config.limits, force);
    rules.tiers(&config.roles, force);
    rules
}

pub(super) fn named_route(config: &Config, route: &model::Route) -> Route {
    let mut rules = general_rules(config, route.general_limits);
    let observes = route.mode == model::Mode::Observe;
    rules.add(&route.pattern.text, &route.limits, observes.then_some(Mode::Observe));
    Route {
        name: route.pattern.text.as_str().into(),
        accepts: accepts(&route.auth),
        optional: matches!(route.auth, model::RouteAuth::Optional(_)),
        roles: route.roles.iter().map(|role| role.as_str().into()).collect(),
        observe: observes,
        before_authn: rules.before,
        after_authn: rules.after,
        target: Target::Upstream(route.upstream),
        pass_credentials: config.upstreams[route.upstream].pass_credentials,
        max_body: route.body_max,
        validate: route.validate.clone(),
        websocket: websocket_rules(&route.websocket),
    }
}

fn websocket_rules(from: &model::WebSocket) -> WebSocketRules {
    let millis = |time: Duration| time.as_millis() as u64;
    let count = |count: Option<usize>| count.map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX));
    WebSocketRules {
        idle_ms: from.idle_timeout.map_or(0, millis),
        connections: count(from.connections),
        max_message: from.max_message.unwrap_or(0),
        auth_timeout_ms: millis(from.auth_timeout),
        messages: from.messages.map(|messages| MessageRule {
            rate: messages.rate,
            observe: messages.mode == model::Mode::Observe,
        }),
        connections_per_ip: count(from.connections_per_ip),
        connections_per_user: count(from.connections_per_user),
        connections_per_path: count(from.connections_per_path),
        ping_ms: from.ping.map_or(0, millis),
    }
}

pub(super) fn default_route(config: &Config) -> Route {
    let rules = general_rules(config, model::GeneralLimits::Count);
    Route {
        name: "default".into(),
        accepts: accepts(&config.auth.default),
        optional: matches!(config.auth.default, model::RouteAuth::Optional(_)),
        roles: Vec::new(),
        observe: false,
        before_authn: rules.before,
        after_authn: rules.after,
        target: Target::Upstream(config.default_upstream),
        pass_credentials: config.upstreams[config.default_upstream].pass_credentials,
        max_body: config.server.caps.body,
        validate: validate::Config {
            query: config.query.clone(),
            body: None,
            patterns: config.patterns.clone(),
        },
        websocket: WebSocketRules::default(),
    }
}

/// The endpoints of the accounts, as their table says: the general limits hold for them as for every route.
pub(super) fn own_routes(config: &Config) -> Result<Vec<(Pattern, Route)>, Problems> {
    let places = places(config);
    let inside = config.upstreams.len();
    let parse = |text: &str| {
        text.parse::<Pattern>()
            .map_err(|error| Problems::from(Problem::new(&Origin::Default, format!("`{text}` {error}"))))
    };
    let mut routes = Vec::new();
    for (text, endpoint) in api::endpoints::placed(&places) {
        let mut rules = general_rules(config, model::GeneralLimits::Count);
        if let Some(spec) = endpoint.limit.and_then(|limit| limit.parse::<LimitSpec>().ok()) {
            let scope = spec.scope.unwrap_or(Scope::Ip);
            rules.take(vec![LimitRule::new(&text, spec.rate, scope, Mode::Enforce)]);
        }
        let accepts: Vec<Scheme> =
            endpoint.schemes().iter().copied().filter(|scheme| config.auth.takes(*scheme)).collect();
        let route = Route {
            accepts,
            optional: matches!(endpoint.access, Access::Optional(_)),
            roles: match endpoint.access {
                Access::Admin(_) => vec![model::ADMIN.into()],
                Access::Open | Access::Optional(_) | Access::Authenticated(_) => Vec::new(),
            },
            before_authn: rules.before,
            after_authn: rules.after,
            max_body: endpoint.max_body(),
            ..Route::open(&text, Target::Inside(inside))
        };
        routes.push((parse(&text)?, route));
    }
    // What is asked for with another method is answered 405.
    for path in api::endpoints::paths(&places) {
        let rules = general_rules(config, model::GeneralLimits::Count);
        let route = Route {
            before_authn: rules.before,
            after_authn: rules.after,
            max_body: api::endpoints::MAX_BODY,
            ..Route::open(&path, Target::Inside(inside))
        };
        routes.push((parse(&path)?, route));
    }
    Ok(routes)
}

/// The gateway's own endpoints are open and never limited: a health check must not lock itself out.
pub(super) fn own_route(path: &str, own: Own) -> Route {
    Route { max_body: 0, ..Route::open(path, Target::Own(own)) }
}
