//! How calls of AdStat are authorised: a fixed token, or a session that logs in once, refreshes on a 401, and logs in again only
//! where the refresh did not help.

use super::{detail, resource};
use crate::domain::{Failure, Reason};
use crate::http::{Http, Request, Response, StatusCode, secret_header};
use crate::provider::figure::json;
use crate::provider::settings::bearer;
use crate::secret::Secret;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use url::Url;

/// How calls are authorised.
pub(super) enum Access {
    Fixed(HeaderValue),
    Session(Box<Session>),
}

impl Access {
    /// Logs in with the first poll.
    pub(super) fn login(username: String, password: Secret) -> Self {
        Self::Session(Box::new(Session::new(username, password)))
    }

    /// The tokens that an answer may quote, those before the last renewal included.
    pub(super) fn session_secrets(&self) -> Vec<Secret> {
        match self {
            Self::Session(session) => {
                let tokens = session.tokens();
                tokens.current.iter().flat_map(Pair::secrets).chain(tokens.previous.iter().cloned()).collect()
            }
            Self::Fixed(_) => Vec::new(),
        }
    }

    /// Makes sure, before the calls of a poll, that there is a token to call with.
    pub(super) async fn open(&self, http: &dyn Http, base: &Url) -> Result<(), Failure> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Session(session) => session.open(http, base).await,
        }
    }

    /// Sends an authorised `GET`; a 401 comes back only when renewing the token did not help.
    pub(super) async fn get(&self, http: &dyn Http, base: &Url, url: &Url) -> Result<Response, Failure> {
        let call =
            |authorization: &HeaderValue| http.send(Request::get(url.clone()).header("authorization", authorization.clone()));
        let session = match self {
            Self::Fixed(authorization) => return call(authorization).await,
            Self::Session(session) => session,
        };
        let mut ticket = session.ticket()?;
        loop {
            let response = call(&ticket.authorization).await?;
            if response.status != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            match session.renew(http, base, &ticket).await? {
                Some(next) => ticket = next,
                None => return Ok(response),
            }
        }
    }
}

/// A login and the tokens it brought.
pub(super) struct Session {
    username: String,
    password: Secret,
    /// Held while tokens are renewed, so that calls which fail together renew once.
    renewing: tokio::sync::Mutex<()>,
    tokens: Mutex<Tokens>,
}

/// The tokens of a session, and what was tried to renew them in the poll that is under way.
#[derive(Default)]
struct Tokens {
    /// Absent before the first login and after a refused one.
    current: Option<Pair>,
    /// For the mask: those before, which a late answer can still quote.
    previous: Vec<Secret>,
    /// Rises with each renewal, so that a call knows whether another has renewed since it took its ticket.
    generation: u64,
    refreshed: bool,
    logged_in: bool,
    /// Why the last try failed, for the calls that wait for it.
    failed: Option<Failure>,
}

/// Both can stand in a header: that is checked when they come.
#[derive(Clone)]
struct Pair {
    access: Secret,
    refresh: Option<Secret>,
}

impl Pair {
    fn secrets(&self) -> impl Iterator<Item = Secret> {
        [Some(self.access.clone()), self.refresh.clone()].into_iter().flatten()
    }
}

/// What a call needs: a token, and which one it is.
struct Ticket {
    generation: u64,
    authorization: HeaderValue,
}

/// An answer with tokens; a refresh token comes only with a login.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    refresh_token: Option<String>,
}

