//! What the gateway would do with a request, without doing it.
//!
//! The request goes through the same reading and the same decision as one from the network; only counting
//! and forwarding are left out.

use std::net::IpAddr;

use portcullis_core::{Denial, Now};
use portcullis_gate::context::{RequestId, Step};
use portcullis_gate::policy::Target;
use portcullis_gate::{Admission, Gate, Policy, RequestContext};
use portcullis_wire::Body;

use crate::core::Snapshot;
use crate::h1::{Caller, Unread, view};

/// The account of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What happened at each stage, in order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub outcome: Outcome,
    /// The status of the gateway's own answer; `None` where the application gives it.
    pub status: Option<u16>,
    /// The name of the route; empty where none was reached.
    pub route: String,
}

/// How a decision ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It goes to the upstream of this name.
    Forward(String),
    /// The gateway answers by itself.
    Own,
    /// The gateway answers the handshake, and waits for the login in the first message.
    Login,
    /// The gateway answers the preflight.
    Preflight,
    /// It is refused.
    Denied(Denial),
}

impl Outcome {
    fn status(&self, policy: &Policy) -> Option<u16> {
        match self {
            Outcome::Forward(_) => None,
            Outcome::Own | Outcome::Preflight => Some(200),
            Outcome::Login => Some(101),
            Outcome::Denied(denial) => Some(policy.status(denial)),
        }
    }

    /// The stable code of a refusal.
    pub fn code(&self) -> Option<&'static str> {
        match self {
            Outcome::Denied(denial) => Some(denial.code()),
            Outcome::Forward(_) | Outcome::Own | Outcome::Login | Outcome::Preflight => None,
        }
    }
}

/// Explains the request that begins with `bytes` (a whole HTTP/1.1 head), as if it came from `peer` now.
pub fn explain(
    gate: &Gate,
    snapshot: &Snapshot,
    bytes: &[u8],
    peer: IpAddr,
    secure: bool,
    now: Now,
) -> Explanation {
    let refused = |denial: Denial| {
        let how = denial.how().unwrap_or_else(|| denial.code());
        let finding = format!("the request cannot be read: {how}");
        Explanation {
            steps: vec![Step { stage: "wire", finding, passed: false }],
            status: Some(snapshot.policy.status(&denial)),
            outcome: Outcome::Denied(denial),
            route: String::new(),
        }
    };
    let caller = Caller { peer, secure };
    let read = view(bytes, &snapshot.settings.caps, caller, |head, request| {
        let mut ctx = RequestContext::new(now, peer, secure, RequestId::from_random(0)).explaining();
        let policy = &snapshot.policy;
        let outcome = match gate.admit(policy, head, &mut ctx) {
            Err(denial) => Outcome::Denied(denial),
            Ok(Admission::Preflight) => Outcome::Preflight,
            Ok(Admission::Login(_)) => Outcome::Login,
            Ok(Admission::Forward(permit)) => {
                let route = permit.route(policy);
                match (route.target, request.body) {
                    (_, Body::Length(length)) if length > route.max_body => {
                        Outcome::Denied(Denial::BodyTooLarge)
                    }
                    (Target::Own(_) | Target::Inside(_), _) => Outcome::Own,
                    (Target::Upstream(index), _) => {
                        Outcome::Forward(snapshot.settings.upstreams[index].name.clone())
                    }
                }
            }
        };
        let mut steps = ctx.steps.take().unwrap_or_default();
        if let Outcome::Denied(denial) = &outcome
            && steps.last().is_none_or(|step| step.passed)
        {
            let stage = if *denial == Denial::BodyTooLarge { "body" } else { "edge" };
            let finding = denial.how().unwrap_or_else(|| denial.code()).to_owned();
            steps.push(Step { stage, finding, passed: false });
        }
        let route = if ctx.route.is_some() || !steps.iter().any(|step| step.stage == "route") {
            ctx.route.map_or(String::new(), |index| policy.route(Some(index)).name.to_string())
        } else {
            policy.route(None).name.to_string()
        };
        Explanation { steps, status: outcome.status(policy), outcome, route }
    });
    match read {
        Ok(Some(explanation)) => explanation,
        Ok(None) => refused(Denial::Malformed("incomplete-head")),
        Err(Unread::Http2) => refused(Denial::Malformed("http2-preface")),
        Err(Unread::Denied(denial)) => refused(denial),
    }
}
