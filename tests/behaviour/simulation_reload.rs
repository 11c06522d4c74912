//! Reloads while a schedule runs, on a simulated clock that jumps from event to event.

use crate::simulated::{Times, World, amount, failed, good, recipe, source};
use balance_exporter::domain::{Answer, Reason};
use balance_exporter::poll::assemble::Ready;
use futures_util::FutureExt;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_reload_does_not_disturb_unchanged_sources() {
    let times = Times::new();
    let sources = || {
        let noted = times.clone();
        let script = move |_| {
            noted.note();
            std::future::ready(good()).boxed()
        };
        vec![source("a", 300, script)]
    };
    let mut world = World::of(sources()).await;
    for _ in 0..100 {
        sleep(Duration::from_secs(7)).await;
        world.apply(sources()).await;
        assert!(world.metrics().contains("balance_available_amount{"));
    }
    assert_eq!(times.seconds(), [0, 300, 600]);
    assert_eq!(world.state("a").polls, 3);
}

#[tokio::test(start_paused = true)]
async fn a_reload_resets_the_backoff_and_leaves_the_due_time() {
    let times = Times::new();
    let sources = || {
        let noted = times.clone();
        let script = move |_| {
            noted.note();
            std::future::ready(failed(Reason::Auth)).boxed()
        };
        vec![source("a", 60, script)]
    };
    let mut world = World::of(sources()).await;
    sleep(Duration::from_secs(430)).await;
    world.apply(sources()).await;
    sleep(Duration::from_secs(660)).await;
    assert_eq!(times.seconds(), [0, 60, 180, 420, 900, 960, 1080], "due at 900 as before, then with a new backoff");
}

#[tokio::test(start_paused = true)]
async fn a_reload_adds_adjusts_replaces_and_removes() {
    let times = Times::new();
    let script = |mark: u64| {
        let noted = times.clone();
        move |n: u32| {
            noted.note();
            #[expect(clippy::cast_precision_loss, reason = "small")]
            let figure = (mark * 100) as f64 + f64::from(n);
            std::future::ready(Ok(Answer::new(vec![amount(figure)]))).boxed()
        }
    };
    let first = |metrics: &str, name: &str| {
        let prefix = format!("balance_available_amount{{provider=\"scripted\",source=\"{name}\"");
        metrics
            .lines()
            .find(|line| line.starts_with(&prefix))
            .and_then(|line| line.rsplit_once(' '))
            .map(|(_, value)| value.to_owned())
    };
    let mut world = World::of(vec![
        source("adjusted", 300, script(1)),
        source("replaced", 300, script(2)),
        source("removed", 300, script(3)),
    ])
    .await;
    sleep(Duration::from_secs(301)).await;

    let replaced = Ready { recipe: recipe("y"), ..source("replaced", 300, script(4)) };
    // The page is read before any task runs.
    world.scheduler.apply(vec![source("adjusted", 60, script(9)), replaced, source("added", 300, script(5))]).await;
    let metrics = world.metrics();
    let shown = ["adjusted", "replaced", "removed", "added"].map(|name| first(&metrics, name));
    assert_eq!(
        shown.map(|reading| reading.is_some()),
        [true, false, false, false],
        "only a source with the same account keeps its readings"
    );
    assert!(!metrics.contains("source=\"removed\""), "{metrics}");

    sleep(Duration::from_secs(1)).await;
    let shown = ["adjusted", "replaced", "added"].map(|name| first(&world.metrics(), name).expect("a reading"));
    assert_eq!(shown, ["103", "401", "501"], "changed and new ones are polled soon; the adjusted one by its old provider");
    assert_eq!(["adjusted", "replaced", "added"].map(|name| world.state(name).polls), [3, 1, 1]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.state("adjusted").polls, 4, "at its new interval");
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_removed_in_the_middle_of_a_poll_stays_removed() {
    let slow = |_| sleep(Duration::from_secs(5)).map(|()| good()).boxed();
    let mut world = World::of(vec![source("a", 60, slow)]).await;
    sleep(Duration::from_secs(2)).await;
    world.apply(Vec::new()).await;
    sleep(Duration::from_secs(100)).await;
    assert_eq!((world.store.snapshot().len(), world.metrics()), (0, String::new()));
}

#[tokio::test(start_paused = true)]
async fn repeated_reloads_starve_no_source() {
    let polled: Vec<Times> = (0..1000).map(|_| Times::new()).collect();
    // Each reload changes every source, and brings one more.
    let sources = |reload: u32| {
        let of = |(n, times): (usize, &Times)| {
            let noted = times.clone();
            let script = move |_| {
                noted.note();
                std::future::ready(good()).boxed()
            };
            let mut source = source(&format!("s{n}"), 10, script);
            source.about.max_age += Duration::from_secs(reload.into());
            source
        };
        let new = source(&format!("new{reload}"), 10, |_| std::future::ready(good()).boxed());
        polled.iter().enumerate().map(of).chain([new]).collect::<Vec<_>>()
    };
    let mut world = World::of(sources(0)).await;
    for reload in 1..=10 {
        sleep(Duration::from_millis(950)).await;
        world.apply(sources(reload)).await;
        sleep(Duration::from_millis(50)).await;
        assert_eq!(world.state(&format!("new{reload}")).polls, 1, "a new source does not wait for all others");
    }
    assert!(polled.iter().all(|times| times.seconds().first().is_some_and(|first| *first < 10)));
    let all: Vec<u64> = polled.iter().flat_map(Times::seconds).collect();
    let by_second: Vec<usize> = (0..10).map(|second| all.iter().filter(|at| **at == second).count()).collect();
    assert!(by_second.iter().all(|count| (90..130).contains(count)), "{by_second:?}");
}
