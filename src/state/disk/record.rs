//! Serializes the state of a source. Monotonic times are stored as wall-clock times and converted back when they are read.

use super::reading::Stored;
use crate::domain::{About, Failure, LONGEST_WAIT, Label, Reason};
use crate::state::clock::Moment;
use crate::state::counters::{Sum, Sums};
use crate::state::{Failures, Phase, SourceState};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;

/// The stored state of a source. The order of the fields is the format: changing it needs a new format number.
#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// The identity of the source, hashed with the salt of the file.
    pub(super) identity: [u8; 32],
    saved: Wall,
    interval: Duration,
    polls: u64,
    /// Failed polls: the sum of the entries. Earlier versions wrote one entry for each reason; this one writes one without a name.
    failures: Vec<(String, u64)>,
    took: Option<Duration>,
    failure: Option<(String, String)>,
    failing_since: Option<Wall>,
    last_success: Option<Wall>,
    next: Option<Wall>,
    readings: Option<Vec<Stored>>,
    sums: Vec<StoredSum>,
}

#[derive(Serialize, Deserialize)]
struct StoredSum {
    account: String,
    currency: String,
    last: Option<[u8; 16]>,
    withdrawn: [u8; 16],
    deposited: [u8; 16],
}

/// Nanoseconds since the epoch. Negative before it: a machine without a real-time clock can start in 1969.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Wall(i128);

impl Wall {
    fn of(at: SystemTime) -> Self {
        let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        Self(at.duration_since(UNIX_EPOCH).map_or_else(|error| -nanos(error.duration()), nanos))
    }

    fn at(instant: Instant, now: Moment) -> Self {
        let nanos = |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        let Self(wall) = Self::of(now.wall);
        Self(wall + nanos(instant.saturating_duration_since(now.instant)) - nanos(now.instant.saturating_duration_since(instant)))
    }

    /// None where the system cannot express the time.
    fn time(self) -> Option<SystemTime> {
        let distance = duration(i128::try_from(self.0.unsigned_abs()).unwrap_or(i128::MAX));
        if self.0 < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }

    /// The time from `other` to this; zero where this is earlier.
    fn since(self, other: Self) -> Duration {
        duration(self.0.saturating_sub(other.0).max(0))
    }
}

fn duration(nanos: i128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

impl Record {
    pub(super) fn of(state: &SourceState, now: Moment, identity: [u8; 32]) -> Self {
        // A poll that a crash interrupts still counts as a request to the provider.
        let next = state.phase.resume();
        let sum = |((account, currency), sum): (&(Label, Label), &Sum)| StoredSum {
            account: account.as_str().to_owned(),
            currency: currency.as_str().to_owned(),
            last: sum.last.map(|amount| amount.serialize()),
            withdrawn: sum.withdrawn.serialize(),
            deposited: sum.deposited.serialize(),
        };
        Self {
            identity,
            saved: Wall::of(now.wall),
            interval: state.about.interval,
            polls: state.polls,
            failures: vec![(String::new(), state.failures)],
            took: state.took,
            failure: state.failure.as_ref().map(|failure| (failure.reason.as_str().to_owned(), failure.detail.clone())),
            // From the monotonic clock: the wall clock may have been set since.
            failing_since: state.failing_since.map(|since| Wall::at(since.instant, now)),
            last_success: state.last_success.map(Wall::of),
            next: next.map(|next| Wall::at(next, now)),
            readings: state.last_readings.as_ref().map(|readings| readings.iter().map(Stored::from).collect()),
            sums: state.sums.iter().map(sum).collect(),
        }
    }

    /// The state in this process, with monotonic times relative to `now`.
    pub(super) fn state(self, about: Arc<About>, now: Moment) -> SourceState {
        let due = self.next.map(|next| self.remaining(next, about.interval, now));
        let mut state = SourceState::new(about);
        state.polls = self.polls;
        state.failures = self.failures.iter().map(|(_, count)| count).sum();
        state.took = self.took;
        state.failure = self.failure.map(|(name, detail)| Failure::new(reason(&name).unwrap_or(Reason::Internal), detail));
        state.failing_since = self.failing_since.filter(|_| state.failure.is_some()).map(|since| ago(since, now));
        state.last_success = self.last_success.and_then(Wall::time);
        state.last_readings = self.readings.map(|readings| readings.into_iter().filter_map(Stored::reading).collect());
        state.sums = Arc::new(self.sums.into_iter().map(StoredSum::key_and_sum).collect::<Sums>());
        state.phase = due.map_or(Phase::Idle, |due| Phase::Waiting { due: now.instant + due });
        state
    }

    /// Adds failed polls by reason, as earlier versions stored them for each source.
    pub(super) fn count(&self, failures: &mut Failures) {
        add(failures, &self.failures);
    }

    /// How long until the next poll is due.
    ///
    /// A wall clock that was set back does not make it longer than when it was stored. If the interval has become shorter, the wait is
    /// at most the new interval, or after a failure at most an hour where that is longer.
    fn remaining(&self, next: Wall, interval: Duration, now: Moment) -> Duration {
        let remaining = next.since(Wall::of(now.wall)).min(next.since(self.saved));
        let longest = if self.failure.is_some() { interval.max(LONGEST_WAIT) } else { interval };
        if interval < self.interval { remaining.min(longest) } else { remaining }
    }
}

impl StoredSum {
    fn key_and_sum(self) -> ((Label, Label), Sum) {
        let sum = Sum {
            last: self.last.map(Decimal::deserialize),
            withdrawn: Decimal::deserialize(self.withdrawn),
            deposited: Decimal::deserialize(self.deposited),
        };
        ((Label::new(&self.account), Label::new(&self.currency)), sum)
    }
}

/// Failed polls of all sources. Reasons are stored by name, so that new ones do not shift old counts.
pub(super) fn failures_to_bytes(failures: &Failures) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(&failures.iter().map(|(reason, count)| (reason.as_str(), count)).collect::<Vec<_>>())
}

