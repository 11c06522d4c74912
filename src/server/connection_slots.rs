//! Connection slots with LRU eviction.
//!
//! A new connection always gets a slot. When all are taken, the connection whose last request is the longest ago is evicted. Clients
//! that hold connections without using them therefore evict only each other, and a scrape is answered long before it is the oldest.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// The slots of all connections.
pub(super) struct ConnectionSlots {
    free: Arc<Semaphore>,
    connections: Mutex<ByLastUse>,
}

/// The connections that hold a slot, and how to evict each.
#[derive(Default)]
struct ByLastUse {
    /// Logical clock: it counts requests and connections.
    clock: u64,
    oldest_first: BTreeMap<u64, Arc<Notify>>,
}

impl ByLastUse {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// The slot of one connection; dropping it frees the slot.
pub(super) struct Slot {
    slots: Arc<ConnectionSlots>,
    /// By the logical clock of the slots.
    last_used: Mutex<u64>,
    eviction: Arc<Notify>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl ConnectionSlots {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { free: Arc::new(Semaphore::new(limit)), connections: Mutex::default() })
    }

    /// Takes a slot. When none is free, it evicts the least recently used connection and waits until that has ended.
    pub(super) async fn acquire(self: &Arc<Self>) -> Slot {
        let permit = if let Ok(permit) = self.free.clone().try_acquire_owned() {
            Some(permit)
        } else {
            self.evict_least_recently_used();
            // The semaphore is never closed, so this always returns a permit.
            self.free.clone().acquire_owned().await.ok()
        };
        let eviction = Arc::new(Notify::new());
        let mut connections = self.lock();
        let now = connections.tick();
        connections.oldest_first.insert(now, eviction.clone());
        drop(connections);
        Slot { slots: self.clone(), last_used: Mutex::new(now), eviction, _permit: permit }
    }

    pub(super) fn evict_least_recently_used(&self) {
        if let Some((_, eviction)) = self.lock().oldest_first.pop_first() {
            eviction.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, ByLastUse> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Marks the connection as used now. This does not revoke an eviction.
    pub(super) fn touch(&self) {
        let mut last_used = self.last_used.lock().unwrap_or_else(PoisonError::into_inner);
        let mut connections = self.slots.lock();
        if let Some(eviction) = connections.oldest_first.remove(&last_used) {
            *last_used = connections.tick();
            connections.oldest_first.insert(*last_used, eviction);
        }
    }

    /// Completes when the connection is evicted and must end.
    pub(super) async fn evicted(&self) {
        self.eviction.notified().await;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let last_used = *self.last_used.get_mut().unwrap_or_else(PoisonError::into_inner);
        self.slots.lock().oldest_first.remove(&last_used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn the_least_recently_used_connection_is_evicted() {
        let slots = ConnectionSlots::new(2);
        let first = slots.acquire().await;
        let second = slots.acquire().await;
        first.touch();
        let mut third = Box::pin(slots.acquire());
        assert!(third.as_mut().now_or_never().is_none());
        assert_eq!((first.evicted().now_or_never(), second.evicted().now_or_never()), (None, Some(())));
        second.touch();
        drop(second);
        let third = third.await;
        let mut fourth = Box::pin(slots.acquire());
        assert!(fourth.as_mut().now_or_never().is_none());
        assert_eq!((third.evicted().now_or_never(), first.evicted().now_or_never()), (None, Some(())));
        drop(first);
        let _fourth = fourth.await;
        assert_eq!(slots.lock().oldest_first.len(), 2);
    }
}
