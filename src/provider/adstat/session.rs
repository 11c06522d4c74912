//! How calls of AdStat are authorised: a fixed token, or a session that outlives the polls.
//!
//! In one poll, a token that is refused is renewed in at most two ways, a refresh and a login, each at most once. What a poll has
//! tried lives in its [`Calls`]; the tokens live in the [`Session`].

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

/// How long an access token lives, about. A 403 on an older one is taken for its end.
const ACCESS_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// In how many polls a refresh may fail before a login replaces it.
const FAILED_REFRESHES: u32 = 3;
/// How many secrets are remembered for the mask: two tokens for each renewal in this poll and the one before.
const REMEMBERED: usize = 8;

/// How calls are authorised.
pub(super) enum Access {
    Fixed(HeaderValue),
    Session(Box<Session>),
}

impl Access {
    /// Logs in with the first poll.
    pub(super) fn login(username: String, password: Secret) -> Self {
        Self::Session(Box::new(Session { username, password, tokens: Mutex::default() }))
    }

    /// The tokens that an answer may quote, those before the last renewals included.
    pub(super) fn session_secrets(&self) -> Vec<Secret> {
        let Self::Session(session) = self else { return Vec::new() };
        let tokens = session.tokens();
        tokens.current.iter().flat_map(Granted::secrets).chain(tokens.previous.iter().cloned()).collect()
    }

    /// Begins a poll: makes sure that there is a token to call with.
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
    /// Held while tokens are renewed, so that calls which are refused together renew once.
    tried: tokio::sync::Mutex<Tried>,
}

/// What this poll has tried for a token that is accepted.
#[derive(Default)]
struct Tried {
    refreshed: bool,
    logged_in: bool,
    /// The renewal that failed. Every call that still needs a token fails with it.
    failed: Option<Failure>,
}

/// The next way to a newer token.
enum Way {
    Refresh(Secret),
    LogIn,
    /// Every way was tried in this poll.
    None,
}

impl Calls<'_> {
    /// Gets a resource and takes what is wanted out of it.
    pub(super) async fn get<T>(&self, path: &[&str], take: impl FnOnce(&Document) -> Result<T, String>) -> Result<T, Failure> {
        let (response, document) = self.fetch(&resource(self.base, path)).await?;
        take(&document).map_err(|error| response.failure(Reason::Decode, error))
    }

    /// Sends an authorised `GET`. It fails for want of a good token only when a newer one did not help.
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
        // Waits for a renewal that is under way.
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

    /// A newer token than the ticket's, or nothing where every way to one was tried in this poll.
    async fn renew(&self, session: &Session, ticket: &Ticket) -> Result<Option<Ticket>, Failure> {
        let mut tried = self.tried.lock().await;
        if let Some(failure) = &tried.failed {
            return Err(failure.clone());
        }
        // Once it differs, this call or another one has renewed.
        while session.tokens().generation == ticket.generation {
            let renewed = match session.way(&tried) {
                Way::Refresh(token) => {
                    tried.refreshed = true;
                    session.refresh(self.http, self.base, &token).await
                }
                Way::LogIn => {
                    tried.logged_in = true;
                    session.log_in(self.http, self.base).await
                }
                Way::None => return Ok(None),
            };
            if let Err(failure) = renewed {
                tried.failed = Some(failure.clone());
                return Err(failure);
            }
        }
        session.ticket().map(Some)
    }
}

/// A login and the tokens that it brought.
pub(super) struct Session {
    username: String,
    password: Secret,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    /// Absent before the first login and after one that failed.
    current: Option<Granted>,
    /// For the mask: earlier ones, which a late answer can still quote. The latest come first.
    previous: Vec<Secret>,
    /// Rises with each renewal, so that a call knows whether another has renewed since it took its ticket.
    generation: u64,
    /// Polls in which the provider did not answer a refresh, since the last renewal.
    failed_refreshes: u32,
}

/// Tokens as they were granted. Both can stand in a header: that is checked when they come.
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

/// What a call needs: a token, and which one it is.
struct Ticket {
    generation: u64,
    authorization: HeaderValue,
    granted: Instant,
}

impl Ticket {
    /// Whether a refusal means that the token has ended. Of a 403, only its age can tell.
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

    /// What to do about a token that was refused.
    fn way(&self, tried: &Tried) -> Way {
        let tokens = self.tokens();
        let refresh = tokens.current.as_ref().and_then(|granted| granted.refresh.clone());
        match refresh.filter(|_| !tried.refreshed && tokens.failed_refreshes < FAILED_REFRESHES) {
            Some(token) => Way::Refresh(token),
            None if tried.logged_in => Way::None,
            None => Way::LogIn,
        }
    }

    /// Logs in. A login ends the session before it, whatever comes of it.
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

    /// Asks for a new access token. It brings none where the refresh token is refused; a provider in trouble is a failure, not yet
    /// a reason to log in.
    async fn refresh(&self, http: &dyn Http, base: &Url, token: &Secret) -> Result<(), Failure> {
        let value = secret_header(token.expose()).map_err(|_| Failure::new(Reason::Internal, "a token that was not checked"))?;
        // The header really has this name (documentation of `v2/access-token`).
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
        // It brings no new refresh token; the old one lives on.
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

/// Reads an answer with tokens; a refresh token comes only with a login.
fn granted(response: &Response, asked: &str) -> Result<Granted, Failure> {
    let document = answer::document(response, &REFUSALS)?;
    let (access, refresh) = tokens(&document).map_err(|error| match answer::explanation(&document, &REFUSALS) {
        // Whatever the status says: trying a wrong password again soon can lock the account.
        Some(told) => response.failure(Reason::Auth, format!("{asked}: no token: {told}")),
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
    fn a_refusal_under_200_is_a_refusal() {
        let told = (Reason::Auth, "HTTP 200 that says 401: Incorrect username or password".to_owned());
        assert_eq!(read(200, r#"{"detail":"Incorrect username or password","status_code":401}"#), Err(told));
        let untold = (Reason::Auth, "login: no token: who; are you".to_owned());
        assert_eq!(read(200, r#"{"access_token":null,"detail":["who","are you"]}"#), Err(untold));
        assert_eq!(read(200, r#"{"access_token":"a","status_code":403}"#).map_err(|e| e.0), Err(Reason::Forbidden));
        assert_eq!(read(200, r#"{"access_token":"a","detail":"welcome","status_code":200}"#), Ok(("a".to_owned(), None)));
    }
}
