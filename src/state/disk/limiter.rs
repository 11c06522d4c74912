//! The rate limiter of commits.

use std::time::{Duration, Instant};

/// One commit in this time, in the long run.
const INTERVAL: Duration = Duration::from_millis(250);

/// Allows bursts of two commits: one for the start of a poll, one for its end.
pub(super) struct RateLimiter {
    /// From then on a burst of two is possible again.
    full: Instant,
}

impl RateLimiter {
    /// Allows a burst at once.
    pub(super) const fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// When the next commit may begin; absent if at once.
    pub(super) fn ready(&self) -> Option<Instant> {
        self.full.checked_sub(INTERVAL)
    }

    /// Counts a commit that begins now.
    pub(super) fn count(&mut self, now: Instant) {
        self.full = self.full.max(now) + INTERVAL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_commits_at_once_and_then_one_in_each_interval() {
        let start = Instant::now() + INTERVAL * 10;
        let mut limiter = RateLimiter::new(start);
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..5 {
            let wait = limiter.ready().map_or(Duration::ZERO, |ready| ready.saturating_duration_since(now));
            now += wait;
            limiter.count(now);
            waits.push(wait);
        }
        assert_eq!(waits, [Duration::ZERO, Duration::ZERO, INTERVAL, INTERVAL, INTERVAL]);
        let idle = now + INTERVAL * 8;
        assert!(limiter.ready().is_some_and(|ready| ready < idle), "after a pause, at once");
    }
}
