//! One task a source: it waits until a poll is due, polls, and hands the outcome to the store.
//!
//! When a poll is due is decided in [`crate::schedule`]; here is the waiting, the clock and the log.

use crate::assemble::{Ready, Recipe};
use crate::domain::RetryAfter;
use crate::journal::Journal;
use crate::poll::Target;
use crate::provider::Provider;
use crate::schedule::Schedule;
use crate::store::{About, Clock, Moment, Outcome, SourceState, Store};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;

/// First polls are spread: one in this time, fifty a second.
const FIRST_POLLS_EVERY: Duration = Duration::from_millis(20);

/// The tasks of all sources. They end when it is dropped.
pub struct Scheduler {
    store: Arc<Store>,
    clock: Clock,
    tasks: JoinSet<()>,
    sources: HashMap<Arc<str>, Scheduled>,
    stop: watch::Sender<bool>,
}

/// A source that has its task.
struct Scheduled {
    about: About,
    recipe: Recipe,
    provider: Arc<dyn Provider>,
    task: AbortHandle,
    /// Resolves when the task has ended.
    ended: oneshot::Receiver<()>,
    journal: Arc<Mutex<Journal>>,
    /// Tells the task that failures so far no longer count.
    forgiven: Arc<AtomicBool>,
}

impl Scheduled {
    /// Whether the other is the same account with the same secrets, by whatever way it is reached.
    fn makes_same_provider(&self, other: &Ready) -> bool {
        self.about.identity == other.about.identity && self.recipe.makes_same_provider(&other.recipe)
    }
}

impl Scheduler {
    /// A scheduler without sources.
    #[must_use]
    pub fn new(store: Arc<Store>, clock: Clock) -> Self {
        Self { store, clock, tasks: JoinSet::new(), sources: HashMap::new(), stop: watch::Sender::new(false) }
    }

    /// Polls these sources from now on, and no others.
    ///
    /// A source that is the same as before is left alone, down to its next poll; only its failures no longer make polls more
    /// seldom. One whose provider is the same keeps its readings, counts and session, and is polled soon. Any other of the same
    /// name starts afresh.
    pub async fn apply(&mut self, sources: Vec<Ready>) {
        self.resume(sources, |_, _| None).await;
    }

