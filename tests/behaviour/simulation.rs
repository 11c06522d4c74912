//! The scheduler over days, on a simulated clock that jumps from event to event.

use crate::simulated::{BEGINNING, Times, World, amount, failed, good, source};
use balance_exporter::domain::{Answer, Failure, Figure, Label, Low, Reading, Reason, RetryAfter};
use balance_exporter::format::row;
use futures_util::FutureExt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_week_does_not_drift() {
    let times = Times::new();
    let noted = times.clone();
    // Polls take from nothing to 19 s.
    let slow = move |n: u32| {
        noted.note();
        sleep(Duration::from_secs(u64::from(n * 7 % 20))).map(|()| good()).boxed()
    };
    let world = World::of(vec![source("a", 300, slow)]).await;
    sleep(Duration::from_secs(7 * 24 * 3600 - 1)).await;
    assert_eq!(times.seconds(), (0..2016).map(|n| n * 300).collect::<Vec<_>>());
    assert_eq!(world.state("a").polls, 2016);
}

#[tokio::test(start_paused = true)]
async fn after_a_suspend_there_is_one_poll_and_then_the_old_grid() {
    let times = Times::new();
    let noted = times.clone();
    let script = move |_| {
        noted.note();
        std::future::ready(good()).boxed()
    };
    let _world = World::of(vec![source("a", 60, script)]).await;
    sleep(Duration::from_secs(90)).await;
    // The machine sleeps for an hour and a half minute.
    tokio::time::advance(Duration::from_secs(3630)).await;
    sleep(Duration::from_secs(150)).await;
    assert_eq!(times.seconds(), [0, 60, 3720, 3780, 3840]);
}

#[tokio::test(start_paused = true)]
async fn first_polls_begin_at_once_and_fifty_a_second() {
    let times = Times::new();
    let sources = (0..500).map(|i| {
        let noted = times.clone();
        source(&format!("s{i}"), 3600, move |_| {
            noted.note();
            std::future::ready(good()).boxed()
        })
    });
    let world = World::of(sources.collect()).await;
    sleep(Duration::from_millis(9)).await;
    assert_eq!(times.seconds().len(), 1, "the first begins at once");
    assert!(!world.store.is_ready());
    sleep(Duration::from_secs(11)).await;
    let by_second: Vec<usize> = (0..10).map(|s| times.seconds().iter().filter(|at| **at == s).count()).collect();
    assert_eq!(by_second, [50; 10]);
    assert!(world.store.is_ready());
}

