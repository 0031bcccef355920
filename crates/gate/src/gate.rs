//! The decision about a request, on one page.

mod urls;

use std::borrow::Cow;

use portcullis_core::event::EventKind;
use portcullis_core::head::Once;
use portcullis_core::identity::Scheme;
use portcullis_core::quota::{LimitTable, RecentSuccess, Scope, Verdict};
use portcullis_core::route::{CanonicalPath, Match};
use portcullis_core::{Client, Denial, Head, Upgrade};

use crate::admission::{Admission, Permit, Unproven};
use crate::authn::{Found, Proof, protocol};
use crate::authz::{self, Asked};
use crate::context::{Named, Note, RequestContext};
use crate::cors::{self, Origin, Preflight};
use crate::judge;
use crate::limit::{Counted, LimitRule, Limiter, Mode};
use crate::policy::{Policy, Route, UnknownRoutes};
use crate::trail::event_of;

/// The gate: what outlives a policy. One for the process, shared by all cores.
#[derive(Debug)]
pub struct Gate {
    limiter: Limiter,
    recent: RecentSuccess,
}

/// How many pairs of an address and a credential that succeeded are remembered: 512 KiB.
const REMEMBERED: usize = 65_536;

impl Gate {
    /// A gate over a table of counters. `seed` must come from the system's random source.
    pub fn new(table: LimitTable, seed: [u64; 2]) -> Self {
        Self { limiter: Limiter::new(table, seed), recent: RecentSuccess::new(REMEMBERED) }
    }

    /// Decides about a request. The order matters: a wrong credential ends here under its own limit and
    /// costs nobody's allowance (ruling R4), what needs no identity is counted before one is accepted, and
    /// what counts by identity comes last.
    pub fn admit(
        &self,
        policy: &Policy,
        head: &Head<'_>,
        ctx: &mut RequestContext,
    ) -> Result<Admission, Denial> {
        ctx.client = policy.edge.client(ctx.client.peer, head, head.secure)?;
        let client = ctx.client;
        ctx.step("edge", true, || describe(client));
        let path = CanonicalPath::parse(head.path).map_err(|error| Denial::Malformed(error.name()))?;
        let found = find(policy, head, &path, ctx)?;
        let route = policy.route(found.route);
        if let Some(admission) = cross_origin(policy, head, ctx)? {
            return Ok(admission);
        }
        let asked = Asked { head, path: &path, params: &found.params };
        self.satisfy(policy, found.route, None, asked, ctx)?;
        // An application that spells more loosely or strictly than we match might take these instead.
        for other in found.others() {
            self.satisfy(policy, other, Some(route), asked, ctx)?;
        }
        if ctx.awaits_login {
            return Ok(Admission::Login(Unproven { route: ctx.route, others: found.others().collect() }));
        }
        ctx.announced = policy.withholds_protocol(route) && protocol::is_presented(head);
        ctx.step("forward", true, || route.target.to_string());
        Ok(Admission::Forward(Permit {
            route: ctx.route,
            identity: ctx.identity.clone(),
            others: found.others().collect(),
        }))
    }

    /// Meets everything that a route asks for; on a route in `observe` mode, notes what it does not meet.
    fn satisfy(
        &self,
        policy: &Policy,
        index: Option<usize>,
        counted: Option<&Route>,
        asked: Asked<'_>,
        ctx: &mut RequestContext,
    ) -> Result<(), Denial> {
        let Err(denial) = self.demand(policy, index, counted, asked, ctx) else { return Ok(()) };
        let route = policy.route(index);
        if !route.observe {
            return Err(denial);
        }
        if let Some((kind, details)) = event_of(&denial, ctx) {
            ctx.notes.push(Note { kind, reason: denial.code(), details, observed: true });
        }
        ctx.step("observe", true, || format!("{} is only observed on this route", denial.code()));
        Ok(())
    }

