//! The status page: one HTML page that shows at a glance whether all is well. `status.html` is what it looks like.
//!
//! It is a pure function of the sources' states and a moment, without I/O and without state of its own.

mod headline;
mod lines;
mod style;
mod when;

use crate::format;
use crate::state::SourceState;
use crate::state::clock::Moment;
use askama::Template;
use headline::{Look, Standing, Tally};
use lines::{Line, lines};
use std::sync::Arc;
pub(super) use style::CONTENT_SECURITY_POLICY;
use style::STYLE;
use when::When;

/// A source with more lines than this gets the full width of the page.
const MANY: usize = 12;

/// Renders the page. Ages are relative to `now`; `telemetry_path` is the target of the link to the metrics.
///
/// # Errors
/// When a value cannot be formatted, which none of them does.
pub(super) fn page(states: &[Arc<SourceState>], now: Moment, telemetry_path: &str) -> askama::Result<String> {
    let mut tally = Tally::default();
    let mut sources: Vec<_> = states
        .iter()
        .map(|state| {
            let lines = lines(state.readings(now.instant), &state.about.low, now.wall);
            tally.add(state, &lines);
            Section { standing: Standing::of(state, &lines), state, lines, now }
        })
        .collect();
    sources.sort_by_key(|source| source.standing);
    let page = Page {
        style: STYLE,
        headline: tally.headline(),
        worst: tally.worst().look(),
        as_of: When::at(now.wall),
        telemetry_path,
        sources,
    };
    page.render()
}

#[derive(Template)]
#[template(path = "server/status/status.html")]
struct Page<'a> {
    style: &'static str,
    headline: String,
    worst: Look,
    as_of: When,
    telemetry_path: &'a str,
    /// The worst standing first.
    sources: Vec<Section<'a>>,
}

/// The part of the page about one source.
struct Section<'a> {
    standing: Standing,
    state: &'a SourceState,
    lines: Vec<Line>,
    now: Moment,
}

/// What has become of the readings of a source that fails.
enum LastReadings {
    /// It never had any.
    None,
    Expired {
        max_age: String,
    },
    Served {
        from: When,
        until: When,
    },
}

impl Section<'_> {
    fn is_wide(&self) -> bool {
        self.lines.len() > MANY
    }

    fn last(&self) -> When {
        match (self.state.last_success, &self.state.failure) {
            (Some(at), None) => When::ago("polled ", at, self.now),
            (Some(at), Some(_)) => When::ago("last success ", at, self.now),
            (None, Some(_)) => When::never("never succeeded"),
            (None, None) => When::never("not polled yet"),
        }
    }

    fn next(&self) -> When {
        match self.state.phase.due().map(|at| at.saturating_duration_since(self.now.instant)) {
            _ if self.state.phase.is_polling() => When::never("being polled now"),
            None => When::never("next poll not scheduled"),
            Some(wait) if wait.as_secs() == 0 => When::never("next poll now"),
            Some(wait) => When::ahead("next poll ", wait, self.now),
        }
    }

    fn failing_since(&self) -> Option<When> {
        self.state.failing_since.map(|since| When::ago("", since.wall, self.now))
    }

    fn last_readings(&self) -> LastReadings {
        let left = self.state.expires().map(|at| at.saturating_duration_since(self.now.instant));
        match (self.state.last_success, left.filter(|left| !left.is_zero())) {
            (None, _) => LastReadings::None,
            (Some(_), None) => LastReadings::Expired { max_age: format::duration(self.state.about.max_age) },
            (Some(at), Some(left)) => {
                LastReadings::Served { from: When::ago("", at, self.now), until: When::ahead("", left, self.now) }
            }
        }
    }
}

/// How a low figure is marked.
struct LowMark {
    severity: &'static str,
    words: &'static str,
    colour: &'static str,
    threshold: String,
}

impl LowMark {
    fn of(line: &Line) -> Option<Self> {
        let (severity, threshold) = line.low?;
        Some(Self {
            severity: severity.as_str(),
            words: format::low_mark(severity),
            colour: Standing::from(severity).look().colour,
            threshold: format::figure(threshold),
        })
    }
}

#[cfg(test)]
mod tests;
