//! Signals during the start, which can hang on every file that it reads.

use crate::support::{Configured, Daemon, PATIENCE, binary, end_of, text};
use balance_exporter::state::disk::FILE_NAME;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Instant;

/// Waits for an event.
fn until<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}

/// A file that is never readable: a pipe without a writer.
fn pipe(configured: &Configured, name: &str) -> PathBuf {
    let path = configured.directory.path().join(name);
    mkfifoat(CWD, &path, Mode::from_raw_mode(0o600)).expect("a pipe");
    path
}

/// The writing end of a pipe that the daemon has opened.
fn begun(pipe: &Path) -> std::fs::File {
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    until("a reader", || std::fs::OpenOptions::new().write(true).custom_flags(nonblock).open(pipe).ok())
}

/// The output of a daemon that hangs on this pipe and receives these signals in turn.
fn signalled(mut arguments: Vec<&str>, pipe: &Path, signals: &[Signal]) -> Output {
    arguments.extend(["--web.listen-address", "127.0.0.1:0"]);
    let mut command = binary();
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the daemon starts");
    let _hangs = begun(pipe);
    for signal in signals {
        kill_process(Pid::from_child(&child), *signal).expect("the daemon is there");
    }
    end_of(&mut child);
    child.wait_with_output().expect("it has ended")
}

#[test]
fn a_start_that_hangs_can_be_stopped_and_survives_sighup() {
    for signals in [&[Signal::TERM][..], &[Signal::INT], &[Signal::HUP, Signal::HUP, Signal::TERM]] {
        let configured = Configured::new("");
        let configuration = pipe(&configured, "configuration");
        let shown = configuration.to_str().expect("UTF-8");
        let output = signalled(vec!["--config.file", shown], &configuration, signals);
        assert_eq!(output.status.code(), Some(0), "{signals:?}: {:?} {}", output.status, text(&output.stderr));
        assert!(text(&output.stderr).contains("INFO stopping before the start is complete"), "{}", text(&output.stderr));

        let secret = pipe(&configured, "secret");
        let source = format!("{{name: a, provider: {{mysmpp: {{token: {{file: \"{}\"}}}}}}}}", secret.display());
        std::fs::write(&configured.file, format!("sources: [{source}]\n")).expect("a file");
        let output = signalled(vec!["--config.file", configured.path()], &secret, signals);
        assert_eq!(output.status.code(), Some(0), "{signals:?}: {:?} {}", output.status, text(&output.stderr));

        let roots = pipe(&configured, "roots");
        std::fs::write(&configured.file, format!("defaults: {{ca_file: \"{}\"}}\nsources: []\n", roots.display()))
            .expect("a file");
        let output = signalled(vec!["--config.file", configured.path()], &roots, signals);
        assert_eq!(output.status.code(), Some(0), "{signals:?}: {:?} {}", output.status, text(&output.stderr));
    }
}

#[test]
fn a_storage_that_hangs_does_not_hold_up_the_end_of_the_start() {
    let configured = Configured::new("sources: []\n");
    std::fs::create_dir(configured.directory.path().join("state")).expect("a directory");
    let file = pipe(&configured, &format!("state/{FILE_NAME}"));
    let directory = file.parent().and_then(Path::to_str).expect("UTF-8");
    let arguments = vec!["--config.file", configured.path(), "--storage.path", directory];
    let output = signalled(arguments, &file, &[Signal::TERM]);
    let log = text(&output.stderr);
    assert_eq!((output.status.code(), log.contains("INFO stopping before the start is complete")), (Some(0), true), "{log}");
}

#[test]
fn a_sighup_during_the_start_reloads_after_it() {
    let configured = Configured::new("");
    let configuration = pipe(&configured, "configuration");
    let shown = configuration.to_str().expect("UTF-8").to_owned();
    let begins = configuration.clone();
    let writing = std::thread::spawn(move || {
        let mut first = begun(&begins);
        let daemon = until("the daemon is there", || reader_of(&begins));
        kill_process(daemon, Signal::HUP).expect("the daemon is there");
        // Replaces the pipe for the next read.
        let next = begins.with_extension("next");
        std::fs::write(&next, "sources: [{name: late, provider: {mysmpp: {url: \"http://127.0.0.1:1/\", token: x}}}]\n")
            .expect("a file");
        std::fs::rename(next, &begins).expect("replaced");
        first.write_all(b"sources: []\n").expect("written");
    });
    let mut daemon = Daemon::start_with(&shown, &[], &mut binary());
    daemon.wait_for_log(&["configuration reloaded", "sources=1"]);
    writing.join().expect("no panic");
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.wait().0.code(), Some(0));
}

/// The process that has this file open or is opening it.
fn reader_of(path: &Path) -> Option<Pid> {
    let named = |process: &procfs::process::Process| {
        process.cmdline().is_ok_and(|arguments| arguments.iter().any(|argument| Path::new(argument) == path))
    };
    let found = procfs::process::all_processes().ok()?.flatten().find(named)?;
    Pid::from_raw(found.pid())
}

#[test]
fn commands_keep_the_usual_signals() {
    use std::os::unix::process::ExitStatusExt;
    let configured = Configured::new("");
    let configuration = pipe(&configured, "configuration");
    for command in ["check", "poll"] {
        let shown = configuration.to_str().expect("UTF-8");
        let output = signalled(vec![command, "--config.file", shown], &configuration, &[Signal::TERM]);
        assert_eq!(output.status.signal(), Some(Signal::TERM.as_raw()), "{command}");
    }
}
