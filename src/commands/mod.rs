//! What each command does, and with which exit code the program ends.

mod check;
pub mod cli;
mod daemon;
mod demo;
mod healthcheck;
pub mod logging;
mod poll;
mod sockets;

use crate::config::{Config, ConfigError};
use crate::poll::assemble::Unusable;
use crate::system::stderr;
use clap::Parser;
use cli::{Cli, Command, Options};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Enough for the server and a long parse at the same time; the program mostly waits.
const WORKERS: usize = 2;

/// Why a command ended badly: one line for people, and an exit code.
struct Failed {
    code: u8,
    line: String,
}

impl Failed {
    /// Exit code 1: anything without a code of its own.
    fn other(line: impl Display) -> Self {
        Self { code: 1, line: line.to_string() }
    }

    /// Exit code 2: the command line is not understood.
    fn usage(line: impl Display) -> Self {
        Self { code: 2, line: line.to_string() }
    }
}

/// Exit code 78, `EX_CONFIG`: a restart would not help.
impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self { code: 78, line: error.to_string() }
    }
}

/// Exit code 78 as well.
impl From<Unusable> for Failed {
    fn from(Unusable(source, why): Unusable) -> Self {
        Self { code: 78, line: format!("source {source}: {why}") }
    }
}

/// Runs the program as the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let ended = match Cli::try_parse() {
        // The panic itself is logged where it happens.
        Ok(cli) => {
            std::panic::catch_unwind(|| dispatch(cli)).unwrap_or_else(|_| Err(Failed::other("ended by a fault of its own")))
        }
        // Help and version are what was asked for.
        Err(asked) if !asked.use_stderr() => print(&asked.render().to_string()),
        Err(error) => Err(Failed::usage(cli::one_line(&error))),
    };
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { code, line }) => {
            let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            stderr::write_last(format!("balance-exporter: {line}\n").into_bytes());
            ExitCode::from(code)
        }
    };
    stderr::flush();
    code
}

fn dispatch(Cli { options, command }: Cli) -> Result<(), Failed> {
    leave_no_core()?;
    logging::start(options.log_level, options.log_format);
    if matches!(command, Some(Command::Check | Command::Poll { .. } | Command::Healthcheck)) {
        stderr::wait_for_room();
    }
    match command {
        None => daemon::run(&options),
        Some(Command::Check) => check::run(&options),
        Some(Command::Poll { sources, output }) => poll::run(&options, &sources, output),
        Some(Command::Healthcheck) => healthcheck::run(&options),
        Some(Command::Demo) => demo::run(&options),
    }
}

/// A core file would hold every secret.
fn leave_no_core() -> Result<(), Failed> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }))
        .map_err(|error| Failed::other(format!("cannot switch core files off: {error}")))
}

/// Loads the configuration of the sources of these names, or of all where there are none, and logs what should be known of it.
fn load(options: &Options, names: &[String]) -> Result<Config, Failed> {
    let config = Config::load(&options.config_file, names)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Ok(config)
}

/// Runs a command's asynchronous part to its end.
fn block_on<T>(command: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failed::other(format!("cannot start: {error}")))?;
    let ended = runtime.block_on(command);
    // Blocking work that hangs does not hold up the end.
    runtime.shutdown_background();
    ended
}

/// Writes to standard output what was asked for, and before that to standard error what was said: often both are one terminal.
fn print(text: &str) -> Result<(), Failed> {
    stderr::flush();
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        // Whoever reads has seen enough, as in `poll | head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failed::other(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}
