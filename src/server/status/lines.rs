//! Readings as the lines that a person reads: one for each account and currency, or area, with everything known of it beside
//! the figure. The texts are not escaped.

use crate::domain::{Amount, AmountKind, Label, Low, Reading, Severity, Wallet, WalletKind};
use crate::format;
use std::collections::{BTreeMap, BTreeSet};

/// One line of a source's table.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Line {
    /// The account's name or identifier, or the area; what can be spent where the source itself is meant.
    pub(super) title: String,
    /// The account's identifier where the title is its name.
    pub(super) id: String,
    /// What else is known.
    pub(super) notes: Vec<String>,
    /// What can be spent; empty where that is not known.
    pub(super) figure: String,
    /// The currency or the type of messages.
    pub(super) unit: String,
    /// How low the figure is, and the threshold that it is below.
    pub(super) low: Option<(Severity, f64)>,
    /// Nothing may be spent from the account.
    pub(super) forbidden: bool,
}

/// What is known of an account beside its figures.
#[derive(Default)]
struct Known<'a> {
    name: Option<&'a Label>,
    wallet: Option<&'a Wallet>,
    forbidden: bool,
}

/// Makes lines of readings: the low ones first, the most urgent before the others, then those from which nothing may be spent.
pub(super) fn lines(readings: &[Reading], low: &Low) -> Vec<Line> {
    let mut known: BTreeMap<&Label, Known<'_>> = BTreeMap::new();
    let mut amounts: BTreeMap<(&Label, &Label), Vec<&Amount>> = BTreeMap::new();
    let mut messages = Vec::new();
    for reading in readings {
        match reading {
            Reading::Amount(amount) => amounts.entry((&amount.account, &amount.currency)).or_default().push(amount),
            Reading::Sms { sms_type, area, available } => messages.push(message_line(sms_type, area, *available, low)),
            Reading::AccountName { account, name } => known.entry(account).or_default().name = Some(name),
            Reading::Wallet(wallet) => known.entry(&wallet.account).or_default().wallet = Some(wallet),
            Reading::OperationsForbidden { account, forbidden } => known.entry(account).or_default().forbidden = *forbidden,
        }
    }
    let nothing = Known::default();
    let with_amounts = amounts.iter().map(|((account, _), amounts)| {
        let line = account_line(account, known.get(account).unwrap_or(&nothing));
        with_figures(line, amounts, low)
    });
    let with: BTreeSet<&Label> = amounts.keys().map(|(account, _)| *account).collect();
    let without = known.iter().filter(|(account, _)| !with.contains(*account));
    let mut lines: Vec<Line> = with_amounts.chain(without.map(|(account, known)| account_line(account, known))).collect();
    lines.extend(messages);
    lines.sort_by_key(|line| std::cmp::Reverse((line.low.map(|(severity, _)| severity), line.forbidden)));
    lines
}

fn account_line(account: &Label, known: &Known<'_>) -> Line {
    let name = known.name.filter(|name| !name.is_empty() && *name != account);
    let title = if account.is_empty() { "available" } else { account.as_str() };
    let (title, id) = name.map_or((title, ""), |name| (name.as_str(), account.as_str()));
    Line {
        title: title.to_owned(),
        id: id.to_owned(),
        notes: known.wallet.map(wallet).into_iter().collect(),
        forbidden: known.forbidden,
        ..Line::default()
    }
}

fn with_figures(mut line: Line, amounts: &[&Amount], low: &Low) -> Line {
    for Amount { kind, account, currency, amount } in amounts {
        let figure = format::figure(*amount);
        match kind {
            AmountKind::Available => {
                line.low = low.of_account(account).broken(*amount);
                line.figure = figure;
                line.unit = currency.to_string();
            }
            AmountKind::Active => line.notes.push(format!("active {figure} {currency}").trim_end().to_owned()),
            AmountKind::Total => line.notes.push(format!("total {figure} {currency}").trim_end().to_owned()),
        }
    }
    line
}

