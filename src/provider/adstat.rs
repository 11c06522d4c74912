//! AdStat, Telegram advertising cabinets: the dashboard's balances and those of all accounts, or of a listed few.
//!
//! An access token lives about an hour and a refresh token 30 days: [`session`] renews them.

mod session;

use super::Provider;
use super::figure::{Figure, Identifier, identifier, json, said};
use super::settings::{Build, Endpoint, required};
use crate::checked::Problem;
use crate::domain::{Amount, AmountKind, Answer, Failure, Label, Reading, Reason};
use crate::http::{Http, Response};
use crate::secret::{Secret, SecretRef};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use session::Access;
use std::collections::BTreeMap;
use url::Url;

const DEFAULT_URL: &str = "https://client.adstat.pro/api/";

/// `provider.adstat`: a login, or a fixed token for a short run.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of adstat")]
pub struct Settings {
    url: Option<Endpoint>,
    login: Option<Login>,
    token: Option<SecretRef>,
    account_currency: Option<String>,
    accounts: Option<Vec<String>>,
}

#[derive(Debug, Deserialize, Serialize)]
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
                Access::login(login.username.clone(), password)
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
        self.access.session_secrets()
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
