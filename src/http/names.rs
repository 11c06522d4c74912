//! Looking names up with the system's resolver, one look-up at a time for each name.
//!
//! The system's resolver blocks a thread, for as long as it likes. A poll that has given up leaves its look-up running; the next
//! poll of that name joins it instead of taking another thread.

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses of a name, or why there are none. Errors are texts, so that all who wait can have them.
type Found = Result<Vec<SocketAddr>, Arc<str>>;
type LookUp = Shared<BoxFuture<'static, Found>>;

/// A resolver whose hanging look-ups never outnumber the names.
#[derive(Clone, Default)]
pub(super) struct Names {
    under_way: Arc<Mutex<HashMap<String, LookUp>>>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let look_up = self.look_up(name.as_str());
        async move {
            let addresses = look_up.await.map_err(|error| io::Error::other(error.to_string()))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        }
        .boxed()
    }
}

impl Names {
    fn look_up(&self, name: &str) -> LookUp {
        let mut under_way = self.lock();
        if let Some(look_up) = under_way.get(name) {
            return look_up.clone();
        }
        let (names, key) = (self.clone(), name.to_owned());
        // In a task of its own, so that it ends, and is forgotten, also when nobody waits any more.
        let task = tokio::spawn(async move {
            // The port is put in by whoever asks.
            let found =
                tokio::net::lookup_host((key.as_str(), 0)).await.map(Iterator::collect).map_err(|error| error.to_string().into());
            names.lock().remove(&key);
            found
        });
        let look_up = task.map(|ended| ended.unwrap_or_else(|error| Err(error.to_string().into()))).boxed().shared();
        under_way.insert(name.to_owned(), look_up.clone());
        look_up
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LookUp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
