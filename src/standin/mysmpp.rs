//! A stand-in for the SMS gateway: `POST /json/balance.php`.

use super::{ReceivedRequest, Reply, Service, lock};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// An SMS gateway with one account.
#[derive(Clone)]
pub struct Gateway {
    credentials: Value,
    account: Arc<Mutex<Account>>,
}

/// The account that the gateway returns. Figures are texts, as in the example of the documentation.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The balance.
    pub money: String,
    /// Its currency.
    pub currency: String,
    /// Type, area and count.
    pub information: Vec<(String, String, String)>,
    /// An error to return instead of the account.
    pub error: Option<String>,
}

impl Gateway {
    /// A gateway that accepts this login and password.
    #[must_use]
    pub fn with_login(login: &str, password: &str) -> Self {
        Self { credentials: json!({"login": login, "password": password}), account: Arc::default() }
    }

    /// A gateway that accepts this token.
    #[must_use]
    pub fn with_token(token: &str) -> Self {
        Self { credentials: json!({"token": token}), account: Arc::default() }
    }

    /// Replaces the account.
    pub fn set(&self, account: Account) {
        *lock(&self.account) = account;
    }
}

impl Service for Gateway {
    fn answer(&self, request: &ReceivedRequest) -> Reply {
        let error = |text: &str| Reply::json(400, &json!({"error": text}));
        if request.target != "/json/balance.php" {
            return Reply::new(404, "<html>Not Found</html>");
        }
        if request.method != "POST" || request.body.is_empty() {
            return error("POST данные отсутствуют");
        }
        let Ok(given) = serde_json::from_slice::<Value>(&request.body) else {
            return error("Неправильный формат JSON документа");
        };
        if request.header("content-type") != "text/json; charset=utf-8" {
            return error("Неправильный формат JSON документа");
        }
        if given != self.credentials {
            return error("Неправильный логин или пароль");
        }
        let account = lock(&self.account).clone();
        if let Some(text) = account.error {
            return error(&text);
        }
        let rows =
            account.information.iter().map(|(kind, area, count)| json!({"type_sms": kind, "area": area, "num_sms": count}));
        let document = json!({"money": account.money, "currency": account.currency, "information": rows.collect::<Vec<_>>()});
        Reply::new(200, document.to_string()).header("content-type", "text/html")
    }
}
