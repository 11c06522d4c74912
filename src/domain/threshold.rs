//! Thresholds: the figure below which a balance is low.

use super::{Label, Reading, Role};
use std::collections::{BTreeMap, BTreeSet};

/// How urgent a low balance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Look into it soon.
    Warning,
    /// Act now.
    Critical,
}

impl Severity {
    /// The value of the label `severity`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One threshold for each severity; either may be absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Thresholds {
    /// Low below this figure.
    pub warning: Option<f64>,
    /// Critically low below this figure.
    pub critical: Option<f64>,
}

impl Thresholds {
    /// These thresholds, with those of `other` for severities that are not set.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { warning: self.warning.or(other.warning), critical: self.critical.or(other.critical) }
    }

    /// The thresholds that are set, warning first.
    pub fn iter(self) -> impl Iterator<Item = (Severity, f64)> {
        [(Severity::Warning, self.warning), (Severity::Critical, self.critical)]
            .into_iter()
            .filter_map(|(severity, figure)| Some((severity, figure?)))
    }

    /// The most urgent threshold that `figure` is below.
    #[must_use]
    pub fn broken(self, figure: f64) -> Option<(Severity, f64)> {
        // `iter` puts critical last.
        self.iter().filter(|(_, threshold)| figure < *threshold).last()
    }
}

/// A row of the table of thresholds.
#[derive(Debug)]
pub struct LowDefinition {
    /// The metric.
    pub metric: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// The key below `low` for all readings, if there is one.
    all: Option<&'static str>,
    /// The key below `low` for single accounts or areas, by name.
    named: &'static str,
    /// The label whose values are the names below that key.
    by: Role,
}

macro_rules! low_metrics {
    ($($(#[$doc:meta])* $low:ident { $($column:ident: $cell:expr,)* })*) => {
        /// Which readings the thresholds are for. Each has a metric of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum LowMetric { $($(#[$doc])* $low,)* }

        impl LowMetric {
            /// Every one, in the order of the page.
            pub const ALL: [Self; [$(stringify!($low)),*].len()] = [$(Self::$low),*];

            /// Its row of the table.
            #[must_use]
            pub const fn definition(self) -> &'static LowDefinition {
                match self { $(Self::$low => &LowDefinition { $($column: $cell,)* },)* }
            }
        }
    };
}

low_metrics! {
    /// Available amounts.
    Amount {
        metric: "balance_low_amount",
        help: "The configured threshold below which an available amount is low.",
        all: Some("amount"),
        named: "accounts",
        by: Role::Holder,
    }
    /// SMS counts.
    Sms {
        metric: "balance_sms_low",
        help: "The configured threshold below which an SMS count is low.",
        all: Some("sms"),
        named: "areas",
        by: Role::Holder,
    }
    /// Units, by their unit.
    Units {
        metric: "balance_units_low",
        help: "The configured threshold below which a number of units is low.",
        all: None,
        named: "units",
        by: Role::Unit,
    }
}

/// The thresholds of one source for one [`LowMetric`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// For every reading.
    pub all: Thresholds,
    /// For single accounts or areas. Each severity overrides that of `all`.
    pub named: BTreeMap<Label, Thresholds>,
}

/// The thresholds of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Low([Limits; LowMetric::ALL.len()]);

impl Low {
    /// Replaces the thresholds for one metric.
    #[must_use]
    pub fn with(mut self, metric: LowMetric, limits: Limits) -> Self {
        self.0[metric as usize] = limits;
        self
    }

    /// The thresholds for one metric.
    #[must_use]
    pub const fn limits(&self, metric: LowMetric) -> &Limits {
        &self.0[metric as usize]
    }

    /// The thresholds that apply to a reading; none where its measure has no [`LowMetric`].
    #[must_use]
    pub fn of(&self, reading: &Reading) -> Thresholds {
        let Some(metric) = reading.measure().definition().low else { return Thresholds::default() };
        let limits = self.limits(metric);
        limits.named.get(reading.text(metric.definition().by)).copied().unwrap_or_default().or(limits.all)
    }

