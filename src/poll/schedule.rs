//! When a source is polled next: decisions only, no clock and no waiting.
//!
//! Polls follow a grid: the first poll and whole intervals after it. So they do not drift, and polls that a pause has skipped are not
//! made up for. After failures, the first success returns to the grid.

use crate::domain::{LONGEST_WAIT, Reason};
use std::time::Duration;
use tokio::time::Instant;

/// The first backoff after a transient failure, and the shortest time between two polls unless both are on the grid.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// The largest share by which jitter lengthens a backoff.
const JITTER: f64 = 0.2;

/// How the time to the next poll develops while polls fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backoff {
    /// It passes by itself: try again soon, then less often, up to the interval.
    Transient,
    /// It needs a person, and polls can do harm: try less often, up to an hour or the interval.
    Refusal,
    /// Neither sooner nor later would help: keep the interval.
    Steady,
}

const fn backoff(reason: Reason) -> Backoff {
    match reason {
        Reason::Dns | Reason::Connect | Reason::Tls | Reason::Timeout | Reason::Server | Reason::RateLimited | Reason::Decode => {
            Backoff::Transient
        }
        refusal if refusal.is_refusal() => Backoff::Refusal,
        _ => Backoff::Steady,
    }
}

/// The schedule of one source.
#[derive(Debug, Clone)]
pub struct Schedule {
    interval: Duration,
    /// The start of the grid: when the first poll is due.
    anchor: Instant,
    due: Instant,
    /// Transient failures since the last success.
    transients: u32,
    /// Refusals since the last success.
    refusals: u32,
}

/// A failed poll, as far as it decides when the next one is due.
#[derive(Debug, Clone, Copy)]
pub struct FailedPoll {
    /// Why.
    pub reason: Reason,
    /// The wait that the provider asks for, from `now` on.
    pub retry_after: Option<Duration>,
    /// When it began.
    pub begun: Instant,
    /// When it ended.
    pub now: Instant,
    /// A random number in 0..1.
    pub jitter: f64,
}

impl Schedule {
    /// The first poll is due at `first`, and those after it in steps of `interval`.
    #[must_use]
    pub const fn new(interval: Duration, first: Instant) -> Self {
        Self { interval, anchor: first, due: first, transients: 0, refusals: 0 }
    }

    /// When the next poll is due.
    #[must_use]
    pub const fn due(&self) -> Instant {
        self.due
    }

    /// When the next process polls if this one ends before the poll that began at `begun`. A crash loop polls no faster than failures
    /// do.
    #[must_use]
    pub fn resume_time(&self, begun: Instant) -> Instant {
        begun + FIRST_RETRY.min(self.interval)
    }

    /// Makes the next failure count as the first of its kind. The next poll is due as before.
    pub const fn reset_backoff(&mut self) {
        self.transients = 0;
        self.refusals = 0;
    }

    /// A poll that began at `begun` has succeeded at `now`.
    pub fn succeeded(&mut self, begun: Instant, now: Instant) {
        self.reset_backoff();
        self.due = self.next_slot(begun, now);
    }

    /// A poll has failed.
    pub fn failed(&mut self, FailedPoll { reason, retry_after, begun, now, jitter }: FailedPoll) {
        let mut due = match backoff(reason) {
            Backoff::Transient => {
                self.transients = self.transients.saturating_add(1);
                self.transient_backoff(begun, now, jitter)
            }
            Backoff::Refusal => {
                self.refusals = self.refusals.saturating_add(1);
                self.refusal_backoff(begun).max(now)
            }
            Backoff::Steady => self.next_slot(begun, now),
        };
        if let Some(wait) = retry_after {
            due = due.max(now + wait.min(LONGEST_WAIT));
        }
        self.due = due;
    }

    /// The next point of the grid that is not too close to a poll that was late or off the grid.
    fn next_slot(&self, begun: Instant, now: Instant) -> Instant {
        // Nine tenths, so that a poll that began a little late does not skip the next point.
        let room = FIRST_RETRY.min(self.interval * 9 / 10);
        self.slot_from((begun + room).max(now))
    }

    /// The first point of the grid at or after `earliest`.
    fn slot_from(&self, earliest: Instant) -> Instant {
        let passed = earliest.saturating_duration_since(self.anchor).as_nanos();
        let steps = passed.div_ceil(self.interval.as_nanos());
        self.anchor + times(self.interval, u32::try_from(steps).unwrap_or(u32::MAX))
    }

    fn transient_backoff(&self, begun: Instant, now: Instant, jitter: f64) -> Instant {
        if self.interval <= FIRST_RETRY {
            return self.next_slot(begun, now);
        }
        let doubled = doubling(FIRST_RETRY, self.transients);
        let wait = if self.transients > 1 { doubled.mul_f64(1.0 + JITTER * jitter) } else { doubled };
        if wait < self.interval { now + wait } else { (begun + self.interval).max(now) }
    }

    /// After the first refusal the interval, then twice that, up to an hour or the interval.
    fn refusal_backoff(&self, begun: Instant) -> Instant {
        let wait = doubling(self.interval, self.refusals).min(self.interval.max(LONGEST_WAIT));
        if self.refusals > 1 { begun + wait } else { self.slot_from(begun + self.interval / 2) }
    }
}

