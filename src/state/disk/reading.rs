//! Readings as they are stored. The order of variants and fields is the format; a change of it is a new version.

use crate::domain::{Amount, AmountKind, Label, Reading, Wallet, WalletKind};
use serde::{Deserialize, Serialize};

/// A stored reading.
#[derive(Serialize, Deserialize)]
pub(super) enum Fact {
    Amount { kind: Kind, account: String, currency: String, amount: f64 },
    Sms { sms_type: String, area: String, available: f64 },
    AccountName { account: String, name: String },
    Wallet { account: String, kind: Option<Owner>, contact_id: String, department_id: String, firm_id: String },
    OperationsForbidden { account: String, forbidden: bool },
}

#[derive(Serialize, Deserialize)]
pub(super) enum Kind {
    Available,
    Active,
    Total,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Owner {
    Common,
    Department,
    Personal,
}

impl From<&Reading> for Fact {
    fn from(reading: &Reading) -> Self {
        let text = |label: &Label| label.as_str().to_owned();
        match reading {
            Reading::Amount(Amount { kind, account, currency, amount }) => {
                let kind = match kind {
                    AmountKind::Available => Kind::Available,
                    AmountKind::Active => Kind::Active,
                    AmountKind::Total => Kind::Total,
                };
                Self::Amount { kind, account: text(account), currency: text(currency), amount: *amount }
            }
            Reading::Sms { sms_type, area, available } => {
                Self::Sms { sms_type: text(sms_type), area: text(area), available: *available }
            }
            Reading::AccountName { account, name } => Self::AccountName { account: text(account), name: text(name) },
            Reading::Wallet(Wallet { account, kind, contact_id, department_id, firm_id }) => Self::Wallet {
                account: text(account),
                kind: kind.map(|kind| match kind {
                    WalletKind::Common => Owner::Common,
                    WalletKind::Department => Owner::Department,
                    WalletKind::Personal => Owner::Personal,
                }),
                contact_id: text(contact_id),
                department_id: text(department_id),
                firm_id: text(firm_id),
            },
            Reading::OperationsForbidden { account, forbidden } => {
                Self::OperationsForbidden { account: text(account), forbidden: *forbidden }
            }
        }
    }
}

impl From<Fact> for Reading {
    fn from(fact: Fact) -> Self {
        let label = |text: String| Label::new(&text);
        match fact {
            Fact::Amount { kind, account, currency, amount } => {
                let kind = match kind {
                    Kind::Available => AmountKind::Available,
                    Kind::Active => AmountKind::Active,
                    Kind::Total => AmountKind::Total,
                };
                Self::Amount(Amount { kind, account: label(account), currency: label(currency), amount })
            }
            Fact::Sms { sms_type, area, available } => Self::Sms { sms_type: label(sms_type), area: label(area), available },
            Fact::AccountName { account, name } => Self::AccountName { account: label(account), name: label(name) },
            Fact::Wallet { account, kind, contact_id, department_id, firm_id } => Self::Wallet(Wallet {
                account: label(account),
                kind: kind.map(|kind| match kind {
                    Owner::Common => WalletKind::Common,
                    Owner::Department => WalletKind::Department,
                    Owner::Personal => WalletKind::Personal,
                }),
                contact_id: label(contact_id),
                department_id: label(department_id),
                firm_id: label(firm_id),
            }),
            Fact::OperationsForbidden { account, forbidden } => Self::OperationsForbidden { account: label(account), forbidden },
        }
    }
}
