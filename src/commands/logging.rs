//! Logging: one line for each change, as text for people or as JSON for machines.
//!
//! At every level, only this program's own events are logged: libraries can log requests, which hold secrets.

use crate::commands::cli::{LogFormat, LogLevel};
use crate::system::stderr;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::time::SystemTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Starts logging to standard error without blocking. A panic is logged with its place but not its message, which could quote an
/// answer.
pub fn start(level: LogLevel, format: LogFormat) {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(|| stderr::Line).with_timer(SystemTime).with_target(false);
    // The layer would write its internal errors directly to standard error, past the queue.
    let lines = lines.with_ansi(false).log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    let own = Targets::new().with_target(env!("CARGO_CRATE_NAME"), level);
    // A second call, as in tests that share a process, has no effect.
    let _ = tracing_subscriber::registry().with(lines.with_filter(own)).try_init();
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic");
    }));
}
