//! One task a source: it waits until a poll is due, polls, and hands the outcome to the store.
//!
//! When a poll is due is decided in [`crate::poll::schedule`]; here is the waiting, the clock and the log.

use crate::domain::About;
use crate::domain::RetryAfter;
use crate::poll::Target;
use crate::poll::assemble::{Ready, Recipe};
use crate::poll::journal::Journal;
use crate::poll::schedule::Schedule;
use crate::provider::Provider;
use crate::state::clock::{Clock, Moment};
use crate::state::{Outcome, SourceState, Store};
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
/// Faster, where they would not all have begun in this time, or within the shortest interval.
const FIRST_POLLS_WITHIN: Duration = Duration::from_secs(60);

/// The tasks of all sources. They end when it is dropped.
pub struct Scheduler {
    store: Arc<Store>,
    clock: Clock,
    tasks: JoinSet<()>,
    sources: HashMap<Arc<str>, Scheduled>,
    stop: watch::Sender<bool>,
}

/// How first polls follow each other.
#[derive(Clone, Copy)]
struct Pace(Duration);

impl Pace {
    /// Of sources with these intervals: fifty a second, and faster only where the shortest interval, of a minute at most, would pass
    /// before all had their turn. Then a tenth of it is left for the disk and for the polls themselves.
    fn of(intervals: impl ExactSizeIterator<Item = Duration>) -> Self {
        let count = u32::try_from(intervals.len()).unwrap_or(u32::MAX);
        let within = intervals.fold(FIRST_POLLS_WITHIN, Duration::min);
        let fits = FIRST_POLLS_EVERY.checked_mul(count).is_some_and(|all| all <= within);
        Self(if fits { FIRST_POLLS_EVERY } else { within * 9 / 10 / count })
    }
}

/// A source that is about to have its task.
struct Starting {
    source: Ready,
    journal: Arc<Mutex<Journal>>,
    /// How it begins; none where it stays what it is in the store.
    state: Option<SourceState>,
    /// When it was to be polled before a reload.
    before: Option<Instant>,
    /// When a process before has left it to be polled. It needs no turn.
    due: Option<Instant>,
    /// When its turn is.
    turn: Instant,
}

impl Starting {
    /// Is polled as the `n`th from now on, or when it was to be polled anyway.
    fn take_turn(&mut self, n: u32, Pace(pace): Pace, now: Instant) {
        let turn = now + pace * n;
        self.turn = self.before.filter(|before| *before > now).map_or(turn, |before| before.min(turn));
    }

    /// Puts it into the store, as it is until its task begins.
    fn note(&mut self, store: &Store) {
        let resume = Schedule::new(self.source.about.interval, self.turn).if_cut_off(self.turn);
        match (self.state.take(), self.due) {
            (Some(state), Some(due)) => store.insert(SourceState { next: Some(due), ..state }),
            (Some(state), None) => store.insert(SourceState { next: Some(self.turn), resume: Some(resume), ..state }),
            (None, _) => store.adjust(self.source.about.clone(), self.turn, resume),
        }
    }
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
    /// Whether nothing has changed.
    fn is_same(&self, other: &Ready) -> bool {
        self.about == other.about && self.recipe == other.recipe
    }

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
        self.end_all_but(&sources).await;
        let now = (self.clock)();
        let mut starting = Vec::new();
        for source in sources {
            if let Some(same) = self.sources.get(&source.about.name).filter(|before| before.is_same(&source)) {
                same.forgiven.store(true, Ordering::Relaxed);
            } else {
                starting.push(self.prepare(source, now, &mut kept).await);
            }
        }
        let mut waiting: Vec<&mut Starting> = starting.iter_mut().filter(|starting| starting.due.is_none()).collect();
        // Who has waited longest is first, so that reloads in a row leave nobody out.
        waiting.sort_by_key(|starting| starting.before.unwrap_or(now.instant));
        let pace = Pace::of(waiting.iter().map(|starting| starting.source.about.interval));
        for (n, starting) in (0..).zip(waiting) {
            starting.take_turn(n, pace, now.instant);
        }
        for starting in &mut starting {
            starting.note(&self.store);
        }
        // Persist intent before the first request, so that a crash loop cannot hammer providers.
        if starting.iter().any(|starting| starting.due.is_none()) {
            self.store.settled().await;
        }
        // What the disk has taken puts all turns off alike, lest they come at once.
        let waited = (self.clock)().instant - now.instant;
        for Starting { source, journal, due, turn, .. } in starting {
            self.begin(source, due.unwrap_or(turn + waited), journal);
        }
    }

    /// Ends whoever is not named any more.
    async fn end_all_but(&mut self, sources: &[Ready]) {
        let names: HashSet<&str> = sources.iter().map(|source| &*source.about.name).collect();
        let gone: Vec<Arc<str>> = self.sources.keys().filter(|name| !names.contains(&***name)).cloned().collect();
        for name in gone {
            self.end(&name).await;
            self.store.remove(&name);
        }
    }

    /// Ends what goes by the name of a source, and takes over from it, or from what `kept` has, what stays.
    async fn prepare(
        &mut self,
        mut source: Ready,
        now: Moment,
        kept: &mut impl FnMut(&About, Moment) -> Option<SourceState>,
    ) -> Starting {
        let name = source.about.name.clone();
        let before = self.sources.get(&name).filter(|before| before.makes_same_provider(&source));
        let before = before.map(|before| (before.provider.clone(), before.journal.clone()));
        self.end(&name).await;
        if let Some((provider, journal)) = before {
            source.target.provider = provider;
            let before = self.store.due(&name);
            return Starting { source, journal, state: None, before, due: None, turn: now.instant };
        }
        let state = kept(&source.about, now);
        let journal = Arc::new(Mutex::new(state.as_ref().map(Journal::of).unwrap_or_default()));
        let state = state.unwrap_or_else(|| SourceState::new(Arc::new(source.about.clone())));
        let due = state.next.filter(|due| *due > now.instant);
        Starting { source, journal, state: Some(state), before: None, due, turn: now.instant }
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
