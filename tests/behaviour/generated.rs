//! The man page and the completions in deploy/ match the command line.

use crate::support::repository;
use balance_exporter::commands::cli::Cli;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

const NAME: &str = "balance-exporter";

/// The command line with a version that does not change with each commit.
fn command() -> Command {
    Cli::command().version(env!("CARGO_PKG_VERSION"))
}

/// Compares a committed file with its generated content. With `UPDATE_GOLDEN` set, writes the file first.
fn up_to_date(path: &str, generated: &[u8]) {
    let file = repository(path);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        std::fs::write(&file, generated).expect("the file can be written");
    }
    let committed = std::fs::read(&file).unwrap_or_default();
    assert!(
        committed == generated,
        "{path} is not up to date; look at `UPDATE_GOLDEN=1 cargo test --test behaviour generated; git diff`"
    );
}

#[test]
fn completions_are_up_to_date() {
    let files = [
        (Shell::Bash, "deploy/completions/balance-exporter.bash"),
        (Shell::Zsh, "deploy/completions/_balance-exporter"),
        (Shell::Fish, "deploy/completions/balance-exporter.fish"),
    ];
    for (shell, path) in files {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut command(), NAME, &mut script);
        if shell == Shell::Fish {
            script = without_dots(&String::from_utf8(script).expect("UTF-8")).into_bytes();
        }
        up_to_date(path, &script);
    }
}

/// Replaces dots in option names with dashes where fish's argparse reads them: it rejects names with a dot, and so the whole script.
fn without_dots(script: &str) -> String {
    const PARSE: &str = "    argparse -s (";
    let names = script.lines().find(|line| line.trim_start().starts_with("string join")).expect("the options' names");
    assert_eq!(script.matches(PARSE).count(), 1, "one place parses");
    let dashes = "    set -q cmd[1]; and set cmd (string replace -r '^(--[a-z]+)\\.' '$1-' -- $cmd)\n";
    script.replace(names, &names.replace('.', "-")).replace(PARSE, &format!("{dashes}{PARSE}"))
}

#[test]
fn the_man_page_is_up_to_date() {
    up_to_date("deploy/man/balance-exporter.1", &man_page().expect("a page"));
}

fn man_page() -> std::io::Result<Vec<u8>> {
    let man = Man::new(command()).manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    commands(&command()).to_writer(&mut page)?;
    closing().to_writer(&mut page)?;
    Ok(page)
}

/// All commands on one page, with the arguments that only they take.
fn commands(cli: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    roff.text([roman("Without a command, the daemon runs.")]);
    for command in cli.get_subcommands() {
        let mut usage = vec![bold(command.get_name())];
        for argument in command.get_arguments() {
            let value = argument.get_value_names().and_then(|names| names.first()).map(ToString::to_string).unwrap_or_default();
            match argument.get_long() {
                Some(long) => usage.extend([roman(" ["), bold(format!("--{long}")), roman(" "), italic(value), roman("]")]),
                None => usage.extend([roman(" ["), italic(value), roman("]...")]),
            }
        }
        roff.control("TP", []);
        roff.text(usage);
        roff.text([roman(format!("{}.", command.get_about().map(ToString::to_string).unwrap_or_default()))]);
        for argument in command.get_arguments().filter_map(|argument| Some((argument.get_long()?, argument))) {
            let values: Vec<_> = argument.1.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
            roff.text([bold(format!("--{}", argument.0)), roman(format!(" is one of {}.", values.join(", ")))]);
        }
    }
    roff
}

fn closing() -> Roff {
    let mut roff = Roff::new();
    let mut section = |title: &str, entries: &[(&str, &str)]| {
        roff.control("SH", [title]);
        for (what, text) in entries {
            roff.control("TP", []);
            roff.text([bold(*what)]);
            roff.text([roman(*text)]);
        }
    };
    section(
        "EXIT STATUS",
        &[
            ("0", "after SIGTERM or SIGINT, and when a command succeeded"),
            ("1", "anything that is not named here, a busy port included; poll: a source failed; healthcheck: not healthy"),
            ("2", "a command line that is not understood"),
            ("78", "a bad configuration or a missing credential"),
        ],
    );
    section(
        "FILES",
        &[
            ("/etc/balance-exporter/exporter.yaml", "the configuration of the packaged service"),
            ("/etc/default/balance-exporter", "more options for the packaged service, as ARGS"),
        ],
    );
    section(
        "ENVIRONMENT",
        &[
            ("CREDENTIALS_DIRECTORY", "where {credential: NAME} secrets are; systemd sets it"),
            ("NOTIFY_SOCKET, WATCHDOG_USEC", "where to tell the service manager of readiness and state, and how often of life"),
            ("HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY", "the way to the providers where the configuration names no proxy"),
        ],
    );
    roff
}
