//! When a source is polled next: decisions only, no clock and no waiting.
//!
//! Polls stand on a grid: the first poll and whole intervals after it, so nothing drifts and a pause is not made up for. What
//! was put off by a failure returns to the grid with the first success.

use crate::domain::{LONGEST_WAIT, Reason};
use std::time::Duration;
use tokio::time::Instant;

/// The first wait after a transient failure, and the shortest between two polls that are not both on the grid.
const FIRST_RETRY: Duration = Duration::from_secs(60);
/// By how much jitter lengthens a wait at most.
const JITTER: f64 = 0.2;

/// How a failure is followed up.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// It will pass: try again soon.
    Transient,
    /// It needs a person, and asking again can do harm: try ever more seldom.
    Refusal,
    /// Neither haste nor delay would help: keep the interval.
    Steady,
}

const fn course(reason: Reason) -> Course {
    match reason {
        Reason::Dns | Reason::Connect | Reason::Tls | Reason::Timeout | Reason::Server | Reason::RateLimited | Reason::Decode => {
            Course::Transient
        }
        refusal if refusal.is_refusal() => Course::Refusal,
        _ => Course::Steady,
    }
}

/// The schedule of one source.
#[derive(Debug, Clone)]
pub struct Schedule {
    interval: Duration,
    /// A point of the grid: when the first poll is due.
    anchor: Instant,
    due: Instant,
    /// Transient failures since the last success.
    transients: u32,
    /// Refusals since the last success.
    refusals: u32,
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

    /// When to poll again if the program ends before the poll that began at `begun`, so that ending it again and again does not
    /// poll faster than failing does.
    #[must_use]
    pub fn if_cut_off(&self, begun: Instant) -> Instant {
        begun + FIRST_RETRY.min(self.interval)
    }

    /// Forgets the failures so far: the next one is the first of its kind. When the next poll is due stays.
    pub const fn forgive(&mut self) {
        self.transients = 0;
        self.refusals = 0;
    }

    /// A poll that began at `begun` has succeeded at `now`.
    pub fn succeeded(&mut self, begun: Instant, now: Instant) {
        self.forgive();
        self.due = self.next_slot(begun, now);
    }

    /// A poll that began at `begun` has failed at `now`.
    ///
    /// `retry_after` is the provider's wish, counted from `now`; `jitter` is a random number from 0 up to 1.
    pub fn failed(&mut self, reason: Reason, retry_after: Option<Duration>, begun: Instant, now: Instant, jitter: f64) {
        let mut due = match course(reason) {
            Course::Transient => {
                self.transients = self.transients.saturating_add(1);
                self.retry(begun, now, jitter)
            }
            Course::Refusal => {
                self.refusals = self.refusals.saturating_add(1);
                self.put_off(begun).max(now)
            }
            Course::Steady => self.next_slot(begun, now),
        };
        if let Some(wait) = retry_after {
            due = due.max(now + wait.min(LONGEST_WAIT));
        }
        self.due = due;
    }

    /// The next point of the grid that leaves some room after a poll that was off the grid or late.
    fn next_slot(&self, begun: Instant, now: Instant) -> Instant {
        // Nine tenths, so that a poll which began a little late does not lose its next turn.
        let room = FIRST_RETRY.min(self.interval * 9 / 10);
        self.slot_from((begun + room).max(now))
    }

    /// The first point of the grid at or after `earliest`.
    fn slot_from(&self, earliest: Instant) -> Instant {
        let passed = earliest.saturating_duration_since(self.anchor).as_nanos();
        let steps = passed.div_ceil(self.interval.as_nanos());
        self.anchor + times(self.interval, u32::try_from(steps).unwrap_or(u32::MAX))
    }

    fn retry(&self, begun: Instant, now: Instant, jitter: f64) -> Instant {
        if self.interval <= FIRST_RETRY {
            return self.next_slot(begun, now);
        }
        let doubled = doubling(FIRST_RETRY, self.transients);
        let wait = if self.transients > 1 { doubled.mul_f64(1.0 + JITTER * jitter) } else { doubled };
        if wait < self.interval { now + wait } else { (begun + self.interval).max(now) }
    }

    /// After the first refusal the interval, then twice that, up to an hour or the interval.
    fn put_off(&self, begun: Instant) -> Instant {
        let wait = doubling(self.interval, self.refusals).min(self.interval.max(LONGEST_WAIT));
        if self.refusals > 1 { begun + wait } else { self.slot_from(begun + self.interval / 2) }
    }
}

/// `first`, doubled for each of `nth` after the first.
fn doubling(first: Duration, nth: u32) -> Duration {
    times(first, 1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX))
}

/// Longer than anybody waits where the product would not fit.
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
            schedule.failed(reason, None, now, now, jitter);
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
    fn short_intervals_keep_their_pace_but_refusals_slow_down() {
        assert_eq!(waits(30, Reason::Timeout, 4, 0.9), [30; 4]);
        assert_eq!(waits(60, Reason::Server, 4, 0.9), [60; 4]);
        assert_eq!(waits(1, Reason::Auth, 14, 0.9), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600]);
        assert_eq!(waits(7200, Reason::Auth, 3, 0.9), [7200; 3]);
    }

    #[test]
    fn an_outage_is_tried_again_at_its_own_pace_and_does_not_make_a_refusal_forgotten() {
        let mut schedule = Schedule::new(secs(600), Instant::now());
        let mut waits = Vec::new();
        for reason in [Reason::Auth, Reason::Auth, Reason::Timeout, Reason::Timeout, Reason::Auth] {
            let now = schedule.due();
            schedule.failed(reason, None, now, now, 0.0);
            waits.push((schedule.due() - now).as_secs());
        }
        assert_eq!(waits, [600, 1200, 60, 120, 2400]);
    }

    #[test]
    fn retry_after_puts_off_up_to_an_hour_and_never_hurries() {
        let wait = |retry_after: u64| {
            let start = Instant::now();
            let mut schedule = Schedule::new(secs(600), start);
            schedule.failed(Reason::RateLimited, Some(secs(retry_after)), start, start, 0.0);
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
    fn a_pause_is_not_made_up_for() {
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
                    schedule.failed(*reason, None, begun, now, jitter);
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
