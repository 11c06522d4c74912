//! The page for given states at given moments.

use super::*;
use crate::domain::{About, Answer, Failure, Figure, Identity, Label, Limits, Low, LowMetric, Reading, Reason, Thresholds};
use crate::state::{Observer, Outcome, Phase, Store};
use std::time::{Duration, SystemTime};

struct Unobserved;

impl Observer for Unobserved {
    fn changed(&self, _: &SourceState) {}
    fn removed(&self, _: &str) {}
}

fn store() -> Store {
    Store::new(Arc::new(Unobserved))
}

/// A moment this many seconds after the epoch.
fn at(secs: u64) -> Moment {
    static START: std::sync::LazyLock<tokio::time::Instant> = std::sync::LazyLock::new(tokio::time::Instant::now);
    let passed = Duration::from_secs(secs);
    Moment { instant: *START + passed, wall: SystemTime::UNIX_EPOCH + passed }
}

fn add(store: &Store, name: &str) {
    let amount = Thresholds { warning: Some(5000.0), critical: None };
    let about = About {
        name: name.into(),
        provider: "stand-in".into(),
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

/// The text of the page at a moment, without its markup.
fn shown(store: &Store, secs: u64) -> String {
    let page = page(&store.snapshot(), at(secs), "/metrics").expect("a page");
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
fn without_sources_the_page_suggests_to_add_one() {
    holds(&shown(&store(), 0), &["No sources are configured", "Add a source"]);
}

#[test]
fn a_source_that_was_never_polled_is_shown_as_such() {
    let store = store();
    add(&store, "ads");
    holds(&shown(&store, 0), &["No source was polled yet", "… not polled yet", "next poll not scheduled"]);
    store.insert(SourceState { phase: Phase::Waiting { due: at(5).instant }, ..SourceState::clone(&store.snapshot()[0]) });
    holds(&shown(&store, 0), &["next poll in 5 s"]);
    holds(&shown(&store, 6), &["next poll now"]);
    store.poll_started("ads", at(0).instant);
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
fn a_failing_source_shows_its_reason_and_when_its_readings_expire() {
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
fn the_worst_source_comes_first() {
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
fn texts_of_providers_are_escaped() {
    let store = store();
    add(&store, "ads");
    let hostile = || Label::new("<script>'\"&");
    let amount = Reading::available_amount(hostile(), hostile(), Figure::from(1));
    let readings = vec![amount, Reading::account_info(hostile(), Label::new("<b>Ромашка</b>"))];
    poll(&store, "ads", 0, Ok(Answer::new(readings)));
    poll(&store, "ads", 1, Err(Failure::new(Reason::Rejected, "</p><img src=x>")));
    let page = page(&store.snapshot(), at(2), "/a\"b").expect("a page");
    for raw in ["<script", "<b>", "<img", "</p><img", "/a\"b"] {
        assert!(!page.contains(raw), "{raw}: {page}");
    }
    holds(&page, &["&#60;b&#62;Ромашка&#60;/b&#62;", "&#60;/p&#62;&#60;img src=x&#62;", "&#60;script&#62;&#39;&#34;&#38;"]);
}

#[test]
fn two_hundred_accounts_take_the_full_width() {
    let store = store();
    add(&store, "ads");
    let account = |n: u32| {
        let account = Label::new(&format!("ACC{n:04}"));
        Reading::available_amount(account, Label::default(), Figure::new(1e30).expect("a finite number"))
    };
    poll(&store, "ads", 0, Ok(Answer::new((0..200).map(account).collect())));
    let page = page(&store.snapshot(), at(1), "/metrics").expect("a page");
    assert_eq!((page.matches("<dt>").count(), page.matches("class=\"fine many\"").count()), (200, 1));
}
