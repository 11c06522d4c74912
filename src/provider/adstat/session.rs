//! Authorisation of calls to AdStat: a fixed token, or a session that is kept between polls.
//!
//! If a token is refused, a poll renews it with at most one refresh and at most one login. [`Calls`] records what the poll has tried;
//! [`Session`] stores the tokens.

use super::{REFUSALS, resource};
use crate::domain::{Failure, Reason};
use crate::provider::answer;
use crate::provider::document::Document;
use crate::provider::found::Found;
use crate::provider::settings::bearer;
use crate::secret::Secret;
use crate::transport::{Http, Request, Response, secret_header};
use reqwest::header::HeaderValue;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use url::Url;

/// The approximate lifetime of an access token. A 403 on an older token counts as its expiry.
const ACCESS_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// The number of polls in which a refresh may fail before a login replaces it.
const FAILED_REFRESHES: u32 = 3;
/// The number of earlier secrets kept for the mask: two tokens for each renewal in this poll and the previous one.
const REMEMBERED: usize = 8;

/// How calls are authorised.
pub(super) enum Access {
    Fixed(HeaderValue),
    Session(Box<Session>),
}

impl Access {
    /// A session that logs in with the first poll.
    pub(super) fn login(username: String, password: Secret) -> Self {
        Self::Session(Box::new(Session { username, password, tokens: Mutex::default() }))
    }

    /// The tokens that an answer may quote, including those before the last renewals.
    pub(super) fn session_secrets(&self) -> Vec<Secret> {
        let Self::Session(session) = self else { return Vec::new() };
        let tokens = session.tokens();
        tokens.current.iter().flat_map(Granted::secrets).chain(tokens.previous.iter().cloned()).collect()
    }

    /// Starts a poll. Logs in if there is no token.
    pub(super) async fn open<'a>(&'a self, http: &'a dyn Http, base: &'a Url) -> Result<Calls<'a>, Failure> {
        let calls = Calls { http, base, access: self, tried: tokio::sync::Mutex::default() };
        if let Self::Session(session) = self
            && session.tokens().current.is_none()
        {
            calls.tried.lock().await.logged_in = true;
            session.log_in(http, base).await?;
        }
        Ok(calls)
    }
}

/// The calls of one poll.
pub(super) struct Calls<'a> {
    http: &'a dyn Http,
    base: &'a Url,
    access: &'a Access,
    /// Locked during a renewal, so that concurrent refused calls renew once.
    tried: tokio::sync::Mutex<Tried>,
}

/// The renewals that this poll has tried.
#[derive(Default)]
struct Tried {
    refreshed: bool,
    logged_in: bool,
    /// The failure of a renewal. Every later call that needs a token fails with it.
    failed: Option<Failure>,
}

/// The next step to a newer token.
enum Step {
    Refresh(Secret),
    LogIn,
    /// This poll has tried every step.
    None,
}

impl Calls<'_> {
    /// Gets a resource and extracts a value from it.
    pub(super) async fn get<T>(&self, path: &[&str], take: impl FnOnce(&Document) -> Result<T, String>) -> Result<T, Failure> {
        let (response, document) = self.fetch(&resource(self.base, path)).await?;
        take(&document).map_err(|error| response.failure(Reason::Decode, error))
    }

    /// Sends an authorised `GET`. If the token is refused, renews it and tries again; fails only if no renewal helps.
    async fn fetch(&self, url: &Url) -> Result<(Response, Document), Failure> {
        let call = |authorization: &HeaderValue| {
            self.http.send(Request::get(url.clone()).header("authorization", authorization.clone()))
        };
        let session = match self.access {
            Access::Session(session) => session,
            Access::Fixed(authorization) => {
                let response = call(authorization).await?;
                return answer::document(&response, &REFUSALS).map(|document| (response, document));
            }
        };
        // Wait for a renewal in progress.
        let failed = self.tried.lock().await.failed.clone();
        let mut ticket = failed.map_or_else(|| session.ticket(), Err)?;
        loop {
            let response = call(&ticket.authorization).await?;
            let refused = match answer::document(&response, &REFUSALS) {
                Ok(document) => return Ok((response, document)),
                Err(failure) => failure,
            };
            if !ticket.is_spent(refused.reason, &response) {
                return Err(refused);
            }
            match self.renew(session, &ticket).await? {
                Some(newer) => ticket = newer,
                None => return Err(refused),
            }
        }
    }

    /// A newer token than the ticket's, or `None` if this poll has tried every renewal.
    async fn renew(&self, session: &Session, ticket: &Ticket) -> Result<Option<Ticket>, Failure> {
        let mut tried = self.tried.lock().await;
        if let Some(failure) = &tried.failed {
            return Err(failure.clone());
        }
        // A different generation means that this call or another one has renewed the token.
        while session.tokens().generation == ticket.generation {
            let renewed = match session.next_step(&tried) {
                Step::Refresh(token) => {
                    tried.refreshed = true;
                    session.refresh(self.http, self.base, &token).await
                }
                Step::LogIn => {
                    tried.logged_in = true;
                    session.log_in(self.http, self.base).await
                }
                Step::None => return Ok(None),
            };
            if let Err(failure) = renewed {
                tried.failed = Some(failure.clone());
                return Err(failure);
            }
        }
        session.ticket().map(Some)
    }
}

