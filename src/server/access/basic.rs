//! Basic authentication: who may ask, and how much work strangers can cause.
//!
//! A bcrypt check is made to be slow, so checks have a lane of their own, one at a time: nothing else waits for them. A login that was found good is remembered as a keyed digest and costs next to nothing
//! afterwards; it never waits behind the bad ones of others.

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

/// Password checks at a time: a flood of bad ones takes one core at most.
const CHECKS: usize = 1;
/// Logins that may wait for a check; further ones are told to come again.
const WAITING_LIMIT: usize = 64;
/// Of these, for one client, so that one who guesses does not fill the queue before others.
const WAITING_LIMIT_PER_CLIENT: usize = 8;

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No login, or a bad one.
    Unauthorized,
    /// Too many logins wait to be checked.
    Busy,
}

/// The users that may log in; where there is none, nobody needs to.
#[derive(Default)]
pub(super) struct Users {
    hashes: BTreeMap<String, Secret>,
    /// Whom nobody can be: a stranger is checked against it, so that it takes as long as for a user.
    nobody: Option<Secret>,
}

impl Users {
    pub(super) fn new(users: BTreeMap<String, Hash>) -> Self {
        let hashes: BTreeMap<_, _> = users.into_iter().map(|(user, Hash(hash))| (user, hash)).collect();
        let costs = hashes.values().filter_map(|hash| bcrypt::HashParts::from_str(hash.expose()).ok());
        let cost = costs.map(|parts| parts.get_cost()).max();
        let nobody = cost.map(|cost| Secret::new(format!("$2b${cost:02}${}", ".".repeat(53))));
        Self { hashes, nobody }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

/// What a client says of itself.
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

/// Checks logins, and remembers the good ones.
pub(super) struct Logins {
    good: Arc<Good>,
    checks: Lane,
    waiting: Mutex<HashMap<IpAddr, usize>>,
}

impl Logins {
    pub(super) fn new() -> Self {
        #[expect(clippy::expect_used, reason = "the kernel does not run out of random numbers")]
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new()).expect("random numbers");
        let good = Arc::new(Good { key, tags: Mutex::default() });
        Self { good, checks: Lane::new("password", CHECKS), waiting: Mutex::default() }
    }

    /// Lets the request of a user pass.
    ///
    /// # Errors
    /// Whom it does not let pass, and why.
    pub(super) async fn admit(&self, users: &Users, headers: &HeaderMap, client: IpAddr) -> Result<(), Refusal> {
        let Some(nobody) = &users.nobody else { return Ok(()) };
        let login = Login::from(headers).ok_or(Refusal::Unauthorized)?;
        let known = users.hashes.get(&login.user);
        let hash = known.unwrap_or(nobody).clone();
        let token = self.good.token(&hash, &login.password);
        if known.is_some() && self.good.remembers(&login.user, &token) {
            return Ok(());
        }
        let _turn = self.queue(client).ok_or(Refusal::Busy)?;
        let (good, known) = (self.good.clone(), known.is_some());
        // The check goes on, and holds its slot, where the client gives up.
        let check = move || {
            // Another request with this very login may have been ahead.
            if known && good.remembers(&login.user, &token) {
                return true;
            }
            let matches = bcrypt::verify(login.password.expose_secret(), hash.expose()).unwrap_or(false) && known;
            if matches {
                good.remember(login.user, &token);
            }
            matches
        };
        let admitted = self.checks.run(check).await.map_err(|_| Refusal::Busy)?;
        if admitted { Ok(()) } else { Err(Refusal::Unauthorized) }
    }

    fn queue(&self, client: IpAddr) -> Option<Turn<'_>> {
        let client = network(client);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let own = waiting.get(&client).copied().unwrap_or_default();
        if own >= WAITING_LIMIT_PER_CLIENT || waiting.values().sum::<usize>() >= WAITING_LIMIT {
            return None;
        }
        waiting.insert(client, own + 1);
        Some(Turn { logins: self, client })
    }
}

/// The logins that were found good.
struct Good {
    /// Made anew by each start, so that what is remembered is worth nothing elsewhere.
    key: hmac::Key,
    /// By user: at most one for each that was ever configured.
    tags: Mutex<HashMap<String, hmac::Tag>>,
}

