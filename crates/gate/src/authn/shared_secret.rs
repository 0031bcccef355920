//! A secret that every caller shares: the ingest token in `X-Ingest-Token`, the API key in `X-API-Key`.
//!
//! Several are valid at once, so that one can be replaced without a moment in which neither works.

use std::sync::Arc;

use portcullis_core::head::Once;
use portcullis_core::identity::Scheme;
use portcullis_core::{Head, Identity, Secret};

use super::{Outcome, Proof};

/// Accepts any one of a few secrets in one header field.
#[derive(Debug)]
pub struct SharedSecret {
    pub(super) scheme: Scheme,
    pub(super) field: Box<str>,
    accepted: Vec<(Secret, Arc<Identity>)>,
}

impl SharedSecret {
    /// Accepts each of `secrets` in the header `field`. The callers are named after the scheme, and each
    /// secret by its fingerprint, so that logs tell which of two rotating secrets is still in use.
    pub fn new(scheme: Scheme, field: &str, secrets: Vec<Secret>) -> Self {
        let accepted = secrets
            .into_iter()
            .map(|secret| {
                let identity = Identity::shared(scheme, &secret.fingerprint());
                (secret, Arc::new(identity))
            })
            .collect();
        Self { scheme, field: field.to_ascii_lowercase().into(), accepted }
    }

    /// The same, for callers who have this role.
    #[must_use]
    pub fn with_role(mut self, role: &str) -> Self {
        for (_, identity) in &mut self.accepted {
            *identity = Arc::new(Identity { role: Some(role.into()), ..Identity::clone(identity) });
        }
        self
    }

    pub(super) fn identify<'a>(&self, head: &Head<'a>) -> Outcome<'a> {
        let presented = match head.once(&self.field) {
            Once::Absent => return Outcome::Absent,
            // Two values: whoever reads the other one might be fooled, so neither is taken.
            Once::Repeated => return Outcome::Rejected,
            Once::Value(value) => value,
        };
        self.judge(presented)
    }

    /// Judges a secret wherever it stood.
    pub(super) fn judge<'a>(&self, presented: &'a [u8]) -> Outcome<'a> {
        // Every secret is compared, so that the time taken does not tell which one was nearly right.
        let mut proven = None;
        for (secret, identity) in &self.accepted {
            if secret.matches(presented) {
                proven = Some(identity);
            }
        }
        match proven {
            Some(identity) => Outcome::Proven(Proof {
                identity: Arc::clone(identity),
                credential: presented,
                ambient: false,
            }),
            None => Outcome::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_core::{Field, Upgrade};

    fn judge(fields: &[Field<'_>]) -> bool {
        let shared = SharedSecret::new(
            Scheme::IngestToken,
            "X-Ingest-Token",
            vec![Secret::new("old-token".to_owned()), Secret::new("new-token".to_owned())],
        );
        let head = Head {
            method: "POST",
            path: "/live/ingest",
            query: None,
            authority: "",
            secure: false,
            upgrade: Upgrade::None,
            fields,
        };
        match shared.identify(&head) {
            Outcome::Proven(proof) => proof.identity.scheme == Scheme::IngestToken,
            Outcome::Rejected => false,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_secrets_of_a_rotation_are_valid_and_nothing_else_is() {
        let field = |value| Field { name: "x-InGeSt-ToKeN", value };
        assert!(judge(&[field(b"old-token")]));
        assert!(judge(&[field(b"new-token")]));
        assert!(!judge(&[field(b"")]));
        assert!(!judge(&[field(b"old-toke")]));
        assert!(!judge(&[field(b"old-token2")]));
    }

    #[test]
    fn two_values_are_refused_even_if_one_is_right() {
        let field = |value| Field { name: "X-Ingest-Token", value };
        assert!(!judge(&[field(b"old-token"), field(b"wrong")]));
    }
}
