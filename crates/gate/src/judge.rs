//! What is asked of the content of a request: the query and the head before anything of the body is read, and the
//! body where it was held. What is wrong is refused; on a route in `observe` mode it is noted.

use portcullis_core::event::EventKind;
use portcullis_core::{Denial, Head};

use crate::context::{Note, RequestContext};
use crate::policy::Route;
use crate::trail::event_of;
use crate::validate::Invalid;
use crate::validate::patterns::Findings;

/// Judges the query and what the head says of the body. The body itself is judged by who reads it.
pub(crate) fn head(route: &Route, head: &Head<'_>, ctx: &mut RequestContext) -> Result<(), Denial> {
    if route.validate.is_empty() {
        return Ok(());
    }
    let judged = route.validate.judge_head(head);
    ctx.step("validate", judged.is_ok(), || match &judged {
        Err(invalid) => invalid.to_string(),
        Ok(()) if route.validate.judges_urls() => {
            "the head is as the route takes it; its body is judged, and where its URLs lead".to_owned()
        }
        Ok(()) if route.validate.holds().is_some() => {
            "the head is as the route takes it; its body is judged".to_owned()
        }
        Ok(()) => "the request is as the route takes it".to_owned(),
    });
    judged.map_err(|invalid| {
        let denial = Denial::Invalid(invalid.status());
        ctx.invalid = Some(invalid);
        denial
    })?;
    suspect(route, ctx, |findings| route.validate.inspect_head(head, findings))
}

/// Judges a held body and gives it back as it goes on.
pub(crate) fn body(route: &Route, ctx: &mut RequestContext, body: Vec<u8>) -> Result<Vec<u8>, Denial> {
    match route.validate.judge_body(&body) {
        Ok(()) => {
            suspect(route, ctx, |findings| route.validate.inspect_body(&body, findings))?;
            Ok(route.validate.clean_body(&body).unwrap_or(body))
        }
        Err(invalid) => refuse(route, invalid, ctx).map(|()| body),
    }
}

/// Refuses a body; on a route in `observe` mode, notes what is wrong with it. One that was not read to its end
/// cannot go on.
pub(crate) fn refuse(route: &Route, invalid: Invalid, ctx: &mut RequestContext) -> Result<(), Denial> {
    let denial = Denial::Invalid(invalid.status());
    ctx.invalid = Some(invalid);
    if !route.observe || denial.status() == 413 {
        return Err(denial);
    }
    if let Some((kind, details)) = event_of(&denial, ctx) {
        ctx.notes.push(Note { kind, reason: denial.code(), details, observed: true });
    }
    Ok(())
}

/// Inspects a part of the request for attacks: what is found is an event, one for each rule, and refused where the
/// route enforces it and it is enough.
fn suspect(
    route: &Route,
    ctx: &mut RequestContext,
    inspect: impl FnOnce(&mut Findings),
) -> Result<(), Denial> {
    let Some(patterns) = &route.validate.patterns else { return Ok(()) };
    let known = ctx.findings.found().len();
    inspect(&mut ctx.findings);
    let refused = patterns.enforce && !route.observe && ctx.findings.are_attack(patterns);
    for (rule, place) in &ctx.findings.found()[known..] {
        let details = format!("Suspicious activity: {} in {place}", rule.name());
        let kind = EventKind::SuspiciousActivity;
        ctx.notes.push(Note { kind, reason: rule.name(), details: details.into(), observed: !refused });
    }
    if ctx.steps.is_some() {
        let found = ctx.findings.found().iter().map(|(rule, place)| format!("{} in {place}", rule.name()));
        let found = found.collect::<Vec<_>>().join(", ");
        let (score, threshold) = (ctx.findings.score(), patterns.threshold);
        ctx.step("patterns", !refused, || match found.as_str() {
            "" => "nothing of an attack in the path and the query".to_owned(),
            found => format!("{found}: {score} of {threshold}"),
        });
    }
    if refused { Err(Denial::AttackPattern) } else { Ok(()) }
}
