//! The page of made-up states at made-up moments.

use super::*;
use crate::domain::{About, Identity};
use crate::domain::{Answer, Figure, Label, Limits, Low, LowMetric, Reading, Reason, Thresholds};
use crate::state::{Observer, Outcome, Store};
use std::time::{Duration, SystemTime};

struct Nobody;

impl Observer for Nobody {
    fn changed(&self, _: &SourceState) {}
    fn removed(&self, _: &str) {}
}

fn store() -> Store {
    Store::new(Arc::new(Nobody))
}

/// So many seconds after the beginning of the tests' time.
fn at(secs: u64) -> Moment {
    static BEGINNING: std::sync::LazyLock<tokio::time::Instant> = std::sync::LazyLock::new(tokio::time::Instant::now);
    let passed = Duration::from_secs(secs);
    Moment { instant: *BEGINNING + passed, wall: SystemTime::UNIX_EPOCH + passed }
}

fn add(store: &Store, name: &str) {
    let amount = Thresholds { warning: Some(5000.0), critical: None };
    let about = About {
        name: name.into(),
        provider: "stand-in",
        interval: Duration::from_secs(300),
        max_age: Duration::from_secs(3600),
        low: Low::default().with(LowMetric::Amount, Limits { all: amount, ..Limits::default() }),
        identity: Identity([0; 32]),
    };
    store.insert(SourceState::new(Arc::new(about)));
}

fn poll(store: &Store, name: &str, secs: u64, result: Result<Answer, Failure>) {
    let next = at(secs + 300).instant;
    store.record(name, Outcome { ended: at(secs), took: Duration::ZERO, result, next });
}

fn money(amount: f64) -> Answer {
    let currency = Label::new("EUR");
    Answer::new(vec![Reading::available_amount(Label::default(), currency, Figure::new(amount).expect("a finite number"))])
}

/// The page at a moment, without its markup.
fn shown(store: &Store, secs: u64) -> String {
    let page = page(&store.snapshot(), at(secs), "/metrics");
    let (_, body) = page.split_once("<body>").expect("a body");
    let mut tag = false;
    let text: String = body
        .chars()
        .filter(|c| {
            let before = tag;
            tag = (tag || *c == '<') && *c != '>';
            !before && !tag
        })
        .collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn holds(page: &str, wanted: &[&str]) {
    for words in wanted {
        assert!(page.contains(words), "{words}: {page}");
    }
}

#[test]
fn without_sources_it_says_so() {
    holds(&shown(&store(), 0), &["No sources are configured", "Add a source"]);
}

#[test]
fn a_source_that_was_never_polled_says_so() {
    let store = store();
    add(&store, "ads");
    holds(&shown(&store, 0), &["No source was polled yet", "… not polled yet", "next poll not scheduled"]);
    store.insert(SourceState { next: Some(at(5).instant), ..SourceState::clone(&store.snapshot()[0]) });
    holds(&shown(&store, 0), &["next poll in 5 s"]);
    holds(&shown(&store, 6), &["next poll now"]);
    store.begun("ads", at(0).instant);
    holds(&shown(&store, 6), &["being polled now"]);
}

#[test]
fn a_fine_source_shows_its_figure_and_its_age() {
    let store = store();
    add(&store, "ads");
    poll(&store, "ads", 0, Ok(money(12_345.678)));
    let page = shown(&store, 185);
    holds(&page, &["✓ The only source is fine", "12,345.68 EUR", "polled 3 min ago, next poll in 1 min"]);
    assert!(!page.contains("low"), "{page}");
}

#[test]
fn a_failing_source_says_why_and_what_becomes_of_its_readings() {
    let store = store();
    add(&store, "ads");
    poll(&store, "ads", 0, Err(Failure::new(Reason::Auth, "HTTP 401")));
    holds(&shown(&store, 1), &["The only source fails", "It has no readings yet.", "never succeeded, next poll in 4 min"]);
    poll(&store, "ads", 300, Ok(money(9000.0)));
    poll(&store, "ads", 600, Err(Failure::new(Reason::Server, "HTTP 503")));
    let why = "server: a fault on the provider&#39;s side, since 10 min ago";
    let kept = "Its readings are from 15 min ago; they expire in 50 min.";
    holds(&shown(&store, 1200), &["✗ failing", why, "HTTP 503", kept, "9,000 EUR", "last success 15 min ago"]);
    let expired = shown(&store, 4200);
    holds(&expired, &["Its readings have expired: polls have failed for longer than its max_age, 1 h.", "last success 1 h ago"]);
    assert!(!expired.contains("9,000"), "{expired}");
}

#[test]
fn the_worst_comes_first() {
    let store = store();
    for name in ["a-fine", "b-low", "c-waiting", "d-failing"] {
        add(&store, name);
    }
    poll(&store, "a-fine", 0, Ok(money(6000.0)));
    poll(&store, "b-low", 0, Ok(money(4999.0)));
    poll(&store, "d-failing", 0, Err(Failure::new(Reason::Timeout, "")));
    let page = shown(&store, 1);
    holds(&page, &["✗ 1 of 4 sources fails, 1 balance is low, 1 of 4 sources was not polled yet", "▼ low, below 5,000"]);
    let places = ["d-failing", "b-low", "c-waiting", "a-fine"].map(|name| page.find(name));
    assert!(places.is_sorted() && places[0].is_some(), "{places:?} {page}");
}

#[test]
fn what_providers_say_is_text() {
    let store = store();
    add(&store, "ads");
    let evil = || Label::new("<script>'\"&");
    let amount = Reading::available_amount(evil(), evil(), Figure::from(1));
    let readings = vec![amount, Reading::account_info(evil(), Label::new("<b>Ромашка</b>"))];
    poll(&store, "ads", 0, Ok(Answer::new(readings)));
    poll(&store, "ads", 1, Err(Failure::new(Reason::Rejected, "</p><img src=x>")));
    let page = page(&store.snapshot(), at(2), "/a\"b");
    for raw in ["<script", "<b>", "<img", "</p><img", "/a\"b"] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }
    holds(&page, &["&lt;b&gt;Ромашка&lt;/b&gt;", "&lt;/p&gt;&lt;img src=x&gt;", "&lt;script&gt;&#39;&quot;&amp;"]);
}

#[test]
fn two_hundred_accounts_take_the_whole_width() {
    let store = store();
    add(&store, "ads");
    let account = |n: u32| {
        let account = Label::new(&format!("ACC{n:04}"));
        Reading::available_amount(account, Label::default(), Figure::new(1e30).expect("a finite number"))
    };
    poll(&store, "ads", 0, Ok(Answer::new((0..200).map(account).collect())));
    let page = page(&store.snapshot(), at(1), "/metrics");
    assert_eq!((page.matches("<dt>").count(), page.matches("class=\"fine many\"").count()), (200, 1));
}
