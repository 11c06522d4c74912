//! Without a command: the daemon.

use super::{Failed, load, runtime};
use crate::assemble::{Ready, assemble};
use crate::cli::Options;
use crate::daemon;
use crate::exposition::REVISION;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let config = load(options)?;
    let sources = assemble(config).map_err(Failed::other)?;
    runtime()?.block_on(serve(sources, options))
}

/// Listens, says so, and runs the daemon until a signal ends it.
pub(super) async fn serve(sources: Vec<Ready>, options: &Options) -> Result<(), Failed> {
    // Before anything is said to be ready, so that no signal is missed.
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let [mut terminate, mut interrupt] =
        signals.map(|signal| signal.map_err(|error| Failed::other(format!("cannot wait for signals: {error}"))));
    let mut listeners = Vec::new();
    for address in &options.listen_addresses {
        let cannot =
            |error| Failed::other(format!("cannot listen on {address}: {error}; choose another with --web.listen-address"));
        let listener = bind(address).await.map_err(cannot)?;
        let bound = listener.local_addr().map_err(cannot)?;
        tracing::info!(address = %bound, path = options.telemetry_path, "listening");
        listeners.push(listener);
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), revision = REVISION, sources = sources.len(), "started");
    let (terminate, interrupt) = (terminate.as_mut(), interrupt.as_mut());
    let shutdown = async {
        match (terminate, interrupt) {
            (Ok(terminate), Ok(interrupt)) => any(terminate, interrupt).await,
            _ => std::future::pending().await,
        }
    };
    daemon::run(sources, listeners, options.telemetry_path.clone(), shutdown).await.map_err(Failed::other)
}

async fn any(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

async fn bind(address: &str) -> io::Result<TcpListener> {
    let every_host = address.strip_prefix(':').and_then(|port| port.parse().ok());
    match every_host {
        // One socket for both families, or IPv4 alone on a machine without IPv6.
        Some(port) => {
            TcpListener::bind(
                [SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)), SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))].as_slice(),
            )
            .await
        }
        None => TcpListener::bind(address).await,
    }
}
