//! What we call, and what others lead us to call: the address guard.
//!
//! A URL that somebody else wrote leads where that somebody wants: to this machine, to the private network, to the
//! service at which a cloud tells a machine its secrets (server-side request forgery). The [`Guard`] lets pass
//! only what leads to the public Internet, whoever reads it:
//!
//! 1. [`Target::parse`] reads the URL as the WHATWG standard does and once more by the letter of RFC 3986; where
//!    the two could disagree it is refused. No I/O.
//! 2. [`Guard::check`] resolves the name and judges every address.
//! 3. [`Checked`] is the proof: it holds the addresses that were judged, and connects to no other. A name that
//!    means another address a moment later (DNS rebinding) changes nothing.
//!
//! There is no way to switch the guard off: [`Rules::allow`] names what else may be called, one by one.
#![warn(missing_docs)]

#[cfg(feature = "dns")]
pub mod dns;
mod guard;
mod names;
mod refusal;
mod resolver;
mod rules;
mod target;

pub use guard::{Checked, Guard};
pub use refusal::Refusal;
pub use resolver::{Lookup, LookupError, Resolver};
pub use rules::{NotAPlace, NotPorts, Place, Ports, Rules};
pub use target::{LONGEST, Target};
