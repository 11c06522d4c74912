//! The status page: one HTML page for a person who wants to know, in one look, whether all is well. A pure function of the
//! states and a moment: it asks nobody and keeps nothing.

mod headline;
mod html;
mod lines;
mod style;

use crate::domain::Failure;
use crate::format;
use crate::state::SourceState;
use crate::state::clock::Moment;
use headline::{Standing, Tally, meaning};
use html::{ago, ahead, escape, time};
use lines::{Line, lines};
use std::fmt::Write;
use std::sync::Arc;
pub(super) use style::CONTENT_SECURITY_POLICY;
use style::STYLE;

/// A source with more lines than this takes the whole width.
const MANY: usize = 12;

/// The page. `now` is what ages are counted from.
pub(super) fn page(states: &[Arc<SourceState>], now: Moment, telemetry_path: &str) -> String {
    let mut tally = Tally::default();
    let mut sources: Vec<_> = states
        .iter()
        .map(|state| {
            let lines = lines(state.readings(now.instant), &state.about.low);
            tally.add(state, &lines);
            (Standing::of(state, &lines), state, lines)
        })
        .collect();
    sources.sort_by_key(|(standing, ..)| *standing);
    let mut page = String::new();
    top(&mut page, tally, now, telemetry_path);
    for (standing, state, lines) in &sources {
        source(&mut page, *standing, state, lines, now);
    }
    if sources.is_empty() {
        page.push_str(
            "<section class=\"waiting\"><p>Nothing is polled. Add a source under <code>sources</code> in the configuration file \
             and reload it.</p></section>\n",
        );
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn top(page: &mut String, tally: Tally, now: Moment, telemetry_path: &str) {
    let headline = tally.headline();
    let (sign, _, _, class) = tally.worst().shown();
    // A page that stands open must not go on saying that all is well: it is loaded again every minute.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"refresh\" content=\"60\">\n<title>{headline} – balance-exporter</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n\
         <h1 class=\"{class}\"><span aria-hidden=\"true\">{sign}</span> <span>{headline}</span></h1>\n"
    );
    let as_of = time(now.wall, &format::time(now.wall));
    let path = escape(telemetry_path);
    let _ = writeln!(
        page,
        "<p class=\"about\"><span>balance-exporter as of {as_of}</span>, <span>loaded again every minute;</span> \
         <a href=\"{path}\">{path}</a></p>\n<main>"
    );
}

fn source(page: &mut String, standing: Standing, state: &SourceState, lines: &[Line], now: Moment) {
    let (sign, words, class, colour) = standing.shown();
    let many = if lines.len() > MANY { " many" } else { "" };
    let name = escape(&state.about.name);
    let _ = writeln!(
        page,
        "<section class=\"{class}{many}\">\n<header><h2>{name}</h2> <span class=\"provider\">{}</span> \
         <span class=\"state {colour}\"><span aria-hidden=\"true\">{sign}</span> {words}</span></header>",
        state.about.provider,
    );
    let _ = writeln!(page, "<p class=\"when\">{}, {}</p>", last(state, now), next(state, now));
    if let Some(failure) = &state.failure {
        failure_box(page, state, failure, now);
    }
    if !lines.is_empty() {
        page.push_str("<dl>\n");
        for line in lines {
            row(page, line);
        }
        page.push_str("</dl>\n");
    }
    page.push_str("</section>\n");
}

/// Why a source fails, since when, and what has become of its readings.
fn failure_box(page: &mut String, state: &SourceState, failure: &Failure, now: Moment) {
    let since = state.failing_since.map(|since| format!(", since {}", ago(since.wall, now))).unwrap_or_default();
    let _ = writeln!(
        page,
        "<div class=\"failure\">\n<p><strong>{}</strong>: {}{since}</p>\n<p class=\"said\">{}</p>",
        failure.reason.as_str(),
        escape(meaning(failure.reason)),
        escape(&failure.detail),
    );
    let left = state.expires().map(|at| at.saturating_duration_since(now.instant)).filter(|left| !left.is_zero());
    let _ = match (state.last_success, left) {
        (None, _) => writeln!(page, "<p>It has no readings yet.</p>"),
        (Some(_), None) => writeln!(
            page,
            "<p>Its readings have expired: polls have failed for longer than its max_age, {}.</p>",
            format::duration(state.about.max_age)
        ),
        (Some(at), Some(left)) => {
            writeln!(page, "<p>Its readings are from {}; they expire {}.</p>", ago(at, now), ahead(left, now, "in "))
        }
    };
    page.push_str("</div>\n");
}

fn last(state: &SourceState, now: Moment) -> String {
    match (state.last_success, &state.failure) {
        (Some(at), None) => format!("polled {}", ago(at, now)),
        (Some(at), Some(_)) => format!("last success {}", ago(at, now)),
        (None, Some(_)) => "never succeeded".to_owned(),
        (None, None) => "not polled yet".to_owned(),
    }
}

fn next(state: &SourceState, now: Moment) -> String {
    match state.next.map(|at| at.saturating_duration_since(now.instant)) {
        _ if state.polling => "being polled now".to_owned(),
        None => "next poll not scheduled".to_owned(),
        Some(wait) if wait.as_secs() == 0 => "next poll now".to_owned(),
        Some(wait) => format!("next poll {}", ahead(wait, now, "in ")),
    }
}

fn row(page: &mut String, line: &Line) {
    let class = line.low.map(|(severity, _)| format!(" class=\"low-{}\"", severity.as_str())).unwrap_or_default();
    let _ = write!(page, "<div{class}><dt>{}", escape(&line.title));
    if !line.id.is_empty() {
        let _ = write!(page, " <span class=\"id\">{}</span>", escape(&line.id));
    }
    for note in &line.notes {
        let _ = write!(page, " <span class=\"note\">{}</span>", escape(note));
    }
    if line.forbidden {
        page.push_str(" <span class=\"mark warn\"><span aria-hidden=\"true\">✗</span> operations forbidden</span>");
    }
    let _ = write!(page, "</dt> <dd><span class=\"figure\">{}</span>", escape(&line.figure));
    if !line.unit.is_empty() {
        let _ = write!(page, " <span class=\"unit\">{}</span>", escape(&line.unit));
    }
    if let Some((severity, threshold)) = line.low {
        let (_, _, _, colour) = Standing::from(severity).shown();
        let (mark, below) = (format::low_mark(severity), format::figure(threshold));
        let _ = write!(page, " <span class=\"mark {colour}\"><span aria-hidden=\"true\">▼</span> {mark}, below {below}</span>");
    }
    page.push_str("</dd></div>\n");
}

#[cfg(test)]
mod tests;
