//! The state of all sources. Polls write it; all others read snapshots of it.
//!
//! It knows neither metrics nor schedules. What renders or persists it is notified of each change as an [`Observer`].

pub mod clock;
pub mod counters;
pub mod disk;
pub mod health;
mod observer;
mod source;

use crate::domain::About;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use observer::{Failures, Observer};
pub use source::{Outcome, Phase, SourceState};

/// All sources by name.
pub struct Store {
    /// Held while a change is made and observers are notified, so that they see changes in the order in which they were made.
    /// Readers do not need it and do not wait for observers.
    notifying: Mutex<Failures>,
    sources: Mutex<BTreeMap<Arc<str>, Arc<SourceState>>>,
    observer: Arc<dyn Observer>,
    change: Notify,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self { notifying: Mutex::default(), sources: Mutex::default(), observer, change: Notify::new() }
    }

    /// Sets the count of failures that the previous process has saved. Later failures add to it.
    pub fn restore_failures(&self, saved: Failures) {
        let mut failures = self.notifying();
        *failures = saved;
        self.observer.failed(&failures);
    }

    /// Adds a source, or replaces the one of the same name.
    pub fn insert(&self, state: SourceState) {
        let notifying = self.notifying();
        let state = Arc::new(state);
        self.sources().insert(state.about.name.clone(), state.clone());
        self.observer.changed(&state);
        drop(notifying);
        self.change.notify_one();
    }

    /// Changes the settings of a source that keeps its readings and counts, and schedules its next poll.
    pub fn adjust(&self, about: About, phase: Phase) {
        let name = about.name.clone();
        let adjust = |state: &mut SourceState| {
            state.about = Arc::new(about);
            state.phase = phase;
        };
        self.update(&name, adjust, |_, state| self.observer.changed(state));
        self.change.notify_one();
    }

    /// Removes a source.
    pub fn remove(&self, name: &str) {
        let notifying = self.notifying();
        self.sources().remove(name);
        self.observer.removed(name);
        drop(notifying);
        self.change.notify_one();
    }

    /// Records the outcome of a poll, all at once. A source has one poll at a time, so its outcomes do not race.
    pub fn record(&self, name: &str, outcome: Outcome) {
        let failed = outcome.result.as_ref().err().map(|failure| failure.reason);
        let notify = |failures: &mut Failures, state: &SourceState| {
            if let Some(reason) = failed {
                failures.add(reason, 1);
                self.observer.failed(failures);
            }
            self.observer.changed(state);
        };
        self.update(name, |state| state.record(outcome), notify);
        self.change.notify_one();
    }

    /// Records that a poll has started. `resume` is when the next process polls the source if this one ends before the poll does.
    pub fn poll_started(&self, name: &str, resume: Instant) {
        let start = |state: &mut SourceState| state.phase = Phase::Polling { resume };
        self.update(name, start, |_, state| self.observer.poll_started(state));
    }

    /// On graceful shutdown, clears the resume times of polls that have not started. Call it when no poll can start any more.
    pub fn clear_unused_resume_times(&self) {
        for state in self.snapshot() {
            if let Phase::Announced { due, .. } = state.phase {
                let clear = |state: &mut SourceState| state.phase = Phase::Waiting { due };
                self.update(&state.about.name, clear, |_, state| self.observer.changed(state));
            }
        }
    }

    /// Completes when all changes so far are persisted, or when waiting for that is no use.
    pub fn persisted(&self) -> BoxFuture<'static, ()> {
        self.observer.persisted()
    }

    /// Waits until a source was added, changed or removed, or a poll has ended, since the last call. For a single listener.
    pub async fn changed(&self) {
        self.change.notified().await;
    }

    /// When the next poll of a source is due; absent while one is under way.
    #[must_use]
    pub fn due(&self, name: &str) -> Option<Instant> {
        self.sources().get(name)?.phase.due()
    }

    /// The current state of every source, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Arc<SourceState>> {
        self.sources().values().cloned().collect()
    }

    /// Whether every source was polled at least once, by this process or a previous one.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.sources().values().all(|state| state.polls > 0)
    }

    /// Changes a source and notifies observers. Does nothing if the source was removed.
    fn update(&self, name: &str, change: impl FnOnce(&mut SourceState), notify: impl FnOnce(&mut Failures, &SourceState)) {
        let mut failures = self.notifying();
        let mut sources = self.sources();
        let Some(state) = sources.get_mut(name) else { return };
        change(Arc::make_mut(state));
        let state = state.clone();
        drop(sources);
        notify(&mut failures, &state);
    }

    fn notifying(&self) -> MutexGuard<'_, Failures> {
        self.notifying.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<SourceState>>> {
        // States are replaced as a whole, so the map is consistent even after a panic elsewhere.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::clock::Moment;
    use super::source::tests::state;
    use super::*;
    use crate::domain::Answer;
    use std::time::Duration;

    fn good(ended: Moment) -> Outcome {
        Outcome { ended, took: Duration::ZERO, result: Ok(Answer::new(Vec::new())), next: ended.instant }
    }

    /// Fails when it is notified of an older state after a newer one.
    #[derive(Default)]
    struct Sequence(Mutex<(u64, Duration)>);

    impl Observer for Sequence {
        fn changed(&self, state: &SourceState) {
            // Another thread could overtake here.
            std::thread::yield_now();
            let mut last = self.0.lock().expect("no panic");
            let (polls, interval) = (state.polls, state.about.interval);
            assert!(polls >= last.0 && interval >= last.1, "{polls} polls, {interval:?} after {last:?}");
            *last = (polls, interval);
        }

        fn removed(&self, _: &str) {}
    }

    #[test]
    fn observers_are_notified_of_changes_in_the_order_in_which_they_were_made() {
        let sequence = Arc::new(Sequence::default());
        let store = Store::new(sequence.clone());
        store.insert(state());
        let now = Moment::now();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..5_000).for_each(|_| store.record("a", good(now))));
            scope.spawn(|| {
                for n in 1..5_000 {
                    let interval = Duration::from_secs(60 + n);
                    store.adjust(About { interval, ..About::clone(&state().about) }, Phase::Idle);
                }
            });
        });
        assert_eq!(*sequence.0.lock().expect("no panic"), (5_000, Duration::from_secs(60 + 4_999)));
    }
}
