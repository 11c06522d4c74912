//! What is known of each source: the state that polls write and everybody else reads as a snapshot.
//!
//! It knows no metric and no schedule. Whoever renders it is told of each change as an [`Observer`].

pub mod clock;
pub mod counters;
pub mod disk;
pub mod health;
mod observer;

use crate::domain::{About, Answer, Failure, Reading};
use clock::Moment;
use counters::Sums;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use observer::{Failures, Observer};

/// How a poll ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When it ended; readings are of this time.
    pub ended: Moment,
    /// How long it took.
    pub took: Duration,
    /// What it brought, without a secret in it.
    pub result: Result<Answer, Failure>,
    /// When the next one is due.
    pub next: Instant,
}

/// A source at one point in time.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// What is configured.
    pub about: Arc<About>,
    /// Polls ended.
    pub polls: u64,
    /// Failed polls.
    pub failures: u64,
    /// How long the last poll took; absent before the first has ended.
    pub took: Option<Duration>,
    /// Why the last poll failed; absent when it succeeded.
    pub failure: Option<Failure>,
    /// The first failed poll since the last success.
    pub failing_since: Option<Moment>,
    /// When the readings were taken. It outlives them.
    pub last_success: Option<SystemTime>,
    /// The last good readings, sorted. Whether they may be served, [`SourceState::readings`] says.
    pub kept: Option<Arc<[Reading]>>,
    /// What the accounts of the last good poll have lost and gained. It outlives the readings: across failures, a good poll is
    /// compared with the good one before.
    pub sums: Arc<Sums>,
    /// When the next poll is due; absent while it is not scheduled.
    pub next: Option<Instant>,
    /// A poll is under way: the one that was due.
    pub polling: bool,
    /// When a poll is due if the program ends before the one that is under way, or that is about to be; absent where that changes
    /// nothing.
    pub resume: Option<Instant>,
}

impl SourceState {
    /// A source that was never polled.
    #[must_use]
    pub fn new(about: Arc<About>) -> Self {
        Self {
            about,
            polls: 0,
            failures: 0,
            took: None,
            failure: None,
            failing_since: None,
            last_success: None,
            kept: None,
            sums: Arc::default(),
            next: None,
            polling: false,
            resume: None,
        }
    }

    /// When the readings are too old to be served; absent while polls succeed.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.failing_since.map(|since| since.instant + self.about.max_age)
    }

    /// The readings that may be served at this time, sorted; none before the first success and none after `max_age` of failures.
    #[must_use]
    pub fn readings(&self, now: Instant) -> &[Reading] {
        let expired = self.expires().is_some_and(|at| now >= at);
        self.kept.as_deref().filter(|_| !expired).unwrap_or_default()
    }

    fn record(&mut self, outcome: Outcome) {
        self.polls += 1;
        self.took = Some(outcome.took);
        (self.next, self.polling, self.resume) = (Some(outcome.next), false, None);
        match outcome.result {
            Ok(answer) => {
                self.sums = Arc::new(self.sums.after(&answer.readings));
                self.kept = Some(answer.readings.into());
                self.last_success = Some(outcome.ended.wall);
                self.failure = None;
                self.failing_since = None;
            }
            Err(failure) => {
                self.failures += 1;
                self.failing_since.get_or_insert(outcome.ended);
                self.failure = Some(failure);
                if self.readings(outcome.ended.instant).is_empty() {
                    self.kept = None;
                }
            }
        }
    }
}

/// All sources by name.
pub struct Store {
    /// Held while a change is made and told, so that observers hear of changes in the order in which they were made. Who only
    /// reads the sources does not need it, and does not wait for observers.
    order: Mutex<Failures>,
    sources: Mutex<BTreeMap<Arc<str>, Arc<SourceState>>>,
    observer: Arc<dyn Observer>,
    change: Notify,
}

impl Store {
    /// An empty store.
    #[must_use]
    pub fn new(observer: Arc<dyn Observer>) -> Self {
        Self { order: Mutex::default(), sources: Mutex::default(), observer, change: Notify::new() }
    }

    /// Counts failures on from where a process before has ended.
    pub fn go_on_from(&self, failures: Failures) {
        let mut order = self.order();
        *order = failures;
        self.observer.failed(&order);
    }

    /// Adds a source, never polled or as a process before has left it, in the place of any of the same name.
    pub fn insert(&self, state: SourceState) {
        let order = self.order();
        let state = Arc::new(state);
        self.lock().insert(state.about.name.clone(), state.clone());
        self.observer.changed(&state);
        drop(order);
        self.change.notify_one();
    }

    /// Changes what is configured for a source that stays what it is, with its readings and counts. It is polled next at `next`, or
    /// at `resume` if the program ends before.
    pub fn adjust(&self, about: About, next: Instant, resume: Instant) {
        let name = about.name.clone();
        let adjust = |state: &mut SourceState| {
            state.about = Arc::new(about);
            (state.next, state.polling, state.resume) = (Some(next), false, Some(resume));
        };
        self.update(&name, adjust, |_, state| self.observer.changed(state));
        self.change.notify_one();
    }

    /// Forgets a source.
    pub fn remove(&self, name: &str) {
        let order = self.order();
        self.lock().remove(name);
        self.observer.removed(name);
        drop(order);
        self.change.notify_one();
    }

    /// Takes the outcome of a poll, whole and at once. A source polls once at a time, so outcomes of one source do not race.
    pub fn record(&self, name: &str, outcome: Outcome) {
        let failed = outcome.result.as_ref().err().map(|failure| failure.reason);
        let tell = |failures: &mut Failures, state: &SourceState| {
            if let Some(reason) = failed {
                failures.add(reason, 1);
                self.observer.failed(failures);
            }
            self.observer.changed(state);
        };
        self.update(name, |state| state.record(outcome), tell);
        self.change.notify_one();
    }

