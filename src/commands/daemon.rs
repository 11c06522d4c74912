//! The daemon, which runs if no command is given.

use super::watch::Watched;
use super::{Failed, assemble, block_on};
use crate::commands::cli::Options;
use crate::commands::sockets::Places;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::exposition::REVISION;
use crate::poll::assemble::Ready;
use crate::server::access::Web;
use crate::server::reload::{self, Reloader};
use crate::state::clock::Moment;
use crate::state::disk::{InUse, SavedState, Storage};
use crate::system::lane::Lane;
use crate::transport::client::Clients;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Loads the sources, at the start and for each reload.
pub(super) type Read = Arc<dyn Fn() -> Result<Vec<Ready>, Failed> + Send + Sync>;

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let places = Places::of(options)?;
    let (clients, options_read) = (Mutex::new(Clients::default()), options.clone());
    let read = move || {
        let mut config = Config::load(&options_read.config_file, &[])?;
        if let Some(shard) = options_read.shard {
            config.sources.retain(|source| shard.has(&source.name));
        }
        assemble(config, &mut clients.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let watch = options.auto_reload_interval.map(|interval| (options.config_file.clone(), interval));
    block_on(async { serve(Signals::new()?, Arc::new(read), watch, places, options).await })
}

/// The daemon's signals. As long as this exists, none of them kills the process.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    /// A signal that arrives during the start stays pending until the start is complete.
    hangup: Signal,
}

impl Signals {
    /// Call it within a runtime, before anything that can hang.
    pub(super) fn new() -> Result<Self, Failed> {
        let wait_for = |kind| signal(kind).map_err(|error| Failed::System("cannot wait for signals", error));
        let terminate = wait_for(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: wait_for(SignalKind::interrupt())?, hangup: wait_for(SignalKind::hangup())? })
    }
}

/// Completes on the first signal to stop.
async fn stop_requested(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Starts the daemon, logs that, and runs it until a signal stops it.
pub(super) async fn serve(
    signals: Signals,
    read: Read,
    watch: Option<(PathBuf, Duration)>,
    places: Places,
    options: &Options,
) -> Result<(), Failed> {
    let Signals { mut terminate, mut interrupt, hangup } = signals;
    let started = tokio::select! {
        biased;
        () = stop_requested(&mut terminate, &mut interrupt) => {
            tracing::info!("stopping before the start is complete");
            return Ok(());
        }
        started = Started::of(read.clone(), watch, places, options) => started?,
    };
    let Started { watched, sources, web, storage, listeners } = started;
    let (reloader, reloads) = reload::channel();
    tokio::spawn(reload_at(hangup, reloader.clone()));
    if let Some(watched) = watched {
        tokio::spawn(watched.run(reloader.clone()));
    }
    for listener in &listeners {
        let address = listener.local_addr().map_err(Failed::other)?;
        tracing::info!(%address, path = options.telemetry_path, "listening");
    }
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        revision = REVISION,
        sources = sources.len(),
        shard = options.shard.map(tracing::field::display),
        "started"
    );
    let daemon = Daemon {
        sources,
        load: Arc::new(move || read().map_err(Into::into)),
        reloads,
        lifecycle: options.enable_lifecycle.then_some(reloader),
        storage,
        listeners,
        web: Arc::new(web),
        telemetry_path: options.telemetry_path.clone(),
    };
    daemon.run(async move { stop_requested(&mut terminate, &mut interrupt).await }).await.map_err(Failed::other)
}

/// The outcome of a start.
struct Started {
    watched: Option<Watched>,
    sources: Vec<Ready>,
    web: Web,
    storage: Option<(Arc<Storage>, SavedState)>,
    listeners: Vec<TcpListener>,
}

impl Started {
    /// Loads, opens and listens. Each step can hang; a caller that stops waiting abandons it.
    async fn of(read: Read, watch: Option<(PathBuf, Duration)>, places: Places, options: &Options) -> Result<Self, Failed> {
        let lane = Lane::new("start", 1);
        let cannot = |error| Failed::other(format!("cannot start: {error}"));
        // Before the configuration is read, so that no later change is missed.
        let watched = lane.run(move || watch.map(|(file, interval)| Watched::new(file, interval))).await.map_err(cannot)?;
        let sources = lane.run(move || read()).await.map_err(cannot)??;
        let file = options.web_config_file.clone();
        let web = lane.run(move || Web::open(file.as_deref())).await.map_err(cannot)??;
        let directory = options.storage_path.clone();
        let storage = lane.run(move || directory.as_deref().map(open).transpose()).await.map_err(cannot)??;
        let listeners = places.listen(&lane).await?;
        Ok(Self { watched, sources, web, storage, listeners })
    }
}

fn open(directory: &Path) -> Result<(Arc<Storage>, SavedState), Failed> {
    Storage::open(directory, Arc::new(Moment::now)).map_err(|InUse| {
        let directory = directory.display();
        Failed::other(format!(
            "{directory}: another process uses this directory; stop it, or name another directory with --storage.path"
        ))
    })
}

/// Reloads the configuration on each SIGHUP. The daemon logs the result.
async fn reload_at(mut hangup: Signal, reloader: Reloader) {
    while hangup.recv().await.is_some() {
        let _ = reloader.reload().await;
    }
}
