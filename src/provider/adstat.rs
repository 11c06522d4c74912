//! AdStat, Telegram advertising cabinets: the balances of the dashboard and of all or of the listed accounts.
//!
//! An access token is valid for about an hour and a refresh token for 30 days. [`session`] renews them.

mod session;

use super::answer::Refusals;
use super::document::Document;
use super::found::Found;
use super::settings::{Build, Endpoint, required};
use super::{BuiltIn, Provider};
use crate::domain::{Answer, Failure, Figure, Label, Reading, RetryAfter};
use crate::problem::{Problem, Text};
use crate::secret::{Secret, SecretRef};
use crate::transport::Http;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join};
use serde::Deserialize;
use session::{Access, Calls};
use std::collections::BTreeMap;
use url::Url;

/// For people.
pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "adstat",
    title: "AdStat, cabinets of Telegram advertising",
    documentation: "https://client.adstat.pro/api/docs",
    reads: "available, active, total, name",
    source: "        login: {username: me@example.com, password: {file: /etc/balance-exporter/adstat-password}}\n        # token: {file: /etc/balance-exporter/adstat-token}     instead of login, for a short run\n        # url: https://client.adstat.pro/api/\n        # account_currency: EUR\n        # accounts: [ACC0001, ACC0002]\n",
};

const DEFAULT_URL: &str = "https://client.adstat.pro/api/";

/// `provider.adstat`: a login, or a fixed token for a short run.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of adstat")]
pub struct Settings {
    url: Option<Endpoint>,
    login: Option<Login>,
    token: Option<SecretRef>,
    account_currency: Option<Text>,
    accounts: Option<Vec<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with username and password")]
struct Login {
    username: Text,
    password: SecretRef,
}

/// The credentials that the settings name.
enum Credentials<'a> {
    Login(&'a Login),
    Token(&'a SecretRef),
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.credentials()?;
        self.accounts()?;
        Ok(())
    }

    pub(super) fn build(&self, build: &mut Build) -> Result<Adstat, Problem> {
        let access = match self.credentials()? {
            Credentials::Login(login) => {
                build.identify("login.username", &login.username);
                let password = build.secret("login.password", &login.password)?;
                Access::login(login.username.to_string(), password)
            }
            Credentials::Token(token) => Access::Fixed(build.bearer("token", token)?),
        };
        let accounts = self.accounts()?;
        for account in accounts.iter().flatten() {
            build.identify("accounts", account.as_str());
        }
        let account_currency = Label::currency(self.account_currency.as_deref().unwrap_or_default());
        build.identify("account_currency", account_currency.as_str());
        Ok(Adstat { base: build.endpoint(self.url.as_ref(), DEFAULT_URL).into_base(), access, account_currency, accounts })
    }

    fn credentials(&self) -> Result<Credentials<'_>, Problem> {
        match (&self.login, &self.token) {
            (Some(login), None) => {
                required("login.username", &login.username)?;
                Ok(Credentials::Login(login))
            }
            (None, Some(token)) => Ok(Credentials::Token(token)),
            (None, None) => Err(Problem::at("", "no credentials; add login or token")),
            (Some(_), Some(_)) => Err(Problem::at("token", "is given with login; keep one of the two")),
        }
    }

    /// The accounts to watch; all where absent.
    fn accounts(&self) -> Result<Option<Vec<Label>>, Problem> {
        self.accounts.as_deref().map(check_accounts).transpose()
    }
}

/// The accounts as they are spelled in answers, without duplicates.
fn check_accounts(accounts: &[Text]) -> Result<Vec<Label>, Problem> {
    if accounts.is_empty() {
        return Err(Problem::at("accounts", "names no account; list some, or drop the key to watch all"));
    }
    let mut checked: Vec<Label> = Vec::with_capacity(accounts.len());
    for (i, account) in accounts.iter().enumerate() {
        let account = Label::new(account);
        required(&format!("accounts[{i}]"), account.as_str())?;
        if matches!(account.as_str(), "." | "..") {
            return Err(Problem::at(format!("accounts[{i}]"), "not an account; write its identifier, such as ACC0001"));
        }
        if checked.contains(&account) {
            return Err(Problem::at(format!("accounts[{i}]"), format!("the account {account} is listed twice; drop one")));
        }
        checked.push(account);
    }
    Ok(checked)
}

/// A configured cabinet.
pub(super) struct Adstat {
    base: Url,
    access: Access,
    /// The currency of the accounts, because account objects have none.
    account_currency: Label,
    /// The accounts to poll; all if absent.
    accounts: Option<Vec<Label>>,
}

