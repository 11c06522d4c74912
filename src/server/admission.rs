//! Places for connections: how many there are at a time, and who gives way when all are taken.
//!
//! A new connection always gets in. When there is no place, the connection whose last request is longest ago gives up its own: those
//! who hold connections without using them only crowd each other out, and a scrape is answered long before its turn to give way
//! has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Places that connections take.
pub(super) struct Places {
    free: Arc<Semaphore>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    /// Counts requests and connections, so that a higher number is a later one.
    clock: u64,
    oldest_first: BTreeMap<u64, Arc<Notify>>,
}

impl Taken {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// The place of a connection, free again once dropped.
pub(super) struct Place {
    places: Arc<Places>,
    /// When it was last used, by the clock of the places.
    used: Mutex<u64>,
    wanted: Arc<Notify>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(limit)), taken: Mutex::default() })
    }

    /// Takes a place; where none is free, that of the connection which was used longest ago, once it is gone.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        let permit = if let Ok(permit) = self.free.clone().try_acquire_owned() {
            Some(permit)
        } else {
            self.make_room();
            // Never closed, so this always ends with a permit.
            self.free.clone().acquire_owned().await.ok()
        };
        let wanted = Arc::new(Notify::new());
        let mut taken = self.lock();
        let now = taken.tick();
        taken.oldest_first.insert(now, wanted.clone());
        drop(taken);
        Place { places: self.clone(), used: Mutex::new(now), wanted, _permit: permit }
    }

    /// Tells the connection that was used longest ago to give up its place.
    pub(super) fn make_room(&self) {
        if let Some((_, wanted)) = self.lock().oldest_first.pop_first() {
            wanted.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Says that the connection is used. One that has been told to give way stays told.
    pub(super) fn touch(&self) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.places.lock();
        if let Some(wanted) = taken.oldest_first.remove(&used) {
            *used = taken.tick();
            taken.oldest_first.insert(*used, wanted);
        }
    }

    /// Completes when the connection must give way.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let used = *self.used.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.places.lock().oldest_first.remove(&used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_one_used_longest_ago_gives_way() {
        let places = Places::new(2);
        let first = places.take().await;
        let second = places.take().await;
        first.touch();
        let mut third = Box::pin(places.take());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!((first.wanted().now_or_never(), second.wanted().now_or_never()), (None, Some(())));
        second.touch();
        drop(second);
        let third = third.await;
        let mut fourth = Box::pin(places.take());
        assert!(fourth.as_mut().now_or_never().is_none());
        assert_eq!((third.wanted().now_or_never(), first.wanted().now_or_never()), (None, Some(())));
        drop(first);
        let _fourth = fourth.await;
        assert_eq!(places.lock().oldest_first.len(), 2);
    }
}