/// A login and its tokens.
pub(super) struct Session {
    username: String,
    password: Secret,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    /// Absent before the first login and after a failed one.
    current: Option<Granted>,
    /// Earlier tokens, latest first, for the mask: a late answer can still quote them.
    previous: Vec<Secret>,
    /// Increases with each renewal, so that a call can detect a renewal since it took its ticket.
    generation: u64,
    /// The number of polls since the last renewal in which a refresh failed.
    failed_refreshes: u32,
}

/// Granted tokens. Both were checked to be valid header values.
struct Granted {
    access: Secret,
    refresh: Option<Secret>,
    at: Instant,
}

impl Granted {
    fn secrets(&self) -> impl Iterator<Item = Secret> {
        [Some(self.access.clone()), self.refresh.clone()].into_iter().flatten()
    }
}

/// The token of a call and its generation.
struct Ticket {
    generation: u64,
    authorization: HeaderValue,
    granted: Instant,
}

impl Ticket {
    /// Whether a refusal means that the token has expired. For a 403, the token's age decides.
    fn is_spent(&self, refused: Reason, response: &Response) -> bool {
        let age = response.received.saturating_duration_since(self.granted);
        refused == Reason::Auth || (refused == Reason::Forbidden && age > ACCESS_LIFETIME)
    }
}

impl Session {
    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ticket(&self) -> Result<Ticket, Failure> {
        let tokens = self.tokens();
        let ticket = tokens.current.as_ref().and_then(|granted| {
            let authorization = bearer(granted.access.expose())?;
            Some(Ticket { generation: tokens.generation, authorization, granted: granted.at })
        });
        ticket.ok_or_else(|| Failure::new(Reason::Internal, "a session without a token"))
    }

    /// The next step after a token was refused.
    fn next_step(&self, tried: &Tried) -> Step {
        let tokens = self.tokens();
        let refresh = tokens.current.as_ref().and_then(|granted| granted.refresh.clone());
        match refresh.filter(|_| !tried.refreshed && tokens.failed_refreshes < FAILED_REFRESHES) {
            Some(token) => Step::Refresh(token),
            None if tried.logged_in => Step::None,
            None => Step::LogIn,
        }
    }

    /// Logs in. A login ends the previous session even if it fails.
    async fn log_in(&self, http: &dyn Http, base: &Url) -> Result<(), Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("username", &self.username)
            .append_pair("password", self.password.expose())
            .finish();
        let request = Request::post(resource(base, &["v2", "login"]), "application/x-www-form-urlencoded", form.into_bytes());
        let granted = http.send(request).await.and_then(|response| granted(&response, "login"));
        let (granted, failure) = granted.map_or_else(|failure| (None, Some(failure)), |granted| (Some(granted), None));
        self.tokens().replace(granted);
        failure.map_or(Ok(()), Err)
    }

    /// Requests a new access token. If the refresh token is refused, returns without a new token. An outage is a failure and not yet a
    /// reason to log in.
    async fn refresh(&self, http: &dyn Http, base: &Url, token: &Secret) -> Result<(), Failure> {
        let value = secret_header(token.expose()).map_err(|_| Failure::new(Reason::Internal, "a token that was not checked"))?;
        // The documentation of `v2/access-token` specifies this header name.
        let request = Request::get(resource(base, &["v2", "access-token"])).header("refresh_token", value);
        let refused = |failure: &Failure| !matches!(failure.reason, Reason::Server | Reason::RateLimited);
        let granted = match http.send(request).await.map(|response| granted(&response, "refresh")) {
            Ok(Ok(granted)) => granted,
            Ok(Err(failure)) if refused(&failure) => return Ok(()),
            Ok(Err(failure)) | Err(failure) => {
                self.tokens().failed_refreshes += 1;
                return Err(failure);
            }
        };
        // A refresh returns no new refresh token; the old one stays valid.
        let refresh = granted.refresh.or_else(|| Some(token.clone()));
        self.tokens().replace(Some(Granted { refresh, ..granted }));
        Ok(())
    }
}

