//! The real binary with a wall clock that is set forward and back. The monotonic clock is the real one.

use crate::kept::{RecordingGateway, Setup, source, value};
use crate::support::{PATIENCE, binary, debian};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const HOUR: i64 = 3600;

/// The path of libfaketime, which fakes the wall clock, as Debian installs it.
fn faketime() -> PathBuf {
    drop(debian("faketime", "faketime"));
    let folders = std::fs::read_dir("/usr/lib").expect("libraries");
    let mut libraries = folders.flatten().map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists()).expect("libfaketime comes with faketime")
}

/// The wall clock of a daemon: the real one plus an offset that can be changed while it runs.
struct Clock(PathBuf);

impl Clock {
    fn in_directory(directory: &Path) -> Self {
        let clock = Self(directory.join("clock"));
        clock.set(0);
        clock
    }

    fn set(&self, offset: i64) {
        // Replaced atomically.
        let written = self.0.with_extension("new");
        std::fs::write(&written, format!("{offset:+}s\n")).expect("a file");
        std::fs::rename(written, &self.0).expect("a file");
    }

    fn command(&self) -> Command {
        let mut command = binary();
        command.env("LD_PRELOAD", faketime()).env("FAKETIME_TIMESTAMP_FILE", &self.0);
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        command
    }
}

/// How far the last success is from now, by a clock with this offset.
fn age(metrics: &str, offset: i64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "small")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64() + offset as f64;
    value(metrics, "balance_last_success_timestamp_seconds{").map(|last| now - last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_wall_clock_is_set_and_polls_keep_their_pace() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ", interval: 1s"));
    let clock = Clock::in_directory(setup.configured.directory.path());
    let mut daemon = setup.start_by(&mut clock.command());
    for offset in [0, -HOUR, 24 * HOUR, 23 * HOUR, -20 * 365 * 24 * HOUR, HOUR] {
        clock.set(offset);
        let (began, polls) = (Instant::now(), gateway.count());
        let close = |metrics: &str| age(metrics, offset).is_some_and(|age| age.abs() < 60.0);
        daemon.metrics_where("the last success is of the clock that was set", close).await;
        while gateway.count() < polls + 3 {
            assert!(began.elapsed() < PATIENCE, "no polls after the clock was set by {offset} s");
            tokio::task::yield_now().await;
        }
        // One a second, and what the edges of the measurement add.
        let most = began.elapsed().as_secs() + 2;
        assert!((gateway.count() - polls) as u64 <= most, "a burst after the clock was set by {offset} s");
    }

    // Set back between two processes: state is restored and polls continue at once.
    setup.committed_polls(1).await;
    daemon.signal(Signal::KILL);
    daemon.wait();
    clock.set(-HOUR);
    let polls = gateway.count();
    daemon = setup.start_by(&mut clock.command());
    assert_eq!(daemon.get("/-/ready").await.status, 200);
    assert!(daemon.metrics().await.contains("balance_available_amount{"));
    let began = Instant::now();
    while gateway.count() < polls + 2 {
        assert!(began.elapsed() < PATIENCE, "polls wait for the hour to come again");
        tokio::task::yield_now().await;
    }
}
