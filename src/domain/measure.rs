//! The table of measures: every kind of reading, with everything that the program says of it.
//!
//! A new measure is a row here and a parser that calls the row's constructor. The page of metrics, the status page, the output of
//! `poll`, thresholds and the storage read the table and name no measure of their own.

use super::{Figure, Label, LowMetric, Quantity, Reading, Value, ValueKind};

/// What a label is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What holds the balance: an account or an area. Empty for the source itself. It identifies the reading.
    Holder,
    /// What the value is counted in. It identifies the reading.
    Unit,
    /// The text that an information is about.
    Content,
    /// More information.
    Detail,
}

impl Role {
    /// Whether two readings that differ in such a label state different facts.
    #[must_use]
    pub const fn identifies(self) -> bool {
        matches!(self, Self::Holder | Self::Unit)
    }
}

/// How the status page shows a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// On a line of its own.
    Line,
    /// As a note on the line of another measure with the same identifying labels.
    Beside(Measure),
    /// As the title of the account's lines.
    Title,
    /// As a note on each line of the account.
    Note,
    /// As a warning on each line of the account, where the flag is set.
    Alarm,
}

/// A row of the table.
#[derive(Debug)]
pub struct Definition {
    /// The metric. Without `balance_`, it is also the name in JSON.
    pub metric: &'static str,
    /// Its help text.
    pub help: &'static str,
    /// The names of the labels, in the order of the page, and what they are for.
    pub labels: &'static [(&'static str, Role)],
    /// What its value is.
    pub value: ValueKind,
    /// The word for people.
    pub word: &'static str,
    /// The reading without its value, in a message: `{account}` stands for the label in quotes.
    pub subject: &'static str,
    /// Its place on the status page.
    pub shown: Shown,
    /// The thresholds that it is compared with, if any.
    pub low: Option<LowMetric>,
    /// Its number in the storage. It never changes and is never used again.
    pub tag: u32,
}

/// The constructor of one measure: its labels, then its value unless the labels are all there is.
macro_rules! constructor {
    ($measure:ident, $make:ident, Info, $($label:ident),+) => {
        #[doc = concat!("A reading of [`Measure::", stringify!($measure), "`].")]
        #[must_use]
        pub fn $make($($label: Label),+) -> Self {
            Self::made(Measure::$measure, Box::new([$($label),+]), Value::Info)
        }
    };
    ($measure:ident, $make:ident, Amount, $($label:ident),+) => { constructor!(@ $measure, $make, Amount, Figure, $($label),+); };
    ($measure:ident, $make:ident, Count, $($label:ident),+) => { constructor!(@ $measure, $make, Count, Quantity, $($label),+); };
    ($measure:ident, $make:ident, Flag, $($label:ident),+) => { constructor!(@ $measure, $make, Flag, bool, $($label),+); };
    ($measure:ident, $make:ident, Time, $($label:ident),+) => { constructor!(@ $measure, $make, Time, super::Timestamp, $($label),+); };
    (@ $measure:ident, $make:ident, $kind:ident, $value:ty, $($label:ident),+) => {
        #[doc = concat!("A reading of [`Measure::", stringify!($measure), "`].")]
        #[must_use]
        pub fn $make($($label: Label,)+ value: $value) -> Self {
            Self::made(Measure::$measure, Box::new([$($label),+]), Value::$kind(value))
        }
    };
}

macro_rules! measures {
    ($(
        $(#[$doc:meta])*
        $measure:ident = $make:ident($($label:ident: $role:ident),+) -> $kind:ident $(($($words:tt)+))? {
            $($column:ident: $cell:expr,)*
        }
    )*) => {
        /// A kind of reading. The order is that of the page.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure { $($(#[$doc])* $measure,)* }

        impl Measure {
            /// Every measure, in the order of the page.
            pub const ALL: [Self; [$(stringify!($measure)),*].len()] = [$(Self::$measure),*];

            /// Its row of the table.
            #[must_use]
            pub const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$measure => &Definition {
                        labels: &[$((stringify!($label), Role::$role)),+],
                        value: ValueKind::$kind $({ $($words)+ })?,
                        $($column: $cell,)*
                    },)*
                }
            }
        }

        impl Reading {
            $(constructor!($measure, $make, $kind, $($label),+);)*
        }
    };
}

