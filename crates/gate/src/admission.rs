//! What becomes of a request that was not refused, as types that only the gate can make.

use std::sync::Arc;

use portcullis_core::{Denial, Identity};

use crate::authn::Tenure;
use crate::context::RequestContext;
use crate::judge;
use crate::policy::{Policy, Route};
use crate::validate::NamedUrl;

/// What becomes of a request that was not refused.
#[derive(Debug)]
pub enum Admission {
    /// It may go where its route says; forwarding takes the permit.
    Forward(Permit),
    /// A WebSocket whose first message has to say who it is: the handshake may be answered, and nothing may be
    /// forwarded before [`Gate::login`](crate::Gate::login) made a permit of it.
    Login(Unproven),
    /// A CORS preflight, answered by the gateway.
    Preflight,
}

/// The proof that a request was admitted. Only the gate makes one, so what was not admitted cannot be forwarded.
#[derive(Debug)]
pub struct Permit {
    pub(crate) route: Option<usize>,
    pub(crate) identity: Option<Arc<Identity>>,
    /// Routes beside `route` whose demands it met, because an application might take it for theirs.
    pub(crate) others: Box<[Option<usize>]>,
}

/// The proof that a handshake met everything that its route asks for but the login.
#[derive(Debug)]
pub struct Unproven {
    pub(crate) route: Option<usize>,
    pub(crate) others: Box<[Option<usize>]>,
}

impl Permit {
    /// The route it was admitted on.
    pub fn route<'p>(&self, policy: &'p Policy) -> &'p Route {
        policy.route(self.route)
    }

    /// How many bytes of the body to hold until [`Permit::judge_body`] has judged them; `None` where it goes
    /// on as it comes.
    pub fn holds(&self, policy: &Policy) -> Option<usize> {
        self.routes(policy).filter_map(|route| route.validate.holds()).min()
    }

    /// Judges a held body, without its transfer coding, and gives it back as it goes on, once
    /// [`Permit::check_urls`] took the URLs that it names. One that is larger than [`Permit::holds`] may be shown as
    /// far as it was read; it is refused.
    pub fn judge_body(
        &self,
        policy: &Policy,
        ctx: &mut RequestContext,
        mut body: Vec<u8>,
    ) -> Result<(Vec<u8>, Vec<NamedUrl>), Denial> {
        for route in self.routes(policy) {
            body = judge::body(route, ctx, body)?;
        }
        let mut urls = Vec::new();
        // Of what the application will see: what was cleaned may be another URL.
        for route in self.routes(policy) {
            match route.validate.named_urls(&body) {
                Ok(named) => urls.extend(named),
                Err(invalid) => judge::refuse(route, invalid, ctx)?,
            }
        }
        Ok((body, urls))
    }

    /// Whether it was admitted as a WebSocket handshake only: an application that answers it like any `GET`
    /// would have been reached by a way that is not for such requests.
    pub fn is_handshake(&self, policy: &Policy) -> bool {
        policy.is_handshake(self.route)
    }

    pub(crate) fn routes<'p>(&self, policy: &'p Policy) -> impl Iterator<Item = &'p Route> + Clone {
        std::iter::once(self.route).chain(self.others.iter().copied()).map(|route| policy.route(route))
    }

    /// What a connection that outlives its request is let in by; none where that cannot end.
    pub fn tenure(&self, policy: &Policy) -> Option<Tenure> {
        policy.authn.tenure(self.identity.as_ref()?, &self.route(policy).roles)
    }

    /// Who the application is told it is.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_deref()
    }
}

impl Unproven {
    /// The route it was let in on.
    pub fn route<'p>(&self, policy: &'p Policy) -> &'p Route {
        policy.route(self.route)
    }
}
