//! State across processes, on a simulated clock that jumps from event to event, and with a wall clock that is set.

use crate::simulated::{BEGINNING, Polled, Times, Wall, World, failed, good, source};
use balance_exporter::domain::{Failure, Reason, RetryAfter};
use balance_exporter::poll::assemble::Ready;
use balance_exporter::poll::scheduler::Scheduler;
use balance_exporter::state::clock::Moment;
use balance_exporter::state::{Observer, SourceState, Store};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::sleep;

/// A source whose state outlives processes.
struct Lasting {
    directory: TempDir,
    wall: Wall,
    times: Times,
    interval: u64,
}

impl Lasting {
    fn new(interval: u64) -> Self {
        Self { directory: tempfile::tempdir().expect("a directory"), wall: Wall::new(), times: Times::new(), interval }
    }

    /// Starts a process in which every poll ends in this way.
    async fn start(&self, ends: impl Fn() -> Polled + Send + Sync + 'static) -> World {
        World::resumed(vec![self.source("a", ends)], &self.wall, self.directory.path()).await
    }

    fn source(&self, name: &str, ends: impl Fn() -> Polled + Send + Sync + 'static) -> Ready {
        let noted = self.times.clone();
        source(name, self.interval, move |_| {
            noted.note();
            std::future::ready(ends()).boxed()
        })
    }
}

/// Persisting takes ten seconds.
struct SlowDisk;

impl Observer for SlowDisk {
    fn changed(&self, _: &SourceState) {}

    fn removed(&self, _: &str) {}

