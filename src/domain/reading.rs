//! What a poll found out.

use super::Label;

/// Which part of the money an amount is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AmountKind {
    /// Can be spent now.
    Available,
    /// Committed, not spent yet.
    Active,
    /// The whole, as the provider reports it.
    Total,
}

/// Money, or the provider's own units.
#[derive(Debug, Clone, PartialEq)]
pub struct Amount {
    /// Which part of the money it is.
    pub kind: AmountKind,
    /// The account that holds it; empty for the source itself.
    pub account: Label,
    /// Upper-case code; empty where neither the provider nor the configuration names one.
    pub currency: Label,
    /// Finite, in the unit the provider uses. It may be negative.
    pub amount: f64,
}

/// Whose wallet an ATI.SU balance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WalletKind {
    /// Shared by the whole firm.
    Common,
    /// Shared by one department.
    Department,
    /// Of one contact.
    Personal,
}

impl WalletKind {
    /// The kind as it stands in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Department => "department",
            Self::Personal => "personal",
        }
    }
}

/// What is known of an ATI.SU wallet beside its balance. Unknown identifiers are empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wallet {
    /// The wallet's identifier.
    pub account: Label,
    /// Absent where the answer names no kind, or several.
    pub kind: Option<WalletKind>,
    /// The contact that asks.
    pub contact_id: Label,
    /// The department of that contact.
    pub department_id: Label,
    /// The firm of that contact.
    pub firm_id: Label,
}

/// One fact from one poll.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// Money.
    Amount(Amount),
    /// Messages of one type that can be sent to one area.
    Sms {
        /// The gateway's name of the type, such as `sms`.
        sms_type: Label,
        /// The gateway's name of the operator or country.
        area: Label,
        /// A count, or `f64::INFINITY` where the gateway sets no limit.
        available: f64,
    },
    /// The human name of an account.
    AccountName {
        /// The account's identifier.
        account: Label,
        /// Its name; it can change.
        name: Label,
    },
    /// A wallet's identity.
    Wallet(Wallet),
    /// Whether this user may not spend from the account.
    OperationsForbidden {
        /// The account's identifier.
        account: Label,
        /// True where spending is forbidden.
        forbidden: bool,
    },
}

/// What makes a reading the only one of its sort in an answer, in the order of exposition.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Key<'a> {
    Amount(AmountKind, &'a Label, &'a Label),
    Sms(&'a Label, &'a Label),
    AccountName(&'a Label),
    Wallet(&'a Label),
    OperationsForbidden(&'a Label),
}

impl Reading {
    /// The account of an available amount.
    #[must_use]
    pub fn available_account(&self) -> Option<&Label> {
        match self {
            Self::Amount(amount) if amount.kind == AmountKind::Available => Some(&amount.account),
            _ => None,
        }
    }

    /// The area of an SMS count.
    #[must_use]
    pub fn area(&self) -> Option<&Label> {
        if let Self::Sms { area, .. } = self { Some(area) } else { None }
    }

    /// Every text in the reading that came from the provider.
    pub fn labels_mut(&mut self) -> Vec<&mut Label> {
        match self {
            Self::Amount(amount) => vec![&mut amount.account, &mut amount.currency],
            Self::Sms { sms_type, area, .. } => vec![sms_type, area],
            Self::AccountName { account, name } => vec![account, name],
            Self::Wallet(Wallet { account, contact_id, department_id, firm_id, kind: _ }) => {
                vec![account, contact_id, department_id, firm_id]
            }
            Self::OperationsForbidden { account, .. } => vec![account],
        }
    }

    fn key(&self) -> Key<'_> {
        match self {
            Self::Amount(Amount { kind, account, currency, .. }) => Key::Amount(*kind, account, currency),
            Self::Sms { sms_type, area, .. } => Key::Sms(sms_type, area),
            Self::AccountName { account, .. } => Key::AccountName(account),
            Self::Wallet(wallet) => Key::Wallet(&wallet.account),
            Self::OperationsForbidden { account, .. } => Key::OperationsForbidden(account),
        }
    }

    /// The reading without its figure, for people.
    fn subject(&self) -> String {
        match self {
            Self::Amount(Amount { account, currency, .. }) => format!("amount of account \"{account}\" in \"{currency}\""),
            Self::Sms { sms_type, area, .. } => format!("count of type \"{sms_type}\" in area \"{area}\""),
            Self::AccountName { account, .. } => format!("name of account \"{account}\""),
            Self::Wallet(wallet) => format!("wallet \"{}\"", wallet.account),
            Self::OperationsForbidden { account, .. } => format!("permission of account \"{account}\""),
        }
    }
}

/// The whole outcome of a good poll.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    /// In a stable order, each fact once.
    pub readings: Vec<Reading>,
    /// What was odd but not wrong, for the log. Each is one line, and none replaces another.
    pub remarks: Vec<String>,
}

impl Answer {
    /// Sorts `readings` and keeps the first of those that state the same fact, with one remark however many there are.
    #[must_use]
    pub fn new(readings: Vec<Reading>) -> Self {
        let mut answer = Self { readings, remarks: Vec::new() };
        answer.settle();
        answer
    }

    /// Does what [`Answer::new`] does, again, after labels were changed. What was remarked before stays.
    pub fn settle(&mut self) {
        let mut dropped = 0;
        let mut first_dropped = None;
        // The sort is stable, so the first of two equal keys stays first.
        self.readings.sort_by(|a, b| a.key().cmp(&b.key()));
        self.readings.dedup_by(|later, first| {
            let same = later.key() == first.key();
            if same {
                dropped += 1;
                first_dropped.get_or_insert_with(|| first.subject());
            }
            same
        });
        if let Some(subject) = first_dropped {
            self.remarks.push(format!("the {subject} is stated twice; kept the first of each such rows, dropped {dropped}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sms(area: &str, available: f64) -> Reading {
        Reading::Sms { sms_type: Label::new("sms"), area: Label::new(area), available }
    }

    #[test]
    fn keeps_the_first_of_equal_rows_with_one_remark() {
        let answer = Answer::new(vec![sms("МТС", 1.0), sms("Tele2", 5.0), sms("МТС ", 2.0), sms("МТС", 3.0)]);
        assert_eq!(answer.readings, [sms("Tele2", 5.0), sms("МТС", 1.0)]);
        let remark = "the count of type \"sms\" in area \"МТС\" is stated twice; kept the first of each such rows, dropped 2";
        assert_eq!(answer.remarks, [remark]);
    }

    #[test]
    fn a_remark_leaves_earlier_ones_as_they_are() {
        let mut answer = Answer::new(vec![sms("a", 1.0), sms("a", 2.0), sms("b", 3.0), sms("c", 4.0)]);
        answer.settle();
        assert_eq!(answer.remarks.len(), 1, "nothing new is nothing to remark");
        for label in answer.readings.iter_mut().skip(1).flat_map(Reading::labels_mut) {
            *label = Label::new("x");
        }
        answer.settle();
        let remarks = [
            "the count of type \"sms\" in area \"a\" is stated twice; kept the first of each such rows, dropped 1",
            "the count of type \"x\" in area \"x\" is stated twice; kept the first of each such rows, dropped 1",
        ];
        assert_eq!(answer.remarks, remarks);
    }
}