impl Session {
    fn new(username: String, password: Secret) -> Self {
        Self { username, password, renewing: tokio::sync::Mutex::default(), tokens: Mutex::default() }
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn open(&self, http: &dyn Http, base: &Url) -> Result<(), Failure> {
        let kept = {
            let mut tokens = self.tokens();
            (tokens.refreshed, tokens.logged_in, tokens.failed) = (false, false, None);
            tokens.current.is_some()
        };
        if kept { Ok(()) } else { self.log_in(http, base).await }
    }

    fn ticket(&self) -> Result<Ticket, Failure> {
        let tokens = self.tokens();
        if let Some(failure) = &tokens.failed {
            return Err(failure.clone());
        }
        let authorization = tokens.current.as_ref().and_then(|pair| bearer(pair.access.expose()));
        let authorization = authorization.ok_or_else(|| Failure::new(Reason::Internal, "a session without a token"))?;
        Ok(Ticket { generation: tokens.generation, authorization })
    }

    /// A newer token than the ticket's, or nothing where every way was tried in this poll: one refresh, then one login.
    async fn renew(&self, http: &dyn Http, base: &Url, ticket: &Ticket) -> Result<Option<Ticket>, Failure> {
        let _renewing = self.renewing.lock().await;
        let (generation, refresh, logged_in, failed) = {
            let tokens = self.tokens();
            let refresh = tokens.current.as_ref().and_then(|pair| pair.refresh.clone()).filter(|_| !tokens.refreshed);
            (tokens.generation, refresh, tokens.logged_in, tokens.failed.is_some())
        };
        if generation == ticket.generation && !failed {
            let refreshed = match refresh {
                Some(refresh) => self.refresh(http, base, &refresh).await?,
                None => false,
            };
            if !refreshed && logged_in {
                return Ok(None);
            }
            if !refreshed {
                self.log_in(http, base).await?;
            }
        }
        self.ticket().map(Some)
    }

    async fn log_in(&self, http: &dyn Http, base: &Url) -> Result<(), Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("username", &self.username)
            .append_pair("password", self.password.expose())
            .finish();
        let request = Request::post(resource(base, &["v2", "login"]), "application/x-www-form-urlencoded", form.into_bytes());
        let granted = http.send(request).await.and_then(|response| match response.status_failure(&detail(&response)) {
            Some(failure) => Err(failure),
            None => granted(&response).map_err(|error| response.failure(Reason::Decode, format!("login: {error}"))),
        });
        let mut tokens = self.tokens();
        tokens.logged_in = true;
        // A login ends the session before it.
        tokens.replace(granted.as_ref().ok().cloned());
        tokens.failed = granted.err();
        tokens.failed.clone().map_or(Ok(()), Err)
    }

    /// Whether the refresh token brought a new access token. A provider in trouble is a failure, not a reason to log in.
    async fn refresh(&self, http: &dyn Http, base: &Url, refresh: &Secret) -> Result<bool, Failure> {
        let value =
            secret_header(refresh.expose()).map_err(|_| Failure::new(Reason::Internal, "a token that was not checked"))?;
        // The header really has this name (documentation of `v2/access-token`).
        let request = Request::get(resource(base, &["v2", "access-token"])).header("refresh_token", value);
        let answer = http.send(request).await.and_then(|response| match response.status_failure(&detail(&response)) {
            Some(failure) if matches!(failure.reason, Reason::Server | Reason::RateLimited) => Err(failure),
            Some(_) => Ok(None),
            None => Ok(granted(&response).ok()),
        });
        let mut tokens = self.tokens();
        tokens.refreshed = true;
        match answer {
            Ok(None) => Ok(false),
            Ok(Some(granted)) => {
                // It brings no new refresh token; the old one lives on.
                tokens.replace(Some(Pair { refresh: granted.refresh.or_else(|| Some(refresh.clone())), ..granted }));
                Ok(true)
            }
            Err(failure) => {
                tokens.failed = Some(failure.clone());
                Err(failure)
            }
        }
    }
}

impl Tokens {
    fn replace(&mut self, next: Option<Pair>) {
        if let Some(before) = std::mem::replace(&mut self.current, next) {
            self.previous = before.secrets().collect();
        }
        self.generation += 1;
    }
}

/// Reads an answer with tokens.
fn granted(response: &Response) -> Result<Pair, String> {
    let granted: Granted = json(&response.body)?;
    let pair = Pair { access: Secret::new(granted.access_token), refresh: granted.refresh_token.map(Secret::new) };
    if pair.secrets().all(|token| bearer(token.expose()).is_some()) {
        Ok(pair)
    } else {
        Err("a token that no header can hold".to_owned())
    }
}
