//! What is known of one source.

use super::clock::Moment;
use super::counters::Sums;
use crate::domain::{About, Answer, Failure, Reading};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How a poll ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// When it ended. This is also the time of the readings.
    pub ended: Moment,
    /// How long it took.
    pub took: Duration,
    /// The answer or why there is none, with secrets masked.
    pub result: Result<Answer, Failure>,
    /// When the next poll is due.
    pub next: Instant,
}

/// Where a source is between two polls.
///
/// `resume` is when the next process polls it if this one ends before the outcome is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No poll is scheduled.
    Idle,
    /// A poll is due at this time, in the next process too.
    Waiting {
        /// When.
        due: Instant,
    },
    /// A first poll is due. The next process waits longer, because this one can be killed after its request and before it has
    /// persisted that the poll started.
    Announced {
        /// When.
        due: Instant,
        /// See above.
        resume: Instant,
    },
    /// A poll is under way.
    Polling {
        /// See above.
        resume: Instant,
    },
}

impl Phase {
    /// When the next poll is due; absent while none is scheduled or one is under way.
    #[must_use]
    pub const fn due(self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Polling { .. } => None,
            Self::Waiting { due } | Self::Announced { due, .. } => Some(due),
        }
    }

    /// When the next process polls the source; absent while no poll is scheduled.
    #[must_use]
    pub const fn resume(self) -> Option<Instant> {
        match self {
            Self::Idle => None,
            Self::Waiting { due } => Some(due),
            Self::Announced { resume, .. } | Self::Polling { resume } => Some(resume),
        }
    }

    /// Whether a poll is under way.
    #[must_use]
    pub const fn is_polling(self) -> bool {
        matches!(self, Self::Polling { .. })
    }
}

/// A source at one point in time.
#[derive(Debug, Clone)]
pub struct SourceState {
    /// What is configured.
    pub about: Arc<About>,
    /// The number of polls that have ended.
    pub polls: u64,
    /// The number of failed polls.
    pub failures: u64,
    /// How long the last poll took; absent before the first has ended.
    pub took: Option<Duration>,
    /// Why the last poll failed; absent when it succeeded.
    pub failure: Option<Failure>,
    /// The first failed poll since the last success.
    pub failing_since: Option<Moment>,
    /// When the readings were taken. It stays when they expire.
    pub last_success: Option<SystemTime>,
    /// The readings of the last good poll, sorted. [`SourceState::readings`] returns those that may be served.
    pub last_readings: Option<Arc<[Reading]>>,
    /// What was withdrawn and deposited. It stays when the readings expire, so that across an outage the next good poll is compared
    /// with the last one before it.
    pub sums: Arc<Sums>,
    /// Where it is between two polls.
    pub phase: Phase,
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
            last_readings: None,
            sums: Arc::default(),
            phase: Phase::Idle,
        }
    }

    /// When the readings expire; absent while polls succeed.
    #[must_use]
    pub fn expires(&self) -> Option<Instant> {
        self.failing_since.map(|since| since.instant + self.about.max_age)
    }

    /// The readings that may be served at this time, sorted. Empty before the first success and after `max_age` of failures.
    #[must_use]
    pub fn readings(&self, now: Instant) -> &[Reading] {
        let expired = self.expires().is_some_and(|at| now >= at);
        self.last_readings.as_deref().filter(|_| !expired).unwrap_or_default()
    }

    pub(super) fn record(&mut self, outcome: Outcome) {
        self.polls += 1;
        self.took = Some(outcome.took);
        self.phase = Phase::Waiting { due: outcome.next };
        match outcome.result {
            Ok(answer) => self.record_answer(answer, outcome.ended),
            Err(failure) => self.record_failure(failure, outcome.ended),
        }
    }

    fn record_answer(&mut self, answer: Answer, ended: Moment) {
        self.sums = Arc::new(self.sums.after(&answer.readings));
        self.last_readings = Some(answer.readings.into());
        self.last_success = Some(ended.wall);
        self.failure = None;
        self.failing_since = None;
    }

    fn record_failure(&mut self, failure: Failure, ended: Moment) {
        self.failures += 1;
        self.failing_since.get_or_insert(ended);
        self.failure = Some(failure);
        if self.readings(ended.instant).is_empty() {
            self.last_readings = None;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::domain::{Figure, Identity, Label, Low, Reason};
    use crate::state::counters::nearest;

    fn amount(amount: f64) -> Reading {
        Reading::available_amount(Label::default(), Label::new("EUR"), Figure::new(amount).expect("a finite number"))
    }

    pub(in crate::state) fn state() -> SourceState {
        SourceState::new(Arc::new(About {
            name: "a".into(),
            provider: "p".into(),
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
        assert_eq!(state.readings(after(1_000_000).instant), [amount(5.0)], "without a failure they do not expire");

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
}
