//! What a reading says: figures that are always finite, counts that may be unlimited, flags and times.

use std::cmp::Ordering;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A finite number. Negative zero is plain zero.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Figure(f64);

impl Figure {
    /// None for what is infinite or not a number.
    #[must_use]
    pub fn new(number: f64) -> Option<Self> {
        // Adding zero makes a negative zero a plain one.
        number.is_finite().then_some(Self(number + 0.0))
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

// Without NaN and negative zero, equality and order are total and agree.
impl Eq for Figure {}

impl Ord for Figure {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Figure {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<i32> for Figure {
    fn from(whole: i32) -> Self {
        Self(whole.into())
    }
}

impl fmt::Debug for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A count of something prepaid. The order puts every limited count below unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// So many are left. Some gateways count in fractions.
    Limited(Figure),
    /// The provider sets no limit.
    Unlimited,
}

/// A point in time that a provider states, in milliseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Negative before the epoch.
    pub millis: i64,
}

impl Timestamp {
    /// A time of the system; the nearest one that can be expressed.
    #[must_use]
    pub fn of(time: SystemTime) -> Self {
        let millis = |distance: Duration| i64::try_from(distance.as_millis()).unwrap_or(i64::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(after) => Self { millis: millis(after) },
            Err(before) => Self { millis: -millis(before.duration()) },
        }
    }

    /// Seconds since the epoch, exact to the millisecond for every year that a calendar prints.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285,000 years")]
    pub fn seconds(self) -> f64 {
        self.millis as f64 / 1000.0
    }

    /// The time of the system; none where the system cannot express it.
    #[must_use]
    pub fn time(self) -> Option<SystemTime> {
        let distance = Duration::from_millis(self.millis.unsigned_abs());
        if self.millis < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }
}

/// The value of a reading. [`ValueKind`] says which of them a measure has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// Money, in the unit that the provider uses. It may be negative.
    Amount(Figure),
    /// A count of messages or units.
    Count(Quantity),
    /// A yes or no.
    Flag(bool),
    /// The labels are the information.
    Info,
    /// A point in time.
    Time(Timestamp),
}

impl Value {
    /// What a threshold is compared with; none for what has no limit or is no number.
    #[must_use]
    pub const fn figure(self) -> Option<Figure> {
        match self {
            Self::Amount(figure) | Self::Count(Quantity::Limited(figure)) => Some(figure),
            Self::Count(Quantity::Unlimited) | Self::Flag(_) | Self::Info | Self::Time(_) => None,
        }
    }
}

/// Which kind of value a measure has, with the words that people and programs read for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// [`Value::Amount`].
    Amount,
    /// [`Value::Count`].
    Count,
    /// [`Value::Flag`].
    Flag {
        /// The word for true.
        yes: &'static str,
        /// The word for false.
        no: &'static str,
    },
    /// [`Value::Info`].
    Info {
        /// What people read where the label with [`Role::Content`](super::Role::Content) is empty.
        unknown: &'static str,
    },
    /// [`Value::Time`].
    Time,
}

impl ValueKind {
    /// Whether the value is of this kind.
    #[must_use]
    pub const fn fits(self, value: Value) -> bool {
        matches!(
            (self, value),
            (Self::Amount, Value::Amount(_))
                | (Self::Count, Value::Count(_))
                | (Self::Flag { .. }, Value::Flag(_))
                | (Self::Info { .. }, Value::Info)
                | (Self::Time, Value::Time(_))
        )
    }

    /// The key of the value in JSON; none where the labels are all there is.
    #[must_use]
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Amount => Some("amount"),
            Self::Count => Some("count"),
            Self::Flag { yes, .. } => Some(yes),
            Self::Info { .. } => None,
            Self::Time => Some("timestamp_seconds"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_finite() {
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(Figure::new(number), None);
        }
        assert_eq!(Figure::new(-0.0).map(|zero| zero.get().is_sign_negative()), Some(false));
        assert_eq!(Figure::new(-1.5).map(Figure::get), Some(-1.5));
    }

    #[test]
    fn unlimited_is_more_than_any_count() {
        let most = Figure::new(f64::MAX).map(Quantity::Limited);
        assert!(most.is_some_and(|most| most < Quantity::Unlimited));
        assert_eq!(Value::Count(Quantity::Unlimited).figure(), None);
    }

    #[test]
    fn a_timestamp_keeps_its_milliseconds() {
        let at = Timestamp { millis: 1_800_000_000_250 };
        assert_eq!(at.time(), Some(UNIX_EPOCH + Duration::from_millis(1_800_000_000_250)));
        assert!((at.seconds() - 1_800_000_000.25).abs() < 1e-9);
        assert_eq!(Timestamp { millis: -1 }.time(), Some(UNIX_EPOCH - Duration::from_millis(1)));
    }
}