measures! {
    /// Money or units that can be spent now.
    AvailableAmount = available_amount(account: Holder, currency: Unit) -> Amount {
        metric: "balance_available_amount",
        help: "Money or units that can be spent now, as last polled.",
        word: "available",
        subject: "amount of account {account} in {currency}",
        shown: Shown::Line,
        low: Some(LowMetric::Amount),
        tag: 1,
    }
    /// Money that is committed and not spent yet.
    ActiveAmount = active_amount(account: Holder, currency: Unit) -> Amount {
        metric: "balance_active_amount",
        help: "Money that is committed and not spent yet, as last polled.",
        word: "active",
        subject: "amount of account {account} in {currency}",
        shown: Shown::Beside(Measure::AvailableAmount),
        low: None,
        tag: 2,
    }
    /// The whole balance, as the provider reports it.
    TotalAmount = total_amount(account: Holder, currency: Unit) -> Amount {
        metric: "balance_total_amount",
        help: "The whole balance as the provider reports it, as last polled.",
        word: "total",
        subject: "amount of account {account} in {currency}",
        shown: Shown::Beside(Measure::AvailableAmount),
        low: None,
        tag: 3,
    }
    /// Messages of one type that can be sent to one area.
    SmsAvailable = sms_available(sms_type: Unit, area: Holder) -> Count {
        metric: "balance_sms_available",
        help: "Messages that can be sent to an area, as last polled; +Inf when unlimited.",
        word: "messages",
        subject: "count of type {sms_type} in area {area}",
        shown: Shown::Line,
        low: Some(LowMetric::Sms),
        tag: 4,
    }
    /// The human name of an account. It can change.
    AccountInfo = account_info(account: Holder, name: Content) -> Info(unknown: "") {
        metric: "balance_account_info",
        help: "The human name of an account, as last polled.",
        word: "name",
        subject: "name of account {account}",
        shown: Shown::Title,
        low: None,
        tag: 5,
    }
    /// Whose wallet it is. [`Reading::wallet`] makes it.
    WalletInfo = wallet_info(account: Holder, wallet: Content, contact_id: Detail, department_id: Detail, firm_id: Detail)
        -> Info(unknown: "of unknown kind")
    {
        metric: "balance_wallet_info",
        help: "Whose wallet it is, as last polled.",
        word: "wallet",
        subject: "wallet {account}",
        shown: Shown::Note,
        low: None,
        tag: 6,
    }
    /// Whether this user may not spend from the account.
    OperationsForbidden = operations_forbidden(account: Holder) -> Flag(yes: "forbidden", no: "allowed") {
        metric: "balance_operations_forbidden",
        help: "Whether this user may not spend from the account, as last polled.",
        word: "operations",
        subject: "permission of account {account}",
        shown: Shown::Alarm,
        low: None,
        tag: 7,
    }
    /// How far below zero the available amount may fall.
    CreditLimitAmount = credit_limit_amount(account: Holder, currency: Unit) -> Amount {
        metric: "balance_credit_limit_amount",
        help: "How far below zero the available amount may fall, as last polled.",
        word: "credit limit",
        subject: "credit limit of account {account} in {currency}",
        shown: Shown::Beside(Measure::AvailableAmount),
        low: None,
        tag: 8,
    }
    /// Units of a prepaid stock that is counted and is not money.
    UnitsAvailable = units_available(account: Holder, unit: Unit) -> Count {
        metric: "balance_units_available",
        help: "Units left, as last polled; +Inf when unlimited.",
        word: "units",
        subject: "number of {unit} of account {account}",
        shown: Shown::Line,
        low: Some(LowMetric::Units),
        tag: 9,
    }
    /// When what is left expires.
    ExpiryTimestamp = expiry_timestamp(account: Holder) -> Time {
        metric: "balance_expiry_timestamp_seconds",
        help: "When what is left expires, as last polled.",
        word: "expires",
        subject: "expiry of account {account}",
        shown: Shown::Note,
        low: None,
        tag: 10,
    }
    /// When a quota is filled again.
    ResetTimestamp = reset_timestamp(account: Holder) -> Time {
        metric: "balance_reset_timestamp_seconds",
        help: "When a quota is filled again, as last polled.",
        word: "resets",
        subject: "reset of account {account}",
        shown: Shown::Note,
        low: None,
        tag: 11,
    }
}

impl Measure {
    /// The name in JSON: the metric without `balance_`.
    #[must_use]
    pub fn name(self) -> &'static str {
        let metric = self.definition().metric;
        metric.strip_prefix("balance_").unwrap_or(metric)
    }

    /// The measure that the storage knows by this number; none where a newer version has written it.
    #[must_use]
    pub fn tagged(tag: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|measure| measure.definition().tag == tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn metrics_and_tags_are_unique_and_help_says_as_last_polled() {
        let rows = Measure::ALL.map(Measure::definition);
        assert_eq!(rows.iter().map(|row| row.metric).collect::<BTreeSet<_>>().len(), rows.len());
        assert_eq!(rows.iter().map(|row| row.tag).collect::<BTreeSet<_>>().len(), rows.len());
        for row in rows {
            assert!(row.metric.starts_with("balance_") && row.help.contains("as last polled"), "{}", row.metric);
        }
    }

    #[test]
    fn each_measure_has_one_holder_and_at_most_one_unit_and_content() {
        for row in Measure::ALL.map(Measure::definition) {
            let count = |wanted| row.labels.iter().filter(|(_, role)| *role == wanted).count();
            assert_eq!(count(Role::Holder), 1, "{}", row.metric);
            assert!(count(Role::Unit) <= 1 && count(Role::Content) <= 1, "{}", row.metric);
            assert_eq!(count(Role::Content) == 1, matches!(row.value, ValueKind::Info { .. }), "{}", row.metric);
        }
    }

    #[test]
    fn a_note_beside_a_line_has_the_labels_of_the_line() {
        for row in Measure::ALL.map(Measure::definition) {
            match row.shown {
                Shown::Beside(line) => {
                    assert_eq!((row.labels, Shown::Line), (line.definition().labels, line.definition().shown));
                }
                Shown::Title | Shown::Note | Shown::Alarm => assert_eq!(row.labels.first(), Some(&("account", Role::Holder))),
                Shown::Line => {}
            }
        }
    }

    #[test]
    fn a_subject_names_labels_of_its_row() {
        for row in Measure::ALL.map(Measure::definition) {
            let named = row.subject.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name);
            assert!(named.into_iter().all(|name| row.labels.iter().any(|(label, _)| *label == name)), "{}", row.subject);
        }
    }
}