    fn persisted(&self) -> BoxFuture<'static, ()> {
        sleep(seconds(10)).boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_requests_wait_until_they_are_announced_on_disk_and_stay_spread() {
    let lasting = Lasting::new(60);
    let sources = (0..100).map(|n| lasting.source(&format!("s{n}"), good));
    let mut scheduler = Scheduler::new(Arc::new(Store::new(Arc::new(SlowDisk))), Arc::new(Moment::now));
    scheduler.apply(sources.collect()).await;
    sleep(seconds(5)).await;
    let by_second: Vec<usize> = (9..13).map(|s| lasting.times.seconds().iter().filter(|at| **at == s).count()).collect();
    assert_eq!(by_second, [0, 50, 50, 0]);
}

/// Whether the source's readings are served.
fn shown(world: &World) -> bool {
    world.metrics().contains("balance_available_amount{")
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn restarts_do_not_move_the_grid() {
    let lasting = Lasting::new(300);
    for stopped in [1, 5, 60, 0, 20, 10, 0] {
        let world = lasting.start(good).await;
        sleep(seconds(130)).await;
        world.end().await;
        sleep(seconds(stopped)).await;
    }
    assert_eq!(lasting.times.seconds(), [0, 300, 600, 900]);
}

#[tokio::test(start_paused = true)]
async fn overdue_sources_are_polled_soon_and_spread() {
    let lasting = Lasting::new(3600);
    let sources = || (0..200).map(|n| lasting.source(&format!("s{n}"), good)).collect::<Vec<_>>();
    let world = World::resumed(sources(), &lasting.wall, lasting.directory.path()).await;
    sleep(seconds(60)).await;
    world.end().await;
    sleep(seconds(2 * 3600)).await;
    let _world = World::resumed(sources(), &lasting.wall, lasting.directory.path()).await;
    sleep(seconds(60)).await;
    let again = lasting.times.seconds().split_off(200);
    let by_second: Vec<usize> = (7260..7264).map(|s| again.iter().filter(|at| **at == s).count()).collect();
    assert_eq!((again.len(), by_second), (200, vec![50; 4]));
}

#[tokio::test(start_paused = true)]
async fn readings_age_while_the_process_is_stopped() {
    let lasting = Lasting::new(600);
    lasting.start(good).await.end_after(seconds(1)).await;
    // Fails from 600 on, so that the readings expire at 2400.
    lasting.start(|| failed(Reason::Timeout)).await.end_after(seconds(700)).await;
    sleep(seconds(1000)).await;
    let world = lasting.start(|| failed(Reason::Timeout)).await;
    assert!(shown(&world));
    sleep(seconds(695)).await;
    assert!(shown(&world), "2396");
    sleep(seconds(10)).await;
    assert!(!shown(&world), "2406");
    world.end().await;

    let world = lasting.start(|| failed(Reason::Timeout)).await;
    assert!(!shown(&world), "expired readings do not return");
    assert!(
        world
            .metrics()
            .contains(&format!("balance_last_success_timestamp_seconds{{provider=\"scripted\",source=\"a\"}} {BEGINNING}\n"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_restart_keeps_the_due_time_and_resets_the_backoff() {
    let lasting = Lasting::new(60);
    // Polls at 0, 60, 180 and 420; the next would be at 900.
    lasting.start(|| failed(Reason::Auth)).await.end_after(seconds(430)).await;
    let world = lasting.start(|| failed(Reason::Auth)).await;
    sleep(seconds(660)).await;
    assert_eq!(lasting.times.seconds(), [0, 60, 180, 420, 900, 960, 1080]);
    assert_eq!(world.state("a").failures, 7);
}

#[tokio::test(start_paused = true)]
async fn retry_after_outlives_the_process() {
    let lasting = Lasting::new(300);
    let limited = || {
        let retry_after = Some(RetryAfter::Delay(seconds(1800)));
        Err(Failure { retry_after, ..Failure::new(Reason::RateLimited, "") })
    };
    for _ in 0..5 {
        lasting.start(limited).await.end_after(seconds(100)).await;
    }
    let _world = lasting.start(good).await;
    sleep(seconds(1610)).await;
    assert_eq!(lasting.times.seconds(), [0, 1800, 2100]);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_cut_off_counts_as_an_attempt() {
    let lasting = Lasting::new(300);
    for _ in 0..3 {
        let noted = lasting.times.clone();
        let hangs = source("a", 300, move |_| {
            noted.note();
            std::future::pending().boxed()
        });
        World::resumed(vec![hangs], &lasting.wall, lasting.directory.path()).await.end_after(seconds(40)).await;
    }
    assert_eq!(lasting.times.seconds(), [0, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_does_not_wait_for_the_longer_one() {
    let mut lasting = Lasting::new(3600);
    lasting.start(good).await.end_after(seconds(1)).await;
    lasting.interval = 60;
    let _world = lasting.start(good).await;
    sleep(seconds(130)).await;
    assert_eq!(lasting.times.seconds(), [0, 61, 121]);
}

/// Settings of a reload are persisted before the next poll ends.
#[tokio::test(start_paused = true)]
async fn a_restart_after_a_reload_continues_from_the_reload() {
    let mut lasting = Lasting::new(3600);
    let sources = |lasting: &Lasting| (0..200).map(|n| lasting.source(&format!("s{n}"), good)).collect::<Vec<_>>();
    let mut world = World::resumed(sources(&lasting), &lasting.wall, lasting.directory.path()).await;
    sleep(seconds(10)).await;
    lasting.interval = 60;
    world.apply(sources(&lasting)).await;
    // A quarter of them is polled again.
    sleep(Duration::from_millis(990)).await;
    assert_eq!(lasting.times.seconds().len(), 250);
    world.end().await;
    let _world = World::resumed(sources(&lasting), &lasting.wall, lasting.directory.path()).await;
    sleep(seconds(10)).await;
    assert_eq!(lasting.times.seconds().len(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_shorter_interval_waits_an_hour_at_most_for_an_old_refusal() {
    let mut lasting = Lasting::new(30 * 24 * 3600);
    lasting.start(|| failed(Reason::Auth)).await.end_after(seconds(1)).await;
    lasting.interval = 60;
    let _world = lasting.start(good).await;
    sleep(seconds(3700)).await;
    assert_eq!(lasting.times.seconds()[..3], [0, 3601, 3661], "the longest backoff for an interval of a minute is an hour");
}

/// If each process restarted the wait after a clock was set back, it would never end.
#[tokio::test(start_paused = true)]
async fn a_clock_that_was_set_back_does_not_delay_polls_across_many_restarts() {
    let lasting = Lasting::new(300);
    lasting.start(good).await.end_after(seconds(1)).await;
    lasting.wall.jump(-86_400);
    for _ in 0..10 {
        lasting.start(good).await.end_after(seconds(40)).await;
    }
    assert_eq!(lasting.times.seconds(), [0, 301]);
}

#[tokio::test(start_paused = true)]
async fn timestamps_follow_the_wall_clock_and_the_schedule_does_not() {
    for jump in [-7200, 7200] {
        let lasting = Lasting::new(300);
        let world = lasting.start(good).await;
        sleep(seconds(10)).await;
        lasting.wall.jump(jump);
        sleep(seconds(600)).await;
        assert_eq!(lasting.times.seconds(), [0, 300, 600], "by {jump}");
        let last = format!("source=\"a\"}} {}\n", BEGINNING.saturating_add_signed(jump) + 600);
        assert!(world.metrics().contains(&last), "by {jump}: {}", world.metrics());
        world.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_while_the_process_is_stopped_delays_no_poll() {
    let lasting = Lasting::new(300);
    lasting.start(good).await.end_after(seconds(100)).await;
    lasting.wall.jump(-86_400);
    let _world = lasting.start(good).await;
    sleep(seconds(310)).await;
    // What was left when it was saved, which was at the first poll.
    assert_eq!(lasting.times.seconds(), [0, 400]);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_while_the_process_is_stopped_makes_polls_due_once() {
    let lasting = Lasting::new(300);
    lasting.start(good).await.end_after(seconds(100)).await;
    lasting.wall.jump(86_400);
    let _world = lasting.start(good).await;
    sleep(seconds(350)).await;
    assert_eq!(lasting.times.seconds(), [0, 100, 400]);
}

/// A machine without a battery-backed clock has the wrong year until it is set over the network.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_during_an_outage_does_not_change_how_long_readings_last() {
    for jump in [-1_000_000_000, 1_000_000_000] {
        let lasting = Lasting::new(600);
        lasting.start(good).await.end_after(seconds(1)).await;
        let world = lasting.start(|| failed(Reason::Connect)).await;
        sleep(seconds(620)).await;
        lasting.wall.jump(jump);
        // Long enough for a poll at the new time to be saved.
        sleep(seconds(200)).await;
        world.end().await;
        let world = lasting.start(|| failed(Reason::Connect)).await;
        assert!(shown(&world), "by {jump}");
        // From 600 on it fails; from 2400 on nothing is served.
        sleep(seconds(1570)).await;
        assert!(shown(&world), "by {jump}");
        sleep(seconds(20)).await;
        assert!(!shown(&world), "by {jump}");
    }
}

/// Polls under way get some time, because their requests were sent already.
#[tokio::test(start_paused = true)]
async fn a_shutdown_records_polls_that_end_in_time_cuts_off_others_and_starts_none() {
    let lasting = Lasting::new(300);
    let sources = |times: &Times| {
        [("quick", 900), ("slow", 1100), ("hanging", 100_000), ("waiting", 0)].map(|(name, takes)| {
            let noted = times.clone();
            source(name, 300, move |_| {
                noted.note();
                sleep(Duration::from_millis(takes)).map(|()| good()).boxed()
            })
        })
    };
    let polls = |world: &World| ["quick", "slow", "hanging", "waiting"].map(|name| world.state(name).polls);
    let world = World::resumed(sources(&lasting.times).into(), &lasting.wall, lasting.directory.path()).await;
    // Three have started. The fourth would become due within the grace period of a second.
    sleep(Duration::from_millis(50)).await;
    let store = world.store.clone();
    world.end_within(seconds(1)).await;
    assert_eq!(lasting.times.seconds(), [0; 3]);
    sleep(seconds(10)).await;
    assert_eq!(store.snapshot().iter().map(|state| state.polls).sum::<u64>(), 1, "what was cut off is not recorded later");

    let world = World::resumed(sources(&lasting.times).into(), &lasting.wall, lasting.directory.path()).await;
    sleep(Duration::from_millis(50)).await;
    assert_eq!((polls(&world), lasting.times.seconds().len()), ([1, 0, 0, 1], 4), "the poll that had not started is due now");
    sleep(seconds(100)).await;
    assert_eq!(lasting.times.seconds()[4..], [60, 60], "polls that were cut off are repeated a minute after they started");
}

/// The failure counters that are not 0.
fn by_reason(world: &World) -> Vec<String> {
    let own = world.own_metrics();
    let lines = own.lines().filter_map(|line| line.strip_prefix("balance_exporter_poll_failures_total{reason="));
    assert_eq!(lines.clone().count(), Reason::ALL.len(), "every reason is there, and once");
    lines.filter(|line| !line.ends_with(" 0")).map(str::to_owned).collect()
}

fn polled_sources(world: &World) -> String {
    let own = world.own_metrics();
    own.lines().find(|line| line.starts_with("balance_exporter_sources ")).expect("a gauge").to_owned()
}

#[tokio::test(start_paused = true)]
async fn counts_of_failures_by_reason_survive_removals_reloads_and_restarts() {
    let lasting = Lasting::new(60);
    let failing = |name: &str, reason| lasting.source(name, move || failed(reason));
    let sources = || vec![failing("a", Reason::Timeout), failing("b", Reason::Dns), failing("c", Reason::Timeout)];
    let mut world = World::resumed(sources(), &lasting.wall, lasting.directory.path()).await;
    assert_eq!(polled_sources(&world), "balance_exporter_sources 3");
    sleep(seconds(61)).await;
    assert_eq!(by_reason(&world), ["\"dns\"} 2", "\"timeout\"} 4"]);
    assert_eq!(["a", "b", "c"].map(|name| world.state(name).failures), [2; 3]);

    world.apply(vec![failing("a", Reason::Timeout)]).await;
    assert_eq!(by_reason(&world), ["\"dns\"} 2", "\"timeout\"} 4"], "removing a source does not lower them");
    assert_eq!(polled_sources(&world), "balance_exporter_sources 1");
    sleep(seconds(60)).await;
    world.end().await;

    let world = World::resumed(vec![lasting.source("b", good)], &lasting.wall, lasting.directory.path()).await;
    assert_eq!(by_reason(&world), ["\"dns\"} 2", "\"timeout\"} 5"], "nor does a restart");
    world.end().await;
}
