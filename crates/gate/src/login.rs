//! The second half of the decision about a WebSocket that proves itself in its first message.
//!
//! The handshake was let in by [`Gate::admit`], which has asked for everything that needs no identity; here
//! follows what needs one, in the same order. Nothing has reached the application before.

use portcullis_core::identity::Scheme;
use portcullis_core::route::CanonicalPath;
use portcullis_core::{Denial, Head};

use crate::admission::{Permit, Unproven};
use crate::authn::{Found, Presented};
use crate::authz::{self, Asked};
use crate::context::RequestContext;
use crate::gate::{Gate, name_device};
use crate::policy::Policy;

impl Gate {
    /// Judges what the first message presents. `head` is that of the handshake, `ctx` that of [`Gate::admit`],
    /// with `ctx.now` moved to this moment.
    ///
    /// A wrong credential counts against its address as it does everywhere.
    pub fn login(
        &self,
        policy: &Policy,
        unproven: Unproven,
        head: &Head<'_>,
        presented: &Presented,
        ctx: &mut RequestContext,
    ) -> Result<Permit, Denial> {
        let path = CanonicalPath::parse(head.path).map_err(|error| Denial::Malformed(error.name()))?;
        let found = policy
            .table
            .find(head.method, &path, head.upgrade)
            .map_err(|error| Denial::Malformed(error.name()))?;
        let asked = Asked { head, path: &path, params: &found.params };
        let judged = match policy.authn.login(presented, ctx.now) {
            // No key is set and none is asked for: whatever is presented will do (T-WS-12).
            None => None,
            Some(found) => Some(self.judged(policy, found, ctx)?),
        };
        if let Some(Found::Nothing(_)) = judged {
            return Err(Denial::MissingCredential(Scheme::FirstMessage));
        }
        for index in std::iter::once(unproven.route).chain(unproven.others.iter().copied()) {
            let route = policy.route(index);
            if !route.accepts.contains(&Scheme::FirstMessage) {
                continue;
            }
            let counted = (index != unproven.route).then(|| &*unproven.route(policy).after_authn);
            self.accept(policy, judged.clone(), route, ctx)?;
            authz::authorize(route, policy.pattern(index), asked, ctx)?;
            name_device(policy, route, head, ctx)?;
            self.limit(&route.after_authn, counted, route, ctx)?;
        }
        Ok(Permit { route: unproven.route, identity: ctx.identity.clone(), others: unproven.others })
    }
}