/// How many first polls begin in each second, of so many sources with each of these intervals.
async fn first_polls<const N: usize>(groups: [(usize, u64); N]) -> Vec<usize> {
    let times = Times::new();
    let mut sources = Vec::new();
    for (count, interval) in groups {
        for _ in 0..count {
            let noted = times.clone();
            let script = move |n| {
                if n == 1 {
                    noted.note();
                }
                std::future::ready(good()).boxed()
            };
            sources.push(source(&format!("s{}", sources.len()), interval, script));
        }
    }
    let _world = World::of(sources).await;
    sleep(Duration::from_secs(200)).await;
    let times = times.seconds();
    (0..=times.last().copied().unwrap_or_default()).map(|s| times.iter().filter(|at| **at == s).count()).collect()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_first_polls_begin_within_a_minute_and_evenly() {
    let by_second = first_polls([(10_000, 60)]).await;
    assert!(by_second.len() <= 60 && by_second.iter().sum::<usize>() == 10_000, "{by_second:?}");
    let (last, others) = by_second.split_last().expect("seconds");
    assert!(others.iter().all(|count| (180..190).contains(count)) && *last < 190, "{by_second:?}");
}

#[tokio::test(start_paused = true)]
async fn first_polls_are_faster_only_if_they_would_exceed_the_shortest_interval_or_a_minute() {
    assert_eq!(first_polls([(3000, 3600)]).await, [50; 60]);
    assert_eq!(first_polls([(500, 10)]).await, [50; 10]);
    assert!((52..=60).contains(&first_polls([(3200, 3600)]).await.len()));
    assert!((8..=10).contains(&first_polls([(600, 3600), (1, 10)]).await.len()));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_source_delays_no_other() {
    let world = World::of(vec![
        source("hanging", 60, |_| std::future::pending().boxed()),
        source("healthy", 60, |_| std::future::ready(good()).boxed()),
    ])
    .await;
    sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!((world.state("hanging").polls, world.state("healthy").polls), (0, 1440));
    assert!(world.metrics().contains("balance_up{provider=\"scripted\",source=\"healthy\"} 1\n"));
}

#[tokio::test(start_paused = true)]
async fn polls_of_a_source_never_overlap() {
    let at_once = Arc::new(Mutex::new((0_u32, 0_u32)));
    let counted = at_once.clone();
    let script = move |_| {
        let counted = counted.clone();
        async move {
            let enter = |step: fn(u32) -> u32| {
                let mut counts = counted.lock().expect("no panic");
                counts.0 = step(counts.0);
                counts.1 = counts.1.max(counts.0);
            };
            enter(|n| n + 1);
            sleep(Duration::from_secs(25)).await;
            enter(|n| n - 1);
            good()
        }
        .boxed()
    };
    let world = World::of(vec![source("a", 10, script)]).await;
    sleep(Duration::from_secs(299)).await;
    assert_eq!(at_once.lock().expect("no panic").1, 1, "polls at once");
    assert_eq!(world.state("a").polls, 10, "one in each three slots");
}

#[tokio::test(start_paused = true)]
async fn each_reason_has_its_backoff() {
    for reason in Reason::ALL {
        let times = Times::new();
        let noted = times.clone();
        let script = move |_| {
            noted.note();
            std::future::ready(failed(reason)).boxed()
        };
        let world = World::of(vec![source("a", 1800, script)]).await;
        sleep(Duration::from_secs(20_000)).await;
        let times = times.seconds();
        let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let name = reason.as_str();
        match name {
            "dns" | "connect" | "tls" | "timeout" | "server" | "rate_limited" | "decode" => {
                let bounds = [(60, 60), (120, 144), (240, 288), (480, 576), (960, 1152), (1800, 1800), (1800, 1800)];
                for (wait, (shortest, longest)) in waits.iter().zip(bounds) {
                    assert!((shortest..=longest + 1).contains(wait), "{name}: {waits:?}");
                }
            }
            "auth" | "forbidden" | "blocked" | "payment_required" | "not_found" | "rejected" => {
                assert_eq!(waits[..4], [1800, 3600, 3600, 3600], "{name}");
            }
            _ => assert_eq!(waits[..6], [1800; 6], "{name}"),
        }
        let failures = format!("balance_poll_failures_total{{provider=\"scripted\",source=\"a\"}} {}\n", times.len());
        assert!(world.metrics().contains(&failures), "{name}");
        let own = format!("balance_exporter_poll_failures_total{{reason=\"{name}\"}} {}\n", times.len());
        assert!(world.own_metrics().contains(&own), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_honoured_in_both_forms_up_to_an_hour() {
    let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(BEGINNING);
    let cases = [
        (RetryAfter::Delay(Duration::from_secs(200)), 200),
        (RetryAfter::At(wall + Duration::from_secs(250)), 250),
        (RetryAfter::At(wall - Duration::from_secs(250)), 60),
        (RetryAfter::Delay(Duration::from_secs(86_400)), 3600),
    ];
    for (retry_after, second) in cases {
        let times = Times::new();
        let noted = times.clone();
        let script = move |_| {
            noted.note();
            let failure = Failure { retry_after: Some(retry_after), ..Failure::new(Reason::RateLimited, "") };
            std::future::ready(Err(failure)).boxed()
        };
        let _world = World::of(vec![source("a", 300, script)]).await;
        sleep(Duration::from_secs(4000)).await;
        assert_eq!(times.seconds()[..2], [0, second], "{retry_after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failed_poll_and_polls_continue() {
    let script = |n: u32| async move { if n.is_multiple_of(2) { panic!("scripted") } else { good() } }.boxed();
    let world = World::of(vec![source("a", 60, script)]).await;
    sleep(Duration::from_secs(599)).await;
    let state = world.state("a");
    assert_eq!((state.polls, state.failures), (10, 5));
    assert_eq!(state.failure.as_ref().map(|failure| failure.reason), Some(Reason::Internal));
    assert_eq!(state.readings(Instant::now()), [amount(1.0)], "the last good readings stay");
}

#[tokio::test(start_paused = true)]
async fn readings_expire_at_max_age_without_a_poll() {
    let script = |n: u32| std::future::ready(if n == 1 { good() } else { failed(Reason::Timeout) }).boxed();
    // max_age is three intervals from the first failed poll on.
    let world = World::of(vec![source("a", 600, script)]).await;
    let shown = |world: &World| world.metrics().contains("balance_available_amount{");
    sleep(Duration::from_secs(600 + 1799)).await;
    assert!(shown(&world));
    sleep(Duration::from_secs(2)).await;
    assert!(!shown(&world));
    let metrics = world.metrics();
    let last = "balance_last_success_timestamp_seconds{provider=\"scripted\",source=\"a\"} 1800000000";
    assert!(metrics.contains("balance_up{provider=\"scripted\",source=\"a\"} 0\n"), "{metrics}");
    assert!(metrics.contains(last), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_replaces_all_previous_readings() {
    let account = |account: &str| Reading::available_amount(Label::new(account), Label::default(), Figure::from(2));
    let script = move |n: u32| {
        let readings = if n == 1 { vec![account("A"), account("B")] } else { vec![account("B"), account("C")] };
        std::future::ready(Ok(Answer::new(readings))).boxed()
    };
    let world = World::of(vec![source("a", 60, script)]).await;
    let accounts = |world: &World| ["A", "B", "C"].map(|name| world.metrics().contains(&format!("account=\"{name}\"")));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(accounts(&world), [true, true, false]);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(accounts(&world), [false, true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_credit_limit_is_shown_beside_the_amount_that_it_is_for() {
    let credit = Reading::credit_limit_amount(Label::new("A"), Label::new("EUR"), Figure::from(500));
    let row = row(&credit, &Low::default());
    assert_eq!((row.what, &*row.of, &*row.figure, &*row.unit, row.low), ("credit limit", "A", "500", "EUR", None));
    let script = move |_| {
        let available = Reading::available_amount(Label::new("A"), Label::new("EUR"), Figure::from(-20));
        std::future::ready(Ok(Answer::new(vec![credit.clone(), available]))).boxed()
    };
    let world = World::of(vec![source("a", 60, script)]).await;
    sleep(Duration::from_secs(1)).await;
    let metrics = world.metrics();
    let labels = "{provider=\"scripted\",source=\"a\",account=\"A\",currency=\"EUR\"}";
    let family = format!(
        "# HELP balance_credit_limit_amount How far below zero the available amount may fall, as last polled.\n\
         # TYPE balance_credit_limit_amount gauge\nbalance_credit_limit_amount{labels} 500\n"
    );
    assert!(metrics.contains(&family) && metrics.contains(&format!("balance_available_amount{labels} -20\n")), "{metrics}");
}
