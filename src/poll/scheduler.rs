//! One task for each source: it waits until a poll is due, polls, and records the outcome in the store.
//!
//! [`crate::poll::schedule`] decides when a poll is due; this module waits, reads the clock and logs.

use crate::domain::{About, RetryAfter};
use crate::poll::Target;
use crate::poll::assemble::{Ready, Recipe};
use crate::poll::journal::Journal;
use crate::poll::schedule::{FailedPoll, Schedule};
use crate::provider::Provider;
use crate::state::clock::{Clock, Moment};
use crate::state::{Outcome, Phase, SourceState, Store};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

/// The normal distance between first polls: fifty a second.
const FIRST_POLLS_EVERY: Duration = Duration::from_millis(20);
/// All first polls begin within this time, or within the shortest interval where that is shorter.
const FIRST_POLLS_WITHIN: Duration = Duration::from_secs(60);

/// The tasks of all sources. They are aborted when it is dropped.
pub struct Scheduler {
    store: Arc<Store>,
    clock: Clock,
    tasks: JoinSet<()>,
    sources: HashMap<Arc<str>, Scheduled>,
    stop: watch::Sender<bool>,
}

/// A source with its task.
struct Scheduled {
    about: About,
    recipe: Recipe,
    provider: Arc<dyn Provider>,
    task: AbortHandle,
    /// Resolves when the task has ended.
    ended: oneshot::Receiver<()>,
    journal: Arc<Mutex<Journal>>,
    /// Asks the task to reset its backoff.
    reset_backoff: Arc<AtomicBool>,
}

impl Scheduled {
    fn is_same(&self, other: &Ready) -> bool {
        self.about == other.about && self.recipe == other.recipe
    }

    /// Whether the other is the same account with the same secrets, however it is reached.
    fn makes_same_provider(&self, other: &Ready) -> bool {
        self.about.identity == other.about.identity && self.recipe.makes_same_provider(&other.recipe)
    }
}

/// How a source of a new configuration compares to what is known of it.
enum Change {
    /// Its task continues.
    Unchanged,
    /// The same provider with other settings. Readings, counts and session stay.
    Adjusted {
        provider: Arc<dyn Provider>,
        journal: Arc<Mutex<Journal>>,
        /// When it was to be polled; absent where a poll was under way.
        due: Option<Instant>,
    },
    /// The previous process has saved its state.
    Restored(Box<SourceState>),
    /// Nothing is known of it.
    New,
}

/// A source whose task is about to start.
struct Starting {
    source: Ready,
    journal: Arc<Mutex<Journal>>,
    /// What to put into the store. None where the state that is there stays, with other settings.
    state: Option<Box<SourceState>>,
    first: FirstPoll,
}

/// When the task polls first.
enum FirstPoll {
    /// When the previous process has scheduled it.
    Scheduled(Instant),
    /// At a time that is spread over those of all sources that start together.
    Spread {
        /// When it was to be polled before a reload.
        before: Option<Instant>,
        due: Instant,
    },
}

impl Starting {
    fn adjusted(mut source: Ready, provider: Arc<dyn Provider>, journal: Arc<Mutex<Journal>>, first: FirstPoll) -> Self {
        source.target.provider = provider;
        Self { source, journal, state: None, first }
    }

    fn restored(source: Ready, state: Box<SourceState>, now: Instant) -> Self {
        let journal = Arc::new(Mutex::new(Journal::of(&state)));
        let first = match state.phase.due().filter(|due| *due > now) {
            Some(due) => FirstPoll::Scheduled(due),
            None => FirstPoll::Spread { before: None, due: now },
        };
        Self { source, journal, state: Some(state), first }
    }

    fn new(source: Ready, now: Instant) -> Self {
        let state = Some(Box::new(SourceState::new(Arc::new(source.about.clone()))));
        Self { source, journal: Arc::default(), state, first: FirstPoll::Spread { before: None, due: now } }
    }

    /// Puts the source into the store, in the phase that lasts until its task starts.
    fn announce(&mut self, store: &Store) {
        let phase = match self.first {
            FirstPoll::Scheduled(due) => Phase::Waiting { due },
            FirstPoll::Spread { due, .. } => {
                let resume = Schedule::new(self.source.about.interval, due).resume_time(due);
                Phase::Announced { due, resume }
            }
        };
        match self.state.take() {
            Some(state) => store.insert(SourceState { phase, ..*state }),
            None => store.adjust(self.source.about.clone(), phase),
        }
    }
}

