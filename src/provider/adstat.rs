//! AdStat, Telegram advertising cabinets: the dashboard's balances and those of all accounts, or of a listed few.
//!
//! An access token lives about an hour and a refresh token 30 days, so a daemon logs in once, refreshes on a 401, and logs in
//! again only where the refresh did not help.

use super::Provider;
use super::figure::{Figure, Identifier, identifier, json, said};
use super::settings::{Build, Endpoint, bearer, required};
use crate::checked::Problem;
use crate::domain::{Amount, AmountKind, Answer, Failure, Label, Reading, Reason};
use crate::http::{Http, Request, Response, StatusCode, secret_header};
use crate::secret::{Secret, SecretRef};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use url::Url;

const DEFAULT_URL: &str = "https://client.adstat.pro/api/";

/// `provider.adstat`: a login, or a fixed token for a short run.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of adstat")]
pub struct Settings {
    url: Option<Endpoint>,
    login: Option<Login>,
    token: Option<SecretRef>,
    account_currency: Option<String>,
    accounts: Option<Vec<String>>,
}

#[derive(Debug, PartialEq, Deserialize, Serialize)]
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
            // Both to their ends: a renewal that one of them has begun must not be thrown away.
            let (dashboard, accounts) = join(self.dashboard(http), self.accounts(http)).await;
            let (mut readings, accounts) = (dashboard?, accounts?);
            readings.extend(accounts.into_iter().flat_map(|account| account.readings(&self.account_currency)));
            Ok(Answer::new(readings))
        }
        .boxed()
    }

    fn session_secrets(&self) -> Vec<Secret> {
        match &self.access {
            Access::Session(session) => {
                let tokens = session.tokens();
                tokens.current.iter().flat_map(Pair::secrets).chain(tokens.previous.iter().cloned()).collect()
            }
            Access::Fixed(_) => Vec::new(),
        }
    }
}

impl Adstat {
    async fn dashboard(&self, http: &dyn Http) -> Result<Vec<Reading>, Failure> {
        let dashboard: Dashboard = self.get(http, &["dashboard", "balances"], Ok).await?;
        let part = |kind, sum: Sum| {
            let currency = Label::currency(identifier(sum.currency).as_str());
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
    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        http: &dyn Http,
        path: &[&str],
        check: impl FnOnce(T) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let response = self.access.get(http, &self.base, &resource(&self.base, path)).await?;
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
    currency: Option<Identifier>,
}

/// `mode` and `is_audience_allowed` are left alone: the documentation calls them internal.
#[derive(Deserialize)]
struct Account {
    #[serde(rename = "account_uid")]
    uid: Identifier,
    name: Option<Identifier>,
    balance: Figure,
}

impl Account {
    fn readings(self, currency: &Label) -> Vec<Reading> {
        let account = self.uid.0;
        let name = self.name.map(|name| Reading::AccountName { account: account.clone(), name: name.0 });
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
struct Session {
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

/// The address of a resource below the base, whose query it keeps.
fn resource(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
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
        assert_eq!(
            names(r#"[{"account_uid":"A","balance":1},{"account_uid":"A","balance":2}]"#),
            Err("two balances for the account \"A\"".to_owned())
        );
        assert_eq!(names(r#"[{"account_uid":" ","balance":1}]"#), Err("an account has an empty account_uid".to_owned()));
        assert!(names(r#"[{"account_uid":"A"}]"#).is_err());
        assert_eq!(names("[]"), Ok(0));
    }
}
