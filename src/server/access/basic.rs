//! Basic authentication, with a bound on the work that unauthenticated clients can cause.
//!
//! A bcrypt check is slow by design, so checks run in a lane of their own, one at a time. A successful login is cached as a keyed
//! digest: later requests cost little and never wait behind the failed logins of others.

use super::schema::Hash;
use crate::secret::Secret;
use crate::system::lane::Lane;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderMap};
use ring::hmac;
use ring::rand::SystemRandom;
use secrecy::{ExposeSecret, SecretSlice};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Concurrent password checks: a flood of bad logins keeps at most one core busy.
const CHECKS: usize = 1;
/// Logins that may wait for a check; further ones are refused with `Retry-After`.
const WAITING_LIMIT: usize = 64;
/// The share of one client, so that a client that guesses passwords cannot fill the queue.
const WAITING_LIMIT_PER_CLIENT: usize = 8;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The login is missing or wrong.
    Unauthorized,
    /// Too many logins are waiting for a check.
    Busy,
}

/// The users and their password hashes. Without users, every request is allowed.
#[derive(Default)]
pub(super) struct Users {
    hashes: BTreeMap<String, Secret>,
    /// Dummy hash of the highest cost in use, so that unknown users cost the same time as known ones. Absent without users.
    dummy: Option<Secret>,
}

impl Users {
    pub(super) fn new(users: BTreeMap<String, Hash>) -> Self {
        let hashes: BTreeMap<_, _> = users.into_iter().map(|(user, Hash(hash))| (user, hash)).collect();
        let costs = hashes.values().filter_map(|hash| bcrypt::HashParts::from_str(hash.expose()).ok());
        let cost = costs.map(|parts| parts.get_cost()).max();
        let dummy = cost.map(|cost| Secret::new(format!("$2b${cost:02}${}", ".".repeat(53))));
        Self { hashes, dummy }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// The credentials that a client sends.
struct Login {
    user: String,
    password: SecretSlice<u8>,
}

impl Login {
    fn from(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded: SecretSlice<u8> = STANDARD.decode(encoded.trim()).ok()?.into();
        let text = decoded.expose_secret();
        let colon = text.iter().position(|byte| *byte == b':')?;
        let user = str::from_utf8(&text[..colon]).ok()?.to_owned();
        Some(Self { user, password: text[colon + 1..].to_vec().into() })
    }
}

/// Checks logins and caches the successful ones.
pub(super) struct Logins {
    accepted: Arc<Accepted>,
    checks: Lane,
    waiting: Mutex<HashMap<IpAddr, usize>>,
}

impl Logins {
    pub(super) fn new() -> Self {
        #[expect(clippy::expect_used, reason = "the random number generator of the kernel does not fail")]
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("random numbers");
        let accepted = Arc::new(Accepted { key, tags: Mutex::default() });
        Self { accepted, checks: Lane::new("password", CHECKS), waiting: Mutex::default() }
    }

    /// Authenticates a request by its headers.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(super) async fn authenticate(&self, users: &Users, headers: &HeaderMap, client: IpAddr) -> Result<(), Refusal> {
        let Some(dummy) = &users.dummy else { return Ok(()) };
        let login = Login::from(headers).ok_or(Refusal::Unauthorized)?;
        let known = users.hashes.get(&login.user);
        let hash = known.unwrap_or(dummy).clone();
        let token = self.accepted.token(&hash, &login.password);
        if known.is_some() && self.accepted.contains(&login.user, &token) {
            return Ok(());
        }
        let _slot = self.enter_queue(client).ok_or(Refusal::Busy)?;
        let (accepted, known) = (self.accepted.clone(), known.is_some());
        // The check continues and holds its slot even if the client disconnects.
        let check = move || {
            // Another request with the same login may have completed in the meantime.
            if known && accepted.contains(&login.user, &token) {
                return true;
            }
            let matches = bcrypt::verify(login.password.expose_secret(), hash.expose()).unwrap_or(false) && known;
            if matches {
                accepted.insert(login.user, &token);
            }
            matches
        };
        let matches = self.checks.run(check).await.map_err(|_| Refusal::Busy)?;
        if matches { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    fn enter_queue(&self, client: IpAddr) -> Option<QueueSlot<'_>> {
        let client = network(client);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let own = waiting.get(&client).copied().unwrap_or_default();
        if own >= WAITING_LIMIT_PER_CLIENT || waiting.values().sum::<usize>() >= WAITING_LIMIT {
            return None;
        }
        waiting.insert(client, own + 1);
        Some(QueueSlot { logins: self, client })
    }
}

/// Cache of successful logins.
struct Accepted {
    /// Generated at every start, so that the digests are useless outside this process.
    key: hmac::Key,
    /// By user; it grows to one entry for each user that was ever configured.
    tags: Mutex<HashMap<String, hmac::Tag>>,
}

impl Accepted {
    /// Stands for the password in memory. It covers the hash, so that a changed hash invalidates the cached login.
    fn token(&self, hash: &Secret, password: &SecretSlice<u8>) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(hash.expose().as_bytes());
        context.update(password.expose_secret());
        context.sign().as_ref().to_vec()
    }

    fn insert(&self, user: String, token: &[u8]) {
        self.lock().insert(user, hmac::sign(&self.key, token));
    }

    /// Compares digests of the tokens in constant time.
    fn contains(&self, user: &str, token: &[u8]) -> bool {
        self.lock().get(user).is_some_and(|tag| hmac::verify(&self.key, token, tag.as_ref()).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, hmac::Tag>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A slot in the queue of logins; dropping it frees the slot.
struct QueueSlot<'a> {
    logins: &'a Logins,
    client: IpAddr,
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        let mut waiting = self.logins.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get_mut(&self.client) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                waiting.remove(&self.client);
            }
        }
    }
}

