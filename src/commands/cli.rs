//! The command line: options and commands, parsed and checked.

use crate::poll::shard::Shard;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Default of `--web.listen-address`.
pub const DEFAULT_LISTEN_ADDRESS: &str = "127.0.0.1:10120";

/// Where the configuration is if `--config.file` is not given and the default does not exist.
const INSTALLED_CONFIG_FILE: &str = "/etc/balance-exporter/exporter.yaml";
/// What `--version` prints after the name.
const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("BALANCE_EXPORTER_REVISION"),
    ", ",
    env!("BALANCE_EXPORTER_TARGET"),
    ")"
);

/// Polls prepaid services for their balances and serves them to Prometheus.
#[derive(Debug, Parser)]
#[command(name = "balance-exporter", version = VERSION, about, propagate_version = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub options: Options,
    /// Absent to run the daemon.
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Cli {
    /// Parses the command line of this process.
    ///
    /// # Errors
    /// What is not understood, or the text of help or of the version that was asked for.
    pub fn of_process() -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches()?;
        let mut cli = Self::from_arg_matches(&matches)?;
        let stated = matches.value_source("config_file") == Some(ValueSource::CommandLine);
        if !stated && !cli.options.config_file.exists() && Path::new(INSTALLED_CONFIG_FILE).exists() {
            cli.options.config_file = INSTALLED_CONFIG_FILE.into();
        }
        Ok(cli)
    }
}

/// Options of every command, allowed before or after it.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Configuration file; where the default does not exist, /etc/balance-exporter/exporter.yaml
    #[arg(long = "config.file", value_name = "PATH", default_value = "exporter.yaml", global = true)]
    pub config_file: PathBuf,
    /// Look at this pace whether the configuration, or a file that it names, has changed, and reload; off by default
    #[arg(long = "config.auto-reload-interval", value_name = "DURATION", global = true, value_parser = pace)]
    pub auto_reload_interval: Option<Duration>,
    /// Poll only this part of the sources: 0/3, 1/3 and 2/3 are disjoint and complete
    #[arg(long = "shard", value_name = "INDEX/COUNT", global = true)]
    pub shard: Option<Shard>,
    /// Address to listen on: HOST:PORT, [IPv6]:PORT or :PORT; repeatable
    #[arg(long = "web.listen-address", value_name = "ADDR", default_value = DEFAULT_LISTEN_ADDRESS, global = true, value_parser = listen_address)]
    pub listen_addresses: Vec<String>,
    /// Use listening sockets from systemd instead of --web.listen-address
    #[arg(long = "web.systemd-socket", global = true)]
    pub systemd_socket: bool,
    /// Web configuration file: TLS, users and headers, in the format of the Prometheus exporter toolkit
    #[arg(long = "web.config.file", value_name = "PATH", global = true)]
    pub web_config_file: Option<PathBuf>,
    /// Path of the metrics
    #[arg(long = "web.telemetry-path", value_name = "PATH", default_value = "/metrics", global = true, value_parser = telemetry_path)]
    pub telemetry_path: String,
    /// Enable POST /-/reload
    #[arg(long = "web.enable-lifecycle", global = true)]
    pub enable_lifecycle: bool,
    /// Directory to persist state in; without it, state is lost on exit
    #[arg(long = "storage.path", value_name = "DIR", global = true)]
    pub storage_path: Option<PathBuf>,
    /// Minimum level of log messages
    #[arg(long = "log.level", value_name = "LEVEL", default_value = "info", global = true, ignore_case = true)]
    pub log_level: LogLevel,
    /// Format of log messages
    #[arg(long = "log.format", value_name = "FORMAT", default_value = "text", global = true, ignore_case = true)]
    pub log_format: LogFormat,
}

