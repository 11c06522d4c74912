//! The commands, and the exit code that the program ends with.

mod check;
pub mod cli;
mod daemon;
mod demo;
mod healthcheck;
pub mod logging;
mod poll;
mod services;
mod sockets;
mod trial;
mod watch;

use crate::config::{Config, ConfigError};
use crate::poll::assemble::{self, Assembled, Ready, Unusable};
use crate::system::stderr;
use crate::transport::client::Clients;
use clap::CommandFactory;
use cli::{Cli, Command};
use sockets::SocketError;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Worker threads: enough for the server and a long parse at the same time. The program mostly waits.
const WORKERS: usize = 2;

/// Why a command failed. It prints as one line.
#[derive(Debug, thiserror::Error)]
enum Failed {
    /// Anything without an exit code of its own.
    #[error("{0}")]
    Other(String),
    /// The command line is not understood.
    #[error("{0}")]
    Usage(String),
    /// The configuration or the web configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The configuration cannot be used on this machine.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The server cannot listen.
    #[error(transparent)]
    Sockets(#[from] SocketError),
    /// The system refuses what the text says.
    #[error("{0}: {1}")]
    System(&'static str, #[source] io::Error),
}

impl Failed {
    fn other(line: impl Display) -> Self {
        Self::Other(line.to_string())
    }

    /// Each problem as one line.
    fn lines(&self) -> Vec<String> {
        match self {
            Self::Config(error) | Self::Unusable(Unusable::Config(error)) => error.lines().map(str::to_owned).collect(),
            other => vec![other.to_string()],
        }
    }

    /// The exit code. Code 78, `EX_CONFIG`, tells systemd that a restart would not help.
    const fn code(&self) -> u8 {
        match self {
            Self::Other(_) | Self::Sockets(_) | Self::System(..) => 1,
            Self::Usage(_) => 2,
            Self::Config(_) | Self::Unusable(_) => 78,
        }
    }
}

/// Runs the program as the command line says.
#[must_use]
pub fn main() -> ExitCode {
    let ended = match Cli::of_process() {
        // The panic itself is logged where it happens.
        Ok(cli) => std::panic::catch_unwind(|| dispatch(cli))
            .unwrap_or_else(|_| Err(Failed::other("internal error; the log says where"))),
        // Help and version are what was asked for.
        Err(asked) if !asked.use_stderr() => print(&asked.render().to_string()),
        Err(error) => Err(Failed::Usage(cli::one_line(&error))),
    };
    let code = match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            let line = |line: &str| {
                let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
                format!("balance-exporter: {line}\n")
            };
            stderr::write_last(failed.lines().iter().map(|text| line(text)).collect::<String>().into_bytes());
            ExitCode::from(failed.code())
        }
    };
    stderr::flush();
    code
}

fn dispatch(Cli { options, command }: Cli) -> Result<(), Failed> {
    leave_no_core()?;
    logging::start(options.log_level, options.log_format);
    if matches!(
        command,
        Some(Command::Check | Command::Poll { .. } | Command::Services { .. } | Command::Try { .. } | Command::Healthcheck)
    ) {
        stderr::wait_for_room();
    }
    match command {
        None => daemon::run(&options),
        Some(Command::Check) => check::run(&options),
        Some(Command::Poll { sources, explain: true, full, .. }) => poll::explain(&options, &sources, full),
        Some(Command::Poll { sources, output, .. }) => poll::run(&options, &sources, output),
        Some(Command::Services { name: None }) => services::list(&options),
        Some(Command::Services { name: Some(name) }) => services::print_one(&options, &name),
        Some(Command::Try { file, answers, full }) => trial::run(&file, &answers, full),
        Some(Command::Healthcheck) => healthcheck::run(&options),
        Some(Command::Demo) => demo::run(&options),
        Some(Command::Version) => print(&Cli::command().render_version()),
    }
}

/// A core file would hold every secret.
fn leave_no_core() -> Result<(), Failed> {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }))
        .map_err(|error| Failed::System("cannot switch core files off", error.into()))
}

/// Makes a configuration ready to run and logs its warnings.
fn assemble(config: Config, clients: &mut Clients) -> Result<Vec<Ready>, Failed> {
    let Assembled { sources, warnings } = assemble::assemble(config, clients)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(sources)
}

/// Runs a command's asynchronous part to its end.
fn block_on<T>(command: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failed::System("cannot start", error))?;
    let ended = runtime.block_on(command);
    // Does not wait for blocking work, which can hang.
    runtime.shutdown_background();
    ended
}

/// Writes to standard output. Flushes standard error first, because both often go to one terminal.
fn print(text: &str) -> Result<(), Failed> {
    stderr::flush();
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        // The reader has seen enough, as in `poll | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| Failed::System("cannot write to standard output", error)),
    }
}
