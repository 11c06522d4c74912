//! Times as the page shows them: in words, with the exact time in a `time` element.

use crate::format;
use crate::state::clock::Moment;
use std::time::{Duration, SystemTime};

/// Words about a time.
#[derive(Debug, PartialEq)]
pub(super) struct When {
    /// What stands before the time, with a space at its end.
    pub(super) before: &'static str,
    pub(super) words: String,
    /// Absent where the words name no time.
    pub(super) exact: Option<Exact>,
}

/// An exact time.
#[derive(Debug, PartialEq)]
pub(super) struct Exact(SystemTime);

impl Exact {
    /// In RFC 3339, for the `datetime` attribute.
    pub(super) fn machine(&self) -> String {
        humantime::format_rfc3339_seconds(self.0).to_string()
    }

    /// For a person.
    pub(super) fn human(&self) -> String {
        format::time(self.0)
    }
}

impl When {
    /// Words without a time.
    pub(super) fn never(words: &str) -> Self {
        Self { before: "", words: words.to_owned(), exact: None }
    }

    /// The time itself.
    pub(super) fn at(at: SystemTime) -> Self {
        Self { before: "", words: format::time(at), exact: Some(Exact(at)) }
    }

    /// How long ago a time was.
    pub(super) fn ago(before: &'static str, at: SystemTime, now: Moment) -> Self {
        // A wall clock that was set back makes the age zero, not an error.
        let age = now.wall.duration_since(at).unwrap_or(Duration::ZERO);
        Self { before, words: format!("{} ago", format::duration(age)), exact: Some(Exact(at)) }
    }

    /// How long it is until a time.
    pub(super) fn ahead(before: &'static str, wait: Duration, now: Moment) -> Self {
        // A time that is too far away to be represented is shown in words alone.
        Self { before, words: format!("in {}", format::duration(wait)), exact: now.wall.checked_add(wait).map(Exact) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_comes_with_its_exact_time_and_is_never_negative() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        let now = Moment { instant: tokio::time::Instant::now(), wall };
        let ago = |at| When::ago("polled ", at, now);
        assert_eq!(ago(wall), When { before: "polled ", words: "0 s ago".to_owned(), exact: Some(Exact(wall)) });
        assert_eq!(Exact(wall).machine(), "1970-01-02T00:00:00Z");
        assert_eq!(Exact(wall).human(), "1970-01-02 00:00:00 UTC");
        assert_eq!(ago(wall + Duration::from_secs(5)).words, "0 s ago");
        assert_eq!(ago(wall - Duration::from_secs(185)).words, "3 min ago");
        assert_eq!(
            When::ahead("", Duration::ZERO, now),
            When { before: "", words: "in 0 s".to_owned(), exact: Some(Exact(wall)) }
        );
        assert_eq!(When::ahead("", Duration::MAX, now).exact, None);
    }
}
