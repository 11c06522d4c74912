//! A stand-in for AdStat: login, token refresh, dashboard and accounts, all under `/api/`.

use super::{ReceivedRequest, Reply, Service, lock};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// An advertising cabinet with one user.
#[derive(Clone)]
pub struct Cabinet {
    username: String,
    password: String,
    books: Arc<Mutex<Books>>,
    session: Arc<Mutex<Session>>,
}

/// The balances that the cabinet returns.
#[derive(Debug, Clone, Default)]
pub struct Books {
    /// `available`.
    pub available: f64,
    /// `active`.
    pub active: f64,
    /// The currency of the dashboard.
    pub currency: String,
    /// Identifier, name and balance.
    pub accounts: Vec<(String, String, f64)>,
    /// Answers all calls with this status, except the calls for tokens.
    pub outage: Option<u16>,
}

/// Tokens are numbered, so that tests can distinguish them.
#[derive(Debug, Default)]
struct Session {
    logins: u32,
    refreshes: u32,
    access: Option<String>,
    refresh: Option<String>,
}

impl Cabinet {
    /// A cabinet that accepts this user and password.
    #[must_use]
    pub fn new(username: &str, password: &str) -> Self {
        Self { username: username.to_owned(), password: password.to_owned(), books: Arc::default(), session: Arc::default() }
    }

    /// Replaces the balances.
    pub fn set(&self, books: Books) {
        *lock(&self.books) = books;
    }

    /// Expires the access token.
    pub fn expire_access(&self) {
        lock(&self.session).access = None;
    }

    /// Expires the refresh token, which happens 30 days after it was issued.
    pub fn expire_refresh(&self) {
        lock(&self.session).refresh = None;
    }

    /// The numbers of successful logins and refreshes.
    #[must_use]
    pub fn renewals(&self) -> (u32, u32) {
        let session = lock(&self.session);
        (session.logins, session.refreshes)
    }

    fn log_in(&self, request: &ReceivedRequest) -> Reply {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(&request.body).into_owned().collect();
        let expected =
            [("username", &self.username), ("password", &self.password)].map(|(key, value)| (key.to_owned(), value.clone()));
        if request.header("content-type") != "application/x-www-form-urlencoded" {
            return Reply::json(422, &json!({"detail": [{"loc": ["body", "username"], "msg": "field required"}]}));
        }
        if form != expected {
            return Reply::json(401, &json!({"detail": "Incorrect username or password"}));
        }
        let mut session = lock(&self.session);
        session.logins += 1;
        let n = session.logins;
        let (access, refresh) = (format!("stand-in-access-{n}.0"), format!("stand-in-refresh-{n}"));
        session.access = Some(access.clone());
        session.refresh = Some(refresh.clone());
        Reply::json(200, &json!({"user_id": "U1", "access_token": access, "refresh_token": refresh}))
    }

    fn refresh(&self, request: &ReceivedRequest) -> Reply {
        let mut session = lock(&self.session);
        if session.refresh.as_deref() != Some(request.header("refresh_token")) {
            return Reply::json(401, &json!({"detail": "Refresh Token Expired", "status_code": 401}));
        }
        session.refreshes += 1;
        let access = format!("stand-in-access-{}.{}", session.logins, session.refreshes);
        session.access = Some(access.clone());
        Reply::json(200, &json!({"access_token": access, "token_type": "Bearer"}))
    }

    fn is_known(&self, request: &ReceivedRequest) -> bool {
        lock(&self.session).access.as_ref().is_some_and(|access| request.header("authorization") == format!("Bearer {access}"))
    }
}

impl Service for Cabinet {
    fn answer(&self, request: &ReceivedRequest) -> Reply {
        let path = request.target.strip_prefix("/api/").unwrap_or_default();
        match (request.method.as_str(), path) {
            ("POST", "v2/login") => return self.log_in(request),
            ("GET", "v2/access-token") => return self.refresh(request),
            _ if !self.is_known(request) => return Reply::json(401, &json!({"detail": "Token Expired", "status_code": 401})),
            _ => {}
        }
        let books = lock(&self.books).clone();
        if let Some(status) = books.outage {
            return Reply::json(status, &json!({"detail": "the cabinet is closed for an hour"}));
        }
        if path == "dashboard/balances" {
            let sum = |amount: f64| json!({"amount": amount, "currency": books.currency});
            return Reply::json(
                200,
                &json!({"active": sum(books.active), "available": sum(books.available), "total": sum(books.active + books.available)}),
            );
        }
        let accounts: Vec<Value> = books.accounts.iter().map(account).collect();
        match path.strip_prefix("accounts/telegram/") {
            Some("names") => Reply::json(200, &Value::from(accounts)),
            Some(uid) => {
                let found = accounts.iter().find(|account| account["account_uid"] == uid);
                found.map_or_else(
                    || Reply::json(404, &json!({"detail": "Account not found"})),
                    |account| Reply::json(200, account),
                )
            }
            None => Reply::json(404, &json!({"detail": "Not Found"})),
        }
    }
}

fn account((uid, name, balance): &(String, String, f64)) -> Value {
    json!({"account_uid": uid, "name": name, "balance": balance, "mode": "prod", "is_audience_allowed": false})
}
