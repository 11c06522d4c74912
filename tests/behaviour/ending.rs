//! Ends of the daemon: by shutdown and by itself.

use crate::simulated::{Times, good, source};
use balance_exporter::daemon::Daemon;
use balance_exporter::server::access::Web;
use balance_exporter::server::reload::{self, NotReloaded, Reloader};
use futures_util::FutureExt;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// A daemon without sources or a storage, and the way to reload it.
pub(crate) fn daemon(listeners: Vec<TcpListener>) -> (Daemon, Reloader) {
    let (reloader, reloads) = reload::channel();
    let daemon = Daemon {
        sources: Vec::new(),
        load: Arc::new(|| Ok(Vec::new())),
        reloads,
        lifecycle: None,
        storage: None,
        listeners,
        web: Arc::new(Web::open(None).expect("no file")),
        telemetry_path: "/metrics".to_owned(),
    };
    (daemon, reloader)
}

pub(crate) async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("a port")
}

/// The service manager restarts it only after an error.
#[tokio::test(start_paused = true)]
async fn a_server_that_ends_by_itself_is_an_error() {
    // Without listeners the server ends.
    let (daemon, _reloader) = daemon(Vec::new());
    let ended = timeout(Duration::from_secs(60), daemon.run(std::future::pending())).await;
    let result = ended.expect("it ends").map_err(|fault| fault.to_string());
    assert_eq!(
        result,
        Err("the server has ended by itself, which is a fault of the program; restart it, and report it".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_before_the_start_prevents_every_poll() {
    let (mut daemon, reloader) = daemon(vec![listener().await]);
    let times = Times::new();
    let noted = times.clone();
    let script = move |_| {
        noted.note();
        std::future::ready(good()).boxed()
    };
    daemon.sources = vec![source("a", 60, script)];
    assert!(daemon.run(std::future::ready(())).await.is_ok());
    assert_eq!(times.seconds(), [0; 0]);
    assert!(matches!(reloader.reload().await, Err(NotReloaded::ShuttingDown)));
}
