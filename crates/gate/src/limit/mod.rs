//! The limits stage: which rules fit a request, and what they say.
//!
//! All rules that fit apply. If one refuses, what the others had counted for this request is given back, so
//! that a refused request costs nobody's allowance.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_core::identity::Scheme;
use portcullis_core::quota::{KeyPart, LimitKey, LimitTable, Rate, Scope, Verdict};
use portcullis_core::{Client, Identity};

use crate::context::Named;

/// Whether a rule refuses, or only says that it would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// It refuses.
    #[default]
    Enforce,
    /// It is evaluated, logged and counted, and refuses nobody.
    Observe,
    /// How much of it is left is shown; it neither counts nor refuses.
    Show,
}

/// One limit as configured.
#[derive(Debug, Clone)]
pub struct LimitRule {
    /// What tells this rule's counters from every other's: stable over reloads as long as the rule is.
    pub id: u64,
    /// How many in which window.
    pub rate: Rate,
    /// What it counts by.
    pub scope: Scope,
    /// The role whose tier it is: it counts nobody else. None for everybody.
    pub role: Option<Arc<str>>,
    /// Whether it refuses.
    pub mode: Mode,
    /// The rule as written, for logs and `explain`.
    pub text: Box<str>,
}

impl LimitRule {
    /// A rule whose id follows from where it stands and what it says: the same after a reload that leaves
    /// it alone. `place` is the route, or empty for a rule over all routes.
    pub fn new(place: &str, rate: Rate, scope: Scope, mode: Mode) -> Self {
        let text = format!("{rate} per {scope}");
        // The window and the scope make the counter; the count may be raised without starting anew.
        let id = fnv1a(&[place.as_bytes(), &rate.window_ms().to_le_bytes(), scope.name().as_bytes()]);
        Self { id, rate, scope, role: None, mode, text: text.into() }
    }

    /// The tier of a role: it counts only those who have it, over all routes together.
    pub fn tier(role: &str, rate: Rate, scope: Scope, mode: Mode) -> Self {
        let rule = Self::new(&format!("role {role}"), rate, scope, mode);
        let text = format!("{} for {role}", rule.text);
        Self { role: Some(role.into()), text: text.into(), ..rule }
    }

    /// The rule that stands above one whose key the client chooses: ten of its allowances for each address, so
    /// that inventing devices or sessions lifts no limit. None where nothing is chosen by the client.
    pub fn ceiling(&self, place: &str) -> Option<Self> {
        if !self.scope.is_chosen_by_client() {
            return None;
        }
        let rate = self.rate.times(CEILING);
        let rule = Self::new(&format!("{place} ceiling of {}", self.scope), rate, Scope::Ip, self.mode);
        let text = format!("{} (the ceiling above {})", rule.text, self.text);
        Some(Self { text: text.into(), ..rule })
    }
}

/// How many allowances by device or session one address has.
const CEILING: u32 = 10;

/// Gives rules of one place that have the same window and scope counters of their own: the second of them
/// (one that only observes, say) would count every request once more otherwise.
pub fn tell_apart(rules: &mut [LimitRule]) {
    for index in 1..rules.len() {
        let (before, rest) = rules.split_at_mut(index);
        while before.iter().any(|rule| rule.id == rest[0].id) {
            rest[0].id = rest[0].id.wrapping_add(0x9e37_79b9_7f4a_7c15);
        }
    }
}

/// Who is counted: what the scopes take their keys from.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// The client's address.
    pub client: &'a Client,
    /// The route that matched.
    pub route: &'a str,
    /// The proven identity; rules that need one are skipped without it.
    pub identity: Option<&'a Identity>,
    /// Whether a credential proves somebody, known or not yet.
    pub proven: bool,
    /// What `X-Device-ID` names.
    pub device: Named,
}

/// The table of counters and the seed of its keys; one for the life of the process.
#[derive(Debug)]
pub struct Limiter {
    table: LimitTable,
    seed: [u64; 2],
}

impl Limiter {
    /// A limiter over a table of its own. `seed` must be random, so that nobody can choose keys that
    /// collide.
    pub fn new(table: LimitTable, seed: [u64; 2]) -> Self {
        Self { table, seed }
    }