/// What to do instead of running the daemon.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the configuration, the web configuration and that all credentials exist; poll nothing
    Check,
    /// Poll once and print the readings; start no server
    Poll {
        /// Sources to poll; all if none is named
        #[arg(value_name = "SOURCE")]
        sources: Vec<String>,
        /// Output format
        #[arg(long, value_name = "FORMAT", default_value = "table", ignore_case = true)]
        output: Output,
        /// Show each request, each answer and how each figure comes about, instead of the readings alone
        #[arg(long, conflicts_with = "output")]
        explain: bool,
        /// With --explain: do not cut answers
        #[arg(long, requires = "explain")]
        full: bool,
    },
    /// List the services that can be polled, or print one's description and a source to copy
    Services {
        /// The service to print; all are listed if none is named
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Evaluate a service description over answers in files, as poll --explain does; no network
    Try {
        /// File with one description, as those of the catalogue
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// File with an answer, - for standard input; repeatable, in the order of the calls. It holds a body, or status line, headers and
        /// body as `curl -i` prints them
        #[arg(long = "answer", value_name = "ANSWER")]
        answers: Vec<PathBuf>,
        /// Do not cut answers
        #[arg(long)]
        full: bool,
    },
    /// Check that the daemon at the first --web.listen-address is healthy; for containers
    Healthcheck,
    /// Print the version, as --version does
    Version,
    /// Run the daemon against built-in simulated providers on loopback; needs no file and no account
    Demo,
}

/// Output format of `poll`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// Prometheus text format, as on `/metrics`.
    Metrics,
}

/// The minimum level of log messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Why the program exits.
    Error,
    /// What a person should look into.
    Warn,
    /// What changed.
    Info,
    /// Each poll.
    Debug,
    /// Each connection.
    Trace,
}

/// Format of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// A clap error as one line.
#[must_use]
pub fn one_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).map(meant).collect();
    format!("{}; see --help", lines.join("; ").trim_start_matches("error: "))
}

/// A line in which clap names a similar argument or command, as a question like those of the configuration.
fn meant(line: &str) -> String {
    let similar = line.strip_prefix("tip: ").and_then(|tip| tip.split_once(" exists: '")?.1.strip_suffix('\''));
    similar.map_or_else(|| line.to_owned(), |name| format!("did you mean {name}?"))
}

/// `HOST:PORT`, where a missing host means all addresses of the machine.
fn listen_address(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or("no port; write HOST:PORT")?;
    port.parse::<u16>().map_err(|_| "the port is not a number from 0 to 65535".to_owned())?;
    if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
        return Err("an IPv6 address needs brackets; write [::1]:10120".to_owned());
    }
    Ok(text.to_owned())
}

fn pace(text: &str) -> Result<Duration, &'static str> {
    let pace = humantime::parse_duration(text).map_err(|_| "not a duration; write 30s or 5m")?;
    let day = Duration::from_secs(24 * 60 * 60);
    if (Duration::from_secs(1)..=day).contains(&pace) { Ok(pace) } else { Err("write 1s to 1d") }
}

fn telemetry_path(text: &str) -> Result<String, &'static str> {
    if !text.starts_with('/') || text.contains(['?', '#', '%', ' ']) || text.contains(char::is_control) {
        return Err("not a path; write one such as /metrics");
    }
    if text.starts_with("//") || text.split('/').any(|part| part == "." || part == "..") {
        return Err("clients normalize this path; write one such as /metrics");
    }
    if text == "/" || text.starts_with("/-/") {
        return Err("another page uses this path; write one such as /metrics");
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_allowed_before_and_after_the_command() {
        for line in [["x", "--config.file", "a.yaml", "check"], ["x", "check", "--config.file", "a.yaml"]] {
            let cli = Cli::try_parse_from(line).expect("a good line");
            assert_eq!(cli.options.config_file, PathBuf::from("a.yaml"), "{line:?}");
        }
    }

    #[test]
    fn listen_addresses_are_checked() {
        assert_eq!(listen_address(":9").as_deref(), Ok(":9"));
        assert_eq!(listen_address("[::1]:0").as_deref(), Ok("[::1]:0"));
        assert_eq!(listen_address("localhost:80").as_deref(), Ok("localhost:80"));
        for bad in ["10120", "host", "::1:80", "host:65536", "host:"] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_telemetry_path_must_not_be_that_of_another_page() {
        assert_eq!(telemetry_path("/a/b").as_deref(), Ok("/a/b"));
        assert_eq!(telemetry_path("/метрики/.x").as_deref(), Ok("/метрики/.x"));
        for bad in ["metrics", "/", "/-/ready", "/a b", "/a?b", "", "/%D0", "//a", "/a/../b", "/.", "/a/.."] {
            assert!(telemetry_path(bad).is_err(), "{bad}");
        }
    }
}
