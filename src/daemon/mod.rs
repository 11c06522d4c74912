//! The daemon: scheduler, store, exposition and server put together. It is handed everything that it would open itself.

pub mod systemd;

use crate::exposition::Exposition;
use crate::poll::assemble::Ready;
use crate::poll::scheduler::Scheduler;
use crate::server;
use crate::server::access::{self, Web};
use crate::server::liveness::{self, LivenessProbe};
use crate::server::reload::{ReloadRequests, Reloader};
use crate::server::routes::Site;
use crate::state::clock::Moment;
use crate::state::disk::{SavedState, Storage};
use crate::state::{Observer, Store};
use crate::system::lane::Lane;
use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use systemd::Manager;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long polls that are under way may take once the program is told to end.
const LAST_POLLS: Duration = Duration::from_secs(1);
/// How long the end of the program waits for the storage.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// How long the files of a reload may take to be read.
const READING: Duration = Duration::from_secs(10);
/// What the main thread has, which reads them at the start: a file that is good there must not end the program here.
const READING_STACK: usize = 8 * 1024 * 1024;

/// Reads the sources of the configuration again, or says in one line why they cannot be used.
pub type Load = Arc<dyn Fn() -> Result<Vec<Ready>, String> + Send + Sync>;

/// What a daemon is made of.
pub struct Daemon {
    /// What is polled from the start.
    pub sources: Vec<Ready>,
    /// What is polled after a reload. It may block.
    pub load: Load,
    /// Requests to reload.
    pub reloads: ReloadRequests,
    /// The way to reload over HTTP, where that is allowed.
    pub lifecycle: Option<Reloader>,
    /// Where state is kept, with the state that was found there.
    pub storage: Option<(Arc<Storage>, SavedState)>,
    /// Where clients are served.
    pub listeners: Vec<TcpListener>,
    /// To whom, and how.
    pub web: Arc<Web>,
    /// Where the metrics are.
    pub telemetry_path: String,
}

/// Why the daemon has ended though nobody told it to.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The program's own metrics cannot be set up.
    #[error("the program's own metrics contradict each other ({0}), which is a fault of the program; report it")]
    Metrics(#[from] prometheus::Error),
    /// Nobody is served any more.
    #[error("the server has ended by itself, which is a fault of the program; restart it, and report it")]
    Server,
}

impl Daemon {
    /// Polls the sources and serves what is known of them, until `shutdown` completes. Then the polls are stopped, answers under way
    /// are given, and the last state is written, in this order.
    ///
    /// # Errors
    /// When it has ended by itself. What is known is written in that case, too.
    ///
    /// # Panics
    /// When the scheduler or the server fails; a panic within a poll is only a failed poll.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Fault> {
        let Self { sources, load, reloads, lifecycle, storage, listeners, web, telemetry_path } = self;
        let (storage, kept) = storage.unzip();
        let exposition = Arc::new(Exposition::new(Moment::now().wall)?);
        let mut observers: Vec<Arc<dyn Observer>> = vec![exposition.clone()];
        if let Some(storage) = &storage {
            exposition.watch_storage(storage.health())?;
            observers.push(storage.clone());
        }
        let store = Arc::new(Store::new(Arc::new(observers)));
        let site = Arc::new(Site { exposition: exposition.clone(), store: store.clone(), telemetry_path, lifecycle });
        let (probe, responders) = liveness::probe(listeners.len());
        let (stop, stopped) = watch::channel(false);
        let mut served = pin!(server::serve(listeners.into_iter().zip(responders), site, web.clone(), stopped));
        let mut scheduler = Scheduler::new(store.clone(), Arc::new(Moment::now));
        let manager = Manager::of_this_process();
        let polling = Polling {
            manager: &manager,
            scheduler: &mut scheduler,
            store: &store,
            exposition: &exposition,
            storage: storage.as_deref(),
            probe: &probe,
            reloading: Reloading::new(reloads, load, web),
        };
        // In this order: who is to end begins nothing, and the first client finds every source. What is not done at the end, a reload
        // above all, is given up.
        let ended = tokio::select! {
            biased;
            () = shutdown => Ok(()),
            never = polling.run(sources, kept.unwrap_or_default()) => match never {},
            () = served.as_mut() => Err(Fault::Server),
        };
        tracing::info!("stopping");
        manager.stopping();
        stop.send_replace(true);
        let served = async {
            if ended.is_ok() {
                served.await;
            }
        };
        tokio::join!(scheduler.stop(LAST_POLLS), served);
        if let Some(storage) = storage {
            close(&storage).await;
        }
        ended
    }
}

