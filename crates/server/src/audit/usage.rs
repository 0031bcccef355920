//! How much was asked for, counted in memory and added to the store every few seconds.

use std::collections::{BTreeMap, HashMap, HashSet};

use portcullis_core::Id;
use portcullis_core::event::EventKind;
use portcullis_core::port::{Minute, Store, StoreError, Used, UsedBy};

use super::machine::Load;
use super::record;
use super::waiting::{Fixed, Texts};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// How many names of one kind are told apart in an hour.
const NAMES: usize = 1000;
/// From when on an answer is slow, in microseconds: half a second.
const SLOW_US: u64 = 500_000;
/// The name of all others.
const OTHERS: &str = "(others)";

/// What was counted and is not kept yet.
#[derive(Debug, Default)]
pub(super) struct Counts {
    minutes: BTreeMap<i64, Minute>,
    hours: BTreeMap<i64, HashMap<(UsedBy, String), Used>>,
    /// The names that are told apart in the hour that began then.
    names: (i64, BTreeMap<UsedBy, HashSet<String>>),
}

impl Counts {
    /// Counts an answered request.
    pub fn request(&mut self, fixed: &Fixed, texts: &Texts<'_>) {
        let at_ms = i64::try_from(fixed.at_ms).unwrap_or(i64::MAX);
        let minute = self.minute(at_ms);
        minute.requests += 1;
        minute.duration_us = minute.duration_us.saturating_add(fixed.duration_us);
        minute.client_errors += u64::from((400..500).contains(&fixed.status));
        minute.server_errors += u64::from((500..600).contains(&fixed.status));
        minute.refused += u64::from(fixed.refused);
        minute.limited +=
            u64::from(matches!(fixed.event, Some(EventKind::RateLimitExceeded | EventKind::Lockout)));
        minute.suspicious +=
            u64::from(matches!(fixed.event, Some(EventKind::SuspiciousActivity | EventKind::Lockout)));
        minute.slow += u64::from(fixed.duration_us >= SLOW_US);
        let unproven =
            matches!(fixed.event, Some(EventKind::AuthAttempt { success: false } | EventKind::Lockout));
        minute.unproven += u64::from(unproven);
        minute.proven += u64::from(!unproven && texts.user.is_some());
        let route = if texts.route.is_empty() { "-" } else { texts.route };
        // A name that was said and not proven is nobody's.
        let user = texts.user.filter(|_| !unproven).map(|user| record::text(user, 128));
        let caller = match (&user, fixed.ip) {
            (Some(user), _) => format!("{user}:{route}"),
            (None, Some(ip)) => format!("{ip}:{route}"),
            (None, None) => format!("-:{route}"),
        };
        let failed = fixed.status >= 400 || fixed.status == 0;
        if let Some(user) = user {
            self.used(UsedBy::User, user, at_ms, failed);
        }
        self.used(UsedBy::Endpoint, route.to_owned(), at_ms, failed);
        self.used(UsedBy::Caller, caller, at_ms, failed);
    }

    /// Counts requests of which nothing else is known: their records were lost.
    pub fn lost(&mut self, now_ms: i64, requests: u64) {
        self.minute(now_ms).requests += requests;
    }

    /// Notes how many connections are open.
    pub fn connections(&mut self, now_ms: i64, open: u64) {
        let minute = self.minute(now_ms);
        minute.connections = minute.connections.max(open);
    }

    /// Adds everything to what the store keeps. What it does not take is kept for the next time.
    pub fn keep(&mut self, store: &dyn Store, node: Id, now_ms: i64, load: Load) -> Result<(), StoreError> {
        let minute = self.minute(now_ms);
        (minute.cpu, minute.memory, minute.disk) = (load.cpu, load.memory, load.disk);
        while let Some(first) = self.minutes.first_entry() {
            let mut minute = *first.get();
            if minute.memory == 0 {
                (minute.cpu, minute.memory, minute.disk) = (load.cpu, load.memory, load.disk);
            }
            store.add_minute(node, &minute)?;
            first.remove();
        }
        while let Some(first) = self.hours.first_entry() {
            let used: Vec<_> = first.get().iter().map(|((by, _), used)| (*by, used.clone())).collect();
            store.add_used(*first.key(), &used)?;
            first.remove();
        }
        Ok(())
    }