fn message_line(sms_type: &Label, area: &Label, available: f64, low: &Low) -> Line {
    Line {
        title: if area.is_empty() { "messages".to_owned() } else { area.to_string() },
        figure: format::figure(available),
        unit: sms_type.to_string(),
        low: low.of_area(area).broken(available),
        ..Line::default()
    }
}

fn wallet(wallet: &Wallet) -> String {
    let (kind, holder, id) = match wallet.kind {
        Some(kind @ WalletKind::Common) => (kind, "firm", &wallet.firm_id),
        Some(kind @ WalletKind::Department) => (kind, "department", &wallet.department_id),
        Some(kind @ WalletKind::Personal) => (kind, "contact", &wallet.contact_id),
        None => return "wallet of unknown kind".to_owned(),
    };
    let of = if id.is_empty() { String::new() } else { format!(" of {holder} {id}") };
    format!("{} wallet{of}", kind.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Thresholds;

    fn amount(kind: AmountKind, account: &str, currency: &str, amount: f64) -> Reading {
        Reading::Amount(Amount { kind, account: Label::new(account), currency: Label::new(currency), amount })
    }

    fn name(account: &str, name: &str) -> Reading {
        Reading::AccountName { account: Label::new(account), name: Label::new(name) }
    }

    fn told(lines: &[Line]) -> Vec<String> {
        let tell = |line: &Line| format!("{}|{}|{}|{} {}", line.title, line.id, line.notes.join(", "), line.figure, line.unit);
        lines.iter().map(tell).collect()
    }

    #[test]
    fn everything_known_of_an_account_is_one_line() {
        let readings = [
            amount(AmountKind::Available, "", "EUR", 900.0),
            amount(AmountKind::Available, "A1", "EUR", 400.5),
            amount(AmountKind::Available, "A1", "USD", 7.0),
            amount(AmountKind::Active, "", "EUR", 250.0),
            amount(AmountKind::Total, "", "EUR", 1150.0),
            name("A1", "Магазин «Ромашка»"),
            name("A2", "A2"),
        ];
        let expected = [
            "available||active 250 EUR, total 1,150 EUR|900 EUR",
            "Магазин «Ромашка»|A1||400.50 EUR",
            "Магазин «Ромашка»|A1||7 USD",
            "A2||| ",
        ];
        assert_eq!(told(&lines(&readings, &Low::default())), expected);
    }

    #[test]
    fn a_wallet_says_whose_it_is() {
        let of = |kind| Wallet {
            account: Label::new("4711"),
            kind,
            contact_id: Label::new("17"),
            department_id: Label::default(),
            firm_id: Label::new("64357"),
        };
        let cases = [
            (Some(WalletKind::Common), "common wallet of firm 64357"),
            (Some(WalletKind::Department), "department wallet"),
            (Some(WalletKind::Personal), "personal wallet of contact 17"),
            (None, "wallet of unknown kind"),
        ];
        for (kind, words) in cases {
            assert_eq!(wallet(&of(kind)), words);
        }
        let readings = [
            amount(AmountKind::Available, "4711", "ATIS", 3.0),
            Reading::Wallet(of(None)),
            Reading::OperationsForbidden { account: Label::new("4711"), forbidden: true },
        ];
        let found = lines(&readings, &Low::default());
        assert_eq!((told(&found), found[0].forbidden), (vec!["4711||wallet of unknown kind|3 ATIS".to_owned()], true));
    }

    #[test]
    fn what_is_low_comes_first() {
        let sms = |area: &str, available| Reading::Sms { sms_type: Label::new("sms"), area: Label::new(area), available };
        let readings = [sms("a", f64::INFINITY), sms("b", 40.0), sms("c", 5.0), sms("d", 30.0)];
        let low = Low { sms: Thresholds { warning: Some(50.0), critical: Some(10.0) }, ..Low::default() };
        let found = lines(&readings, &low);
        assert_eq!(told(&found), ["c|||5 sms", "b|||40 sms", "d|||30 sms", "a|||∞ sms"]);
        assert_eq!(found[0].low, Some((Severity::Critical, 10.0)));
    }
}
