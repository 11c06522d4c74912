//! Observers of the store, and the count of failures that they are notified of.

use super::SourceState;
use crate::domain::Reason;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all, ready};
use std::sync::Arc;

/// How many polls have failed, by reason, of all sources together. Removing a source does not change it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures([u64; Reason::ALL.len()]);

impl Failures {
    /// Adds to the count of a reason.
    pub const fn add(&mut self, reason: Reason, count: u64) {
        self.0[reason as usize] += count;
    }

    /// Every reason with its count, in the order of [`Reason::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.0[reason as usize]))
    }
}

/// Is notified of each change, in the order in which changes are made, on the task that makes them. It must return soon and must not
/// change the store.
pub trait Observer: Send + Sync {
    /// A source was added or adjusted, or one of its polls has ended.
    fn changed(&self, state: &SourceState);

    /// A poll of the source has started.
    fn poll_started(&self, _state: &SourceState) {}

    /// A poll of any source has failed. Comes before the change of that source.
    fn failed(&self, _failures: &Failures) {}

    /// A source was removed.
    fn removed(&self, name: &str);

    /// Completes when all changes so far are persisted, or when waiting for that is no use.
    fn persisted(&self) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

/// Notifies each, in this order.
impl Observer for Vec<Arc<dyn Observer>> {
    fn changed(&self, state: &SourceState) {
        for observer in self {
            observer.changed(state);
        }
    }

    fn poll_started(&self, state: &SourceState) {
        for observer in self {
            observer.poll_started(state);
        }
    }

    fn failed(&self, failures: &Failures) {
        for observer in self {
            observer.failed(failures);
        }
    }

    fn removed(&self, name: &str) {
        for observer in self {
            observer.removed(name);
        }
    }

    fn persisted(&self) -> BoxFuture<'static, ()> {
        join_all(self.iter().map(|observer| observer.persisted())).map(drop).boxed()
    }
}
