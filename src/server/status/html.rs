//! Pieces of HTML. It knows text and times, and nothing of sources.

use crate::format;
use crate::state::clock::Moment;
use std::time::{Duration, SystemTime};

/// Text as HTML, in elements and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// Words about a time, with the time itself where a pointer or a program finds it.
pub(super) fn time(at: SystemTime, words: &str) -> String {
    format!("<time datetime=\"{}\" title=\"{}\">{words}</time>", humantime::format_rfc3339_seconds(at), format::time(at))
}

/// How long ago it was.
pub(super) fn ago(at: SystemTime, now: Moment) -> String {
    // A wall clock that was set back makes the age zero, not an error.
    let age = now.wall.duration_since(at).unwrap_or(Duration::ZERO);
    time(at, &format!("{} ago", format::duration(age)))
}

/// A stretch of time from now on, with the time of its end.
pub(super) fn ahead(wait: Duration, now: Moment, before: &str) -> String {
    let words = format!("{before}{}", format::duration(wait));
    // An end that no calendar holds has no exact time.
    now.wall.checked_add(wait).map_or_else(|| words.clone(), |at| time(at, &words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a='x\"'>&"), "&lt;b a=&#39;x&quot;&#39;&gt;&amp;");
    }

    #[test]
    fn an_age_says_its_exact_time_and_is_never_negative() {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
        let now = Moment { instant: tokio::time::Instant::now(), wall };
        let exact = "datetime=\"1970-01-02T00:00:00Z\" title=\"1970-01-02 00:00:00 UTC\"";
        assert_eq!(ago(wall, now), format!("<time {exact}>0 s ago</time>"));
        assert!(ago(wall + Duration::from_secs(5), now).ends_with(">0 s ago</time>"));
        assert!(ago(wall - Duration::from_secs(185), now).ends_with(">3 min ago</time>"));
        assert_eq!(ahead(Duration::ZERO, now, "in "), format!("<time {exact}>in 0 s</time>"));
    }
}