    /// Applies every rule in order and reports each verdict; stops at the first enforced refusal, whose
    /// verdict is the error. With `dry`, nothing is counted.
    pub fn apply(
        &self,
        rules: &[LimitRule],
        counted: Counted<'_>,
        now_ms: u64,
        dry: bool,
        mut report: impl FnMut(&LimitRule, Verdict),
    ) -> Result<(), Verdict> {
        for (index, rule) in rules.iter().enumerate() {
            let Some((key, overflow)) = self.keys(rule, counted) else { continue };
            let verdict = if dry || rule.mode == Mode::Show {
                self.table.peek(key, overflow, &rule.rate, now_ms)
            } else {
                self.table.take(key, overflow, &rule.rate, now_ms)
            };
            report(rule, verdict);
            if !verdict.admitted && rule.mode == Mode::Enforce {
                if !dry {
                    self.give_back(&rules[..index], counted, now_ms);
                }
                return Err(verdict);
            }
        }
        Ok(())
    }

    /// Undoes what `apply` counted for a request that was refused after all.
    pub fn give_back(&self, rules: &[LimitRule], counted: Counted<'_>, now_ms: u64) {
        for rule in rules.iter().filter(|rule| rule.mode != Mode::Show) {
            if let Some((key, overflow)) = self.keys(rule, counted) {
                self.table.give_back(key, overflow, &rule.rate, now_ms);
            }
        }
    }

    /// Counts once against `rule` and says whether it was within.
    pub fn count(&self, rule: &LimitRule, counted: Counted<'_>, now_ms: u64) -> Option<Verdict> {
        let (key, overflow) = self.keys(rule, counted)?;
        Some(self.table.take(key, overflow, &rule.rate, now_ms))
    }

    /// What `rule` would say, without counting.
    pub fn look(&self, rule: &LimitRule, counted: Counted<'_>, now_ms: u64) -> Option<Verdict> {
        let (key, overflow) = self.keys(rule, counted)?;
        Some(self.table.peek(key, overflow, &rule.rate, now_ms))
    }

    /// A credential presented from an address, for the memory of successes.
    pub fn success(&self, address: IpAddr, credential: &[u8]) -> LimitKey {
        LimitKey::new(self.seed, 0, &[KeyPart::Address(address), KeyPart::Octets(credential)])
    }

    /// The counter of this caller under this rule, and the one that newcomers of the same neighbourhood
    /// share when the table is full: /16 of IPv4, /32 of IPv6. `None` where the scope needs an identity
    /// that is not known.
    fn keys(&self, rule: &LimitRule, counted: Counted<'_>) -> Option<(LimitKey, LimitKey)> {
        let key = |parts: &[KeyPart<'_>]| LimitKey::new(self.seed, rule.id, parts);
        let address = counted.client.address;
        if let Some(role) = &rule.role
            && counted.identity.and_then(|identity| identity.role.as_ref()) != Some(role)
        {
            return None;
        }
        // A device that is named and not registered has what its address has, all such together.
        let device = || match counted.device {
            Named::Device(id) => key(&[KeyPart::Octets(&id.octets())]),
            Named::Stranger | Named::Nothing => key(&[KeyPart::Address(address)]),
        };
        let own = match rule.scope {
            Scope::Global => key(&[]),
            Scope::Route => key(&[KeyPart::Text(counted.route)]),
            Scope::User => key(&[KeyPart::Text(&counted.identity?.user)]),
            Scope::Key => key(&[KeyPart::Text(&counted.identity?.credential)]),
            Scope::Device => device(),
            Scope::Session => match counted.identity {
                Some(identity) if identity.scheme == Scheme::Session => {
                    key(&[KeyPart::Text(&identity.credential)])
                }
                _ => device(),
            },
            Scope::Anonymous if counted.proven => return None,
            Scope::Ip | Scope::Anonymous => key(&[KeyPart::Address(address)]),
        };
        Some((own, key(&[KeyPart::Network(address)])))
    }
}

/// FNV-1a over parts with a separator: only has to tell the rules of one configuration apart.
fn fnv1a(parts: &[&[u8]]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for byte in part.iter().chain(&[0xff]) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}
