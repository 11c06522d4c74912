//! The standing of a source, and the headline that sums up all of them.

use super::lines::Line;
use crate::domain::{Reason, Severity};
use crate::state::SourceState;

/// How well a source is doing, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Failing,
    CriticallyLow,
    Low,
    Forbidden,
    Waiting,
    Fine,
}

impl Standing {
    pub(super) fn of(state: &SourceState, lines: &[Line]) -> Self {
        let low = lines.iter().filter_map(|line| line.low).map(|(severity, _)| severity).max();
        match low {
            _ if state.failure.is_some() => Self::Failing,
            Some(severity) => Self::from(severity),
            None if lines.iter().any(|line| line.forbidden) => Self::Forbidden,
            None if state.polls == 0 => Self::Waiting,
            None => Self::Fine,
        }
    }

    /// How it is shown.
    pub(super) const fn look(self) -> Look {
        let (sign, words, section, colour) = match self {
            Self::Failing => ('✗', "failing", "failing", "bad"),
            Self::CriticallyLow => ('▼', "critically low", "critical", "bad"),
            Self::Low => ('▼', "low", "warning", "warn"),
            Self::Forbidden => ('✗', "operations forbidden", "warning", "warn"),
            Self::Waiting => ('…', "not polled yet", "waiting", "quiet"),
            Self::Fine => ('✓', "fine", "fine", "good"),
        };
        Look { sign, words, section, colour }
    }
}

/// How a standing is shown. `section` and `colour` are classes in `style.css`.
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) sign: char,
    pub(super) words: &'static str,
    pub(super) section: &'static str,
    pub(super) colour: &'static str,
}

impl From<Severity> for Standing {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Critical => Self::CriticallyLow,
            Severity::Warning => Self::Low,
        }
    }
}

/// What the headline counts.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tally {
    sources: usize,
    failing: usize,
    waiting: usize,
    low: usize,
    critically_low: usize,
    forbidden: usize,
}

impl Tally {
    pub(super) fn add(&mut self, state: &SourceState, lines: &[Line]) {
        let count = |is: &dyn Fn(&Line) -> bool| lines.iter().filter(|line| is(line)).count();
        let severity = |line: &Line| line.low.map(|(severity, _)| severity);
        self.sources += 1;
        self.failing += usize::from(state.failure.is_some());
        self.waiting += usize::from(state.failure.is_none() && state.polls == 0);
        self.low += count(&|line| severity(line) == Some(Severity::Warning));
        self.critically_low += count(&|line| severity(line) == Some(Severity::Critical));
        self.forbidden += count(&|line| line.forbidden);
    }

    /// The counts in one sentence.
    pub(super) fn headline(self) -> String {
        let Self { sources, failing, waiting, low, critically_low, forbidden } = self;
        let mut parts = Vec::new();
        if failing > 0 {
            parts.push(of_all(failing, sources, ["fails", "fail"]));
        }
        if critically_low > 0 {
            parts.push(format!("{} critically low", balances(critically_low)));
        }
        if low > 0 {
            parts.push(format!("{} low", balances(low)));
        }
        if forbidden > 0 {
            parts.push(format!("operations are forbidden in {forbidden} account{}", if forbidden == 1 { "" } else { "s" }));
        }
        if waiting > 0 && waiting == sources {
            parts.push("no source was polled yet".to_owned());
        } else if waiting > 0 {
            parts.push(of_all(waiting, sources, ["was not polled yet", "were not polled yet"]));
        }
        if parts.is_empty() {
            parts.push(if sources == 0 {
                "no sources are configured".to_owned()
            } else {
                of_all(sources, sources, ["is fine", "are fine"])
            });
        }
        let mut headline = parts.join(", ");
        // Every part begins with an ASCII letter.
        headline[..1].make_ascii_uppercase();
        headline
    }

    /// The standing of the worst source.
    pub(super) const fn worst(self) -> Standing {
        match self {
            Self { failing: 1.., .. } => Standing::Failing,
            Self { critically_low: 1.., .. } => Standing::CriticallyLow,
            Self { low: 1.., .. } => Standing::Low,
            Self { forbidden: 1.., .. } => Standing::Forbidden,
            Self { waiting: 1.., .. } | Self { sources: 0, .. } => Standing::Waiting,
            _ => Standing::Fine,
        }
    }
}

fn balances(count: usize) -> String {
    if count == 1 { "1 balance is".to_owned() } else { format!("{count} balances are") }
}

/// A clause about `count` of `sources` sources; the verb is given in singular and plural.
fn of_all(count: usize, sources: usize, [one, several]: [&str; 2]) -> String {
    match (count, sources) {
        (1, 1) => format!("the only source {one}"),
        (2, 2) => format!("both sources {several}"),
        _ if count == sources => format!("all {sources} sources {several}"),
        (1, _) => format!("1 of {sources} sources {one}"),
        _ => format!("{count} of {sources} sources {several}"),
    }
}

/// What a reason means, for readers who do not know the term.
pub(super) const fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::Dns => "the host name could not be resolved",
        Reason::Connect => "no connection, or one that broke",
        Reason::Tls => "no trusted TLS session",
        Reason::Timeout => "no complete answer in time",
        Reason::Auth => "the credentials are wrong or have expired",
        Reason::Forbidden => "the credentials lack the permission",
        Reason::Blocked => "the provider has blocked the account",
        Reason::PaymentRequired => "the provider wants to be paid first",
        Reason::NotFound => "there is no such address or account",
        Reason::RateLimited => "too many requests",
        Reason::Rejected => "the provider refuses the request",
        Reason::Server => "a fault on the provider's side",
        Reason::Redirect => "the provider redirects elsewhere",
        Reason::TooLarge => "the answer is too large",
        Reason::Decode => "the answer is unreadable or incomplete",
        Reason::Internal => "a fault of balance-exporter",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_names_the_problems_or_says_that_all_is_fine() {
        let none = Tally::default();
        let three = Tally { sources: 3, ..none };
        let one = Tally { sources: 1, ..none };
        let cases = [
            (none, "No sources are configured"),
            (one, "The only source is fine"),
            (three, "All 3 sources are fine"),
            (Tally { failing: 1, low: 2, ..three }, "1 of 3 sources fails, 2 balances are low"),
            (Tally { failing: 2, critically_low: 1, ..three }, "2 of 3 sources fail, 1 balance is critically low"),
            (Tally { failing: 3, ..three }, "All 3 sources fail"),
            (Tally { failing: 1, ..one }, "The only source fails"),
            (Tally { sources: 2, ..none }, "Both sources are fine"),
            (Tally { forbidden: 1, ..three }, "Operations are forbidden in 1 account"),
            (
                Tally { forbidden: 2, waiting: 1, ..three },
                "Operations are forbidden in 2 accounts, 1 of 3 sources was not polled yet",
            ),
            (Tally { waiting: 3, ..three }, "No source was polled yet"),
        ];
        for (tally, headline) in cases {
            assert_eq!(tally.headline(), headline);
        }
    }

    #[test]
    fn the_worst_standing_colours_the_headline() {
        let three = Tally { sources: 3, waiting: 1, ..Tally::default() };
        assert_eq!(three.worst(), Standing::Waiting);
        assert_eq!(Tally { low: 1, ..three }.worst(), Standing::Low);
        assert_eq!(Tally { failing: 1, critically_low: 1, ..three }.worst(), Standing::Failing);
        assert_eq!(Tally { waiting: 0, ..three }.worst(), Standing::Fine);
    }
}
