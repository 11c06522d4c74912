//! The SMS gateway's side: `POST /json/balance.php`.

use super::{Asked, Reply, Service, lock};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

/// A gateway with one account.
#[derive(Clone)]
pub struct Gateway {
    credentials: Value,
    account: Arc<Mutex<Account>>,
}

/// What the gateway says of its account. Figures are texts, as in the documentation's example.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// The money.
    pub money: String,
    /// Its currency.
    pub currency: String,
    /// Type, area and count.
    pub information: Vec<(String, String, String)>,
    /// What is answered instead.
    pub error: Option<String>,
}

impl Gateway {
    /// Accepts a login with its password.
    #[must_use]
    pub fn with_login(login: &str, password: &str) -> Self {
        Self { credentials: json!({"login": login, "password": password}), account: Arc::default() }
    }

    /// Accepts a token.
    #[must_use]
    pub fn with_token(token: &str) -> Self {
        Self { credentials: json!({"token": token}), account: Arc::default() }
    }

    /// Replaces what is said of the account.
    pub fn set(&self, account: Account) {
        *lock(&self.account) = account;
    }
}

impl Service for Gateway {
    fn answer(&self, asked: &Asked) -> Reply {
        let error = |text: &str| Reply::json(400, &json!({"error": text}));
        if asked.target != "/json/balance.php" {
            return Reply::new(404, "<html>Not Found</html>");
        }
        if asked.method != "POST" || asked.body.is_empty() {
            return error("POST данные отсутствуют");
        }
        let Ok(given) = serde_json::from_slice::<Value>(&asked.body) else {
            return error("Неправильный формат JSON документа");
        };
        if asked.header("content-type") != "text/json; charset=utf-8" {
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