    /// Asks for everything a route asks for. Rules that `counted` shares with it were applied already.
    fn demand(
        &self,
        policy: &Policy,
        index: Option<usize>,
        counted: Option<&Route>,
        asked: Asked<'_>,
        ctx: &mut RequestContext,
    ) -> Result<(), Denial> {
        let (route, head) = (policy.route(index), asked.head);
        let presented = self.present(policy, route, head, ctx)?;
        self.limit(&route.before_authn, counted.map(|counted| &*counted.before_authn), route, ctx)?;
        let nothing = matches!(presented, Some(Found::Nothing(_)));
        if nothing && head.upgrade == Upgrade::WebSocket && route.accepts.contains(&Scheme::FirstMessage) {
            ctx.step("authentication", true, || "the first message has to log in".to_owned());
            ctx.awaits_login = true;
            return judge::head(route, head, ctx);
        }
        self.accept(policy, presented, route, ctx)?;
        authz::authorize(route, policy.pattern(index), asked, ctx)?;
        name_device(policy, route, head, ctx)?;
        self.limit(&route.after_authn, counted.map(|counted| &*counted.after_authn), route, ctx)
            .inspect_err(|_| self.give_back(route, ctx))?;
        judge::head(route, head, ctx)
    }

    /// Applies the limits of one stage; the tightest is shown, the first enforced refusal ends it.
    pub(crate) fn limit(
        &self,
        rules: &[LimitRule],
        counted_already: Option<&[LimitRule]>,
        route: &Route,
        ctx: &mut RequestContext,
    ) -> Result<(), Denial> {
        if rules.is_empty() {
            return Ok(());
        }
        let fresh: Vec<LimitRule>;
        let rules = match counted_already {
            None => rules,
            Some(counted) => {
                let is_new = |rule: &&LimitRule| !counted.iter().any(|other| other.id == rule.id);
                fresh = rules.iter().filter(is_new).cloned().collect();
                &fresh
            }
        };
        let (client, identity) = (ctx.client, ctx.identity.clone());
        let counted = Counted {
            client: &client,
            route: &route.name,
            identity: identity.as_deref(),
            proven: ctx.proven,
            device: ctx.device,
        };
        let (now_ms, dry) = (ctx.now.monotonic_ms, ctx.dry);
        self.limiter
            .apply(rules, counted, now_ms, dry, |rule, verdict| {
                let refuses = !verdict.admitted && rule.mode == Mode::Enforce;
                if rule.mode == Mode::Show {
                    ctx.show(Verdict { admitted: true, ..verdict });
                } else if rule.mode == Mode::Enforce {
                    ctx.show(verdict);
                } else if !verdict.admitted {
                    ctx.notes.push(Note {
                        kind: EventKind::RateLimitExceeded,
                        reason: "rate-limited",
                        details: Cow::Owned(format!("limit {} reached, observed only", rule.text)),
                        observed: true,
                    });
                }
                ctx.step("limits", !refuses, || {
                    let word = if refuses { "exceeded" } else { "within" };
                    format!("{word} {} ({} left)", rule.text, verdict.remaining)
                });
            })
            .map_err(Denial::RateLimited)
    }

