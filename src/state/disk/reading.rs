//! Readings as they are stored: the tag of the measure, its labels and its value.
//!
//! The order of variants and fields is the format. A new measure is a new tag and needs no new format.

use crate::domain::{Figure, Label, Measure, Quantity, Reading, Timestamp, Value, Wallet, WalletKind};
use serde::{Deserialize, Serialize};

/// A stored reading. This version writes [`Stored::Reading`]; the other variants are what format 1 wrote.
#[derive(Serialize, Deserialize)]
pub(super) enum Stored {
    Amount { kind: AmountKind, account: String, currency: String, amount: f64 },
    Sms { sms_type: String, area: String, available: f64 },
    AccountName { account: String, name: String },
    Wallet { account: String, kind: Option<Owner>, contact_id: String, department_id: String, firm_id: String },
    OperationsForbidden { account: String, forbidden: bool },
    Reading { tag: u32, labels: Vec<String>, value: StoredValue },
}

/// The kind of an amount in format 1.
#[derive(Serialize, Deserialize)]
pub(super) enum AmountKind {
    Available,
    Active,
    Total,
}

/// The owner of a wallet in format 1.
#[derive(Serialize, Deserialize)]
pub(super) enum Owner {
    Common,
    Department,
    Personal,
}

/// A stored [`Value`].
#[derive(Serialize, Deserialize)]
pub(super) enum StoredValue {
    Amount(f64),
    Limited(f64),
    Unlimited,
    Flag(bool),
    Info,
    Time(i64),
}

impl From<&Reading> for Stored {
    fn from(reading: &Reading) -> Self {
        Self::Reading {
            tag: reading.measure().definition().tag,
            labels: reading.labels().map(|(.., label)| label.as_str().to_owned()).collect(),
            value: reading.value().into(),
        }
    }
}

impl From<Value> for StoredValue {
    fn from(value: Value) -> Self {
        match value {
            Value::Amount(figure) => Self::Amount(figure.get()),
            Value::Count(Quantity::Limited(figure)) => Self::Limited(figure.get()),
            Value::Count(Quantity::Unlimited) => Self::Unlimited,
            Value::Flag(flag) => Self::Flag(flag),
            Value::Info => Self::Info,
            Value::Time(time) => Self::Time(time.millis),
        }
    }
}

impl Stored {
    /// The reading; none where a newer version has written a measure, a label or a value that this one does not know.
    pub(super) fn reading(self) -> Option<Reading> {
        let label = |text: String| Label::new(&text);
        let reading = match self {
            Self::Reading { tag, labels, value } => {
                return Reading::from_parts(Measure::tagged(tag)?, labels.into_iter().map(label).collect(), value.value()?);
            }
            Self::Amount { kind, account, currency, amount } => {
                let made = match kind {
                    AmountKind::Available => Reading::available_amount,
                    AmountKind::Active => Reading::active_amount,
                    AmountKind::Total => Reading::total_amount,
                };
                made(label(account), label(currency), Figure::new(amount)?)
            }
            Self::Sms { sms_type, area, available } => {
                let available = Figure::new(available).map_or(Quantity::Unlimited, Quantity::Limited);
                Reading::sms_available(label(sms_type), label(area), available)
            }
            Self::AccountName { account, name } => Reading::account_info(label(account), label(name)),
            Self::Wallet { account, kind, contact_id, department_id, firm_id } => Reading::wallet(Wallet {
                account: label(account),
                kind: kind.map(Owner::kind),
                contact_id: label(contact_id),
                department_id: label(department_id),
                firm_id: label(firm_id),
            }),
            Self::OperationsForbidden { account, forbidden } => Reading::operations_forbidden(label(account), forbidden),
        };
        Some(reading)
    }
}

impl Owner {
    const fn kind(self) -> WalletKind {
        match self {
            Self::Common => WalletKind::Common,
            Self::Department => WalletKind::Department,
            Self::Personal => WalletKind::Personal,
        }
    }
}

impl StoredValue {
    /// None for a figure that is not finite.
    fn value(self) -> Option<Value> {
        Some(match self {
            Self::Amount(figure) => Value::Amount(Figure::new(figure)?),
            Self::Limited(figure) => Value::Count(Quantity::Limited(Figure::new(figure)?)),
            Self::Unlimited => Value::Count(Quantity::Unlimited),
            Self::Flag(flag) => Value::Flag(flag),
            Self::Info => Value::Info,
            Self::Time(millis) => Value::Time(Timestamp { millis }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ValueKind;

    fn restored(stored: &Stored) -> Option<Reading> {
        let bytes = postcard::to_stdvec(stored).expect("bytes");
        postcard::from_bytes::<Stored>(&bytes).expect("a stored reading").reading()
    }

    fn values(kind: ValueKind) -> Vec<Value> {
        let figure = Figure::new(-19023.9).expect("a finite number");
        match kind {
            ValueKind::Amount => vec![Value::Amount(figure)],
            ValueKind::Count => vec![Value::Count(Quantity::Limited(figure)), Value::Count(Quantity::Unlimited)],
            ValueKind::Flag { .. } => vec![Value::Flag(true), Value::Flag(false)],
            ValueKind::Info { .. } => vec![Value::Info],
            ValueKind::Time => vec![Value::Time(Timestamp { millis: -1 })],
        }
    }

    #[test]
    fn every_measure_is_read_as_it_was_written() {
        for measure in Measure::ALL {
            let row = measure.definition();
            for value in values(row.value) {
                let labels = row.labels.iter().map(|(name, _)| Label::new(name)).collect();
                let reading = Reading::from_parts(measure, labels, value).expect("parts that fit");
                assert_eq!(restored(&Stored::from(&reading)), Some(reading));
            }
        }
    }

    #[test]
    fn a_measure_of_a_newer_version_is_left_out() {
        let stored = |tag, labels: usize, value| Stored::Reading { tag, labels: vec![String::new(); labels], value };
        assert_eq!(restored(&stored(4_000_000, 3, StoredValue::Time(1))), None);
        assert_eq!(restored(&stored(1, 3, StoredValue::Amount(1.0))), None, "with one label more");
        assert_eq!(restored(&stored(1, 2, StoredValue::Amount(f64::NAN))), None);
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_was_written() {
        let kinds = [
            ValueKind::Amount,
            ValueKind::Count,
            ValueKind::Flag { yes: "", no: "" },
            ValueKind::Info { unknown: "" },
            ValueKind::Time,
        ];
        for value in kinds.into_iter().flat_map(values) {
            assert_eq!(StoredValue::from(value).value(), Some(value));
        }
    }
}
