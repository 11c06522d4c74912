//! Notifications of the service manager: readiness, a summary of the sources, watchdog, shutdown.
//!
//! They read the store, change nothing and never block. The watchdog is fed only if every accept loop has answered and no poll is
//! overdue, never by a timer alone.

use crate::server::liveness::LivenessProbe;
use crate::state::{SourceState, Store};
use sd_notify::NotifyState;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Write;
use std::io::{self, ErrorKind};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// The shortest time between two summaries; many sources can change at once.
const STATUS_PAUSE: Duration = Duration::from_secs(1);
/// A poll that is later than this is overdue.
const LATE: Duration = Duration::from_secs(10);
/// How soon an overdue poll is checked again. It is short, so that after a brief stall the watchdog is fed in time.
const RECHECK: Duration = Duration::from_secs(1);
/// How soon a message is sent again that the manager had no room for.
const RESEND: Duration = Duration::from_millis(100);
/// The largest number of failing sources that a summary names.
const NAMED: usize = 5;

/// The service manager at `$NOTIFY_SOCKET`. Without that variable nothing is sent.
pub struct Manager {
    socket: Option<PathBuf>,
    /// Messages that it had no room for, the newest of each kind.
    waiting: Mutex<VecDeque<String>>,
    /// Wakes [`Manager::resend`].
    blocked: Notify,
}

