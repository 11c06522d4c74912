//! The daemon: scheduler, store, exposition and server put together. It is handed everything that it would open itself.

use crate::assemble::Ready;
use crate::exposition::Exposition;
use crate::notify;
use crate::scheduler::Scheduler;
use crate::server::{self, pulse, site::Site};
use crate::store::{Moment, Store};
use crate::web::Web;
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Polls the sources and serves what is known of them, until `shutdown` completes and answers under way have ended.
///
/// # Errors
/// When the program's own metrics cannot be set up.
///
/// # Panics
/// When the scheduler or the server fails; a panic within a poll is only a failed poll.
pub async fn run(
    sources: Vec<Ready>,
    listeners: Vec<TcpListener>,
    web: Arc<Web>,
    telemetry_path: String,
    shutdown: impl Future<Output = ()>,
) -> Result<(), prometheus::Error> {
    let exposition = Arc::new(Exposition::new(Moment::now().wall)?);
    let store = Arc::new(Store::new(exposition.clone()));
    let site = Arc::new(Site { exposition, store: store.clone(), telemetry_path });
    let (stop, stopped) = watch::channel(false);
    let ended = async {
        shutdown.await;
        tracing::info!("stopping");
        notify::stopping();
        let _ = stop.send(true);
    };
    let (pulse, beats) = pulse::pulse(listeners.len());
    let served = server::serve(listeners.into_iter().zip(beats), site, web, stopped);
    let mut scheduler = Scheduler::new(store.clone(), Arc::new(Moment::now));
    // Every source stands in the store before the service manager is told of them.
    scheduler.apply(sources).await;
    tokio::select! {
        ((), ()) = futures_util::future::join(ended, served) => {}
        () = scheduler.run() => {}
        () = notify::run(&store, &pulse) => {}
    }
    Ok(())
}
