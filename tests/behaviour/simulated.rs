//! A scheduler with scripted sources, on a simulated clock that jumps from event to event.

use crate::support::text;
use balance_exporter::domain::{About, Answer, Failure, Figure, Identity, Label, Low, Reading, Reason};
use balance_exporter::exposition::Exposition;
use balance_exporter::poll::Target;
use balance_exporter::poll::assemble::{Ready, Recipe};
use balance_exporter::poll::scheduler::Scheduler;
use balance_exporter::provider::Provider;
use balance_exporter::secret::Secret;
use balance_exporter::state::clock::{Clock, Moment};
use balance_exporter::state::disk::Storage;
use balance_exporter::state::{Observer, SourceState, Store};
use balance_exporter::transport::client::Network;
use balance_exporter::transport::{Http, Request, Response};
use futures_util::future::BoxFuture;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The wall-clock time at the start of a test, in seconds since the epoch.
pub(crate) const BEGINNING: u64 = 1_800_000_000;

pub(crate) type Polled = Result<Answer, Failure>;

/// A provider that runs the script of a test with the number of the poll.
struct Scripted<F>(F, Mutex<u32>);

impl<F: Fn(u32) -> BoxFuture<'static, Polled> + Send + Sync> Provider for Scripted<F> {
    fn poll<'a>(&'a self, _: &'a dyn Http) -> BoxFuture<'a, Polled> {
        let mut polls = self.1.lock().expect("no panic");
        *polls += 1;
        (self.0)(*polls)
    }
}

/// Scripted providers send no request.
struct NoNetwork;

impl Http for NoNetwork {
    fn send(&self, _: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        unreachable!("a scripted provider sends nothing")
    }
}

/// A source with this interval in seconds, and a `max_age` of three intervals.
pub(crate) fn source(
    name: &str,
    interval: u64,
    script: impl Fn(u32) -> BoxFuture<'static, Polled> + Send + Sync + 'static,
) -> Ready {
    let interval = Duration::from_secs(interval);
    let about = About {
        name: name.into(),
        provider: "scripted".into(),
        identity: Identity([0; 32]),
        interval,
        max_age: interval * 3,
        low: Low::default(),
    };
    let provider = Arc::new(Scripted(script, Mutex::new(0)));
    let target = Target { provider, http: Box::new(NoNetwork), secrets: Vec::new(), limit: None };
    Ready { about, target, recipe: recipe("x") }
}

/// A recipe that differs from others by its token. Nothing is made of it here.
pub(crate) fn recipe(token: &str) -> Recipe {
    let secrets = vec![Secret::new(token.to_owned())];
    Recipe { secrets, url: None, network: Network::default(), timeout: Duration::from_secs(10), service: None }
}

/// A wall clock that follows the simulated clock, plus an offset that a test sets.
#[derive(Clone)]
pub(crate) struct Wall {
    began: Instant,
    offset: Arc<AtomicI64>,
}

impl Wall {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), offset: Arc::default() }
    }

    /// Sets it forward by this many seconds; back if negative.
    pub(crate) fn jump(&self, seconds: i64) {
        self.offset.fetch_add(seconds, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let Self { began, offset } = self.clone();
        Arc::new(move || {
            let shown = BEGINNING.checked_add_signed(offset.load(Ordering::Relaxed)).expect("after 1970");
            Moment { instant: Instant::now(), wall: SystemTime::UNIX_EPOCH + Duration::from_secs(shown) + began.elapsed() }
        })
    }
}

/// A process without server: scheduler, store, exposition and possibly a storage.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) scheduler: Scheduler,
    exposition: Arc<Exposition>,
    storage: Option<Arc<Storage>>,
}

impl World {
    /// Starts without saved state.
    pub(crate) async fn of(sources: Vec<Ready>) -> Self {
        Self::run(sources, &Wall::new(), None).await
    }

    /// Starts with the state that the previous process has saved in the directory.
    pub(crate) async fn resumed(sources: Vec<Ready>, wall: &Wall, directory: &Path) -> Self {
        Self::run(sources, wall, Some(directory)).await
    }

    async fn run(sources: Vec<Ready>, wall: &Wall, directory: Option<&Path>) -> Self {
        let clock = wall.clock();
        let exposition = Arc::new(Exposition::new(clock().wall).expect("metrics"));
        let opened = directory.map(|directory| Storage::open(directory, clock.clone()).expect("not in use"));
        let (storage, saved) = opened.unzip();
        let mut observers: Vec<Arc<dyn Observer>> = vec![exposition.clone()];
        observers.extend(storage.clone().map(|storage| -> Arc<dyn Observer> { storage }));
        let store = Arc::new(Store::new(Arc::new(observers)));
        let mut scheduler = Scheduler::new(store.clone(), clock);
        let mut saved = saved.unwrap_or_default();
        store.restore_failures(saved.failures());
        standing_still(scheduler.resume(sources, |about, now| saved.take(about, now))).await;
        Self { store, scheduler, exposition, storage }
    }

    /// Polls these sources from now on.
    pub(crate) async fn apply(&mut self, sources: Vec<Ready>) {
        standing_still(self.scheduler.apply(sources)).await;
    }

    /// Shuts down gracefully, but cuts off polls under way.
    pub(crate) async fn end(self) {
        self.end_within(Duration::ZERO).await;
    }

    /// Shuts down gracefully.
    pub(crate) async fn end_within(mut self, grace: Duration) {
        self.scheduler.stop(grace).await;
        let storage = self.storage.expect("a storage");
        assert!(storage.health().is_up());
        standing_still(storage.close()).await;
    }

    pub(crate) async fn end_after(self, time: Duration) {
        tokio::time::sleep(time).await;
        self.end().await;
    }

    pub(crate) fn state(&self, name: &str) -> Arc<SourceState> {
        self.store.snapshot().into_iter().find(|state| *state.about.name == *name).expect("the source")
    }

    pub(crate) fn metrics(&self) -> String {
        text(&self.exposition.plain(Instant::now()).balances)
    }

    /// The metrics of the program itself.
    pub(crate) fn own_metrics(&self) -> String {
        text(&self.exposition.plain(Instant::now()).program)
    }
}

/// Waits for a thread outside the simulation, without letting the clock jump meanwhile.
pub(crate) async fn standing_still<T>(waiting: impl Future<Output = T>) -> T {
    let (release, held) = std::sync::mpsc::channel::<()>();
    // The clock does not jump while a blocking task runs.
    let holding = tokio::task::spawn_blocking(move || held.recv());
    let done = waiting.await;
    drop(release);
    let _ = holding.await.expect("no panic");
    done
}

/// Records times, relative to the start of the test.
#[derive(Clone)]
pub(crate) struct Times(Arc<Mutex<Vec<Duration>>>, Instant);

impl Times {
    pub(crate) fn new() -> Self {
        Self(Arc::default(), Instant::now())
    }

    pub(crate) fn note(&self) {
        self.0.lock().expect("no panic").push(self.1.elapsed());
    }

    /// In whole seconds, which hides that the timer is up to a millisecond late.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.0.lock().expect("no panic").iter().map(Duration::as_secs).collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the result of a script")]
pub(crate) fn good() -> Polled {
    Ok(Answer::new(vec![amount(1.0)]))
}

pub(crate) fn amount(amount: f64) -> Reading {
    Reading::available_amount(Label::default(), Label::default(), Figure::new(amount).expect("a finite number"))
}

pub(crate) fn failed(reason: Reason) -> Polled {
    Err(Failure::new(reason, "scripted"))
}