impl Manager {
    /// The manager that has started this process, if one has.
    #[must_use]
    pub fn of_this_process() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").map(PathBuf::from);
        Self { socket, waiting: Mutex::default(), blocked: Notify::new() }
    }

    /// Reports that the configuration in force is loaded: after the start, and after each [`Manager::reloading`], whether the new file is
    /// good or bad.
    pub fn ready(&self) {
        self.notify(&[NotifyState::Ready]);
    }

    /// Reports that a reload begins. [`Manager::ready`] must follow.
    pub fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => self.notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!(%error, "cannot tell the service manager of the reload"),
        }
    }

    /// Reports that shutdown begins.
    pub fn stopping(&self) {
        self.notify(&[NotifyState::Stopping]);
    }

    /// Reports readiness, then summaries of the sources and, if the manager asks for it, signs of life.
    pub async fn run(&self, store: &Store, probe: &LivenessProbe) -> Infallible {
        if self.socket.is_none() {
            return std::future::pending().await;
        }
        self.ready();
        let watchdog = async {
            match sd_notify::watchdog_enabled() {
                Some(timeout) => watchdog(store, probe, timeout, || self.notify(&[NotifyState::Watchdog])).await,
                None => std::future::pending().await,
            }
        };
        let summaries = summaries(store, |summary| self.notify(&[NotifyState::Status(summary)]));
        tokio::select! {
            never = summaries => never,
            never = watchdog => never,
            never = self.resend() => never,
        }
    }

    /// Sends a message at once, or later where the manager has no room. Never blocks.
    fn notify(&self, states: &[NotifyState<'_>]) {
        if self.socket.is_none() {
            return;
        }
        let message = states.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let kind = |message: &str| message.split('=').next().map(str::to_owned);
        let mut waiting = self.waiting();
        waiting.retain(|older| kind(older) != kind(&message));
        waiting.push_back(message);
        drop(waiting);
        if !self.send() {
            self.blocked.notify_one();
        }
    }

    async fn resend(&self) -> Infallible {
        loop {
            self.blocked.notified().await;
            while !self.send() {
                tokio::time::sleep(RESEND).await;
            }
        }
    }

    /// Sends waiting messages in order. False if some must be sent again later.
    fn send(&self) -> bool {
        let Some(socket) = &self.socket else { return true };
        let mut waiting = self.waiting();
        while let Some(message) = waiting.front() {
            match send(socket, message) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                Err(error) => tracing::warn!(%error, "cannot reach the service manager at $NOTIFY_SOCKET"),
                Ok(_) => {}
            }
            waiting.pop_front();
        }
        true
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send(socket: &Path, message: &str) -> io::Result<usize> {
    let datagrams = UnixDatagram::unbound()?;
    datagrams.set_nonblocking(true)?;
    datagrams.connect(socket)?;
    datagrams.send(message.as_bytes())
}

async fn summaries(store: &Store, send: impl Fn(&str)) -> Infallible {
    let mut last = String::new();
    loop {
        let summary = summary(&store.snapshot());
        if summary != last {
            send(&summary);
            last = summary;
        }
        tokio::time::sleep(STATUS_PAUSE).await;
        store.changed().await;
    }
}

/// One line for people: `3 sources, 1 failing: sms (auth)`.
fn summary(states: &[Arc<SourceState>]) -> String {
    let failing: Vec<_> =
        states.iter().filter_map(|state| Some((&*state.about.name, state.failure.as_ref()?.reason.as_str()))).collect();
    let waiting = states.iter().filter(|state| state.polls == 0).count();
    let mut line = if states.len() == 1 { "1 source, ".to_owned() } else { format!("{} sources, ", states.len()) };
    match failing.len() {
        0 => line.push_str("none failing"),
        count => {
            let names: Vec<_> = failing.iter().take(NAMED).map(|(name, reason)| format!("{name} ({reason})")).collect();
            let _ = write!(line, "{count} failing: {}", names.join(", "));
            if count > NAMED {
                let _ = write!(line, " and {} more", count - NAMED);
            }
        }
    }
    if waiting > 0 {
        let _ = write!(line, ", {waiting} not polled yet");
    }
    line
}

/// Feeds the watchdog twice in each `timeout` as long as the daemon works.
async fn watchdog(store: &Store, probe: &LivenessProbe, timeout: Duration, feed: impl Fn()) -> Infallible {
    let pause = timeout / 2;
    loop {
        probe.all_alive().await;
        match overdue(&store.snapshot(), Instant::now()) {
            None => {
                feed();
                tokio::time::sleep(pause).await;
            }
            Some(state) => {
                tracing::error!(source = &*state.about.name, "a poll is overdue; the watchdog is not fed until it begins");
                tokio::time::sleep(RECHECK.min(pause)).await;
            }
        }
    }
}

/// A source whose poll should have begun.
fn overdue(states: &[Arc<SourceState>], now: Instant) -> Option<&SourceState> {
    states.iter().map(Arc::as_ref).find(|state| state.phase.due().is_some_and(|due| now > due + LATE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{About, Failure, Identity, Low, Reason};
    use crate::server::liveness::{LivenessResponder, probe};
    use crate::state::clock::Moment;
    use crate::state::{Observer, Outcome, Phase};
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct NoObserver;

    impl Observer for NoObserver {
        fn changed(&self, _: &SourceState) {}

        fn removed(&self, _: &str) {}
    }

    fn store(names: &[&str]) -> Store {
        let store = Store::new(Arc::new(NoObserver));
        for name in names {
            let (interval, max_age) = (Duration::from_secs(60), Duration::from_secs(600));
            let name = (*name).into();
            let about = About { name, provider: "p".into(), identity: Identity([0; 32]), interval, max_age, low: Low::default() };
            store.insert(SourceState::new(Arc::new(about)));
        }
        store
    }

    fn fail(store: &Store, name: &str, reason: Reason) {
        let ended = Moment::now();
        let result = Err(Failure::new(reason, ""));
        store.record(name, Outcome { ended, took: Duration::ZERO, result, next: ended.instant + Duration::from_secs(60) });
    }

    async fn answer_all(mut responder: LivenessResponder) {
        loop {
            responder.respond().await;
        }
    }

    /// How often the watchdog is fed within this many seconds.
    async fn feeds(store: &Store, probe: &LivenessProbe, within: u64) -> usize {
        let count = AtomicUsize::new(0);
        let feeding = watchdog(store, probe, Duration::from_secs(20), || {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let _ = tokio::time::timeout(Duration::from_secs(within), feeding).await;
        count.into_inner()
    }

    #[test]
    fn a_summary_names_failing_sources_and_reasons() {
        let line = |store: &Store| summary(&store.snapshot());
        assert_eq!(line(&store(&[])), "0 sources, none failing");
        assert_eq!(line(&store(&["a"])), "1 source, none failing, 1 not polled yet");
        let many = store(&["a", "b", "c", "d", "e", "f", "g"]);
        fail(&many, "b", Reason::Auth);
        fail(&many, "a", Reason::PaymentRequired);
        assert_eq!(line(&many), "7 sources, 2 failing: a (payment_required), b (auth), 5 not polled yet");
        for name in ["c", "d", "e", "f", "g"] {
            fail(&many, name, Reason::Dns);
        }
        assert_eq!(line(&many), "7 sources, 7 failing: a (payment_required), b (auth), c (dns), d (dns), e (dns) and 2 more");
    }

    #[tokio::test(start_paused = true)]
    async fn a_summary_is_sent_only_when_it_changes() {
        let store = store(&["a"]);
        let sent = Mutex::new(Vec::new());
        let sending = summaries(&store, |summary| sent.lock().expect("no panic").push(summary.to_owned()));
        let polls = async {
            for reason in [Reason::Auth, Reason::Auth, Reason::Auth, Reason::Dns] {
                tokio::time::sleep(Duration::from_secs(60)).await;
                fail(&store, "a", reason);
            }
            tokio::time::sleep(Duration::from_secs(60)).await;
        };
        tokio::select! { never = sending => match never {}, () = polls => {} }
        let sent = sent.into_inner().expect("no panic");
        assert_eq!(
            sent,
            ["1 source, none failing, 1 not polled yet", "1 source, 1 failing: a (auth)", "1 source, 1 failing: a (dns)"]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_hanging_accept_loop_stops_the_watchdog_signal() {
        let store = store(&[]);
        let (probe, mut responders) = probe(2);
        let hanging = responders.pop();
        let turning = tokio::spawn(answer_all(responders.remove(0)));
        assert_eq!(feeds(&store, &probe, 65).await, 0);
        let other = tokio::spawn(answer_all(hanging.expect("two responders")));
        assert_eq!(feeds(&store, &probe, 65).await, 7, "every ten seconds, and at once");
        other.abort();
        assert_eq!(feeds(&store, &probe, 65).await, 0);
        turning.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_overdue_poll_stops_the_watchdog_signal() {
        let store = store(&["a"]);
        let (probe, mut responders) = probe(1);
        let turning = tokio::spawn(answer_all(responders.remove(0)));
        let phase = Phase::Waiting { due: Instant::now() + Duration::from_secs(30) };
        store.insert(SourceState { phase, ..SourceState::clone(&store.snapshot()[0]) });
        assert_eq!(feeds(&store, &probe, 125).await, 4 + 1, "until ten seconds after it was due");
        store.poll_started("a", Instant::now());
        assert_eq!(feeds(&store, &probe, 25).await, 3, "a poll may take its time");
        fail(&store, "a", Reason::Timeout);
        assert_eq!(feeds(&store, &probe, 25).await, 3);
        turning.abort();
    }
}
