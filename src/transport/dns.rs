//! Resolves names with the resolver of the system and deduplicates lookups: at most one is in flight for each name.
//!
//! The resolver of the system blocks a thread without a time limit. When a poll times out, its lookup continues; the next poll of that
//! name joins it instead of blocking another thread.

use crate::system::lane::Lane;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Concurrent lookups. A name takes at most one thread, so names wait for each other only when this many lookups hang; a hanging
/// thread costs about 30 KiB. Further names wait in order of arrival, and polls that wait longer than their timeout fail with
/// `timeout`. IP addresses need no lookup.
const LOOKUP_LIMIT: usize = 1024;

/// The addresses of a name. The error is a text, because all waiting polls share it.
type Addresses = Result<Vec<SocketAddr>, Arc<str>>;
type Lookup = Shared<BoxFuture<'static, Addresses>>;
type LookupFn = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A resolver with at most one lookup in flight for each name.
#[derive(Clone)]
pub(super) struct NameResolver {
    in_flight: Arc<Mutex<HashMap<String, Lookup>>>,
    lane: Lane,
    resolver: Arc<LookupFn>,
}

impl Default for NameResolver {
    fn default() -> Self {
        // The HTTP client replaces the port.
        Self::new(LOOKUP_LIMIT, |name| Ok((name, 0).to_socket_addrs()?.collect()))
    }
}

impl Resolve for NameResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let lookup = self.lookup(name.as_str());
        async move {
            let addresses = lookup.await.map_err(|error| io::Error::other(error.to_string()))?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        }
        .boxed()
    }
}

impl NameResolver {
    fn new(slots: usize, resolver: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { in_flight: Arc::default(), lane: Lane::new("lookup", slots), resolver: Arc::new(resolver) }
    }

    fn lookup(&self, name: &str) -> Lookup {
        let mut in_flight = self.lock();
        if let Some(lookup) = in_flight.get(name) {
            return lookup.clone();
        }
        let (resolver, key) = (self.clone(), name.to_owned());
        // A task of its own completes and removes its entry even if no poll waits for it any more.
        let task = tokio::spawn(async move {
            let found = resolver.find(&key).await;
            resolver.lock().remove(&key);
            found
        });
        let lookup = task.map(|ended| ended.unwrap_or_else(|error| Err(error.to_string().into()))).boxed().shared();
        in_flight.insert(name.to_owned(), lookup.clone());
        lookup
    }

    async fn find(&self, name: &str) -> Addresses {
        let (resolver, name) = (self.resolver.clone(), name.to_owned());
        match self.lane.run(move || resolver(&name)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".into()),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Lookup>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// A resolver whose lookups of names that begin with "hang" block until the sender releases them; the receiver gets each name
    /// whose lookup begins.
    fn names(slots: usize) -> (NameResolver, Sender<()>, Receiver<String>) {
        let (release, released) = channel();
        let (announce, begun) = channel();
        let released = Mutex::new(released);
        let names = NameResolver::new(slots, move |name| {
            announce.send(name.to_owned()).expect("the test is running");
            match name {
                name if name.starts_with("hang") => {
                    released.lock().expect("no panic").recv().expect("the test is running");
                    Ok(vec![ADDRESS])
                }
                "empty" => Ok(Vec::new()),
                "panic" => panic!("on purpose"),
                "unknown" => Err(io::Error::other("no such name")),
                _ => Ok(vec![ADDRESS]),
            }
        });
        (names, release, begun)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn each_hanging_name_takes_one_slot_however_often_it_is_polled() {
        let (names, release, begun) = names(3);
        for _ in 0..100 {
            drop((names.lookup("hang-1"), names.lookup("hang-2")));
        }
        let mut hanging = [begun.recv().expect("begun"), begun.recv().expect("begun")];
        hanging.sort();
        assert_eq!(hanging, ["hang-1", "hang-2"]);
        for _ in 0..5 {
            assert_eq!(names.lookup("healthy").await, Ok(vec![ADDRESS]));
        }
        // A later poll joins the lookup of an earlier one.
        let (one, other) = (names.lookup("hang-1"), names.lookup("hang-2"));
        (0..2).for_each(|_| release.send(()).expect("the lookups are blocked"));
        assert_eq!((one.await, other.await), (Ok(vec![ADDRESS]), Ok(vec![ADDRESS])));
        assert_eq!(begun.try_iter().collect::<Vec<_>>(), ["healthy"; 5]);
        assert!(names.lock().is_empty(), "no entries are left");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn names_beyond_the_slots_wait_for_a_slot() {
        let (names, release, begun) = names(1);
        let first = names.lookup("hang");
        assert_eq!(begun.recv().expect("begun"), "hang");
        let waiting = names.lookup("healthy");
        assert_eq!(waiting.clone().now_or_never(), None);
        release.send(()).expect("the lookup is blocked");
        assert_eq!((first.await, waiting.await), (Ok(vec![ADDRESS]), Ok(vec![ADDRESS])));
    }

    #[tokio::test]
    async fn a_failed_lookup_returns_its_cause_and_is_not_cached() {
        let (names, _release, begun) = names(1);
        for (name, why) in
            [("empty", "the name has no address"), ("unknown", "no such name"), ("panic", "it failed in an unexpected way")]
        {
            for _ in 0..2 {
                assert_eq!(names.lookup(name).await, Err(why.into()));
                assert_eq!(begun.recv().expect("begun"), name);
            }
        }
    }
}
