//! Looking names up with the system's resolver, one look-up at a time for each name.
//!
//! The system's resolver blocks a thread, for as long as it likes. A poll that has given up leaves its look-up running; the next
//! poll of that name joins it instead of taking another thread.

use crate::system::lane::Lane;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many names can be looked up at a time. A name takes one thread at most, so no name waits for another as long as fewer than
/// this many hang; a thread that hangs costs about 30 KiB. Past it, names wait for their turn in the order in which they came, and
/// polls that wait longer than their timeout fail with `timeout`. Addresses that are written as such are never looked up.
const LOOK_UPS: usize = 1024;

/// The addresses of a name, or why there are none. Errors are texts, so that all who wait can have them.
type Found = Result<Vec<SocketAddr>, Arc<str>>;
type LookUp = Shared<BoxFuture<'static, Found>>;
type Resolver = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A resolver whose hanging look-ups never outnumber the names.
#[derive(Clone)]
pub(super) struct Names {
    under_way: Arc<Mutex<HashMap<String, LookUp>>>,
    lane: Lane,
    resolver: Arc<Resolver>,
}

impl Default for Names {
    fn default() -> Self {
        // The port is put in by whoever asks.
        Self::new(LOOK_UPS, |name| Ok((name, 0).to_socket_addrs()?.collect()))
    }
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
    fn new(slots: usize, resolver: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static) -> Self {
        Self { under_way: Arc::default(), lane: Lane::new("look-up", slots), resolver: Arc::new(resolver) }
    }

    fn look_up(&self, name: &str) -> LookUp {
        let mut under_way = self.lock();
        if let Some(look_up) = under_way.get(name) {
            return look_up.clone();
        }
        let (names, key) = (self.clone(), name.to_owned());
        // In a task of its own, so that it ends, and is forgotten, also when nobody waits any more.
        let task = tokio::spawn(async move {
            let found = names.find(&key).await;
            names.lock().remove(&key);
            found
        });
        let look_up = task.map(|ended| ended.unwrap_or_else(|error| Err(error.to_string().into()))).boxed().shared();
        under_way.insert(name.to_owned(), look_up.clone());
        look_up
    }

    async fn find(&self, name: &str) -> Found {
        let (resolver, name) = (self.resolver.clone(), name.to_owned());
        match self.lane.run(move || resolver(&name)).await {
            Ok(Ok(addresses)) if addresses.is_empty() => Err("the name has no address".into()),
            Ok(Ok(addresses)) => Ok(addresses),
            Ok(Err(error)) => Err(error.to_string().into()),
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, LookUp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// Names of which those that begin with "hang" are looked up until a word comes over the channel; and each that was begun.
    fn names(slots: usize) -> (Names, Sender<()>, Receiver<String>) {
        let (release, released) = channel();
        let (tell, begun) = channel();
        let released = Mutex::new(released);
        let names = Names::new(slots, move |name| {
            tell.send(name.to_owned()).expect("the test listens");
            match name {
                name if name.starts_with("hang") => {
                    released.lock().expect("no panic").recv().expect("the test goes on");
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
    async fn names_that_hang_take_a_slot_each_however_often_they_are_asked_for() {
        let (names, release, begun) = names(3);
        for _ in 0..100 {
            drop((names.look_up("hang-1"), names.look_up("hang-2")));
        }
        let mut hanging = [begun.recv().expect("begun"), begun.recv().expect("begun")];
        hanging.sort();
        assert_eq!(hanging, ["hang-1", "hang-2"]);
        for _ in 0..5 {
            assert_eq!(names.look_up("healthy").await, Ok(vec![ADDRESS]));
        }
        // A poll that comes again takes part in what an earlier one has begun.
        let (one, other) = (names.look_up("hang-1"), names.look_up("hang-2"));
        (0..2).for_each(|_| release.send(()).expect("they wait"));
        assert_eq!((one.await, other.await), (Ok(vec![ADDRESS]), Ok(vec![ADDRESS])));
        assert_eq!(begun.try_iter().collect::<Vec<_>>(), ["healthy"; 5]);
        assert!(names.lock().is_empty(), "nothing is kept");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn names_beyond_the_slots_wait_for_their_turn() {
        let (names, release, begun) = names(1);
        let first = names.look_up("hang");
        assert_eq!(begun.recv().expect("begun"), "hang");
        let waiting = names.look_up("healthy");
        assert_eq!(waiting.clone().now_or_never(), None);
        release.send(()).expect("it waits");
        assert_eq!((first.await, waiting.await), (Ok(vec![ADDRESS]), Ok(vec![ADDRESS])));
    }

    #[tokio::test]
    async fn a_look_up_that_fails_says_why_and_is_made_again() {
        let (names, _release, begun) = names(1);
        for (name, why) in
            [("empty", "the name has no address"), ("unknown", "no such name"), ("panic", "it failed in an unexpected way")]
        {
            for _ in 0..2 {
                assert_eq!(names.look_up(name).await, Err(why.into()));
                assert_eq!(begun.recv().expect("begun"), name);
            }
        }
    }
}