impl Tokens {
    fn replace(&mut self, next: Option<Granted>) {
        if let Some(before) = std::mem::replace(&mut self.current, next) {
            self.previous.splice(0..0, before.secrets());
            self.previous.truncate(REMEMBERED);
        }
        self.generation += 1;
        self.failed_refreshes = 0;
    }
}

/// Reads an answer with tokens. Only a login returns a refresh token.
fn granted(response: &Response, asked: &str) -> Result<Granted, Failure> {
    let document = answer::document(response, &REFUSALS)?;
    let (access, refresh) = tokens(&document).map_err(|error| match answer::explanation(&document, &REFUSALS) {
        // Always `auth`, whatever the status: retrying a wrong password soon can lock the account.
        Some(text) => response.failure(Reason::Auth, format!("{asked}: no token: {text}")),
        None => response.failure(Reason::Decode, format!("{asked}: {error}")),
    })?;
    Ok(Granted { access, refresh, at: response.received })
}

fn tokens(document: &Document) -> Result<(Secret, Option<Secret>), String> {
    let granted = document.whole().object()?;
    let token = |found: Found<'_>| {
        let token = Secret::new(found.text()?.to_owned());
        if bearer(token.expose()).is_some() { Ok(token) } else { Err(found.wrong("a token that a header can hold")) }
    };
    Ok((token(granted.required("access_token")?)?, granted.get("refresh_token").map(token).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::answer::tests::response;

    fn read(status: u16, body: &str) -> Result<(String, Option<String>), (Reason, String)> {
        let texts =
            |granted: Granted| (granted.access.expose().to_owned(), granted.refresh.map(|token| token.expose().to_owned()));
        granted(&response(status, body), "login").map(texts).map_err(|failure| (failure.reason, failure.detail))
    }

    #[test]
    fn reads_tokens_that_a_header_can_hold() {
        assert_eq!(read(200, r#"{"access_token":"a","refresh_token":"r"}"#), Ok(("a".to_owned(), Some("r".to_owned()))));
        assert_eq!(read(200, r#"{"access_token":"a","refresh_token":null}"#), Ok(("a".to_owned(), None)));
        for body in [
            r#"["tok","ref"]"#,
            r#"[{"access_token":"tok"}]"#,
            r#"{"access_token":["tok"]}"#,
            r#"{"access_token":"tok","refresh_token":["ref"]}"#,
            r#"{"access_token":5}"#,
            r#"{"access_token":""}"#,
            r#"{"access_token":"tok","refresh_token":"a\nb"}"#,
            "{}",
        ] {
            assert_eq!(read(200, body).map_err(|e| e.0), Err(Reason::Decode), "{body}");
        }
        let unsendable = "login: access_token: expected a token that a header can hold; found a text".to_owned();
        assert_eq!(read(200, r#"{"access_token":"to\nk"}"#), Err((Reason::Decode, unsendable)));
    }

    #[test]
    fn a_refusal_with_status_200_is_a_refusal() {
        let stated = (Reason::Auth, "HTTP 200 that says 401: Incorrect username or password".to_owned());
        assert_eq!(read(200, r#"{"detail":"Incorrect username or password","status_code":401}"#), Err(stated));
        let unstated = (Reason::Auth, "login: no token: who; are you".to_owned());
        assert_eq!(read(200, r#"{"access_token":null,"detail":["who","are you"]}"#), Err(unstated));
        assert_eq!(read(200, r#"{"access_token":"a","status_code":403}"#).map_err(|e| e.0), Err(Reason::Forbidden));
        assert_eq!(read(200, r#"{"access_token":"a","detail":"welcome","status_code":200}"#), Ok(("a".to_owned(), None)));
    }
}
