//! The daemon: scheduler, store, exposition and server put together. It is handed everything that it would open itself.

use crate::assemble::Ready;
use crate::exposition::Exposition;
use crate::notify;
use crate::reload::{Reloader, Request, Requests};
use crate::scheduler::Scheduler;
use crate::server::{self, pulse, site::Site};
use crate::storage::{Kept, Storage};
use crate::store::{Moment, Observer, Store};
use crate::web::Web;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long the end of the program waits for the storage.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// Reads the sources of the configuration again, or says in one line why they cannot be used.
pub type Load = Arc<dyn Fn() -> Result<Vec<Ready>, String> + Send + Sync>;

/// What a daemon is made of.
pub struct Daemon {
    /// What is polled from the start.
    pub sources: Vec<Ready>,
    /// What is polled after a reload. It may block.
    pub load: Load,
    /// Requests to reload.
    pub reloads: Requests,
    /// The way to reload over HTTP, where that is allowed.
    pub lifecycle: Option<Reloader>,
    /// Where state is kept, with the state that was found there.
    pub storage: Option<(Arc<Storage>, Kept)>,
    /// Where clients are served.
    pub listeners: Vec<TcpListener>,
    /// To whom, and how.
    pub web: Arc<Web>,
    /// Where the metrics are.
    pub telemetry_path: String,
}

impl Daemon {
    /// Polls the sources and serves what is known of them, until `shutdown` completes and answers under way have ended.
    ///
    /// # Errors
    /// When the program's own metrics cannot be set up.
    ///
    /// # Panics
    /// When the scheduler or the server fails; a panic within a poll is only a failed poll.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<(), prometheus::Error> {
        let (storage, kept) = self.storage.take().unzip();
        let ended = self.poll_and_serve(storage.clone(), kept.unwrap_or_default(), shutdown).await;
        if let Some(storage) = storage {
            // The disk can hang, and the service manager does not wait for ever either.
            let closing = tokio::task::spawn_blocking(move || storage.close());
            if tokio::time::timeout(LAST_WRITE, closing).await.is_err() {
                tracing::error!("the storage takes too long; the last changes may be lost");
            }
        }
        ended
    }

    async fn poll_and_serve(
        self,
        storage: Option<Arc<Storage>>,
        mut kept: Kept,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), prometheus::Error> {
        let Self { sources, load, reloads, lifecycle, storage: _, listeners, web, telemetry_path } = self;
        let exposition = Arc::new(Exposition::new(Moment::now().wall)?);
        let mut observers: Vec<Arc<dyn Observer>> = vec![exposition.clone()];
        if let Some(storage) = &storage {
            exposition.watch_storage(storage.health())?;
            observers.push(storage.clone());
        }
        let store = Arc::new(Store::new(Arc::new(observers)));
        let site = Arc::new(Site { exposition: exposition.clone(), store: store.clone(), telemetry_path, lifecycle });
        let (stop, stopped) = watch::channel(false);
        let ended = async {
            shutdown.await;
            tracing::info!("stopping");
            notify::stopping();
            store.at_rest();
            let _ = stop.send(true);
        };
        let (pulse, beats) = pulse::pulse(listeners.len());
        let served = server::serve(listeners.into_iter().zip(beats), site, web.clone(), stopped);
        let mut ending = pin!(futures_util::future::join(ended, served));
        let mut scheduler = Scheduler::new(store.clone(), Arc::new(Moment::now));
        let mut restored = 0;
        let take = |about: &_, now| kept.take(about, now).inspect(|_| restored += 1);
        // Every source stands in the store before the service manager is told of them.
        if beside(ending.as_mut(), scheduler.resume(sources, take)).await.is_none() {
            return Ok(());
        }
        if let Some(storage) = &storage {
            if restored > 0 {
                tracing::info!(sources = restored, "restored from the storage");
            }
            // Sources that are no longer configured.
            kept.into_names().for_each(|name| storage.removed(&name));
        }
        let mut telling = pin!(notify::run(&store, &pulse));
        let mut reloading = Reloading { requests: reloads, load, web };
        loop {
            // Only a reload completes and goes on; it is cancelled by nothing but the end.
            let (request, loaded) = tokio::select! {
                ((), ()) = ending.as_mut() => return Ok(()),
                () = telling.as_mut() => return Ok(()),
                () = scheduler.run() => return Ok(()),
                reload = reloading.next() => reload,
            };
            let in_force = put_into_force(loaded, &mut scheduler, &exposition);
            let Some(result) = beside(ending.as_mut(), in_force).await else { return Ok(()) };
            notify::ready();
            request.answer(result);
        }
    }
}

/// Polls what was read instead of what was polled before, or stays with that, and tells how it went.
async fn put_into_force(
    loaded: Result<Vec<Ready>, String>,
    scheduler: &mut Scheduler,
    exposition: &Exposition,
) -> Result<(), String> {
    match loaded {
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

/// Does something while the server serves. None when that has ended before.
async fn beside<T>(serving: impl Future, doing: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        done = doing => Some(done),
        _ = serving => None,
    }
}

/// Reads files when asked to.
struct Reloading {
    requests: Requests,
    load: Load,
    web: Arc<Web>,
}

impl Reloading {
    /// Waits for a request and reads everything again. Nothing is in force yet but the web configuration, which is read last.
    async fn next(&mut self) -> (Request, Result<Vec<Ready>, String>) {
        let request = self.requests.next().await;
        notify::reloading();
        let (load, web) = (self.load.clone(), self.web.clone());
        // Secrets can lie on a disk that hangs.
        let read = tokio::task::spawn_blocking(move || {
            let sources = load()?;
            web.reload().map_err(|error| error.to_string())?;
            Ok(sources)
        });
        (request, read.await.unwrap_or_else(|error| Err(error.to_string())))
    }
}