pub(super) fn failures_from_bytes(bytes: &[u8]) -> Result<Failures, postcard::Error> {
    let mut failures = Failures::default();
    add(&mut failures, &postcard::from_bytes::<Vec<(String, u64)>>(bytes)?);
    Ok(failures)
}

fn add(failures: &mut Failures, counts: &[(String, u64)]) {
    for (name, count) in counts {
        if let Some(reason) = reason(name) {
            failures.add(reason, *count);
        }
    }
}

fn reason(name: &str) -> Option<Reason> {
    Reason::ALL.into_iter().find(|reason| reason.as_str() == name)
}

/// A wall-clock time as a moment; `now` where it is in the future.
fn ago(then: Wall, now: Moment) -> Moment {
    let instant = now.instant.checked_sub(Wall::of(now.wall).since(then)).unwrap_or(now.instant);
    Moment { instant, wall: then.time().unwrap_or(now.wall) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Figure, Identity, Low, Reading};

    /// A source after nine polls, two of which timed out and one was refused, written by a version that counted by source and reason.
    const OLD: &str = "09090909090909090909090909090909090909090909090909090909090909098080a0bbd29df1fa313c0009020774696d656f75740204617574\
        6801010080e59a770104617574680848545450203430310180d082f9f29bf1fa310180f0c7f4b398f1fa310180c09cbefc9ff1fa3101010000024131\
        034555520000000000001640010241310345555201000001003700000000000000000000000000008000000000000000000000000000000000000000\
        000000000000000000";

    fn old() -> Record {
        let digits: Vec<u8> = OLD.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("two digits");
        postcard::from_bytes(&digits.chunks(2).map(byte).collect::<Vec<_>>()).expect("a record")
    }

    fn about() -> Arc<About> {
        let (interval, max_age) = (Duration::from_secs(60), Duration::from_secs(3600));
        let (name, identity, low) = ("a".into(), Identity([7; 32]), Low::default());
        Arc::new(About { name, provider: "p".into(), identity, interval, max_age, low })
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read_and_its_failures_are_added_up() {
        let now =
            Moment { instant: Instant::now() + Duration::from_secs(3600), wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000) };
        let mut failures = Failures::default();
        old().count(&mut failures);
        let counted: Vec<_> = failures.iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Reason::Timeout, 2), (Reason::Auth, 1)]);
        let state = old().state(about(), now);
        assert_eq!((state.polls, state.failures, state.failure), (9, 3, Some(Failure::new(Reason::Auth, "HTTP 401"))));
        assert_eq!(state.phase, Phase::Waiting { due: now.instant + Duration::from_secs(40) });
        let amount = Figure::new(5.5).expect("a finite number");
        let reading = Reading::available_amount(Label::new("A1"), Label::new("EUR"), amount);
        assert_eq!(state.last_readings.as_deref(), Some([reading].as_slice()));
    }

    #[test]
    fn a_record_survives_a_round_trip() {
        let now = Moment::now();
        let before = SourceState { failures: 3, polls: 9, ..SourceState::new(about()) };
        let bytes = postcard::to_stdvec(&Record::of(&before, now, [9; 32])).expect("bytes");
        let record: Record = postcard::from_bytes(&bytes).expect("a record");
        let state = record.state(about(), now);
        assert_eq!((state.polls, state.failures), (9, 3));
        let mut failures = Failures::default();
        failures.add(Reason::Dns, 4);
        failures.add(Reason::Internal, 1);
        let bytes = failures_to_bytes(&failures).expect("bytes");
        assert_eq!(failures_from_bytes(&bytes), Ok(failures));
    }
}