    /// Which credential is presented, if the route asks for one. A wrong one ends here: it counts against
    /// its address under a limit of its own, so that guessing is slow whatever else is configured.
    fn present<'h>(
        &self,
        policy: &Policy,
        route: &Route,
        head: &Head<'h>,
        ctx: &mut RequestContext,
    ) -> Result<Option<Found<'h>>, Denial> {
        if route.accepts.is_empty() {
            return Ok(None);
        }
        let found = policy.authn.identify(&route.accepts, head, ctx.now);
        self.judged(policy, found, ctx).map(Some)
    }

    /// Ends it where a credential is not accepted, and counts a wrong one.
    pub(crate) fn judged<'h>(
        &self,
        policy: &Policy,
        found: Found<'h>,
        ctx: &mut RequestContext,
    ) -> Result<Found<'h>, Denial> {
        let scheme = match found {
            Found::Wrong(scheme) => scheme,
            Found::Expired(scheme) => {
                ctx.step("authentication", false, || format!("the {scheme} has expired"));
                return Err(Denial::ExpiredCredential(scheme));
            }
            Found::Unavailable(scheme) => {
                ctx.step("authentication", false, || format!("no {scheme} can be judged at the moment"));
                return Err(Denial::AuthenticationUnavailable);
            }
            found @ (Found::Proven(_) | Found::Nothing(_)) => {
                ctx.proven = matches!(found, Found::Proven(_));
                return Ok(found);
            }
        };
        ctx.step("authentication", false, || format!("the {scheme} is wrong"));
        let client = ctx.client;
        let counted =
            Counted { client: &client, route: "", identity: None, proven: false, device: Named::Nothing };
        let now_ms = ctx.now.monotonic_ms;
        let verdict = if ctx.dry {
            self.limiter.look(&policy.failures, counted, now_ms)
        } else {
            self.limiter.count(&policy.failures, counted, now_ms)
        };
        Err(match verdict.filter(|verdict| !verdict.admitted) {
            Some(verdict) => Denial::TooManyFailures(verdict),
            None => Denial::InvalidCredential(scheme),
        })
    }

    /// Takes the identity that a credential proves. An address over the limit of wrong credentials gets an
    /// answer only for those that succeeded from there within the hour: nobody is locked out by a neighbour
    /// who guesses, and a guess that hits does not show.
    pub(crate) fn accept(
        &self,
        policy: &Policy,
        presented: Option<Found<'_>>,
        route: &Route,
        ctx: &mut RequestContext,
    ) -> Result<(), Denial> {
        let Proof { identity, credential, ambient } = match presented {
            None => {
                ctx.step("authentication", true, || "the route is open".to_owned());
                return Ok(());
            }
            Some(Found::Proven(proof)) => proof,
            Some(Found::Nothing(_)) if route.optional => {
                ctx.step("authentication", true, || {
                    "nothing was presented, and the route asks for nothing".to_owned()
                });
                return Ok(());
            }
            Some(
                Found::Nothing(scheme)
                | Found::Wrong(scheme)
                | Found::Expired(scheme)
                | Found::Unavailable(scheme),
            ) => {
                ctx.step("authentication", false, || format!("no {scheme} was presented"));
                return Err(Denial::MissingCredential(scheme));
            }
        };
        let (client, now_ms) = (ctx.client, ctx.now.monotonic_ms);
        let success = self.limiter.success(client.address, credential);
        if !self.recent.contains(success, now_ms) {
            let counted =
                Counted { client: &client, route: "", identity: None, proven: false, device: Named::Nothing };
            let failures = self.limiter.look(&policy.failures, counted, now_ms);
            if let Some(verdict) = failures.filter(|verdict| !verdict.admitted) {
                ctx.step("authentication", false, || "too many wrong credentials from there".to_owned());
                return Err(Denial::TooManyFailures(verdict));
            }
            ctx.notes.push(Note {
                kind: EventKind::AuthAttempt { success: true },
                reason: identity.scheme.name(),
                details: Cow::Borrowed("the first success of this credential from there within the hour"),
                observed: false,
            });
        }
        if !ctx.dry {
            self.recent.record(success, now_ms);
        }
        ctx.step("authentication", true, || format!("{} by {}", identity.user, identity.scheme));
        ctx.ambient = ambient;
        ctx.identity.get_or_insert(identity);
        Ok(())
    }

    /// Gives back what the first limits counted for a request that the later ones refused.
    fn give_back(&self, route: &Route, ctx: &RequestContext) {
        if !ctx.dry {
            let counted = Counted {
                client: &ctx.client,
                route: &route.name,
                identity: ctx.identity.as_deref(),
                proven: ctx.proven,
                device: ctx.device,
            };
            self.limiter.give_back(&route.before_authn, counted, ctx.now.monotonic_ms);
        }
    }
}

