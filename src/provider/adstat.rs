//! AdStat, Telegram advertising cabinets: the dashboard's balances and those of all accounts, or of a listed few.
//!
//! An access token lives about an hour and a refresh token 30 days, so a daemon logs in once, refreshes on a 401, and logs in
//! again only where the refresh did not help.

use super::figure::{Figure, Identifier, json, said};
use super::settings::{Build, Endpoint, Problem, bearer, required};
use super::Provider;
use crate::domain::{Amount, AmountKind, Answer, Failure, Label, Reading, Reason};
use crate::http::{Http, Request, Response, StatusCode, secret_header};
use crate::secret::{Secret, SecretRef};
use futures_util::future::{BoxFuture, try_join};
use futures_util::FutureExt;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use url::Url;

const DEFAULT_URL: &str = "https://client.adstat.pro/api/";

/// `provider.adstat`: a login, or a fixed token for a short run.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of adstat")]
pub struct Settings {
    url: Option<Endpoint>,
    login: Option<Login>,
    token: Option<SecretRef>,
    account_currency: Option<String>,
    accounts: Option<Vec<String>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with username and password")]
struct Login {
    username: String,
    password: SecretRef,
}

impl Settings {
    pub(super) fn build(&self, build: &mut Build) -> Result<Adstat, Problem> {
        let access = match (&self.login, &self.token) {
            (Some(login), None) => {
                required("login.username", &login.username)?;
                let password = build.secret("login.password", &login.password)?;
                Access::Session(Box::new(Session::new(login.username.clone(), password)))
            }
            (None, Some(token)) => Access::Fixed(build.bearer("token", token)?),
            (None, None) => return Err(Problem::at("", "no credentials; add login or token")),
            (Some(_), Some(_)) => return Err(Problem::at("token", "stands beside login; keep one of them")),
        };
        if let Some(accounts) = &self.accounts {
            check_accounts(accounts)?;
        }
        Ok(Adstat {
            base: build.endpoint(self.url.as_ref(), DEFAULT_URL).into_base(),
            access,
            account_currency: Label::currency(self.account_currency.as_deref().unwrap_or_default()),
            accounts: self.accounts.clone(),
        })
    }
}

fn check_accounts(accounts: &[String]) -> Result<(), Problem> {
    if accounts.is_empty() {
        return Err(Problem::at("accounts", "names no account; list some, or drop the key to watch all"));
    }
    for (i, account) in accounts.iter().enumerate() {
        required(&format!("accounts[{i}]"), account)?;
        if accounts.iter().take(i).any(|earlier| earlier == account) {
            return Err(Problem::at(format!("accounts[{i}]"), format!("the account {account} is listed twice; drop one")));
        }
    }
    Ok(())
}

/// A configured cabinet.
pub(super) struct Adstat {
    base: Url,
    access: Access,
    /// The account objects carry no currency.
    account_currency: Label,
    /// The accounts to watch; all where absent.
    accounts: Option<Vec<String>>,
}

impl Provider for Adstat {
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            self.access.open(http, &self.base).await?;
            let (mut readings, accounts) = try_join(self.dashboard(http), self.accounts(http)).await?;
            readings.extend(accounts.into_iter().flat_map(|account| account.readings(&self.account_currency)));
            Ok(Answer::new(readings))
        }
        .boxed()
    }

    fn session_secrets(&self) -> Vec<Secret> {
        match &self.access {
            Access::Session(session) => session.tokens().seen.clone(),
            Access::Fixed(_) => Vec::new(),
        }
    }
}

impl Adstat {
    async fn dashboard(&self, http: &dyn Http) -> Result<Vec<Reading>, Failure> {
        let dashboard: Dashboard = self.get(http, &["dashboard", "balances"], Ok).await?;
        let part = |kind, sum: Sum| {
            let currency = Label::currency(&sum.currency.unwrap_or_default());
            Reading::Amount(Amount { kind, account: Label::default(), currency, amount: sum.amount.0 })
        };
        Ok(vec![
            part(AmountKind::Available, dashboard.available),
            part(AmountKind::Active, dashboard.active),
            part(AmountKind::Total, dashboard.total),
        ])
    }

    async fn accounts(&self, http: &dyn Http) -> Result<Vec<Account>, Failure> {
        match &self.accounts {
            None => self.get(http, &["accounts", "telegram", "names"], distinct).await,
            Some(uids) => {
                // One after the other: the provider's rate limits are unknown.
                let mut accounts = Vec::with_capacity(uids.len());
                for uid in uids {
                    accounts.push(self.account(http, uid).await?);
                }
                Ok(accounts)
            }
        }
    }

