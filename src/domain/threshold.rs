//! Thresholds: below which figure a balance is low.

use super::{Label, Reading};
use std::collections::{BTreeMap, BTreeSet};

/// How urgent it is when a figure falls below a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Somebody should look.
    Warning,
    /// Somebody must act.
    Critical,
}

impl Severity {
    /// The severity as it stands in labels.
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
    /// These thresholds where they are set, the other's where they are not.
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

    /// The most urgent of the thresholds that `figure` is below.
    #[must_use]
    pub fn broken(self, figure: f64) -> Option<(Severity, f64)> {
        // Warning comes first, so the last one is the most urgent.
        self.iter().filter(|(_, threshold)| figure < *threshold).last()
    }
}

/// The thresholds of one source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Low {
    /// For every available amount of the source.
    pub amount: Thresholds,
    /// For the available amount of one account, severity by severity before `amount`.
    pub accounts: BTreeMap<Label, Thresholds>,
    /// For every SMS count of the source.
    pub sms: Thresholds,
    /// For the SMS counts of one area, severity by severity before `sms`.
    pub areas: BTreeMap<Label, Thresholds>,
}

impl Low {
    /// The thresholds that apply to the available amount of `account`.
    #[must_use]
    pub fn of_account(&self, account: &Label) -> Thresholds {
        self.accounts.get(account).copied().unwrap_or_default().or(self.amount)
    }

    /// The thresholds that apply to the SMS counts of `area`.
    #[must_use]
    pub fn of_area(&self, area: &Label) -> Thresholds {
        self.areas.get(area).copied().unwrap_or_default().or(self.sms)
    }

    /// The keys of these thresholds that apply to none of `readings`, as written in the configuration: typos, mostly, and
    /// each of them is an alert that would never fire.
    #[must_use]
    pub fn unmatched(&self, readings: &[Reading]) -> BTreeSet<String> {
        let accounts: BTreeSet<_> = readings.iter().filter_map(Reading::available_account).collect();
        let areas: BTreeSet<_> = readings.iter().filter_map(Reading::area).collect();
        let named = |key: &'static str, wanted: &BTreeMap<Label, _>, seen: &BTreeSet<&Label>| {
            let missing: Vec<_> = wanted.keys().filter(|name| !seen.contains(name)).map(|n| format!("{key}.{n}")).collect();
            missing
        };
        let mut unmatched: BTreeSet<String> = named("low.accounts", &self.accounts, &accounts).into_iter().collect();
        unmatched.extend(named("low.areas", &self.areas, &areas));
        if self.amount != Thresholds::default() && accounts.is_empty() {
            unmatched.insert("low.amount".to_owned());
        }
        if self.sms != Thresholds::default() && areas.is_empty() {
            unmatched.insert("low.sms".to_owned());
        }
        unmatched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Amount, AmountKind};

    fn at(warning: Option<f64>, critical: Option<f64>) -> Thresholds {
        Thresholds { warning, critical }
    }

    #[test]
    fn an_account_overrides_severity_by_severity() {
        let low = Low {
            amount: at(Some(500.0), Some(100.0)),
            accounts: [(Label::new("A"), at(None, Some(50.0)))].into(),
            ..Low::default()
        };
        assert_eq!(low.of_account(&Label::new("A")), at(Some(500.0), Some(50.0)));
        assert_eq!(low.of_account(&Label::new("B")), at(Some(500.0), Some(100.0)));
        assert_eq!(low.of_account(&Label::default()), at(Some(500.0), Some(100.0)));
    }

    #[test]
    fn the_most_urgent_broken_threshold_counts() {
        let both = at(Some(500.0), Some(100.0));
        let cases = [
            (both, 500.0, None),
            (both, 499.0, Some((Severity::Warning, 500.0))),
            (both, 99.0, Some((Severity::Critical, 100.0))),
            (at(Some(50.0), Some(100.0)), 60.0, Some((Severity::Critical, 100.0))),
            (both, f64::INFINITY, None),
            (at(None, None), -1.0, None),
        ];
        for (thresholds, figure, broken) in cases {
            assert_eq!(thresholds.broken(figure), broken, "{figure}");
        }
    }

    #[test]
    fn keys_that_apply_to_nothing_are_named() {
        let low = Low {
            amount: at(Some(1.0), None),
            accounts: [(Label::new("A"), at(Some(1.0), None)), (Label::new("typo"), at(Some(1.0), None))].into(),
            sms: at(Some(1.0), None),
            areas: [(Label::new("Tele2"), at(Some(1.0), None))].into(),
        };
        let readings = [Reading::Amount(Amount {
            kind: AmountKind::Available,
            account: Label::new("A"),
            currency: Label::default(),
            amount: 1.0,
        })];
        let expected = ["low.accounts.typo", "low.areas.Tele2", "low.sms"].map(str::to_owned);
        assert_eq!(low.unmatched(&readings), expected.into());
    }
}
