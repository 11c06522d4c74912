//! The status page: one HTML page for a person who wants to know whether all is well. A pure function of the states.

use crate::domain::Severity;
use crate::human::{self, Row, low_mark, row};
use crate::store::{Moment, SourceState};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Nothing is loaded from anywhere; the page's own style is all there is.
pub(super) const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>balance-exporter</title>\n<style>\n\
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif; }\n\
body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem; }\n\
table { border-collapse: collapse; width: 100%; }\n\
th, td { padding: .2rem .6rem .2rem 0; text-align: left; vertical-align: top; overflow-wrap: anywhere; }\n\
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; }\n\
section { border-top: 1px solid; margin-top: 1rem; }\n\
.failing, .critical { color: light-dark(#b00020, #ff8a80); font-weight: bold; }\n\
.warning { color: light-dark(#8a5300, #ffc46b); font-weight: bold; }\n\
</style>\n</head>\n<body>\n<h1>balance-exporter</h1>\n";

/// The page. `now` is what ages are counted from.
pub(super) fn page(states: &[Arc<SourceState>], now: Moment, telemetry_path: &str) -> String {
    let mut page = HEAD.to_owned();
    let failing = states.iter().filter(|state| state.failure.is_some()).count();
    let waiting = states.iter().filter(|state| state.polls == 0).count();
    let _ = write!(page, "<p>{} sources, ", states.len());
    match failing {
        0 => page.push_str("none failing"),
        n => {
            let _ = write!(page, "<span class=\"failing\">{n} failing</span>");
        }
    }
    if waiting > 0 {
        let _ = write!(page, ", {waiting} not polled yet");
    }
    let _ = writeln!(page, ". <a href=\"{0}\">{0}</a></p>", escape(telemetry_path));
    for state in states {
        source(&mut page, state, now);
    }
    page.push_str("</body>\n</html>\n");
    page
}

fn source(page: &mut String, state: &SourceState, now: Moment) {
    let _ = writeln!(page, "<section>\n<h2>{}</h2>\n<table>", escape(&state.about.name));
    let mut line = |key: &str, value: &str| {
        let _ = writeln!(page, "<tr><th scope=\"row\">{key}</th><td>{value}</td></tr>");
    };
    line("Provider", state.about.provider);
    match &state.failure {
        Some(failure) => {
            line("State", &format!("<span class=\"failing\">failing: {}</span>", failure.reason.as_str()));
            line("Said", &escape(&failure.detail));
            if let Some(since) = state.failing_since {
                line("Failing since", &ago(since.wall, now));
            }
        }
        None if state.polls == 0 => line("State", "not polled yet"),
        None => line("State", "up"),
    }
    line("Last success", &state.last_success.map_or_else(|| "never".to_owned(), |at| ago(at, now)));
    line(
        "Next poll",
        &state.next.map_or_else(|| "not scheduled".to_owned(), |at| next(at.saturating_duration_since(now.instant))),
    );
    page.push_str("</table>\n");
    let readings = state.readings(now.instant);
    if !readings.is_empty() {
        page.push_str("<table>\n<tr><th>Reading</th><th>Of</th><th class=\"figure\">Figure</th><th>Unit</th></tr>\n");
        for reading in readings {
            reading_row(page, &row(reading, &state.about.low));
        }
        page.push_str("</table>\n");
    }
    page.push_str("</section>\n");
}

fn ago(at: SystemTime, now: Moment) -> String {
    // A wall clock that was set back makes the age zero, not an error.
    let age = now.wall.duration_since(at).unwrap_or(Duration::ZERO);
    format!("{} ago ({})", human::duration(age), human::time(at))
}

fn next(wait: Duration) -> String {
    if wait.is_zero() { "now".to_owned() } else { format!("in {}", human::duration(wait)) }
}

fn reading_row(page: &mut String, row: &Row) {
    let class = match row.low {
        Some(Severity::Critical) => "critical",
        Some(Severity::Warning) => "warning",
        None => "",
    };
    let [what, of, figure, unit] = [row.what, &row.of, &row.figure, &row.unit].map(escape);
    let mark = row.low.map(|severity| format!(" {}", low_mark(severity))).unwrap_or_default();
    let _ =
        writeln!(page, "<tr><td>{what}</td><td>{of}</td><td class=\"figure {class}\">{figure}{mark}</td><td>{unit}</td></tr>");
}

/// Text as HTML, in elements and in quoted attributes.
fn escape(text: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<b a='x\"'>&"), "&lt;b a=&#39;x&quot;&#39;&gt;&amp;");
    }
}