/// Spreads first polls over the time from `now` on.
fn spread(starting: &mut [Starting], now: Instant) {
    let mut waiting = Vec::new();
    for Starting { source, first, .. } in starting {
        if let FirstPoll::Spread { before, due } = first {
            waiting.push((source.about.interval, *before, due));
        }
    }
    // The longest wait first, so that repeated reloads starve no source.
    waiting.sort_by_key(|(_, before, _)| before.unwrap_or(now));
    let distance = first_poll_distance(waiting.iter().map(|(interval, ..)| *interval));
    for (n, (_, before, due)) in (0..).zip(waiting) {
        let turn = now + distance * n;
        *due = before.filter(|before| *before > now).map_or(turn, |before| before.min(turn));
    }
}

/// The distance between the first polls of sources with these intervals.
fn first_poll_distance(intervals: impl ExactSizeIterator<Item = Duration>) -> Duration {
    let count = u32::try_from(intervals.len()).unwrap_or(u32::MAX);
    let within = intervals.fold(FIRST_POLLS_WITHIN, Duration::min);
    let fits = FIRST_POLLS_EVERY.checked_mul(count).is_some_and(|all| all <= within);
    // A tenth is left for the disk and for the polls themselves.
    if fits { FIRST_POLLS_EVERY } else { within * 9 / 10 / count }
}

impl Scheduler {
    /// A scheduler without sources.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, tasks: JoinSet::new(), sources: HashMap::new(), stop: watch::Sender::new(false) }
    }

    /// Polls these sources from now on, and no others.
    ///
    /// An unchanged source keeps its task and its next poll; only its backoff is reset. A source with the same provider keeps its
    /// readings, counts and session, and is polled soon. Any other source starts from nothing.
    pub async fn apply(&mut self, sources: Vec<Ready>) {
        self.resume(sources, |_, _| None).await;
    }

    /// As [`Scheduler::apply`], but a source that would start from nothing starts from its `saved` state. It is polled when it is
    /// due, or soon where that has passed.
    pub async fn resume(&mut self, sources: Vec<Ready>, mut saved: impl FnMut(&About, Moment) -> Option<SourceState>) {
        self.remove_all_but(&sources).await;
        let now = (self.clock)();
        let mut starting = Vec::new();
        for source in sources {
            match self.compare(&source, |about| saved(about, now)).await {
                Change::Unchanged => {}
                Change::Adjusted { provider, journal, due } => {
                    let first = FirstPoll::Spread { before: due, due: now.instant };
                    starting.push(Starting::adjusted(source, provider, journal, first));
                }
                Change::Restored(state) => starting.push(Starting::restored(source, state, now.instant)),
                Change::New => starting.push(Starting::new(source, now.instant)),
            }
        }
        spread(&mut starting, now.instant);
        for starting in &mut starting {
            starting.announce(&self.store);
        }
        // Persist intent before the first request, so that a crash loop cannot hammer providers.
        if starting.iter().any(|starting| matches!(starting.first, FirstPoll::Spread { .. })) {
            self.store.persisted().await;
        }
        // Delay all first polls by as much as that took, so that they stay spread.
        let delay = (self.clock)().instant - now.instant;
        for Starting { source, journal, first, .. } in starting {
            let first = match first {
                FirstPoll::Scheduled(due) => due,
                FirstPoll::Spread { due, .. } => due + delay,
            };
            self.start(source, first, journal);
        }
    }

    async fn remove_all_but(&mut self, sources: &[Ready]) {
        let names: HashSet<&str> = sources.iter().map(|source| &*source.about.name).collect();
        let removed: Vec<Arc<str>> = self.sources.keys().filter(|name| !names.contains(&***name)).cloned().collect();
        for name in removed {
            self.end(&name).await;
            self.store.remove(&name);
        }
    }

    /// Compares a source with the running one of the same name, whose task ends unless nothing has changed.
    async fn compare(&mut self, source: &Ready, saved: impl FnOnce(&About) -> Option<SourceState>) -> Change {
        let name = &source.about.name;
        if let Some(running) = self.sources.get(name).filter(|running| running.is_same(source)) {
            running.reset_backoff.store(true, Ordering::Relaxed);
            return Change::Unchanged;
        }
        let ended = self.end(name).await;
        match ended.filter(|ended| ended.makes_same_provider(source)) {
            Some(Scheduled { provider, journal, .. }) => Change::Adjusted { provider, journal, due: self.store.due(name) },
            None => saved(&source.about).map_or(Change::New, |state| Change::Restored(Box::new(state))),
        }
    }

    fn start(&mut self, Ready { about, target, recipe }: Ready, first: Instant, journal: Arc<Mutex<Journal>>) {
        let provider = target.provider.clone();
        let reset_backoff = Arc::new(AtomicBool::new(false));
        let work = SourceTask {
            about: about.clone(),
            target,
            schedule: Schedule::new(about.interval, first),
            journal: journal.clone(),
            reset_backoff: reset_backoff.clone(),
            stop: self.stop.subscribe(),
            store: self.store.clone(),
            clock: self.clock.clone(),
        };
        let (running, ended) = oneshot::channel::<()>();
        let task = self.tasks.spawn(async move {
            // Dropped with the task, however it ends.
            let _running = running;
            work.run().await;
        });
        self.sources.insert(about.name.clone(), Scheduled { about, recipe, provider, task, ended, journal, reset_backoff });
    }

    /// Ends the task of a source, and waits until it can no longer change the store.
    async fn end(&mut self, name: &str) -> Option<Scheduled> {
        let mut scheduled = self.sources.remove(name)?;
        scheduled.task.abort();
        // The sender is dropped and never used, so this is always an error.
        let _ = (&mut scheduled.ended).await;
        Some(scheduled)
    }

    /// Watches the tasks. None of them ends by itself.
    ///
    /// # Panics
    /// When a task of the scheduler has panicked. A panic within a poll is a failed poll.
    pub async fn run(&mut self) -> Infallible {
        loop {
            match self.tasks.join_next().await.map(|ended| ended.map_err(JoinError::try_into_panic)) {
                Some(Err(Ok(panic))) => std::panic::resume_unwind(panic),
                // It was aborted.
                Some(_) => {}
                // There are no sources.
                None => std::future::pending().await,
            }
        }
    }

    /// Graceful shutdown: no poll starts any more. Polls under way have `grace` to end and to be recorded, and are cut off then. When
    /// this returns, nothing changes the store. A poll that was cut off keeps its resume time, because the provider was asked; one
    /// that has not started loses it.
    pub async fn stop(&mut self, grace: Duration) {
        self.stop.send_replace(true);
        // A task that panics has logged it, and the others still need their time.
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
        self.store.clear_unused_resume_times();
    }
}