/// The unit that shares a quota: an IPv4 address, or the /64 of an IPv6 address, because a client usually controls all of it.
fn network(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use hyper::header::HeaderValue;
    use std::net::Ipv4Addr;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn users() -> Users {
        let hash = Hash(Secret::new(bcrypt::hash("correct horse: ж", 4).expect("a hash")));
        Users::new(BTreeMap::from([("alice".to_owned(), hash)]))
    }

    fn basic(login: &str) -> HeaderMap {
        headers(&format!("bAsic {}", STANDARD.encode(login)))
    }

    fn headers(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).expect("a value"))])
    }

    #[tokio::test]
    async fn only_a_user_with_the_right_password_is_let_in() {
        let (logins, users) = (Logins::new(), users());
        assert_eq!(logins.authenticate(&users, &basic("alice:correct horse: ж"), CLIENT).await, Ok(()));
        assert_eq!(logins.authenticate(&users, &basic("alice:correct horse: ж"), CLIENT).await, Ok(()), "from the cache");
        let bad = ["alice:", "alice:correct horse: ж ", "bob:correct horse: ж", ":", "alice", "", "alice:\0"];
        let bad = bad.iter().map(|login| basic(login));
        let odd = ["Basic", "Basic !", "Bearer YWxpY2U6", "Digest a", ""].map(headers);
        for headers in bad.chain(odd).chain([HeaderMap::new()]) {
            assert_eq!(logins.authenticate(&users, &headers, CLIENT).await, Err(Refusal::Unauthorized), "{headers:?}");
        }
        assert_eq!(
            logins.authenticate(&Users::default(), &HeaderMap::new(), CLIENT).await,
            Ok(()),
            "without users, every request is allowed"
        );
    }

    #[tokio::test]
    async fn a_changed_hash_invalidates_the_cached_login() {
        let logins = Logins::new();
        let login = basic("alice:correct horse: ж");
        assert_eq!(logins.authenticate(&users(), &login, CLIENT).await, Ok(()));
        let hash = Hash(Secret::new(bcrypt::hash("another", 4).expect("a hash")));
        let changed = Users::new(BTreeMap::from([("alice".to_owned(), hash)]));
        assert_eq!(logins.authenticate(&changed, &login, CLIENT).await, Err(Refusal::Unauthorized));
    }

    #[tokio::test]
    async fn the_queue_is_bounded_for_each_client_and_for_all() {
        let logins = Logins::new();
        let client = |n: u8| IpAddr::from([10, 0, 0, n]);
        let slots: Vec<_> = (0..9).map(|_| logins.enter_queue(client(0))).collect();
        assert_eq!(slots.iter().filter(|slot| slot.is_some()).count(), WAITING_LIMIT_PER_CLIENT);
        let others: Vec<_> = (1..=100).map(|n| logins.enter_queue(client(n))).collect();
        assert_eq!(others.iter().flatten().count(), WAITING_LIMIT - WAITING_LIMIT_PER_CLIENT);
        drop((slots, others));
        assert!(logins.waiting.lock().expect("not poisoned").is_empty());
        assert_eq!(network("2001:db8::1".parse().expect("good")), network("2001:db8::2".parse().expect("good")));
        assert_eq!(network("::ffff:10.0.0.1".parse().expect("good")), client(1));
    }

    #[tokio::test]
    async fn a_cached_login_does_not_wait_for_the_checks_of_others() {
        let (logins, users) = (Logins::new(), users());
        let login = basic("alice:correct horse: ж");
        assert_eq!(logins.authenticate(&users, &login, CLIENT).await, Ok(()));
        // The check of another login takes long.
        let (release, long) = std::sync::mpsc::channel::<()>();
        let mut busy = Box::pin(logins.checks.run(move || long.recv()));
        assert!(busy.as_mut().now_or_never().is_none());
        assert_eq!(logins.authenticate(&users, &login, CLIENT).await, Ok(()));
        let stranger = basic("alice:guess");
        let waiting: Vec<_> =
            (0..=WAITING_LIMIT_PER_CLIENT).map(|_| Box::pin(logins.authenticate(&users, &stranger, CLIENT))).collect();
        let (first, ..) = futures_util::future::select_all(waiting).await;
        assert_eq!(first, Err(Refusal::Busy), "the ninth does not wait");
        drop(release);
    }

    #[test]
    fn an_unknown_user_is_checked_against_a_hash_of_the_same_cost() {
        let dummy = users().dummy.expect("a hash");
        assert!(dummy.expose().starts_with("$2b$04$"));
        assert_eq!(bcrypt::verify("guess", dummy.expose()).ok(), Some(false), "a well-formed hash");
    }
}