/// `first`, doubled for each of `nth` after the first.
fn doubling(first: Duration, nth: u32) -> Duration {
    times(first, 1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX))
}

/// On overflow, the longest time that `LONGEST` allows.
fn times(duration: Duration, factor: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);
    duration.checked_mul(factor).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// The waits of a source whose polls take no time and all fail for this reason.
    fn waits(interval: u64, reason: Reason, polls: usize, jitter: f64) -> Vec<u64> {
        let start = Instant::now();
        let mut schedule = Schedule::new(secs(interval), start);
        let mut waits = Vec::new();
        for _ in 0..polls {
            let now = schedule.due();
            schedule.failed(FailedPoll { reason, retry_after: None, begun: now, now, jitter });
            waits.push((schedule.due() - now).as_secs());
        }
        waits
    }

    #[test]
    fn every_reason_has_its_backoff() {
        use Reason::*;
        for reason in [Dns, Connect, Tls, Timeout, Server, RateLimited, Decode] {
            assert_eq!(waits(600, reason, 6, 0.0), [60, 120, 240, 480, 600, 600], "{}", reason.as_str());
        }
        for reason in [Auth, Forbidden, Blocked, PaymentRequired, NotFound, Rejected] {
            assert_eq!(waits(600, reason, 6, 0.0), [600, 1200, 2400, 3600, 3600, 3600], "{}", reason.as_str());
        }
        for reason in [Redirect, TooLarge, Internal] {
            assert_eq!(waits(600, reason, 6, 0.0), [600; 6], "{}", reason.as_str());
        }
    }

    #[test]
    fn jitter_lengthens_all_waits_but_the_first() {
        assert_eq!(waits(600, Reason::Timeout, 4, 0.999), [60, 143, 287, 575]);
    }

    #[test]
    fn short_intervals_have_no_backoff_except_after_refusals() {
        assert_eq!(waits(30, Reason::Timeout, 4, 0.9), [30; 4]);
        assert_eq!(waits(60, Reason::Server, 4, 0.9), [60; 4]);
        assert_eq!(waits(1, Reason::Auth, 14, 0.9), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(waits(7200, Reason::Auth, 3, 0.9), [7200; 3]);
    }

    #[test]
    fn outages_and_refusals_have_separate_backoffs() {
        let mut schedule = Schedule::new(secs(600), Instant::now());
        let mut waits = Vec::new();
        for reason in [Reason::Auth, Reason::Auth, Reason::Timeout, Reason::Timeout, Reason::Auth] {
            let now = schedule.due();
            schedule.failed(FailedPoll { reason, retry_after: None, begun: now, now, jitter: 0.0 });
            waits.push((schedule.due() - now).as_secs());
        }
        assert_eq!(waits, [600, 1200, 60, 120, 2400]);
    }

    #[test]
    fn retry_after_delays_a_poll_by_an_hour_at_most_and_never_hastens_it() {
        let wait = |retry_after: u64| {
            let start = Instant::now();
            let mut schedule = Schedule::new(secs(600), start);
            schedule.failed(FailedPoll {
                reason: Reason::RateLimited,
                retry_after: Some(secs(retry_after)),
                begun: start,
                now: start,
                jitter: 0.0,
            });
            (schedule.due() - start).as_secs()
        };
        assert_eq!([wait(5), wait(90), wait(7200), wait(u64::MAX)], [60, 90, 3600, 3600]);
    }

    #[test]
    fn success_after_a_retry_returns_to_the_grid_without_crowding_it() {
        let start = Instant::now();
        let mut schedule = Schedule::new(secs(300), start);
        schedule.succeeded(start + secs(60), start + secs(61));
        assert_eq!(schedule.due(), start + secs(300));
        schedule.succeeded(start + secs(270), start + secs(271));
        assert_eq!(schedule.due(), start + secs(600), "300 would be 30 s after the retry");
    }

    #[test]
    fn polls_that_a_pause_has_skipped_are_not_made_up_for() {
        let start = Instant::now();
        let mut schedule = Schedule::new(secs(10), start);
        schedule.succeeded(start + secs(1005), start + secs(1005));
        assert_eq!(schedule.due(), start + secs(1020));
    }

    proptest! {
        #![proptest_config(crate::properties::config())]
        #[test]
        fn the_next_poll_is_after_this_one_and_within_bounds(
            interval in 1_u64..100_000, lateness in 0_u64..1000, took in 0_u64..100, jitter in 0.0..1.0_f64,
            outcomes in proptest::collection::vec(0_usize..=Reason::ALL.len(), 1..40),
        ) {
            let interval = secs(interval);
            let mut schedule = Schedule::new(interval, Instant::now());
            for outcome in outcomes {
                let begun = schedule.due() + Duration::from_millis(lateness);
                let now = begun + Duration::from_millis(took);
                if let Some(reason) = Reason::ALL.get(outcome) {
                    schedule.failed(FailedPoll { reason: *reason, retry_after: None, begun, now, jitter });
                } else {
                    schedule.succeeded(begun, now);
                    prop_assert_eq!((schedule.due() - schedule.anchor).as_nanos() % interval.as_nanos(), 0);
                }
                prop_assert!(schedule.due() > begun);
                prop_assert!(schedule.due() - begun <= secs(3600).max(interval * 2));
            }
        }
    }
}
