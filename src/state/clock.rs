//! The two clocks: the monotonic one, for waits and ages, and the wall clock.

use std::sync::Arc;
use std::time::SystemTime;
use tokio::time::Instant;

/// The time on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Monotonic, for waits and ages.
    pub instant: Instant,
    /// For timestamps. It jumps when the clock is set.
    pub wall: SystemTime,
}

impl Moment {
    /// Now, by the clocks of the system.
    #[must_use]
    pub fn now() -> Self {
        Self { instant: Instant::now(), wall: SystemTime::now() }
    }
}

/// Returns the current time. Passed in, so that a test can simulate a week in a second.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;
