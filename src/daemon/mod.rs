//! The daemon: connects scheduler, store, exposition and server. Files and sockets are opened by its caller.

pub mod systemd;

use crate::exposition::Exposition;
use crate::poll::assemble::Ready;
use crate::poll::scheduler::Scheduler;
use crate::server;
use crate::server::access::{self, Web};
use crate::server::liveness::{self, LivenessProbe};
use crate::server::reload::{NotReloaded, ReloadRequests, Reloader};
use crate::server::routes::Site;
use crate::state::clock::Moment;
use crate::state::disk::{SavedState, Storage};
use crate::state::{Observer, Store};
use crate::system::lane::{Lane, LaneError};
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use systemd::Manager;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long shutdown waits for polls under way.
const LAST_POLLS: Duration = Duration::from_secs(1);
/// How long shutdown waits for the storage.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// How long a reload waits for its files to be read.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// In bytes, as much as the main thread has. A deeply nested file that is accepted at the start must not overflow the stack at a reload.
const READ_STACK: usize = 8 * 1024 * 1024;

/// Reads the configuration again and returns its sources.
pub type Load = Arc<dyn Fn() -> Result<Vec<Ready>, LoadError> + Send + Sync>;

/// Why the configuration cannot be used. It prints as one line.
pub type LoadError = Box<dyn Error + Send + Sync>;

/// The parts of a daemon that is ready to run.
pub struct Daemon {
    /// The sources that are polled from the start.
    pub sources: Vec<Ready>,
    /// Called at a reload. It may block.
    pub load: Load,
    /// Requests to reload.
    pub reloads: ReloadRequests,
    /// For reloads over HTTP; absent where they are not allowed.
    pub lifecycle: Option<Reloader>,
    /// The storage and what it held at the start; absent where state is in memory only.
    pub storage: Option<(Arc<Storage>, SavedState)>,
    /// The listening sockets of the server.
    pub listeners: Vec<TcpListener>,
    /// The web configuration.
    pub web: Arc<Web>,
    /// The path of the metrics.
    pub telemetry_path: String,
}

/// Why the daemon has ended without a request to shut down.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The program's own metrics cannot be registered.
    #[error("the program's own metrics contradict each other ({0}), which is a fault of the program; report it")]
    Metrics(#[from] prometheus::Error),
    /// The server has ended.
    #[error("the server has ended by itself, which is a fault of the program; restart it, and report it")]
    Server,
}

impl Daemon {
    /// Polls the sources and serves their state until `shutdown` completes. Then no poll or request starts any more, those under way
    /// have some time to end, and the last state is written.
    ///
    /// # Errors
    /// When it ends without a shutdown. The last state is written in that case, too.
    ///
    /// # Panics
    /// When the scheduler or the server panics. A panic within a poll is a failed poll.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Fault> {
        let Self { sources, load, reloads, lifecycle, storage, listeners, web, telemetry_path } = self;
        let (storage, saved) = storage.unzip();
        let (exposition, store) = observed_store(storage.as_ref())?;
        let site = Arc::new(Site { exposition: exposition.clone(), store: store.clone(), telemetry_path, lifecycle });
        let (probe, responders) = liveness::probe(listeners.len());
        let (stop, stopped) = watch::channel(false);
        let mut server = pin!(server::serve(listeners.into_iter().zip(responders), site, web.clone(), stopped));
        let mut scheduler = Scheduler::new(store.clone(), Arc::new(Moment::now));
        let manager = Manager::of_this_process();
        let background = Background {
            manager: &manager,
            scheduler: &mut scheduler,
            store: &store,
            exposition: &exposition,
            storage: storage.as_deref(),
            probe: &probe,
            reloading: Reloading::new(reloads, load, web),
        };
        // The order matters: after a shutdown nothing starts, and the first client finds every source. Shutdown cancels the background
        // work, a reload included.
        let ended = tokio::select! {
            biased;
            () = shutdown => Ok(()),
            never = background.run(sources, saved.unwrap_or_default()) => match never {},
            () = server.as_mut() => Err(Fault::Server),
        };
        tracing::info!("stopping");
        manager.stopping();
        stop.send_replace(true);
        let last_answers = async {
            if ended.is_ok() {
                server.await;
            }
        };
        tokio::join!(scheduler.stop(LAST_POLLS), last_answers);
        if let Some(storage) = storage {
            close(&storage).await;
        }
        ended
    }
}

/// A store that is observed by an exposition and, if there is one, by the storage.
fn observed_store(storage: Option<&Arc<Storage>>) -> Result<(Arc<Exposition>, Arc<Store>), prometheus::Error> {
    let exposition = Arc::new(Exposition::new(Moment::now().wall)?);
    let mut observers: Vec<Arc<dyn Observer>> = vec![exposition.clone()];
    if let Some(storage) = storage {
        exposition.watch_storage(storage.health())?;
        observers.push(storage.clone());
    }
    Ok((exposition, Arc::new(Store::new(Arc::new(observers)))))
}

