//! The metric families in the order of the page: measures, thresholds, then the health and counters of the sources.

use crate::domain::{LowMetric, Measure};

macro_rules! families {
    ($($family:ident, $name:literal, $kind:literal, $help:literal;)*) => {
        /// A family whose series exist as long as the source is configured.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum OfSource { $($family,)* }

        impl OfSource {
            const ALL: [Self; [$($name),*].len()] = [$(Self::$family),*];

            const fn name(self) -> &'static str {
                match self { $(Self::$family => $name,)* }
            }

            const fn kind(self) -> &'static str {
                match self { $(Self::$family => $kind,)* }
            }

            const fn help(self) -> &'static str {
                match self { $(Self::$family => $help,)* }
            }
        }
    };
}

families! {
    WithdrawnAmount, "balance_withdrawn_amount_total", "counter", "Sum of the falls of the available amount seen between polls.";
    DepositedAmount, "balance_deposited_amount_total", "counter", "Sum of the rises of the available amount seen between polls.";
    Up, "balance_up", "gauge", "Whether the last poll succeeded.";
    Failing, "balance_failing", "gauge", "Present while the last poll failed, with its reason.";
    LastSuccess, "balance_last_success_timestamp_seconds", "gauge", "When the readings were taken, in seconds since the epoch.";
    PollInterval, "balance_poll_interval_seconds", "gauge", "The configured interval between two polls.";
    PollDuration, "balance_poll_duration_seconds", "gauge", "How long the last poll took.";
    Polls, "balance_polls_total", "counter", "Polls that have ended.";
    PollFailures, "balance_poll_failures_total", "counter", "Polls that have failed.";
}

/// A metric family of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A kind of reading.
    Measure(Measure),
    /// The thresholds of readings.
    Low(LowMetric),
    /// Health and counters.
    OfSource(OfSource),
}

/// Where the families of thresholds begin.
const LOW: usize = Measure::ALL.len();
/// Where the families of sources begin.
const OF_SOURCE: usize = LOW + LowMetric::ALL.len();

impl Family {
    /// How many there are.
    pub(super) const COUNT: usize = OF_SOURCE + OfSource::ALL.len();

    /// Every family, in the order of the page.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let (measures, low) = (Measure::ALL.map(Self::Measure), LowMetric::ALL.map(Self::Low));
        measures.into_iter().chain(low).chain(OfSource::ALL.map(Self::OfSource))
    }

    /// Its position on the page, less than [`Family::COUNT`].
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Measure(measure) => measure as usize,
            Self::Low(low) => LOW + low as usize,
            Self::OfSource(family) => OF_SOURCE + family as usize,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Measure(measure) => measure.definition().metric,
            Self::Low(low) => low.definition().metric,
            Self::OfSource(family) => family.name(),
        }
    }

    /// Whether its series disappear when the readings expire.
    pub(super) const fn expires(self) -> bool {
        matches!(self, Self::Measure(_) | Self::Low(_))
    }

    /// The `HELP` and `TYPE` lines.
    pub(super) fn header(self) -> String {
        let (help, kind) = match self {
            Self::Measure(measure) => (measure.definition().help, "gauge"),
            Self::Low(low) => (low.definition().help, "gauge"),
            Self::OfSource(family) => (family.help(), family.kind()),
        };
        let name = self.name();
        format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_family_has_its_own_place_and_name() {
        assert!(Family::all().map(Family::index).eq(0..Family::COUNT));
        assert_eq!(Family::all().map(Family::name).collect::<BTreeSet<_>>().len(), Family::COUNT);
    }
}
