//! `poll`: polls each source once and prints a table, JSON or the metrics.

use super::{Failed, assemble, block_on, print};
use crate::commands::cli::{Options, Output};
use crate::config::Config;
use crate::domain::{About, Answer, Failure, Quantity, Reading, Value};
use crate::exposition::Exposition;
use crate::format::{low_mark, row};
use crate::nearest::nearest;
use crate::poll::assemble::Ready;
use crate::poll::explain;
use crate::provider::service::described;
use crate::state::clock::Moment;
use crate::state::{Outcome, SourceState, Store};
use crate::system::stderr;
use crate::transport::client::Clients;
use futures_util::StreamExt;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

/// How many sources are polled concurrently.
const AT_A_TIME: usize = 50;

/// The outcome of polling one source.
struct Polled {
    about: About,
    ended: Moment,
    took: Duration,
    result: Result<Answer, Failure>,
}

pub(super) fn run(options: &Options, names: &[String], output: Output) -> Result<(), Failed> {
    let sources = sources(options, names)?;
    let polled = block_on(async { Ok(poll_all(sources).await) })?;
    polled.iter().for_each(warn);
    print(&match output {
        Output::Table => table(&polled),
        Output::Json => as_json(&polled),
        Output::Metrics => metrics(&polled)?,
    })?;
    failed(polled.iter().filter(|polled| polled.result.is_err()).map(|polled| &*polled.about.name))
}

/// Polls one source after another and prints how each figure comes about.
pub(super) fn explain(options: &Options, names: &[String], full: bool) -> Result<(), Failed> {
    let sources = sources(options, names)?;
    let mut unsuccessful = Vec::new();
    block_on(async {
        for Ready { about, target, .. } in sources {
            let (result, lines) = explain::explain(&target, full).await;
            let heading = format!("{} ({})", about.name, about.provider);
            print(&format!("{heading}\n{}\n", explained(&lines, &result)))?;
            if result.is_err() {
                unsuccessful.push(about.name);
            }
        }
        Ok(())
    })?;
    failed(unsuccessful.iter().map(|name| &**name))
}

/// The steps of a poll and its outcome.
pub(super) fn explained(lines: &[String], result: &Result<Answer, Failure>) -> String {
    let mut text = lines.join("\n");
    match result {
        Ok(answer) => {
            let readings: Vec<String> = answer.readings.iter().map(described).collect();
            let readings = if readings.is_empty() { "none".to_owned() } else { readings.join("\n          ") };
            let _ = writeln!(text, "\nreadings: {readings}");
        }
        Err(failure) => {
            let _ = writeln!(text, "\nfailed: {}: {}", failure.reason.as_str(), failure.detail);
        }
    }
    text
}

fn sources(options: &Options, names: &[String]) -> Result<Vec<Ready>, Failed> {
    let config = Config::load(&options.config_file, names)?;
    if let Some(unknown) = names.iter().find(|name| !config.names.contains(*name)) {
        let known = config.names.join(", ");
        let meant = nearest(unknown, config.names.iter().map(String::as_str)).map(|meant| format!("did you mean {meant}?"));
        let meant = meant.unwrap_or_else(|| format!("the configuration has {known}"));
        return Err(Failed::Usage(format!("no source is named {unknown}; {meant}")));
    }
    assemble(config, &mut Clients::default())
}

fn failed<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Failed> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { Ok(()) } else { Err(Failed::other(format!("failed: {}", names.join(", ")))) }
}

/// Logs the remarks on an answer and the thresholds that apply to nothing.
fn warn(Polled { about, result, .. }: &Polled) {
    let Ok(answer) = result else { return };
    let source = &*about.name;
    for remark in &answer.remarks {
        tracing::warn!(source, remark, "an odd answer");
    }
    for key in about.low.unmatched(&answer.readings) {
        tracing::warn!(source, key, "a threshold applies to nothing in the answer; is it misspelt?");
    }
}

/// Polls every source once. The outcomes are in the order of the sources.
async fn poll_all(sources: Vec<Ready>) -> Vec<Polled> {
    let mut progress = Progress::of(sources.len());
    let polls = sources.into_iter().enumerate().map(|(i, Ready { about, target, .. })| async move {
        let begun = Moment::now();
        let result = target.poll().await;
        let ended = Moment::now();
        (i, Polled { about, ended, took: ended.instant - begun.instant, result })
    });
    let mut polls = futures_util::stream::iter(polls).buffer_unordered(AT_A_TIME);
    let mut polled = Vec::new();
    while let Some(done) = polls.next().await {
        polled.push(done);
        progress.show(polled.len());
    }
    progress.clear();
    polled.sort_by_key(|(i, _)| *i);
    polled.into_iter().map(|(_, polled)| polled).collect()
}