impl Provider for Adstat {
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>> {
        async move {
            let calls = self.access.open(http, &self.base).await?;
            // Wait for both calls: a renewal started by one of them must not be cancelled.
            let (dashboard, accounts) = join(self.dashboard(&calls), self.accounts(&calls)).await;
            let (mut readings, accounts) = both(dashboard, accounts)?;
            readings.extend(accounts.into_iter().flat_map(|account| account.readings(&self.account_currency)));
            Ok(Answer::new(readings))
        }
        .boxed()
    }

    fn session_secrets(&self) -> Vec<Secret> {
        self.access.session_secrets()
    }
}

/// Both results, or the failure that matters most for the next poll: a refusal takes precedence, with the longer `Retry-After`.
fn both<A, B>(first: Result<A, Failure>, second: Result<B, Failure>) -> Result<(A, B), Failure> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok((first, second)),
        (Err(failure), Ok(_)) | (Ok(_), Err(failure)) => Err(failure),
        (Err(first), Err(second)) => {
            let second_decides = second.reason.is_refusal() && !first.reason.is_refusal();
            let (kept, other) = if second_decides { (second, first) } else { (first, second) };
            Err(Failure { retry_after: RetryAfter::longer(kept.retry_after, other.retry_after), ..kept })
        }
    }
}

impl Adstat {
    async fn dashboard(&self, calls: &Calls<'_>) -> Result<Vec<Reading>, Failure> {
        calls.get(&["dashboard", "balances"], dashboard).await
    }

    async fn accounts(&self, calls: &Calls<'_>) -> Result<Vec<Account>, Failure> {
        let Some(uids) = &self.accounts else {
            return calls.get(&["accounts", "telegram", "names"], all_accounts).await;
        };
        // Sequentially, because the provider's rate limits are unknown.
        let mut accounts = Vec::with_capacity(uids.len());
        for uid in uids {
            accounts.push(calls.get(&["accounts", "telegram", uid.as_str()], |document| asked_account(document, uid)).await?);
        }
        Ok(accounts)
    }
}

fn dashboard(document: &Document) -> Result<Vec<Reading>, String> {
    let dashboard = document.whole().object()?;
    let part = |made: fn(Label, Label, Figure) -> Reading, key| -> Result<Reading, String> {
        let sum = dashboard.required(key)?.object()?;
        let currency = Label::currency(sum.label("currency")?.as_str());
        Ok(made(Label::default(), currency, sum.required("amount")?.figure()?))
    };
    Ok(vec![
        part(Reading::available_amount, "available")?,
        part(Reading::active_amount, "active")?,
        part(Reading::total_amount, "total")?,
    ])
}

/// Reads one account. `mode` and `is_audience_allowed` are ignored: the documentation calls them internal.
struct Account {
    uid: Label,
    name: Option<Label>,
    balance: Figure,
}

impl Account {
    fn read(found: &Found<'_>) -> Result<Self, String> {
        let account = found.object()?;
        let uid = account.required("account_uid")?;
        let (uid, empty) = (uid.identifier()?, uid.wrong("an identifier"));
        // An empty identifier would label the account as the source itself.
        if uid.is_empty() {
            return Err(empty);
        }
        let name = account.get("name").map(|name| name.identifier()).transpose()?;
        Ok(Self { uid, name, balance: account.required("balance")?.figure()? })
    }

    fn readings(self, currency: &Label) -> Vec<Reading> {
        let account = self.uid;
        let name = self.name.map(|name| Reading::account_info(account.clone(), name));
        std::iter::once(Reading::available_amount(account, currency.clone(), self.balance)).chain(name).collect()
    }
}

/// Reads the list of all accounts. An account with two balances is an error.
fn all_accounts(document: &Document) -> Result<Vec<Account>, String> {
    let found = document.whole().list()?;
    let accounts = found.iter().map(Account::read).collect::<Result<Vec<_>, _>>()?;
    let mut balances = BTreeMap::new();
    for (i, account) in accounts.iter().enumerate() {
        let first = *balances.entry(&account.uid).or_insert(account.balance);
        if first != account.balance {
            return Err(format!("[{i}].balance: not the balance that an earlier row states for the same account"));
        }
    }
    Ok(accounts)
}

fn asked_account(document: &Document, asked: &Label) -> Result<Account, String> {
    let account = Account::read(&document.whole())?;
    if account.uid == *asked { Ok(account) } else { Err(format!("account_uid: not the account {asked}, which was asked for")) }
}

/// `detail`, a text or a list, explains errors. Some errors have HTTP status 200 and a status in the document.
const REFUSALS: Refusals = Refusals { explained_by: &["detail"], status_key: Some("status_code"), ..Refusals::BY_STATUS };

