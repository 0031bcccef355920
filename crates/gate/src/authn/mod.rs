//! Authentication: who is calling. One file per kind of credential, one arm here.
//!
//! An authenticator answers one of three things: nothing of mine here, this identity, or rejected (which
//! ends the chain: a wrong credential is never outvoted by another one). What it needs to judge stands in
//! memory; where that could not be read, it says so, and the request is refused.

mod api_key;
mod bearer;
pub mod cookies;
mod first_message;
pub mod protocol;
mod session;
mod shared_secret;
mod tenure;

use std::sync::Arc;

use portcullis_accounts::{Directory, Judgement};
use portcullis_core::head::Once;
use portcullis_core::identity::Scheme;
use portcullis_core::{Head, Identity, Now};

use crate::context::Named;

pub use api_key::UserKeys;
pub use bearer::Bearer;
pub use first_message::Presented;
pub use session::Sessions;
pub use shared_secret::SharedSecret;
pub use tenure::Tenure;

/// What one authenticator found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// No credential of this kind was presented.
    Absent,
    /// The credential is valid.
    Proven(Proof<'a>),
    /// A credential was presented that was valid and has expired.
    Expired,
    /// A credential was presented and is not valid.
    Rejected,
    /// A credential was presented, and whether it is valid cannot be told now.
    Unavailable,
}

/// A credential that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof<'a> {
    /// Who it belongs to.
    pub identity: Arc<Identity>,
    /// The credential as presented, for the memory of addresses that succeeded.
    pub credential: &'a [u8],
    /// Whether a browser sends it by itself, whoever made it send the request.
    pub ambient: bool,
}

impl<'a> Outcome<'a> {
    fn of(judgement: Judgement, credential: &'a [u8], ambient: bool) -> Self {
        match judgement {
            Judgement::Proven(identity) => Outcome::Proven(Proof { identity, credential, ambient }),
            Judgement::Expired => Outcome::Expired,
            Judgement::Rejected => Outcome::Rejected,
            Judgement::Unavailable => Outcome::Unavailable,
        }
    }
}

/// One way to prove who is calling.
#[derive(Debug)]
pub enum Authenticator {
    /// A secret that every caller shares, in a header of its own.
    SharedSecret(SharedSecret),
    /// API keys of users, and one that callers share where there is one.
    UserKeys(UserKeys),
    /// Access tokens.
    Bearer(Bearer),
    /// Sessions.
    Sessions(Sessions),
}

impl Authenticator {
    /// The scheme this authenticator stands for.
    pub fn scheme(&self) -> Scheme {
        match self {
            Authenticator::SharedSecret(shared) => shared.scheme,
            Authenticator::UserKeys(_) => Scheme::ApiKey,
            Authenticator::Bearer(_) => Scheme::Bearer,
            Authenticator::Sessions(_) => Scheme::Session,
        }
    }

    /// Looks for a credential of this kind and judges it.
    pub fn identify<'a>(&self, head: &Head<'a>, now: Now) -> Outcome<'a> {
        match self {
            Authenticator::SharedSecret(shared) => shared.identify(head),
            Authenticator::UserKeys(keys) => keys.identify(head, now),
            Authenticator::Bearer(bearer) => bearer.identify(head, now),
            Authenticator::Sessions(sessions) => sessions.identify(head, now),
        }
    }

    /// The field that carries the credential, in lower case: it is taken off before the application sees
    /// the request.
    pub fn field(&self) -> &str {
        match self {
            Authenticator::SharedSecret(shared) => &shared.field,
            Authenticator::UserKeys(keys) => &keys.field,
            Authenticator::Bearer(_) => bearer::FIELD,
            Authenticator::Sessions(_) => session::FIELD,
        }
    }
}

/// All authenticators of a policy.
#[derive(Debug, Default)]
pub struct Authn {
    authenticators: Vec<Authenticator>,
}

/// What the whole chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<'a> {
    /// None of the accepted credentials was presented; the scheme to ask for.
    Nothing(Scheme),
    /// Proven.
    Proven(Proof<'a>),
    /// A credential of this scheme was presented that has expired.
    Expired(Scheme),
    /// A credential of this scheme was presented and is not valid.
    Wrong(Scheme),
    /// A credential of this scheme was presented and cannot be judged now.
    Unavailable(Scheme),
}

impl Authn {
    /// The chain of those authenticators.
    pub fn new(authenticators: Vec<Authenticator>) -> Self {
        Self { authenticators }
    }

