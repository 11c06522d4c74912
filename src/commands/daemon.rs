//! Without a command: the daemon.

use super::{Failed, block_on, load};
use crate::commands::cli::Options;
use crate::commands::sockets::Places;
use crate::daemon::Daemon;
use crate::exposition::REVISION;
use crate::poll::assemble::{Ready, assemble};
use crate::server::access::Web;
use crate::server::lifecycle::{self, Reloader};
use crate::state::clock::Moment;
use crate::state::disk::{InUse, Storage};
use crate::transport::client::Clients;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let (clients, options_read) = (Mutex::new(Clients::default()), options.clone());
    let read = move || {
        let config = load(&options_read, &[])?;
        Ok(assemble(config, &mut clients.lock().unwrap_or_else(PoisonError::into_inner))?)
    };
    let sources = read()?;
    let places = Places::of(options).map_err(Failed::other)?;
    block_on(serve(sources, read, places, options))
}

/// Listens, says so, and runs the daemon until a signal ends it. `read` reads the sources again for a reload.
pub(super) async fn serve(
    sources: Vec<Ready>,
    read: impl Fn() -> Result<Vec<Ready>, Failed> + Send + Sync + 'static,
    places: Places,
    options: &Options,
) -> Result<(), Failed> {
    let web = Arc::new(Web::open(options.web_config_file.as_deref())?);
    // Before anything is said to be ready, so that no signal is missed, and a hang-up does not end the program.
    let wait_for = |kind| signal(kind).map_err(|error| Failed::other(format!("cannot wait for signals: {error}")));
    let (terminate, interrupt) = (wait_for(SignalKind::terminate())?, wait_for(SignalKind::interrupt())?);
    let hangup = wait_for(SignalKind::hangup())?;
    let storage = options.storage_path.as_ref().map(|directory| {
        Storage::open(directory, Arc::new(Moment::now)).map_err(|InUse| {
            let directory = directory.display();
            Failed::other(format!(
                "{directory}: another process keeps its state there; stop it, or name another directory with --storage.path"
            ))
        })
    });
    let storage = storage.transpose()?;
    let (reloader, reloads) = lifecycle::channel();
    tokio::spawn(reload_at(hangup, reloader.clone()));
    let listeners = places.listen().await.map_err(Failed::other)?;
    for listener in &listeners {
        let address = listener.local_addr().map_err(Failed::other)?;
        tracing::info!(%address, path = options.telemetry_path, "listening");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), revision = REVISION, sources = sources.len(), "started");
    let daemon = Daemon {
        sources,
        load: Arc::new(move || read().map_err(|failed| failed.line)),
        reloads,
        lifecycle: options.enable_lifecycle.then_some(reloader),
        storage,
        listeners,
        web,
        telemetry_path: options.telemetry_path.clone(),
    };
    daemon.run(any(terminate, interrupt)).await.map_err(Failed::other)
}

/// Has the configuration read again at each hang-up; the daemon logs how it went.
async fn reload_at(mut hangup: Signal, reloader: Reloader) {
    while hangup.recv().await.is_some() {
        let _ = reloader.reload().await;
    }
}

async fn any(mut terminate: Signal, mut interrupt: Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