/// The URL of a resource below the base. It keeps the query of the base.
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
    use crate::domain::Reason;

    #[test]
    fn of_two_failures_the_refusal_and_the_longer_wait_are_kept() {
        let failure = |reason, wait: Option<u64>| Failure {
            reason,
            detail: String::new(),
            retry_after: wait.map(|secs| RetryAfter::Delay(std::time::Duration::from_secs(secs))),
        };
        let of = |first, second| both::<(), ()>(Err(first), Err(second)).expect_err("a failure");
        let kept = of(failure(Reason::Server, None), failure(Reason::RateLimited, Some(3000)));
        assert_eq!(kept, failure(Reason::Server, Some(3000)));
        let kept = of(failure(Reason::Server, Some(90)), failure(Reason::Auth, None));
        assert_eq!(kept, failure(Reason::Auth, Some(90)));
        let kept = of(failure(Reason::Auth, Some(5)), failure(Reason::Forbidden, Some(7)));
        assert_eq!(kept, failure(Reason::Auth, Some(7)));
    }

    #[test]
    fn the_default_url_is_valid() {
        assert!(Endpoint::parse(DEFAULT_URL).is_ok());
    }

    /// The readings of a document, or the reason of the failure.
    fn read<T>(body: &str, take: impl FnOnce(&Document) -> Result<T, String>) -> Result<T, String> {
        Document::read(body.as_bytes()).map_err(|unreadable| unreadable.detail).and_then(|document| take(&document))
    }

    /// Identifier and balance of all accounts.
    fn accounts(body: &str) -> Result<Vec<(String, f64)>, String> {
        read(body, all_accounts).map(|accounts| accounts.into_iter().map(|a| (a.uid.to_string(), a.balance.get())).collect())
    }

    #[test]
    fn one_account_cannot_have_two_balances() {
        let equal = accounts(r#"[{"account_uid":"A","balance":1},{"account_uid":"A","balance":"1.0"}]"#);
        assert_eq!(equal.map(|accounts| accounts.len()), Ok(2));
        assert_eq!(
            accounts(r#"[{"account_uid":"A","balance":1},{"account_uid":"A ","balance":2}]"#),
            Err("[1].balance: not the balance that an earlier row states for the same account".to_owned())
        );
        assert_eq!(accounts("[]"), Ok(Vec::new()));
    }

    #[test]
    fn an_account_needs_an_identifier_and_a_balance() {
        let nameless = "[0].account_uid: expected an identifier; found an empty text".to_owned();
        assert_eq!(accounts(r#"[{"account_uid":" ","balance":1}]"#), Err(nameless));
        assert_eq!(accounts(r#"[{"account_uid":"A"}]"#), Err("[0].balance is missing".to_owned()));
    }

    #[test]
    fn accounts_with_long_numbers_stay_apart() {
        let two = r#"[{"account_uid":123456789012345678901,"balance":1},{"account_uid":123456789012345678902,"balance":1}]"#;
        let apart = [("123456789012345678901".to_owned(), 1.0), ("123456789012345678902".to_owned(), 1.0)];
        assert_eq!(accounts(two), Ok(apart.to_vec()));
        for uid in ["1e3", "1.0", "12345678901234567890.0"] {
            assert!(accounts(&format!(r#"[{{"account_uid":{uid},"balance":1}}]"#)).is_err(), "{uid}");
        }
    }

    #[test]
    fn a_list_is_never_read_as_an_object() {
        for body in [
            r#"[[1,"EUR"],[50,"EUR"],[51,"EUR"]]"#,
            r#"{"active":[1,"EUR"],"available":[50,"EUR"],"total":[51,"EUR"]}"#,
            r#"{"active":{"amount":[1]},"available":{"amount":50},"total":{"amount":51}}"#,
            r#"[{"active":{"amount":1},"available":{"amount":50},"total":{"amount":51}}]"#,
        ] {
            assert!(read(body, dashboard).is_err(), "{body}");
        }
        for body in [r#"[["A","One",5]]"#, r#"[[["A","One",5]]]"#, r#"{"0":{"account_uid":"A","balance":5}}"#, r#"["A","One",5]"#]
        {
            assert!(accounts(body).is_err(), "{body}");
        }
        let asked = |body: &str| read(body, |document| asked_account(document, &Label::new("A")));
        assert!(asked(r#"["A","One",5]"#).is_err());
        assert!(asked(r#"[{"account_uid":"A","balance":5}]"#).is_err());
        assert!(asked(r#"{"account_uid":"A","balance":5}"#).is_ok());
    }
}
