//! Counters of what was withdrawn from and deposited to each account, in exact decimal arithmetic.
//!
//! They compare the available amounts of each good poll with those of the previous good poll. Movements between two polls are netted.
//! Time and failures play no part.

use crate::domain::{Figure, Label, Measure, Reading, Value};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// An account in one currency. Another currency is another series.
pub type AccountKey = (Label, Label);

/// The counters of one account in one currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    /// The available amount of the last good poll; absent where it is out of the range of the type.
    pub last: Option<Decimal>,
    /// The sum of all falls.
    pub withdrawn: Decimal,
    /// The sum of all rises.
    pub deposited: Decimal,
}

/// The counters of one source, by account and currency.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sums(BTreeMap<AccountKey, Sum>);

impl Sums {
    /// The counters after a good poll. A new account starts at zero. An account without a reading is dropped, so that its return does not
    /// count as a jump.
    #[must_use]
    pub fn after(&self, readings: &[Reading]) -> Self {
        Self(
            readings
                .iter()
                .filter_map(available)
                .map(|(key, amount)| {
                    let sum = self.0.get(&key).copied().unwrap_or_default().after(exact(amount));
                    (key, sum)
                })
                .collect(),
        )
    }

    /// By account, then by currency.
    pub fn iter(&self) -> impl Iterator<Item = (&AccountKey, &Sum)> {
        self.0.iter()
    }
}

impl FromIterator<(AccountKey, Sum)> for Sums {
    fn from_iter<I: IntoIterator<Item = (AccountKey, Sum)>>(sums: I) -> Self {
        Self(sums.into_iter().collect())
    }
}

impl Sum {
    fn after(self, now: Option<Decimal>) -> Self {
        let rise = self.last.zip(now).and_then(|(before, now)| now.checked_sub(before)).unwrap_or_default();
        // On overflow the sum stays as it is: a counter must not fall.
        let plus = |sum: Decimal, by: Decimal| sum.checked_add(by.max(Decimal::ZERO)).unwrap_or(sum);
        Self { last: now, withdrawn: plus(self.withdrawn, -rise), deposited: plus(self.deposited, rise) }
    }
}

fn available(reading: &Reading) -> Option<(AccountKey, Figure)> {
    match (reading.measure(), reading.value()) {
        (Measure::AvailableAmount, Value::Amount(amount)) => {
            let key = (reading.label("account")?.clone(), reading.label("currency")?.clone());
            Some((key, amount))
        }
        _ => None,
    }
}

/// The decimal number that the provider wrote: the shortest one that parses to this float. None from 7.9e28 on, where the type ends.
fn exact(amount: Figure) -> Option<Decimal> {
    amount.get().to_string().parse().ok()
}

/// The float that is nearest to a sum, for the exposition.
#[must_use]
pub fn nearest(sum: Decimal) -> f64 {
    // The conversion of the type itself is not always the nearest. The text of a decimal always parses.
    sum.to_string().parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(amounts: &[(&str, &str, f64)]) -> Vec<Reading> {
        let amount = |(account, currency, amount): &(&str, &str, f64)| {
            let amount = Figure::new(*amount).expect("a finite number");
            Reading::available_amount(Label::new(account), Label::new(currency), amount)
        };
        amounts.iter().map(amount).collect()
    }

    fn shown(sums: &Sums) -> Vec<(String, f64, f64)> {
        let sums = sums.iter();
        sums.map(|((account, currency), sum)| (format!("{account}/{currency}"), nearest(sum.withdrawn), nearest(sum.deposited)))
            .collect()
    }

    fn sums_of(polls: &[&[(&str, &str, f64)]]) -> Vec<(String, f64, f64)> {
        shown(&polls.iter().fold(Sums::default(), |sums, poll| sums.after(&readings(poll))))
    }

    #[test]
    fn a_million_falls_of_a_cent_are_exactly_ten_thousand() {
        let mut sums = Sums::default().after(&readings(&[("", "EUR", 10_000.0)]));
        for left in (0..1_000_000_u32).rev() {
            // As a provider writes it, and as it is parsed.
            let amount: f64 = format!("{}.{:02}", left / 100, left % 100).parse().expect("a number");
            sums = sums.after(&readings(&[("", "EUR", amount)]));
        }
        assert_eq!(sums.0.values().next().map(|sum| sum.withdrawn), Some(Decimal::from(10_000)));
        assert_eq!(shown(&sums), [("/EUR".to_owned(), 10_000.0, 0.0)]);
    }

    #[test]
    fn falls_and_rises_are_counted_separately() {
        let polls: [&[_]; 5] = [&[("", "", 10.0)], &[("", "", 7.5)], &[("", "", 7.5)], &[("", "", 100.0)], &[("", "", -0.1)]];
        assert_eq!(sums_of(&polls), [("/".to_owned(), 102.6, 92.5)]);
    }

    #[test]
    fn a_new_currency_and_a_returning_account_start_at_zero() {
        let polls: [&[_]; 3] =
            [&[("a", "EUR", 10.0), ("b", "", 1.0)], &[("a", "EUR", 9.0), ("b", "", 3.0)], &[("a", "USD", 5.0)]];
        assert_eq!(sums_of(&polls[..2]), [("a/EUR".to_owned(), 1.0, 0.0), ("b/".to_owned(), 0.0, 2.0)]);
        assert_eq!(sums_of(&polls), [("a/USD".to_owned(), 0.0, 0.0)]);
        let returned: [&[_]; 4] = [polls[0], polls[1], polls[2], &[("a", "EUR", 90.0), ("b", "", 1.0)]];
        assert_eq!(sums_of(&returned), [("a/EUR".to_owned(), 0.0, 0.0), ("b/".to_owned(), 0.0, 0.0)]);
    }

    #[test]
    fn amounts_out_of_range_are_not_counted() {
        let huge: [&[_]; 5] = [&[("", "", 5.0)], &[("", "", 1e300)], &[("", "", 4.0)], &[("", "", 3.0)], &[("", "", 1e-40)]];
        assert_eq!(sums_of(&huge[..4]), [("/".to_owned(), 1.0, 0.0)], "no jump from or to what cannot be counted");
        assert_eq!(sums_of(&huge), [("/".to_owned(), 4.0, 0.0)], "less than the smallest digit counts as nothing");
        let full: [&[_]; 5] = [&[("", "", 0.0)], &[("", "", 7e28)], &[("", "", 0.0)], &[("", "", 7e28)], &[("", "", -7e28)]];
        assert_eq!(sums_of(&full), [("/".to_owned(), 7e28, 7e28)], "a counter that would overflow stays as it is");
    }
}
