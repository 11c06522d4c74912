//! One task a source: it waits until a poll is due, polls, and hands the outcome to the store.
//!
//! When a poll is due is decided in [`crate::schedule`]; here is the waiting, the clock and the log.

use crate::assemble::Ready;
use crate::domain::{Answer, Failure, Reason, RetryAfter};
use crate::poll::Target;
use crate::schedule::Schedule;
use crate::store::{About, Moment, Outcome, Store};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// First polls are spread: one in this time, fifty a second.
const FIRST_POLLS_EVERY: Duration = Duration::from_millis(20);

/// Tells the time. Handed in, so that a test can run a week in a second.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;

/// Polls all sources at their intervals, and does not return.
///
/// Each source stands in the store from the first moment on.
///
/// # Panics
/// When the scheduler itself fails; a panic within a poll is a failed poll.
pub async fn run(sources: Vec<Ready>, store: Arc<Store>, clock: Clock) {
    let mut tasks = JoinSet::new();
    let mut first = clock().instant;
    for Ready { about, target } in sources {
        store.add(about.clone());
        store.scheduled(&about.name, first);
        let schedule = Schedule::new(about.interval, first);
        tasks.spawn(watch(about, target, schedule, store.clone(), clock.clone()));
        first += FIRST_POLLS_EVERY;
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(panic) = ended.map_err(tokio::task::JoinError::try_into_panic) {
            std::panic::resume_unwind(panic.unwrap_or_else(|cancelled| Box::new(cancelled.to_string())));
        }
    }
    // Without sources there is nothing to poll, and nothing to end for either.
    std::future::pending::<()>().await;
}

async fn watch(about: About, target: Target, mut schedule: Schedule, store: Arc<Store>, clock: Clock) {
    let mut journal = Journal::default();
    loop {
        tokio::time::sleep_until(schedule.due()).await;
        let begun = Instant::now();
        let result = target.poll().await;
        let ended = clock();
        match &result {
            Ok(_) => schedule.succeeded(begun, ended.instant),
            Err(failure) => {
                let wait = failure.retry_after.map(|wish| from_now(wish, ended));
                schedule.failed(failure.reason, wait, begun, ended.instant, fastrand::f64());
            }
        }
        journal.note(&about, &result);
        store.record(&about.name, Outcome { ended, took: ended.instant - begun, result, next: schedule.due() });
    }
}

/// A wish as a time from now; a date that has passed is no wait.
fn from_now(wish: RetryAfter, now: Moment) -> Duration {
    match wish {
        RetryAfter::Delay(delay) => delay,
        RetryAfter::At(at) => at.duration_since(now.wall).unwrap_or(Duration::ZERO),
    }
}

/// What was logged of a source, so that only changes are.
#[derive(Default)]
struct Journal {
    answered: bool,
    failing: Option<Reason>,
    remarks: BTreeSet<String>,
    unmatched: BTreeSet<String>,
}

impl Journal {
    fn note(&mut self, about: &About, result: &Result<Answer, Failure>) {
        let (source, provider) = (&*about.name, about.provider);
        match result {
            Ok(answer) => {
                let readings = answer.readings.len();
                match self.failing.take() {
                    Some(reason) => tracing::info!(source, provider, readings, after = reason.as_str(), "polls succeed again"),
                    None if !self.answered => tracing::info!(source, provider, readings, "first poll succeeded"),
                    None => tracing::debug!(source, provider, readings, "poll succeeded"),
                }
                self.answered = true;
                self.oddities(about, answer);
            }
            Err(Failure { reason, detail, .. }) => {
                let before = self.failing.replace(*reason);
                let reason = reason.as_str();
                match before {
                    None => tracing::warn!(source, provider, reason, detail, "polls fail"),
                    Some(before) if before.as_str() != reason => {
                        tracing::warn!(
                            source,
                            provider,
                            reason,
                            before = before.as_str(),
                            detail,
                            "polls fail for another reason"
                        );
                    }
                    Some(_) => tracing::debug!(source, provider, reason, detail, "poll failed again"),
                }
            }
        }
    }

    fn oddities(&mut self, about: &About, answer: &Answer) {
        let (source, provider) = (&*about.name, about.provider);
        for remark in &answer.remarks {
            if self.remarks.insert(remark.clone()) {
                tracing::warn!(source, provider, remark, "an odd answer");
            }
        }
        for key in about.low.unmatched(&answer.readings) {
            if self.unmatched.insert(key.clone()) {
                tracing::warn!(source, provider, key, "a threshold applies to nothing in the answer; is it misspelt?");
            }
        }
    }
}
