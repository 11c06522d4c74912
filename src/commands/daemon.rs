//! Without a command: the daemon.

use super::{Failed, block_on, load};
use crate::assemble::{Ready, assemble};
use crate::cli::Options;
use crate::daemon;
use crate::exposition::REVISION;
use crate::listen::Places;
use crate::web::Web;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = load(options, &[])?;
    let sources = assemble(config)?;
    let places = Places::of(options).map_err(Failed::other)?;
    block_on(serve(sources, places, options))
}

/// Listens, says so, and runs the daemon until a signal ends it.
pub(super) async fn serve(sources: Vec<Ready>, places: Places, options: &Options) -> Result<(), Failed> {
    let web = Arc::new(Web::open(options.web_config_file.as_deref())?);
    // Before anything is said to be ready, so that no signal is missed.
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [mut terminate, mut interrupt] =
        signals.map(|signal| signal.map_err(|error| Failed::other(format!("cannot wait for signals: {error}"))));
    let listeners = places.listen().await.map_err(Failed::other)?;
    for listener in &listeners {
        let address = listener.local_addr().map_err(Failed::other)?;
        tracing::info!(%address, path = options.telemetry_path, "listening");
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), revision = REVISION, sources = sources.len(), "started");
    let (terminate, interrupt) = (terminate.as_mut(), interrupt.as_mut());
    let shutdown = async {
        match (terminate, interrupt) {
            (Ok(terminate), Ok(interrupt)) => any(terminate, interrupt).await,
            _ => std::future::pending().await,
        }
    };
    daemon::run(sources, listeners, web, options.telemetry_path.clone(), shutdown).await.map_err(Failed::other)
}

async fn any(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