    /// As [`Scheduler::apply`], but a source that would start afresh goes on from the state that `kept` has of it, with its
    /// readings and counts. It is polled when it is due; one that is overdue is polled soon.
    pub async fn resume(&mut self, sources: Vec<Ready>, mut kept: impl FnMut(&About, Moment) -> Option<SourceState>) {
        let names: HashSet<Arc<str>> = sources.iter().map(|source| source.about.name.clone()).collect();
        let gone: Vec<Arc<str>> = self.sources.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            self.end(&name).await;
            self.store.remove(&name);
        }
        let now = (self.clock)();
        let mut first = now.instant;
        let mut starting = Vec::new();
        for mut source in sources {
            let name = source.about.name.clone();
            let before = self.sources.get(&name);
            if let Some(same) = before.filter(|before| before.about == source.about && before.recipe == source.recipe) {
                same.forgiven.store(true, Ordering::Relaxed);
                continue;
            }
            let same_provider = before.filter(|before| before.makes_same_provider(&source));
            let same_provider = same_provider.map(|before| (before.provider.clone(), before.journal.clone()));
            self.end(&name).await;
            let resume = Schedule::new(source.about.interval, first).if_cut_off(first);
            let (due, journal) = if let Some((provider, journal)) = same_provider {
                source.target.provider = provider;
                self.store.adjust(source.about.clone(), first, resume);
                (None, journal)
            } else {
                let kept = kept(&source.about, now);
                let journal = Arc::new(Mutex::new(kept.as_ref().map(Journal::of).unwrap_or_default()));
                let state = kept.unwrap_or_else(|| SourceState::new(Arc::new(source.about.clone())));
                let due = state.next.filter(|due| *due > now.instant);
                let resume = due.is_none().then_some(resume);
                self.store.insert(SourceState { next: due.or(Some(first)), resume, ..state });
                (due, journal)
            };
            if due.is_none() {
                first += FIRST_POLLS_EVERY;
            }
            starting.push((source, due, journal));
        }
        self.start(starting).await;
    }

    /// Begins with sources that are due at a time, or as soon as their turn comes.
    async fn start(&mut self, starting: Vec<(Ready, Option<Instant>, Arc<Mutex<Journal>>)>) {
        // Where a program is ended and begun again and again, a request that is sent must have been noted before.
        if starting.iter().any(|(_, due, _)| due.is_none()) {
            self.store.settled().await;
        }
        let mut first = (self.clock)().instant;
        for (source, due, journal) in starting {
            self.begin(source, due.unwrap_or(first), journal);
            if due.is_none() {
                first += FIRST_POLLS_EVERY;
            }
        }
    }

    fn begin(&mut self, Ready { about, target, recipe }: Ready, first: Instant, journal: Arc<Mutex<Journal>>) {
        let provider = target.provider.clone();
        let forgiven = Arc::new(AtomicBool::new(false));
        let watch = Watch {
            about: about.clone(),
            target,
            schedule: Schedule::new(about.interval, first),
            journal: journal.clone(),
            forgiven: forgiven.clone(),
            stop: self.stop.subscribe(),
            store: self.store.clone(),
            clock: self.clock.clone(),
        };
        let (alive, ended) = oneshot::channel::<()>();
        let task = self.tasks.spawn(async move {
            let _alive = alive;
            watch.run().await;
        });
        self.sources.insert(about.name.clone(), Scheduled { about, recipe, provider, task, ended, journal, forgiven });
    }

    /// Ends the task of a source, and waits until it can no longer touch the store.
    async fn end(&mut self, name: &str) {
        if let Some(scheduled) = self.sources.remove(name) {
            scheduled.task.abort();
            // An error is what a dropped sender says.
            let _ = scheduled.ended.await;
        }
    }

    /// Watches over the tasks; none of them ends by itself.
    ///
    /// # Panics
    /// When a task of the scheduler has panicked; a panic within a poll is a failed poll.
    pub async fn run(&mut self) -> Infallible {
        loop {
            match self.tasks.join_next().await.map(|ended| ended.map_err(JoinError::try_into_panic)) {
                Some(Err(Ok(panic))) => std::panic::resume_unwind(panic),
                // Ended on purpose.
                Some(_) => {}
                // Without sources there is nothing to poll, and nothing to end for either.
                None => std::future::pending().await,
            }
        }
    }

    /// Graceful shutdown: no poll begins any more, and those under way have so long to end and to be recorded. Once it returns, nothing
    /// touches the store. A poll that was cut off keeps its resume time, because the provider was asked; one that has not begun has
    /// none any more.
    pub async fn stop(&mut self, grace: Duration) {
        self.stop.send_replace(true);
        // A task that has panicked has logged it, and the others have still to be waited for.
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
        self.store.at_rest();
    }
}

/// The task of one source.
struct Watch {
    about: About,
    target: Target,
    schedule: Schedule,
    journal: Arc<Mutex<Journal>>,
    forgiven: Arc<AtomicBool>,
    /// Turns true when no further poll may begin.
    stop: watch::Receiver<bool>,
    store: Arc<Store>,
    clock: Clock,
}

impl Watch {
    /// Polls whenever a poll is due, until the scheduler stops.
    async fn run(mut self) {
        while self.wait().await {
            self.poll().await;
        }
    }

    /// Waits until the next poll is due. Says whether it may begin.
    async fn wait(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => false,
            () = tokio::time::sleep_until(self.schedule.due()) => true,
        }
    }

    async fn poll(&mut self) {
        let Self { about, target, schedule, journal, forgiven, store, clock, .. } = self;
        let begun = Instant::now();
        store.begun(&about.name, schedule.if_cut_off(begun));
        let result = target.poll().await;
        let ended = clock();
        if forgiven.swap(false, Ordering::Relaxed) {
            schedule.forgive();
        }
        match &result {
            Ok(_) => schedule.succeeded(begun, ended.instant),
            Err(failure) => {
                let wait = failure.retry_after.map(|wish| from_now(wish, ended));
                schedule.failed(failure.reason, wait, begun, ended.instant, fastrand::f64());
            }
        }
        journal.lock().unwrap_or_else(PoisonError::into_inner).note(about, &result);
        store.record(&about.name, Outcome { ended, took: ended.instant - begun, result, next: schedule.due() });
    }
}

/// A wish as a time from now; a date that has passed is no wait.
fn from_now(wish: RetryAfter, now: Moment) -> Duration {
    match wish {
        RetryAfter::Delay(delay) => delay,
        RetryAfter::At(at) => at.duration_since(now.wall).unwrap_or(Duration::ZERO),
    }
}