/// What the task of one source works with.
struct SourceTask {
    about: About,
    target: Target,
    schedule: Schedule,
    journal: Arc<Mutex<Journal>>,
    reset_backoff: Arc<AtomicBool>,
    /// Turns true when no further poll may start.
    stop: watch::Receiver<bool>,
    store: Arc<Store>,
    clock: Clock,
}

impl SourceTask {
    /// Polls whenever a poll is due, until the scheduler stops.
    async fn run(mut self) {
        while self.wait().await {
            self.poll().await;
        }
    }

    /// Waits until the next poll is due. False if it must not start.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            () = tokio::time::sleep_until(self.schedule.due()) => true,
        }
    }

    async fn poll(&mut self) {
        let Self { about, target, schedule, journal, store, .. } = self;
        let begun = Instant::now();
        store.poll_started(&about.name, schedule.resume_time(begun));
        let result = target.poll().await;
        let ended = (self.clock)();
        if self.reset_backoff.swap(false, Ordering::Relaxed) {
            schedule.reset_backoff();
        }
        match &result {
            Ok(_) => schedule.succeeded(begun, ended.instant),
            Err(failure) => {
                let retry_after = failure.retry_after.map(|retry_after| wait_of(retry_after, ended));
                let (reason, now, jitter) = (failure.reason, ended.instant, fastrand::f64());
                schedule.failed(FailedPoll { reason, retry_after, begun, now, jitter });
            }
        }
        journal.lock().unwrap_or_else(PoisonError::into_inner).note(about, &result);
        store.record(&about.name, Outcome { ended, took: ended.instant - begun, result, next: schedule.due() });
    }
}

/// How long a provider asks to wait from now on. A date in the past asks for no wait.
fn wait_of(retry_after: RetryAfter, now: Moment) -> Duration {
    match retry_after {
        RetryAfter::Delay(delay) => delay,
        RetryAfter::At(at) => at.duration_since(now.wall).unwrap_or(Duration::ZERO),
    }
}
