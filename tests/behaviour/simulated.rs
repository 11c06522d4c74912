//! A scheduler with scripted sources, under a clock that jumps from one event to the next.

use crate::support::text;
use balance_exporter::domain::{About, Identity};
use balance_exporter::domain::{Answer, Failure, Figure, Label, Low, Reading, Reason};
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

/// What the wall clock shows when a test begins, in seconds since the epoch.
pub(crate) const BEGINNING: u64 = 1_800_000_000;

pub(crate) type Polled = Result<Answer, Failure>;

/// A provider that does what the test says, given which poll it is.
struct Scripted<F>(F, Mutex<u32>);

impl<F: Fn(u32) -> BoxFuture<'static, Polled> + Send + Sync> Provider for Scripted<F> {
    fn poll<'a>(&'a self, _: &'a dyn Http) -> BoxFuture<'a, Polled> {
        let mut polls = self.1.lock().expect("no panic");
        *polls += 1;
        (self.0)(*polls)
    }
}

/// The scripted provider calls nobody.
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
        provider: "scripted",
        identity: Identity([0; 32]),
        interval,
        max_age: interval * 3,
        low: Low::default(),
    };
    let provider = Arc::new(Scripted(script, Mutex::new(0)));
    let target = Target { provider, http: Box::new(NoNetwork), secrets: Vec::new() };
    Ready { about, target, recipe: recipe("x") }
}

/// A recipe that differs from others by its token. Nothing is made of it here.
pub(crate) fn recipe(token: &str) -> Recipe {
    let secrets = vec![Secret::new(token.to_owned())];
    Recipe { secrets, url: None, network: Network::default(), timeout: Duration::from_secs(10) }
}

/// A wall clock that goes with the simulated one, until somebody sets it.
#[derive(Clone)]
pub(crate) struct Wall {
    began: Instant,
    offset: Arc<AtomicI64>,
}

impl Wall {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), offset: Arc::default() }
    }

    /// Sets it forward by these seconds, or back.
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

/// A run of the program's inner part.
pub(crate) struct World {
    pub(crate) store: Arc<Store>,
    pub(crate) scheduler: Scheduler,
    exposition: Arc<Exposition>,
    storage: Option<Arc<Storage>>,
}

impl World {
    /// One that begins with nothing.
    pub(crate) async fn of(sources: Vec<Ready>) -> Self {
        Self::run(sources, &Wall::new(), None).await
    }

    /// One that begins with what the one before has left in the directory.
    pub(crate) async fn resumed(sources: Vec<Ready>, wall: &Wall, directory: &Path) -> Self {
        Self::run(sources, wall, Some(directory)).await
    }

    async fn run(sources: Vec<Ready>, wall: &Wall, directory: Option<&Path>) -> Self {
        let clock = wall.clock();
        let exposition = Arc::new(Exposition::new(clock().wall).expect("metrics"));
        let opened = directory.map(|directory| Storage::open(directory, clock.clone()).expect("nobody else is there"));
        let (storage, kept) = opened.unzip();
        let mut observers: Vec<Arc<dyn Observer>> = vec![exposition.clone()];
        observers.extend(storage.clone().map(|storage| -> Arc<dyn Observer> { storage }));
        let store = Arc::new(Store::new(Arc::new(observers)));
        let mut scheduler = Scheduler::new(store.clone(), clock);
        let mut kept = kept.unwrap_or_default();
        store.restore_failures(kept.failures());
        standing_still(scheduler.resume(sources, |about, now| kept.take(about, now))).await;
        Self { store, scheduler, exposition, storage }
    }

    /// Polls these sources from now on.
    pub(crate) async fn apply(&mut self, sources: Vec<Ready>) {
        standing_still(self.scheduler.apply(sources)).await;
    }

    /// Ends it in order, with everything written. A poll under way is cut off.
    pub(crate) async fn end(self) {
        self.end_within(Duration::ZERO).await;
    }

    /// The same, with some time for polls under way.
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

/// Waits for what a thread outside of the simulation does, without the clock jumping to the next event meanwhile.
pub(crate) async fn standing_still<T>(waiting: impl Future<Output = T>) -> T {
    let (release, held) = std::sync::mpsc::channel::<()>();
    // The clock jumps only where no blocking task runs.
    let holding = tokio::task::spawn_blocking(move || held.recv());
    let done = waiting.await;
    drop(release);
    let _ = holding.await.expect("no panic");
    done
}

/// Collects when something happened, counted from the beginning.
#[derive(Clone)]
pub(crate) struct Times(Arc<Mutex<Vec<Duration>>>, Instant);

impl Times {
    pub(crate) fn new() -> Self {
        Self(Arc::default(), Instant::now())
    }

    pub(crate) fn note(&self) {
        self.0.lock().expect("no panic").push(self.1.elapsed());
    }

    /// Whole seconds; the timer's own millisecond of lateness falls away.
    pub(crate) fn seconds(&self) -> Vec<u64> {
        self.0.lock().expect("no panic").iter().map(Duration::as_secs).collect()
    }
}

#[expect(clippy::unnecessary_wraps, reason = "what a script ends with")]
pub(crate) fn good() -> Polled {
    Ok(Answer::new(vec![amount(1.0)]))
}

pub(crate) fn amount(amount: f64) -> Reading {
    Reading::available_amount(Label::default(), Label::default(), Figure::new(amount).expect("a finite number"))
}

pub(crate) fn failed(reason: Reason) -> Polled {
    Err(Failure::new(reason, "scripted"))
}