/// Writes the last state, but does not wait for a disk that hangs.
async fn close(storage: &Storage) {
    if tokio::time::timeout(LAST_WRITE, storage.close()).await.is_err() {
        tracing::error!("the storage takes too long; the last changes may be lost");
    }
}

/// Everything that runs beside the server: polls, reloads, messages to the service manager.
struct Background<'a> {
    manager: &'a Manager,
    scheduler: &'a mut Scheduler,
    store: &'a Store,
    exposition: &'a Exposition,
    storage: Option<&'a Storage>,
    probe: &'a LivenessProbe,
    reloading: Reloading,
}

impl Background<'_> {
    async fn run(mut self, sources: Vec<Ready>, saved: SavedState) -> Infallible {
        // First, so that readiness is not reported before the store holds every source.
        self.start_sources(sources, saved).await;
        let Self { manager, scheduler, store, exposition, storage: _, probe, mut reloading } = self;
        let mut notifications = pin!(manager.run(store, probe));
        let mut web_changes = pin!(reloading.web.clone().watch());
        loop {
            let loaded = tokio::select! {
                never = notifications.as_mut() => match never {},
                never = web_changes.as_mut() => match never {},
                never = scheduler.run() => match never {},
                loaded = reloading.next(manager) => loaded,
            };
            let hangs = matches!(loaded, Err(Unusable::Hangs));
            let result = reloading.put_into_force(loaded, scheduler, exposition).await;
            manager.ready();
            if hangs { reloading.requests.answer_everybody(result) } else { reloading.requests.answer(result) }
        }
    }

    /// Starts to poll the sources, from the state that the previous process has saved.
    async fn start_sources(&mut self, sources: Vec<Ready>, mut saved: SavedState) {
        let mut restored = 0;
        self.store.restore_failures(saved.failures());
        self.scheduler.resume(sources, |about, now| saved.take(about, now).inspect(|_| restored += 1)).await;
        if restored > 0 {
            tracing::info!(sources = restored, "restored from the storage");
        }
        if let Some(storage) = self.storage {
            // These sources are no longer configured.
            saved.into_names().for_each(|name| storage.removed(&name));
        }
    }
}

/// Why a reload is refused.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Bad(#[source] LoadError),
    #[error("the configuration cannot be read: {0}")]
    Thread(#[source] LaneError),
    #[error(
        "the configuration, or a file that it names, cannot be read within {} s; see whether a disk or a mount hangs, for this reload or for an earlier one that still waits, and reload again",
        READ_TIMEOUT.as_secs()
    )]
    Hangs,
}

/// Reads the configuration when requested, and puts it into force.
struct Reloading {
    requests: ReloadRequests,
    load: Load,
    web: Arc<Web>,
    /// Reads the files on a thread of its own, so that a disk that hangs does not delay polls. It has one thread, so that reads that hang
    /// do not pile up.
    files: Lane,
}

impl Reloading {
    fn new(requests: ReloadRequests, load: Load, web: Arc<Web>) -> Self {
        Self { requests, load, web, files: Lane::new("reload", 1).with_stack(READ_STACK) }
    }

    /// Waits for a request and reads all files. [`Reloading::put_into_force`] applies the result.
    async fn next(&mut self, manager: &Manager) -> Result<(Vec<Ready>, access::Loaded), Unusable> {
        self.requests.next().await;
        manager.reloading();
        let (load, web) = (self.load.clone(), self.web.clone());
        let read = self.files.run(move || Ok((load()?, web.read())));
        let read = tokio::time::timeout(READ_TIMEOUT, read).await.map_err(|_| Unusable::Hangs)?;
        read.map_err(Unusable::Thread)?.map_err(Unusable::Bad)
    }

    /// Applies what was read, or keeps what is in force where that is bad. Logs and returns which of the two.
    async fn put_into_force(
        &self,
        read: Result<(Vec<Ready>, access::Loaded), Unusable>,
        scheduler: &mut Scheduler,
        exposition: &Exposition,
    ) -> Result<(), NotReloaded> {
        let good = read.and_then(|(sources, web)| {
            self.web.put_into_force(web).map_err(|error| Unusable::Bad(error.into()))?;
            Ok(sources)
        });
        match good {
            Ok(sources) => {
                let count = sources.len();
                scheduler.apply(sources).await;
                exposition.reloaded(Some(Moment::now().wall));
                tracing::info!(sources = count, "configuration reloaded");
                Ok(())
            }
            Err(error) => {
                exposition.reloaded(None);
                tracing::error!(error = error.to_string(), "configuration not reloaded; the old one stays in force");
                Err(NotReloaded::Refused(Arc::new(error)))
            }
        }
    }
}
