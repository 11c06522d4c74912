//! What is known of an ATI.SU wallet beside its balance.

use super::{Label, Reading};

/// Whose wallet it is.
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
    /// The kind in labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::Department => "department",
            Self::Personal => "personal",
        }
    }
}

/// A wallet. Unknown identifiers are empty.
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

impl Reading {
    /// A reading of [`Measure::WalletInfo`](super::Measure::WalletInfo).
    #[must_use]
    pub fn wallet(Wallet { account, kind, contact_id, department_id, firm_id }: Wallet) -> Self {
        let kind = kind.map_or_else(Label::default, |kind| Label::new(kind.as_str()));
        Self::wallet_info(account, kind, contact_id, department_id, firm_id)
    }
}