/// A progress line on standard error; nothing where that is not a terminal.
struct Progress {
    total: usize,
    shown: bool,
}

impl Progress {
    fn of(total: usize) -> Self {
        let mut progress = Self { total, shown: std::io::stderr().is_terminal() };
        progress.show(0);
        progress
    }

    fn show(&mut self, done: usize) {
        if self.shown {
            stderr::write(format!("\rpolled {done} of {}", self.total).into_bytes());
        }
    }

    fn clear(&self) {
        if self.shown {
            stderr::write(b"\r\x1b[K".to_vec());
        }
    }
}

fn table(polled: &[Polled]) -> String {
    let head = ["SOURCE", "PROVIDER", "READING", "OF", "FIGURE", "UNIT", ""].map(str::to_owned);
    let mut rows = vec![head];
    let mut failures = Vec::new();
    for Polled { about, result, .. } in polled {
        match result {
            Ok(answer) => rows.extend(answer.readings.iter().map(|reading| {
                let row = row(reading, &about.low);
                let mark = row.low.map(low_mark).unwrap_or_default();
                [
                    about.name.to_string(),
                    about.provider.to_string(),
                    row.what.to_owned(),
                    row.of,
                    row.figure,
                    row.unit,
                    mark.to_owned(),
                ]
            })),
            Err(Failure { reason, detail, .. }) => {
                failures.push(format!("{} ({}) failed: {}: {detail}\n", about.name, about.provider, reason.as_str()));
            }
        }
    }
    let table = if rows.len() == 1 { String::new() } else { aligned(&rows) };
    table + &failures.concat()
}

/// Pads columns to their widest cell. Figures are aligned to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    const FIGURE: usize = 4;
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
            FIGURE => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn as_json(polled: &[Polled]) -> String {
    let sources: Vec<Json> = polled.iter().map(source_json).collect();
    format!("{:#}\n", json!({ "sources": sources }))
}

fn source_json(polled: &Polled) -> Json {
    let (readings, failure) = match &polled.result {
        Ok(answer) => (answer.readings.iter().map(reading_json).collect(), Json::Null),
        Err(failure) => (Vec::new(), json!({"reason": failure.reason.as_str(), "detail": failure.detail})),
    };
    json!({
        "source": &*polled.about.name,
        "provider": &*polled.about.provider,
        "up": polled.result.is_ok(),
        "failure": failure,
        "duration_seconds": polled.took.as_secs_f64(),
        "readings": readings,
    })
}

fn reading_json(reading: &Reading) -> Json {
    let measure = reading.measure();
    let mut object = Map::new();
    object.insert("reading".to_owned(), measure.name().into());
    object.extend(reading.labels().map(|(name, _, label)| (name.to_owned(), label.as_str().into())));
    let value = match reading.value() {
        Value::Amount(figure) | Value::Count(Quantity::Limited(figure)) => figure.get().into(),
        Value::Flag(flag) => flag.into(),
        Value::Time(time) => time.seconds().into(),
        // JSON has no infinity: an unlimited count is null, with `unlimited` beside it.
        Value::Count(Quantity::Unlimited) | Value::Info => Json::Null,
    };
    object.extend(measure.definition().value.key().map(|key| (key.to_owned(), value)));
    if let Value::Count(count) = reading.value() {
        object.insert("unlimited".to_owned(), (count == Quantity::Unlimited).into());
    }
    object.into()
}

fn metrics(polled: &[Polled]) -> Result<String, Failed> {
    let now = Moment::now();
    let exposition = Arc::new(Exposition::new(now.wall).map_err(Failed::other)?);
    let store = Store::new(exposition.clone());
    for Polled { about, ended, took, result } in polled {
        store.insert(SourceState::new(Arc::new(about.clone())));
        store.record(&about.name, Outcome { ended: *ended, took: *took, result: result.clone(), next: ended.instant });
    }
    Ok(String::from_utf8_lossy(&exposition.plain(now.instant).balances).into_owned())
}
