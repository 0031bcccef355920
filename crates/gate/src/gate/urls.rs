//! The one step that waits: where the URLs of a held body lead.

use std::future::poll_fn;
use std::task::Poll;

use portcullis_core::Denial;
use portcullis_core::outbound::{Checking, RefusedUrl};

use super::Permit;
use crate::context::{Note, RefusedAt, RequestContext};
use crate::policy::Policy;
use crate::trail::event_of;
use crate::validate::NamedUrl;

impl Permit {
    /// Judges where the URLs of a body lead, all at once. This waits for name servers, as long as the guard of the
    /// policy lets them; what it cannot judge it refuses. A route in `observe` mode notes what it would refuse.
    pub async fn check_urls(
        &self,
        policy: &Policy,
        urls: Vec<NamedUrl>,
        ctx: &mut RequestContext,
    ) -> Result<(), Denial> {
        let Some(guard) = policy.urls.as_ref().filter(|_| !urls.is_empty()) else {
            // A policy whose routes ask for public URLs has a guard.
            return if urls.is_empty() { Ok(()) } else { Err(Denial::Internal) };
        };
        let Some((at, refused)) =
            first_refused(urls.iter().map(|named| guard.check(&named.url)).collect()).await
        else {
            return Ok(());
        };
        let denial = Denial::Url(refused.fault);
        ctx.refused_url = Some(RefusedAt { pointer: urls[at].pointer.clone(), why: refused.why });
        let asking = self.routes(policy).filter(|route| route.validate.judges_urls());
        if !asking.clone().all(|route| route.observe) {
            return Err(denial);
        }
        if let Some((kind, details)) = event_of(&denial, ctx) {
            ctx.notes.push(Note { kind, reason: denial.code(), details, observed: true });
        }
        ctx.refused_url = None;
        Ok(())
    }
}

/// Waits for all judgements at once, and for no more once one refuses: which, and why.
async fn first_refused(checks: Vec<Checking<'_>>) -> Option<(usize, RefusedUrl)> {
    let mut checks: Vec<_> = checks.into_iter().map(Some).collect();
    poll_fn(|cx| {
        let mut waits = false;
        for (at, slot) in checks.iter_mut().enumerate() {
            let Some(check) = slot else { continue };
            match check.as_mut().poll(cx) {
                Poll::Ready(Err(refused)) => return Poll::Ready(Some((at, refused))),
                Poll::Ready(Ok(())) => *slot = None,
                Poll::Pending => waits = true,
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(None) }
    })
    .await
}