/// Writes the last state. The disk can hang, and the service manager does not wait for ever either.
async fn close(storage: &Storage) {
    if tokio::time::timeout(LAST_WRITE, storage.close()).await.is_err() {
        tracing::error!("the storage takes too long; the last changes may be lost");
    }
}

/// Everything that goes on beside the server, until it is dropped.
struct Polling<'a> {
    manager: &'a Manager,
    scheduler: &'a mut Scheduler,
    store: &'a Store,
    exposition: &'a Exposition,
    storage: Option<&'a Storage>,
    probe: &'a LivenessProbe,
    reloading: Reloading,
}

impl Polling<'_> {
    async fn run(mut self, sources: Vec<Ready>, kept: SavedState) -> Infallible {
        // Every source stands in the store before the service manager is told of them.
        self.resume(sources, kept).await;
        let Self { manager, scheduler, store, exposition, storage: _, probe, mut reloading } = self;
        let mut telling = pin!(manager.run(store, probe));
        let mut watching = pin!(reloading.web.clone().watch());
        loop {
            // Only a reload completes and goes on; it is cancelled by nothing but the end.
            let read = tokio::select! {
                never = telling.as_mut() => match never {},
                never = watching.as_mut() => match never {},
                never = scheduler.run() => match never {},
                read = reloading.next(manager) => read,
            };
            let hangs = matches!(read, Err(Unread::Hangs));
            let result = reloading.put_into_force(read, scheduler, exposition).await;
            manager.ready();
            if hangs { reloading.requests.answer_everybody(result) } else { reloading.requests.answer(result) }
        }
    }

    /// Begins with the sources, as a process before has left them.
    async fn resume(&mut self, sources: Vec<Ready>, mut kept: SavedState) {
        let mut restored = 0;
        self.store.restore_failures(kept.failures());
        self.scheduler.resume(sources, |about, now| kept.take(about, now).inspect(|_| restored += 1)).await;
        if restored > 0 {
            tracing::info!(sources = restored, "restored from the storage");
        }
        if let Some(storage) = self.storage {
            // Sources that are no longer configured.
            kept.into_names().for_each(|name| storage.removed(&name));
        }
    }
}

/// Why the files of a reload were not read.
#[derive(Debug, thiserror::Error)]
enum Unread {
    #[error("{0}")]
    Bad(String),
    #[error(
        "the configuration, or a file that it names, cannot be read within {} s; see whether a disk or a mount hangs, for this reload or for an earlier one that still waits, and reload again",
        READING.as_secs()
    )]
    Hangs,
}

/// Reads files when asked to, and puts them into force.
struct Reloading {
    requests: ReloadRequests,
    load: Load,
    web: Arc<Web>,
    /// Where files are read: they can lie on a disk that hangs, which is none of the polls' business. One reading at a time, so that
    /// those that hang do not pile up.
    files: Lane,
}

impl Reloading {
    fn new(requests: ReloadRequests, load: Load, web: Arc<Web>) -> Self {
        Self { requests, load, web, files: Lane::new("reload", 1).with_stack(READING_STACK) }
    }

    /// Waits for a request and reads everything again. Nothing of it is in force yet.
    async fn next(&mut self, manager: &Manager) -> Result<(Vec<Ready>, access::Loaded), Unread> {
        self.requests.next().await;
        manager.reloading();
        let (load, web) = (self.load.clone(), self.web.clone());
        let read = self.files.run(move || Ok((load()?, web.read())));
        match tokio::time::timeout(READING, read).await {
            Ok(read) => {
                read.unwrap_or_else(|error| Err(format!("the configuration cannot be read: {error}"))).map_err(Unread::Bad)
            }
            Err(_) => Err(Unread::Hangs),
        }
    }

    /// Serves and polls by what was read instead of what was in force before, or stays with that, and tells how it went.
    async fn put_into_force(
        &self,
        read: Result<(Vec<Ready>, access::Loaded), Unread>,
        scheduler: &mut Scheduler,
        exposition: &Exposition,
    ) -> Result<(), String> {
        let read = read.map_err(|error| error.to_string());
        let good = read.and_then(|(sources, web)| {
            self.web.put_into_force(web).map_err(|error| error.to_string())?;
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
                tracing::error!(error, "configuration not reloaded; the old one stays");
                Err(error)
            }
        }
    }
}