    /// The most urgent threshold that the reading is below.
    #[must_use]
    pub fn broken(&self, reading: &Reading) -> Option<(Severity, f64)> {
        self.of(reading).broken(reading.value().figure()?.get())
    }

    /// The keys of thresholds that apply to none of `readings`, as written in the configuration. Most are typos; each is an alert that
    /// never fires.
    #[must_use]
    pub fn unmatched(&self, readings: &[Reading]) -> BTreeSet<String> {
        let mut unmatched = BTreeSet::new();
        for (metric, limits) in LowMetric::ALL.into_iter().zip(&self.0) {
            let row = metric.definition();
            let compared = readings.iter().filter(|reading| reading.measure().definition().low == Some(metric));
            let seen: BTreeSet<&str> = compared.map(|reading| reading.text(row.by)).collect();
            let missing = limits.named.keys().filter(|name| !seen.contains(name.as_str()));
            unmatched.extend(missing.map(|name| format!("low.{}.{name}", row.named)));
            let useless = limits.all != Thresholds::default() && seen.is_empty();
            unmatched.extend(row.all.filter(|_| useless).map(|key| format!("low.{key}")));
        }
        unmatched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Figure, Quantity};

    fn at(warning: Option<f64>, critical: Option<f64>) -> Thresholds {
        Thresholds { warning, critical }
    }

    fn available(account: &str, amount: i32) -> Reading {
        Reading::available_amount(Label::new(account), Label::default(), Figure::from(amount))
    }

    #[test]
    fn an_account_overrides_severity_by_severity() {
        let named = [(Label::new("A"), at(None, Some(50.0)))].into();
        let low = Low::default().with(LowMetric::Amount, Limits { all: at(Some(500.0), Some(100.0)), named });
        let of = |account| low.of(&available(account, 1));
        assert_eq!(of("A"), at(Some(500.0), Some(50.0)));
        assert_eq!(of("B"), at(Some(500.0), Some(100.0)));
        assert_eq!(of(""), at(Some(500.0), Some(100.0)));
        let others = [
            Reading::total_amount(Label::new("A"), Label::default(), Figure::from(1)),
            Reading::sms_available(Label::default(), Label::new("A"), Quantity::Unlimited),
        ];
        assert_eq!(others.map(|other| low.of(&other)), [Thresholds::default(); 2]);
    }

    #[test]
    fn the_most_urgent_broken_threshold_counts() {
        let both = at(Some(500.0), Some(100.0));
        let cases = [
            (both, 500.0, None),
            (both, 499.0, Some((Severity::Warning, 500.0))),
            (both, 99.0, Some((Severity::Critical, 100.0))),
            (at(Some(50.0), Some(100.0)), 60.0, Some((Severity::Critical, 100.0))),
            (at(None, None), -1.0, None),
        ];
        for (thresholds, figure, broken) in cases {
            assert_eq!(thresholds.broken(figure), broken, "{figure}");
        }
    }

    #[test]
    fn keys_that_apply_to_nothing_are_named() {
        let set = at(Some(1.0), None);
        let accounts = [(Label::new("A"), set), (Label::new("typo"), set)].into();
        let low = Low::default()
            .with(LowMetric::Amount, Limits { all: set, named: accounts })
            .with(LowMetric::Sms, Limits { all: set, named: [(Label::new("Tele2"), set)].into() });
        let expected = ["low.accounts.typo", "low.areas.Tele2", "low.sms"].map(str::to_owned);
        assert_eq!(low.unmatched(&[available("A", 1)]), expected.into());
    }

    #[test]
    fn what_is_unlimited_is_never_low() {
        let all = at(Some(f64::MAX), None);
        let low = Low::default().with(LowMetric::Sms, Limits { all, ..Limits::default() });
        let count = |count| Reading::sms_available(Label::default(), Label::default(), count);
        assert_eq!(low.broken(&count(Quantity::Unlimited)), None);
        assert_eq!(low.broken(&count(Quantity::Limited(Figure::from(0)))), Some((Severity::Warning, f64::MAX)));
    }
}