    async fn account(&self, http: &dyn Http, uid: &str) -> Result<Account, Failure> {
        let asked = |account: Account| {
            let same = account.uid.0.as_str() == uid.trim();
            if same { Ok(account) } else { Err(format!("asked for account \"{uid}\", told of \"{}\"", account.uid.0)) }
        };
        self.get(http, &["accounts", "telegram", uid], asked).await
    }

    /// Reads one resource and checks it.
    async fn get<T: serde::de::DeserializeOwned>(&self, http: &dyn Http, path: &[&str], check: impl FnOnce(T) -> Result<T, String>) -> Result<T, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let response = self.access.get(http, &self.base, &url).await?;
        if let Some(failure) = response.status_failure(&detail(&response)) {
            return Err(failure);
        }
        json(&response.body).and_then(check).map_err(|error| response.failure(Reason::Decode, error))
    }
}

#[derive(Deserialize)]
struct Dashboard {
    active: Sum,
    available: Sum,
    total: Sum,
}

#[derive(Deserialize)]
struct Sum {
    amount: Figure,
    currency: Option<String>,
}

/// `mode` and `is_audience_allowed` are left alone: the documentation calls them internal.
#[derive(Deserialize)]
struct Account {
    #[serde(rename = "account_uid")]
    uid: Identifier,
    name: Option<String>,
    balance: Figure,
}

impl Account {
    fn readings(self, currency: &Label) -> Vec<Reading> {
        let account = self.uid.0;
        let name = self.name.map(|name| Reading::AccountName { account: account.clone(), name: Label::new(&name) });
        let amount = Amount { kind: AmountKind::Available, account, currency: currency.clone(), amount: self.balance.0 };
        std::iter::once(Reading::Amount(amount)).chain(name).collect()
    }
}

/// Refuses a list in which an account has no identifier, which is how the source itself is labelled, or two balances.
fn distinct(accounts: Vec<Account>) -> Result<Vec<Account>, String> {
    let mut balances = BTreeMap::new();
    for account in &accounts {
        let uid = &account.uid.0;
        if uid.is_empty() {
            return Err("an account has an empty account_uid".to_owned());
        }
        let first = *balances.entry(uid).or_insert(account.balance);
        if first != account.balance {
            return Err(format!("two balances for the account \"{uid}\""));
        }
    }
    Ok(accounts)
}

/// The provider's own words in an error: `detail` is a text or a list.
fn detail(response: &Response) -> String {
    json::<Value>(&response.body).ok().and_then(|document| document.get("detail").map(said)).unwrap_or_default()
}

/// How calls are authorised.
enum Access {
    Fixed(HeaderValue),
    Session(Box<Session>),
}

impl Access {
    /// Makes sure, before the calls of a poll, that there is a token to call with.
    async fn open(&self, http: &dyn Http, base: &Url) -> Result<(), Failure> {
        match self {
            Self::Fixed(_) => Ok(()),
            Self::Session(session) => session.open(http, base).await,
        }
    }