    /// Notes that a source is being polled, and when it would be again if the program ended before the poll.
    pub fn begun(&self, name: &str, resume: Instant) {
        let begin = |state: &mut SourceState| (state.polling, state.resume) = (true, Some(resume));
        self.update(name, begin, |_, state| self.observer.begun(state));
    }

    /// On graceful shutdown, clears the resume times of polls that have not begun. To be called once nothing is polled any more.
    pub fn at_rest(&self) {
        for state in self.snapshot().iter().filter(|state| state.resume.is_some() && !state.polling) {
            self.update(&state.about.name, |state| state.resume = None, |_, state| self.observer.changed(state));
        }
    }

    /// Completes when what has changed so far outlives the process, or when that cannot be waited for.
    pub fn settled(&self) -> BoxFuture<'static, ()> {
        self.observer.settled()
    }

    /// Waits until a source has come, changed or gone, or a poll has ended, since the last call. For one listener.
    pub async fn changed(&self) {
        self.change.notified().await;
    }

    /// When a source is polled next; none while it is being polled.
    #[must_use]
    pub fn due(&self, name: &str) -> Option<Instant> {
        self.lock().get(name).filter(|state| !state.polling)?.next
    }

    /// Every source as it is now, by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Arc<SourceState>> {
        self.lock().values().cloned().collect()
    }

    /// Whether every source was polled at least once, be it by a process before.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().values().all(|state| state.polls > 0)
    }

    /// Changes a source, and tells of it. One that is not there any more is left alone.
    fn update(&self, name: &str, change: impl FnOnce(&mut SourceState), tell: impl FnOnce(&mut Failures, &SourceState)) {
        let mut failures = self.order();
        let mut sources = self.lock();
        let Some(state) = sources.get_mut(name) else { return };
        change(Arc::make_mut(state));
        let state = state.clone();
        drop(sources);
        tell(&mut failures, &state);
    }

    fn order(&self) -> MutexGuard<'_, Failures> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<SourceState>>> {
        // A map of whole states is good even after a panic elsewhere.
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Figure, Identity, Label, Low, Reason};
    use crate::state::counters::nearest;

    fn amount(amount: f64) -> Reading {
        Reading::available_amount(Label::default(), Label::new("EUR"), Figure::new(amount).expect("a finite number"))
    }

    fn state() -> SourceState {
        SourceState::new(Arc::new(About {
            name: "a".into(),
            provider: "p",
            identity: Identity([0; 32]),
            interval: Duration::from_secs(60),
            max_age: Duration::from_secs(600),
            low: Low::default(),
        }))
    }

    fn outcome(ended: Moment, result: Result<Answer, Failure>) -> Outcome {
        Outcome { ended, took: Duration::ZERO, result, next: ended.instant }
    }

    #[test]
    fn keeps_readings_until_max_age_of_failures() {
        let start = Moment::now();
        let after =
            |secs| Moment { instant: start.instant + Duration::from_secs(secs), wall: start.wall + Duration::from_secs(secs) };
        let mut state = state();
        state.record(outcome(start, Ok(Answer::new(vec![amount(5.0)]))));
        assert_eq!(state.readings(after(1_000_000).instant), [amount(5.0)], "no failure, no end");

        state.record(outcome(after(60), Err(Failure::new(Reason::Timeout, ""))));
        state.record(outcome(after(120), Err(Failure::new(Reason::Dns, ""))));
        assert_eq!(state.readings(after(659).instant), [amount(5.0)]);
        assert_eq!(state.readings(after(660).instant), []);
        assert_eq!((state.polls, state.last_success), (3, Some(start.wall)));
        assert_eq!(state.failures, 2);

        state.record(outcome(after(700), Err(Failure::new(Reason::Dns, ""))));
        state.record(outcome(after(760), Ok(Answer::new(vec![amount(7.0)]))));
        assert_eq!(state.readings(after(760).instant), [amount(7.0)]);
        assert_eq!((state.failure, state.failing_since), (None, None));
        let deposited = |state: &Sums| state.iter().map(|(_, sum)| nearest(sum.deposited)).collect::<Vec<_>>();
        assert_eq!(deposited(&state.sums), [2.0], "compared with the last good poll, though its readings are gone");
    }

    /// Refuses to hear of an older state after a newer one.
    #[derive(Default)]
    struct Sequence(Mutex<(u64, Duration)>);

    impl Observer for Sequence {
        fn changed(&self, state: &SourceState) {
            // Room for another thread to overtake.
            std::thread::yield_now();
            let mut last = self.0.lock().expect("no panic");
            let heard = (state.polls, state.about.interval);
            assert!(heard.0 >= last.0 && heard.1 >= last.1, "{heard:?} after {last:?}");
            *last = heard;
        }

        fn removed(&self, _: &str) {}
    }

    #[test]
    fn observers_hear_of_changes_in_the_order_in_which_they_were_made() {
        let sequence = Arc::new(Sequence::default());
        let store = Store::new(sequence.clone());
        store.insert(state());
        let now = Moment::now();
        std::thread::scope(|scope| {
            scope.spawn(|| (0..5_000).for_each(|_| store.record("a", outcome(now, Ok(Answer::new(Vec::new()))))));
            scope.spawn(|| {
                for n in 1..5_000 {
                    let interval = Duration::from_secs(60 + n);
                    store.adjust(About { interval, ..About::clone(&state().about) }, now.instant, now.instant);
                }
            });
        });
        assert_eq!(*sequence.0.lock().expect("no panic"), (5_000, Duration::from_secs(60 + 4_999)));
    }
}