impl Good {
    /// What stands for a password in memory. The hash is part of it, so a changed one is never met by an old password.
    fn token(&self, hash: &Secret, password: &SecretSlice<u8>) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(hash.expose().as_bytes());
        context.update(password.expose_secret());
        context.sign().as_ref().to_vec()
    }

    fn remember(&self, user: String, token: &[u8]) {
        self.lock().insert(user, hmac::sign(&self.key, token));
    }

    /// Tokens are compared by digests of theirs, which takes the same time wherever they differ.
    fn remembers(&self, user: &str, token: &[u8]) -> bool {
        self.lock().get(user).is_some_and(|tag| hmac::verify(&self.key, token, tag.as_ref()).is_ok())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, hmac::Tag>> {
        self.tags.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue.
struct Turn<'a> {
    logins: &'a Logins,
    client: IpAddr,
}

impl Drop for Turn<'_> {
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

/// Whoever has an IPv6 address mostly has all of its /64.
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
    async fn only_a_user_with_the_password_passes() {
        let (logins, users) = (Logins::new(), users());
        assert_eq!(logins.admit(&users, &basic("alice:correct horse: ж"), CLIENT).await, Ok(()));
        assert_eq!(logins.admit(&users, &basic("alice:correct horse: ж"), CLIENT).await, Ok(()), "once more, from memory");
        let bad = ["alice:", "alice:correct horse: ж ", "bob:correct horse: ж", ":", "alice", "", "alice:\0"];
        let bad = bad.iter().map(|login| basic(login));
        let odd = ["Basic", "Basic !", "Bearer YWxpY2U6", "Digest a", ""].map(headers);
        for headers in bad.chain(odd).chain([HeaderMap::new()]) {
            assert_eq!(logins.admit(&users, &headers, CLIENT).await, Err(Refusal::Unauthorized), "{headers:?}");
        }
        assert_eq!(logins.admit(&Users::default(), &HeaderMap::new(), CLIENT).await, Ok(()), "without users, all pass");
    }

    #[tokio::test]
    async fn a_changed_hash_ends_what_was_remembered() {
        let logins = Logins::new();
        let login = basic("alice:correct horse: ж");
        assert_eq!(logins.admit(&users(), &login, CLIENT).await, Ok(()));
        let hash = Hash(Secret::new(bcrypt::hash("another", 4).expect("a hash")));
        let changed = Users::new(BTreeMap::from([("alice".to_owned(), hash)]));
        assert_eq!(logins.admit(&changed, &login, CLIENT).await, Err(Refusal::Unauthorized));
    }

    #[tokio::test]
    async fn the_queue_is_bounded_for_each_client_and_for_all() {
        let logins = Logins::new();
        let client = |n: u8| IpAddr::from([10, 0, 0, n]);
        let turns: Vec<_> = (0..9).map(|_| logins.queue(client(0))).collect();
        assert_eq!(turns.iter().filter(|turn| turn.is_some()).count(), WAITING_LIMIT_PER_CLIENT);
        let others: Vec<_> = (1..=100).map(|n| logins.queue(client(n))).collect();
        assert_eq!(others.iter().flatten().count(), WAITING_LIMIT - WAITING_LIMIT_PER_CLIENT);
        drop((turns, others));
        assert!(logins.waiting.lock().expect("whole").is_empty());
        assert_eq!(network("2001:db8::1".parse().expect("good")), network("2001:db8::2".parse().expect("good")));
        assert_eq!(network("::ffff:10.0.0.1".parse().expect("good")), client(1));
    }

    #[tokio::test]
    async fn who_is_known_does_not_wait_for_the_check_of_others() {
        let (logins, users) = (Logins::new(), users());
        let login = basic("alice:correct horse: ж");
        assert_eq!(logins.admit(&users, &login, CLIENT).await, Ok(()));
        // Somebody else's check takes long.
        let (release, long) = std::sync::mpsc::channel::<()>();
        let mut busy = Box::pin(logins.checks.run(move || long.recv()));
        assert!(busy.as_mut().now_or_never().is_none());
        assert_eq!(logins.admit(&users, &login, CLIENT).await, Ok(()));
        let stranger = basic("alice:guess");
        let waiting: Vec<_> = (0..=WAITING_LIMIT_PER_CLIENT).map(|_| Box::pin(logins.admit(&users, &stranger, CLIENT))).collect();
        let (first, ..) = futures_util::future::select_all(waiting).await;
        assert_eq!(first, Err(Refusal::Busy), "the ninth does not wait");
        drop(release);
    }

    #[test]
    fn a_stranger_is_checked_as_dearly_as_a_user() {
        let nobody = users().nobody.expect("someone to check against");
        assert!(nobody.expose().starts_with("$2b$04$"));
        assert_eq!(bcrypt::verify("guess", nobody.expose()).ok(), Some(false), "the check runs to its end");
    }
}
