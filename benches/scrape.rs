//! The cost of a scrape of 100,000 series, compared with the same series through the `prometheus` crate.
#![expect(clippy::expect_used, reason = "a benchmark whose setup fails must stop")]

use balance_exporter::domain::{About, Identity};
use balance_exporter::domain::{Answer, Figure, Label, Low, Reading};
use balance_exporter::exposition::Exposition;
use balance_exporter::state::clock::Moment;
use balance_exporter::state::{Outcome, SourceState, Store};
use divan::Bencher;
use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

const SOURCES: u32 = 20;
const ACCOUNTS: u32 = 5_000;

fn main() {
    divan::main();
}

fn answer() -> Answer {
    let reading = |n: u32| {
        let (account, currency) = (Label::new(&format!("ACC{n:05}")), Label::new("EUR"));
        Reading::available_amount(account, currency, Figure::new(f64::from(n) * 1.01).expect("a finite number"))
    };
    Answer::new((0..ACCOUNTS).map(reading).collect())
}

fn poll(store: &Store, source: u32) {
    let ended = Moment::now();
    let outcome = Outcome { ended, took: Duration::ZERO, result: Ok(answer()), next: ended.instant };
    store.record(&format!("source{source}"), outcome);
}

fn exporter() -> (Arc<Exposition>, Store) {
    let exposition = Arc::new(Exposition::new(SystemTime::now()).expect("metrics"));
    let store = Store::new(exposition.clone());
    for source in 0..SOURCES {
        let interval = Duration::from_secs(60);
        let about = About {
            name: format!("source{source}").into(),
            provider: "adstat".into(),
            interval,
            max_age: interval,
            low: Low::default(),
            identity: Identity([0; 32]),
        };
        store.insert(SourceState::new(Arc::new(about)));
        poll(&store, source);
    }
    (exposition, store)
}

#[divan::bench]
fn scrape(bencher: Bencher) {
    let (exposition, _store) = exporter();
    bencher.bench(|| exposition.plain(Instant::now()));
}

#[divan::bench]
fn scrape_gzip(bencher: Bencher) {
    let (exposition, _store) = exporter();
    bencher.bench(|| exposition.gzip(Instant::now()));
}

/// The worst case: a poll of 5,000 accounts since the last scrape.
#[divan::bench]
fn scrape_after_a_poll(bencher: Bencher) {
    let (exposition, store) = exporter();
    bencher.with_inputs(|| poll(&store, 7)).bench_values(|()| exposition.plain(Instant::now()));
}

#[divan::bench]
fn prometheus_crate(bencher: Bencher) {
    let registry = Registry::new();
    let labels = ["provider", "source", "account", "currency"];
    let gauges = GaugeVec::new(Opts::new("balance_available_amount", "Money."), &labels).expect("a family");
    registry.register(Box::new(gauges.clone())).expect("registered");
    for source in 0..SOURCES {
        for n in 0..ACCOUNTS {
            gauges
                .with_label_values(&["adstat", &format!("source{source}"), &format!("ACC{n:05}"), "EUR"])
                .set(f64::from(n) * 1.01);
        }
    }
    bencher.bench(|| {
        let mut page = Vec::new();
        TextEncoder::new().encode(&registry.gather(), &mut page).expect("encoded");
        page
    });
}
