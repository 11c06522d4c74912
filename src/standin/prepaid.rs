//! Stand-ins for two services that are described rather than built in: an AI service with credits, requests and an expiry, and an SMS
//! gateway whose balance is a text and may fall below zero.

use super::{ReceivedRequest, Reply, Service, lock};
use serde_json::json;
use std::sync::{Arc, Mutex};

/// An AI service: `GET /v1/credits` with a bearer token.
#[derive(Clone)]
pub struct Assistant {
    token: String,
    credits: Arc<Mutex<Credits>>,
}

/// What is left of the credits.
#[derive(Debug, Clone, Default)]
pub struct Credits {
    /// What was bought, in US dollars.
    pub bought: f64,
    /// What was used of it.
    pub used: f64,
    /// When the rest expires, in seconds since the epoch.
    pub expires_at: u64,
    /// Requests left today; -1 without a limit.
    pub requests_left: i64,
    /// When the requests are filled again, in seconds since the epoch.
    pub resets_at: u64,
    /// The status of an outage.
    pub outage: Option<u16>,
}

impl Assistant {
    /// A service that accepts this token.
    #[must_use]
    pub fn new(token: &str) -> Self {
        Self { token: token.to_owned(), credits: Arc::default() }
    }

    /// Replaces the credits.
    pub fn set(&self, credits: Credits) {
        *lock(&self.credits) = credits;
    }
}

impl Service for Assistant {
    fn answer(&self, request: &ReceivedRequest) -> Reply {
        let credits = lock(&self.credits).clone();
        if request.target != "/v1/credits" {
            return Reply::json(404, &json!({"error": {"message": "no such path"}}));
        }
        if request.header("authorization") != format!("Bearer {}", self.token) {
            return Reply::json(401, &json!({"error": {"message": "no valid token"}}));
        }
        if let Some(status) = credits.outage {
            return Reply::new(status, "upstream error");
        }
        let Credits { bought, used, expires_at, requests_left, resets_at, .. } = credits;
        let data = json!({"bought": bought, "used": used, "expires_at": expires_at});
        Reply::json(200, &json!({"data": data, "requests": {"left": requests_left, "resets_at": resets_at}}))
    }
}

/// An SMS gateway: `GET /balance` with a key in a header. Errors have status 200.
#[derive(Clone)]
pub struct TextGateway {
    key: String,
    account: Arc<Mutex<TextAccount>>,
}

/// The account of the gateway.
#[derive(Debug, Clone, Default)]
pub struct TextAccount {
    /// The balance in roubles. It may fall below zero, down to the limit.
    pub money: f64,
    /// How far.
    pub limit: f64,
}

impl TextGateway {
    /// A gateway that accepts this key.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self { key: key.to_owned(), account: Arc::default() }
    }

    /// Replaces the account.
    pub fn set(&self, account: TextAccount) {
        *lock(&self.account) = account;
    }
}

impl Service for TextGateway {
    fn answer(&self, request: &ReceivedRequest) -> Reply {
        if request.target != "/balance" {
            return Reply::new(404, "not found");
        }
        if request.header("x-key") != self.key {
            return Reply::json(200, &json!({"status": "error", "code": 5, "text": "wrong key"}));
        }
        let TextAccount { money, limit } = lock(&self.account).clone();
        Reply::json(200, &json!({"status": "ok", "account": {"money": roubles(money), "limit": roubles(limit)}}))
    }
}

/// As people in Russia write an amount: `-1 234,56 ₽`.
fn roubles(amount: f64) -> String {
    let plain = format!("{:.2}", amount.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, "00"));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push('\u{a0}');
        }
        grouped.push(digit);
    }
    let sign = if amount < 0.0 { "-" } else { "" };
    format!("{sign}{grouped},{fraction} ₽")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_as_people_do() {
        assert_eq!(roubles(1_234_567.5), "1\u{a0}234\u{a0}567,50 ₽");
        assert_eq!(roubles(-12.0), "-12,00 ₽");
    }
}