/// Finds out which device is named, where a limit of the route counts by it; one that counts by nothing else
/// needs a name.
pub(crate) fn name_device(
    policy: &Policy,
    route: &Route,
    head: &Head<'_>,
    ctx: &mut RequestContext,
) -> Result<(), Denial> {
    if !route.after_authn.iter().any(|rule| rule.scope.is_chosen_by_client()) {
        return Ok(());
    }
    ctx.device = policy.authn.device(head);
    let needed = |rule: &LimitRule| rule.scope == Scope::Device && rule.mode == Mode::Enforce;
    if ctx.device == Named::Nothing && route.after_authn.iter().any(needed) {
        ctx.step("limits", false, || "a limit counts by device, and none is named".to_owned());
        return Err(Denial::MissingDevice);
    }
    Ok(())
}

/// Which rules apply: the named route that fits best, or the default.
fn find<'p>(
    policy: &'p Policy,
    head: &Head<'_>,
    path: &'p CanonicalPath<'_>,
    ctx: &mut RequestContext,
) -> Result<Match<'p>, Denial> {
    let found = policy
        .table
        .find(head.method, path, head.upgrade)
        .map_err(|error| Denial::Malformed(error.name()))?;
    ctx.route = found.route;
    // A preflight speaks for another method; whether its route is known shows when that one comes.
    if found.route.is_none() && policy.unknown_routes == UnknownRoutes::Closed && head.method != "OPTIONS" {
        ctx.allow = policy.table.allowed_methods(path);
        let denial = if ctx.allow.is_empty() { Denial::UnknownRoute } else { Denial::MethodNotAllowed };
        ctx.step("route", false, || "no route names it, and unknown routes are closed".to_owned());
        return Err(denial);
    }
    ctx.step("route", true, || format!("`{}`", policy.route(found.route).name));
    Ok(found)
}

/// CORS: a preflight ends here, a foreign origin is noted and refused only where that is configured. A
/// WebSocket handshake from a foreign page is always refused: no browser would ask anybody else
/// (cross-site WebSocket hijacking).
fn cross_origin(
    policy: &Policy,
    head: &Head<'_>,
    ctx: &mut RequestContext,
) -> Result<Option<Admission>, Denial> {
    let own = match head.once("origin") {
        Once::Value(origin) => cors::is_own(origin, head.authority, ctx.client.secure),
        Once::Absent | Once::Repeated => false,
    };
    ctx.trusted_origin = own;
    let Some(cors) = &policy.cors else { return Ok(None) };
    ctx.origin = cors.judge(head, ctx.client.secure);
    ctx.trusted_origin = own || cors.trusts(ctx.origin);
    let preflight = cors.preflight(head, ctx.origin);
    if ctx.origin == Origin::Foreign {
        let websocket = head.upgrade == Upgrade::WebSocket;
        ctx.step("cors", !(cors.rejects() || websocket || preflight.is_some()), || {
            "the origin is not allowed".to_owned()
        });
        if cors.rejects() || websocket {
            return Err(Denial::OriginForbidden);
        }
        if preflight.is_some() {
            return Err(Denial::PreflightForbidden);
        }
        ctx.notes.push(Note {
            kind: EventKind::CorsViolation,
            reason: "origin-not-allowed",
            details: Cow::Borrowed("CORS: the origin is not allowed"),
            observed: false,
        });
        return Ok(None);
    }
    match preflight {
        None => Ok(None),
        Some(Preflight::Allowed) => {
            ctx.requested_headers = head.field("access-control-request-headers").map(Into::into);
            ctx.step("cors", true, || "a preflight, answered by the gateway".to_owned());
            Ok(Some(Admission::Preflight))
        }
        Some(_) => {
            ctx.step("cors", false, || "a preflight for what is not allowed".to_owned());
            Err(Denial::PreflightForbidden)
        }
    }
}

fn describe(client: Client) -> String {
    if client.address == client.peer {
        format!("the client is {}", client.address)
    } else {
        format!("the client is {}, named by the trusted proxy {}", client.address, client.peer)
    }
}
