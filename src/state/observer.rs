//! Who is told of changes, and what is told beside the states.

use super::SourceState;
use crate::domain::Reason;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all, ready};
use std::sync::Arc;

/// How many polls have failed, of all sources together, by reason. A source that goes takes nothing with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures([u64; Reason::ALL.len()]);

impl Failures {
    /// Counts so many more.
    pub const fn add(&mut self, reason: Reason, count: u64) {
        self.0[reason as usize] += count;
    }

    /// Every reason with its count, in the order of the contract.
    pub fn iter(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.0[reason as usize]))
    }
}

/// Is told of each change, one after the other in the order in which they were made, on the task that has made it. It must be quick
/// and must change nothing in the store.
pub trait Observer: Send + Sync {
    /// A source was added or adjusted, or a poll of it has ended.
    fn changed(&self, state: &SourceState);

    /// A poll of it has begun.
    fn begun(&self, _state: &SourceState) {}

    /// A poll has failed, of whatever source. Told before the source's own change.
    fn failed(&self, _failures: &Failures) {}

    /// A source is gone.
    fn removed(&self, name: &str);

    /// Completes when what it was told so far outlives the process, or when that cannot be waited for.
    fn settled(&self) -> BoxFuture<'static, ()> {
        ready(()).boxed()
    }
}

/// Each is told, in this order.
impl Observer for Vec<Arc<dyn Observer>> {
    fn changed(&self, state: &SourceState) {
        for observer in self {
            observer.changed(state);
        }
    }

    fn begun(&self, state: &SourceState) {
        for observer in self {
            observer.begun(state);
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

    fn settled(&self) -> BoxFuture<'static, ()> {
        join_all(self.iter().map(|observer| observer.settled())).map(drop).boxed()
    }
}
