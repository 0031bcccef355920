//! Routes: patterns, path canonicalising and the matcher.
//!
//! A request is decided on by a canonical reading of its path and forwarded as it was sent. The application
//! behind may read the path in its own way, so a difference between two readings is a hole: `/live%2fingest`
//! is one segment here and `/live/ingest` under an ASGI server. Three things close it:
//!
//! 1. [`CanonicalPath::parse`] refuses what no honest client sends: dot segments in any spelling, controls,
//!    broken escapes, text that is not UTF-8.
//! 2. [`RouteTable::find`] refuses a path whose readings (encoded slash as slash, backslash as slash, `;…`
//!    taken off, empty segments collapsed, escapes decoded twice) lead to different routes.
//! 3. Static segments match without letter case and one trailing slash is ignored, because Express and others
//!    do that: a protected `POST /live/ingest` must not be open as `/LIVE/ingest/`. Where an application that
//!    compares exactly would take another route, [`Match::others`] names it, and the gate lets the request
//!    pass only when it meets the demands of all of them.

mod matched;
mod method;
mod path;
mod pattern;
mod reading;
mod table;
#[cfg(test)]
mod tests;

pub use matched::{Match, Params};
pub use method::{MethodSet, Methods};
pub use path::{CanonicalPath, PathError};
pub use pattern::{Pattern, PatternError, Problem, Segment};
pub use table::{Conflict, RouteTable};