    fn minute(&mut self, at_ms: i64) -> &mut Minute {
        // While the store takes nothing: old minutes are one.
        let mut minute_ms = at_ms - at_ms.rem_euclid(MINUTE_MS);
        if self.minutes.len() >= NAMES && !self.minutes.contains_key(&minute_ms) {
            minute_ms = self.minutes.last_key_value().map_or(minute_ms, |(last, _)| *last);
        }
        self.minutes.entry(minute_ms).or_insert(Minute { minute_ms, ..Minute::default() })
    }

    fn used(&mut self, by: UsedBy, name: String, at_ms: i64, failed: bool) {
        let hour_ms = at_ms - at_ms.rem_euclid(HOUR_MS);
        if hour_ms > self.names.0 {
            self.names = (hour_ms, BTreeMap::new());
        }
        let known = self.names.1.entry(by).or_default();
        let mut key = (by, name);
        if !known.contains(&key.1) {
            if known.len() < NAMES {
                known.insert(key.1.clone());
            } else {
                OTHERS.clone_into(&mut key.1);
            }
        }
        let name = key.1.clone();
        let hour = self.hours.entry(hour_ms).or_default();
        let used = hour.entry(key).or_insert(Used { name, requests: 0, errors: 0, last_ms: at_ms });
        used.requests += 1;
        used.errors += u64::from(failed);
        used.last_ms = used.last_ms.max(at_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Fixed = Fixed {
        at_ms: 7_200_000,
        event: None,
        request: true,
        recorded: true,
        refused: false,
        ip: None,
        user_id: None,
        status: 200,
        duration_us: 1000,
    };

    fn store() -> std::sync::Arc<dyn Store> {
        portcullis_store::open("memory:", None, &portcullis_store::Options::default()).unwrap()
    }

    #[test]
    fn requests_are_counted_by_what_came_of_them() {
        let (mut counts, store) = (Counts::default(), store());
        let ada = Texts { user: Some("ada"), route: "GET /a", ..Texts::default() };
        counts.request(&FIXED, &ada);
        counts.request(&Fixed { status: 503, duration_us: 500_000, ..FIXED }, &ada);
        let failed = Some(EventKind::AuthAttempt { success: false });
        let ip = Some([192, 0, 2, 7].into());
        counts.request(&Fixed { status: 401, event: failed, refused: true, ip, ..FIXED }, &ada);
        counts.request(&Fixed { status: 429, event: Some(EventKind::RateLimitExceeded), ..FIXED }, &ada);
        counts.lost(7_200_001, 5);
        counts.connections(7_200_001, 3);
        counts
            .keep(&*store, Id::from_octets([1; 16]), 7_200_002, Load { cpu: 1, memory: 2, disk: 3 })
            .unwrap();
        let span = store.span(0).unwrap();
        let all = Minute {
            minute_ms: 7_200_000,
            requests: 9,
            client_errors: 2,
            server_errors: 1,
            refused: 1,
            limited: 1,
            proven: 3,
            unproven: 1,
            suspicious: 0,
            slow: 1,
            duration_us: 503_000,
            connections: 3,
            cpu: 1,
            memory: 2,
            disk: 3,
        };
        assert_eq!((span.minutes, span.all), (1, all));
        let names = |by| -> Vec<_> {
            let most = store.most_used(by, 0, 10).unwrap();
            most.into_iter().map(|used| (used.name, used.requests, used.errors)).collect()
        };
        assert_eq!(names(UsedBy::User), [("ada".to_owned(), 3, 2)]);
        assert_eq!(names(UsedBy::Endpoint), [("GET /a".to_owned(), 4, 3)]);
        assert_eq!(
            names(UsedBy::Caller),
            [("ada:GET /a".to_owned(), 3, 2), ("192.0.2.7:GET /a".to_owned(), 1, 1)]
        );
    }

    #[test]
    fn names_are_bounded() {
        let (mut counts, store) = (Counts::default(), store());
        for number in 0..2 * NAMES as u32 {
            let fixed = Fixed { ip: Some(std::net::Ipv4Addr::from(number).into()), ..FIXED };
            counts.request(&fixed, &Texts::default());
            if number.is_multiple_of(500) {
                counts.keep(&*store, Id::from_octets([1; 16]), 7_200_000, Load::default()).unwrap();
            }
        }
        counts.keep(&*store, Id::from_octets([1; 16]), 7_200_000, Load::default()).unwrap();
        let callers = store.most_used(UsedBy::Caller, 0, u32::MAX).unwrap();
        assert_eq!(
            (callers.len(), callers[0].name.as_str(), callers[0].requests),
            (NAMES + 1, OTHERS, NAMES as u64)
        );
    }
}