    /// Judges the request by the accepted schemes, in their order: the first credential that is there decides.
    /// `accepts` must not be empty.
    pub fn identify<'a>(&self, accepts: &[Scheme], head: &Head<'a>, now: Now) -> Found<'a> {
        for scheme in accepts {
            for authenticator in self.authenticators.iter().filter(|one| one.scheme() == *scheme) {
                match authenticator.identify(head, now) {
                    Outcome::Absent => {}
                    Outcome::Proven(proof) => return Found::Proven(proof),
                    Outcome::Expired => return Found::Expired(*scheme),
                    Outcome::Rejected => return Found::Wrong(*scheme),
                    Outcome::Unavailable => return Found::Unavailable(*scheme),
                }
            }
        }
        Found::Nothing(accepts.first().copied().unwrap_or(Scheme::ApiKey))
    }

    /// Judges what the first message of a WebSocket presents; none where neither API keys nor access tokens are
    /// judged here at all.
    pub(crate) fn login<'a>(&self, presented: &'a Presented, now: Now) -> Option<Found<'a>> {
        let mut judges = false;
        let mut found = Found::Nothing(Scheme::FirstMessage);
        for authenticator in &self.authenticators {
            let outcome = match (authenticator, presented) {
                (Authenticator::UserKeys(keys), Presented::ApiKey(key)) => keys.judge(key.as_bytes(), now),
                (Authenticator::SharedSecret(shared), Presented::ApiKey(key))
                    if shared.scheme == Scheme::ApiKey =>
                {
                    shared.judge(key.as_bytes())
                }
                (Authenticator::Bearer(bearer), Presented::Token(token)) => {
                    bearer.judge(token.as_bytes(), now)
                }
                _ => Outcome::Absent,
            };
            let scheme = authenticator.scheme();
            judges |= matches!(scheme, Scheme::ApiKey | Scheme::Bearer);
            match outcome {
                Outcome::Absent => {}
                Outcome::Proven(proof) => found = Found::Proven(proof),
                Outcome::Expired => found = Found::Expired(scheme),
                Outcome::Rejected => found = Found::Wrong(scheme),
                Outcome::Unavailable => found = Found::Unavailable(scheme),
            }
        }
        judges.then_some(found)
    }

    /// Whether the field `name` carries a credential that this gateway judges.
    pub fn is_credential(&self, name: &str) -> bool {
        self.authenticators.iter().any(|one| one.field().eq_ignore_ascii_case(name))
    }

    /// The cookie that carries a credential, where there is one.
    pub fn cookie(&self) -> Option<&str> {
        self.sessions().map(Sessions::cookie)
    }

    /// What the request names in `X-Device-ID`. Without a memory of devices, every name is a stranger's.
    pub fn device(&self, head: &Head<'_>) -> Named {
        match head.once(session::DEVICE_FIELD) {
            Once::Absent | Once::Value([]) => Named::Nothing,
            Once::Repeated => Named::Stranger,
            Once::Value(name) => self
                .sessions()
                .and_then(|sessions| sessions.device(name))
                .map_or(Named::Stranger, Named::Device),
        }
    }

    /// What a connection of `identity` rests on, on a route for `roles`.
    pub(crate) fn tenure(&self, identity: &Arc<Identity>, roles: &[Arc<str>]) -> Option<Tenure> {
        Some(Tenure::new(identity, roles, self.directory()?))
    }

    /// Grows with every revocation; always 0 where nothing can be revoked.
    pub fn epoch(&self) -> u64 {
        self.directory().map_or(0, |directory| directory.epoch())
    }

    fn directory(&self) -> Option<&Arc<Directory>> {
        self.authenticators.iter().find_map(|one| match one {
            Authenticator::SharedSecret(_) => None,
            Authenticator::UserKeys(keys) => Some(keys.directory()),
            Authenticator::Bearer(bearer) => Some(bearer.directory()),
            Authenticator::Sessions(sessions) => Some(sessions.directory()),
        })
    }

    /// Whether any authenticator stands for `scheme`.
    pub fn knows(&self, scheme: Scheme) -> bool {
        // A first message holds what others judge, or anything where nothing is asked for.
        scheme == Scheme::FirstMessage || self.authenticators.iter().any(|one| one.scheme() == scheme)
    }

    fn sessions(&self) -> Option<&Sessions> {
        self.authenticators.iter().find_map(|one| match one {
            Authenticator::Sessions(sessions) => Some(sessions),
            _ => None,
        })
    }
}