    /// Sends an authorised `GET`; a 401 comes back only when renewing the token did not help.
    async fn get(&self, http: &dyn Http, base: &Url, url: &Url) -> Result<Response, Failure> {
        let call = |authorization: &HeaderValue| http.send(Request::get(url.clone()).header("authorization", authorization.clone()));
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
struct Session {
    username: String,
    password: Secret,
    /// Held while tokens are renewed, so that calls which fail together renew once.
    renewing: tokio::sync::Mutex<()>,
    tokens: Mutex<Tokens>,
}

/// Tokens and where they stand in the order of a poll: kept, then refreshed, then logged in, then given up.
#[derive(Default)]
struct Tokens {
    /// Rises with each renewal, so that a call knows whether another has renewed since it took its ticket.
    generation: u64,
    stage: Stage,
    /// Absent before the first login and after a refused one.
    current: Option<Pair>,
    /// Why there are none.
    refused: Option<Failure>,
    /// For the mask: the latest tokens and those before, which a late answer can still quote.
    seen: Vec<Secret>,
}

#[derive(Default, Clone, Copy, PartialEq)]
enum Stage {
    #[default]
    Kept,
    Refreshed,
    LoggedIn,
}

#[derive(Clone)]
struct Pair {
    authorization: HeaderValue,
    refresh: Option<HeaderValue>,
}

/// What a call needs: a token, and which one it is.
struct Ticket {
    generation: u64,
    authorization: HeaderValue,
}

/// An answer with tokens. A refresh brings no new refresh token.
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
            tokens.stage = Stage::Kept;
            tokens.current.is_some()
        };
        if kept { Ok(()) } else { self.log_in(http, base).await }
    }

    fn ticket(&self) -> Result<Ticket, Failure> {
        let tokens = self.tokens();
        match &tokens.current {
            Some(pair) => Ok(Ticket { generation: tokens.generation, authorization: pair.authorization.clone() }),
            None => Err(tokens.refused.clone().unwrap_or_else(|| Failure::new(Reason::Internal, "no token and no refusal"))),
        }
    }

    /// A newer token than the ticket's, or nothing where every way was tried in this poll.
    async fn renew(&self, http: &dyn Http, base: &Url, ticket: &Ticket) -> Result<Option<Ticket>, Failure> {
        let _renewing = self.renewing.lock().await;
        let (generation, stage, refresh) = {
            let tokens = self.tokens();
            (tokens.generation, tokens.stage, tokens.current.as_ref().and_then(|pair| pair.refresh.clone()))
        };
        if generation == ticket.generation {
            match (stage, refresh) {
                (Stage::LoggedIn, _) => return Ok(None),
                (Stage::Kept, Some(refresh)) => {
                    if !self.refresh(http, base, refresh).await? {
                        self.log_in(http, base).await?;
                    }
                }
                (Stage::Kept, None) | (Stage::Refreshed, _) => self.log_in(http, base).await?,
            }
        }
        self.ticket().map(Some)
    }

    async fn log_in(&self, http: &dyn Http, base: &Url) -> Result<(), Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("username", &self.username)
            .append_pair("password", self.password.expose())
            .finish();
        let url = join(base, "v2/login")?;
        let response = http.send(Request::post(url, "application/x-www-form-urlencoded", form.into_bytes())).await;
        let granted = response.and_then(|response| match response.status_failure(&detail(&response)) {
            Some(failure) => Err(failure),
            None => json::<Granted>(&response.body).map_err(|error| response.failure(Reason::Decode, format!("login: {error}"))),
        });
        match granted {
            Ok(granted) => self.keep(granted, Stage::LoggedIn),
            Err(failure) => {
                let mut tokens = self.tokens();
                tokens.generation += 1;
                tokens.current = None;
                tokens.refused = Some(failure.clone());
                Err(failure)
            }
        }
    }

    /// Whether the refresh token brought a new access token. A provider in trouble is a failure, not a reason to log in.
    async fn refresh(&self, http: &dyn Http, base: &Url, refresh: HeaderValue) -> Result<bool, Failure> {
        // The header really has this name (documentation of `v2/access-token`).
        let request = Request::get(join(base, "v2/access-token")?).header("refresh_token", refresh);
        let response = http.send(request).await?;
        let trouble = response.status_failure(&detail(&response)).filter(|f| matches!(f.reason, Reason::Server | Reason::RateLimited));
        if let Some(failure) = trouble {
            return Err(failure);
        }
        match json::<Granted>(&response.body) {
            Ok(granted) if response.status.is_success() => self.keep(granted, Stage::Refreshed).map(|()| true),
            _ => Ok(false),
        }
    }

    fn keep(&self, granted: Granted, stage: Stage) -> Result<(), Failure> {
        let unfit = || Failure::new(Reason::Decode, "a token that cannot be sent in a header");
        let authorization = bearer(&granted.access_token).ok_or_else(unfit)?;
        let refresh = granted.refresh_token.as_deref().map(secret_header).transpose().map_err(|_| unfit())?;
        let mut tokens = self.tokens();
        let kept = tokens.current.take().and_then(|pair| pair.refresh);
        let earlier = tokens.seen.len().saturating_sub(2);
        tokens.seen.drain(..earlier);
        tokens.seen.extend([Some(granted.access_token), granted.refresh_token].into_iter().flatten().map(Secret::new));
        // A login ends the session before it; a refresh lives on the same refresh token.
        let kept = if stage == Stage::Refreshed { kept } else { None };
        tokens.current = Some(Pair { authorization, refresh: refresh.or(kept) });
        tokens.generation += 1;
        tokens.stage = stage;
        tokens.refused = None;
        Ok(())
    }
}

fn join(base: &Url, path: &str) -> Result<Url, Failure> {
    base.join(path).map_err(|error| Failure::new(Reason::Internal, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_address_is_good() {
        assert!(Endpoint::parse(DEFAULT_URL).is_ok());
    }

    #[test]
    fn one_account_cannot_have_two_balances() {
        let names = |body: &str| json::<Vec<Account>>(body.as_bytes()).and_then(distinct).map(|accounts| accounts.len());
        assert_eq!(names(r#"[{"account_uid":"A","balance":1},{"account_uid":"A","balance":"1.0"}]"#), Ok(2));
        assert_eq!(names(r#"[{"account_uid":"A","balance":1},{"account_uid":"A","balance":2}]"#), Err("two balances for the account \"A\"".to_owned()));
        assert_eq!(names(r#"[{"account_uid":" ","balance":1}]"#), Err("an account has an empty account_uid".to_owned()));
        assert!(names(r#"[{"account_uid":"A"}]"#).is_err());
        assert_eq!(names("[]"), Ok(0));
    }
}
