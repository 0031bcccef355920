//! A few connections, lent one at a time and made when they are needed.

use std::ops::{Deref, DerefMut};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Lends up to a fixed number of things.
pub(super) struct Pool<T> {
    most: u32,
    state: Mutex<State<T>>,
    freed: Condvar,
}

struct State<T> {
    idle: Vec<T>,
    /// How many there are, lent ones too.
    made: u32,
}

impl<T> Pool<T> {
    pub(super) fn new(most: u32) -> Self {
        let state = Mutex::new(State { idle: Vec::new(), made: 0 });
        Self { most: most.max(1), state, freed: Condvar::new() }
    }

    /// One that is idle and still `good`, or a new one; none where all are lent until the deadline.
    pub(super) fn lend<E>(
        &self,
        deadline: Instant,
        good: impl Fn(&T) -> bool,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Option<Lease<'_, T>>, E> {
        let mut state = self.state.lock();
        loop {
            if let Some(thing) = state.idle.pop() {
                if good(&thing) {
                    return Ok(Some(Lease { pool: self, thing: Some(thing), fresh: false }));
                }
                state.made -= 1;
                continue;
            }
            if state.made < self.most {
                state.made += 1;
                break;
            }
            if self.freed.wait_until(&mut state, deadline).timed_out() {
                return Ok(None);
            }
        }
        drop(state);
        let mut lease = Lease { pool: self, thing: None, fresh: true };
        lease.thing = Some(make()?);
        Ok(Some(lease))
    }

    /// Lets go of every idle one.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        let idle = std::mem::take(&mut state.idle);
        state.made -= u32::try_from(idle.len()).unwrap_or(state.made);
    }
}

/// One that is lent; it goes back when this is dropped.
pub(super) struct Lease<'a, T> {
    pool: &'a Pool<T>,
    thing: Option<T>,
    /// Whether it was made for this lease.
    pub(super) fresh: bool,
}

impl<T> Lease<'_, T> {
    /// Throws it away instead of giving it back.
    pub(super) fn discard(mut self) {
        self.thing = None;
    }
}

impl<T> Deref for Lease<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.thing.as_ref().unwrap_or_else(|| unreachable!("a lease holds its thing until it is dropped"))
    }
}

impl<T> DerefMut for Lease<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.thing.as_mut().unwrap_or_else(|| unreachable!("a lease holds its thing until it is dropped"))
    }
}

impl<T> Drop for Lease<'_, T> {
    fn drop(&mut self) {
        let mut state = self.pool.state.lock();
        match self.thing.take() {
            // Whoever panicked may have left it in the middle of something.
            Some(thing) if !std::thread::panicking() => state.idle.push(thing),
            _ => state.made -= 1,
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn lend(pool: &Pool<u32>, thing: u32) -> Option<Lease<'_, u32>> {
        pool.lend(Instant::now() + Duration::from_millis(20), |_| true, || Ok::<_, ()>(thing)).unwrap()
    }

    #[test]
    fn it_lends_no_more_than_it_may_and_takes_back() {
        let pool = Pool::new(2);
        let one = lend(&pool, 1).unwrap();
        let two = lend(&pool, 2).unwrap();
        assert!(one.fresh && two.fresh);
        assert!(lend(&pool, 3).is_none(), "both are lent");
        drop(one);
        let again = lend(&pool, 3).unwrap();
        assert_eq!((*again, again.fresh), (1, false));
        again.discard();
        assert_eq!(*lend(&pool, 4).unwrap(), 4, "a discarded one leaves its place");
        drop(two);
    }

    #[test]
    fn what_is_no_longer_good_or_could_not_be_made_leaves_its_place() {
        let pool = Pool::new(1);
        drop(lend(&pool, 1));
        let soon = Instant::now() + Duration::from_millis(20);
        let lease = pool.lend(soon, |_| false, || Ok::<_, ()>(2)).unwrap().unwrap();
        assert_eq!(*lease, 2);
        lease.discard();
        assert!(pool.lend(soon, |_| true, || Err::<u32, _>("no")).is_err());
        assert_eq!(*lend(&pool, 3).unwrap(), 3);
        pool.clear();
        assert_eq!(*lend(&pool, 4).unwrap(), 4);
    }

    #[test]
    fn who_waits_gets_what_comes_back() {
        let pool = Pool::new(1);
        let lease = lend(&pool, 1).unwrap();
        let later = Instant::now() + Duration::from_secs(10);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.lend(later, |_| true, || Ok::<_, ()>(2)).unwrap().map(|l| *l));
            drop(lease);
            assert_eq!(waiting.join().unwrap(), Some(1));
        });
    }
}
