//! The freight exchange's side: `GET /v1.0/balance`.

use super::{Asked, Reply, Service, lock};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// An exchange with one wallet.
#[derive(Clone)]
pub struct Exchange {
    token: String,
    user_agent: String,
    wallet: Arc<Mutex<Wallet>>,
}

/// What the exchange says of its wallet.
#[derive(Debug, Clone, Default)]
pub struct Wallet {
    /// In atis.
    pub balance: f64,
    /// `walletId`.
    pub id: u64,
    /// `isCommonWallet`; a personal wallet otherwise.
    pub common: bool,
    /// `operationsForbidden`.
    pub forbidden: bool,
    /// Answers every call with this status and no wallet.
    pub outage: Option<u16>,
}

impl Exchange {
    /// Accepts a token from the integrator with this ATI code.
    #[must_use]
    pub fn new(token: &str, ati_code: &str) -> Self {
        Self { token: format!("Bearer {token}"), user_agent: format!("ati_integrator_{ati_code}"), wallet: Arc::default() }
    }

    /// Replaces what is said of the wallet.
    pub fn set(&self, wallet: Wallet) {
        *lock(&self.wallet) = wallet;
    }
}

impl Service for Exchange {
    fn answer(&self, asked: &Asked) -> Reply {
        let error = |status, error: &str, reason: &str| Reply::json(status, &json!({"error": error, "reason": reason}));
        if asked.method != "GET" || asked.target != "/v1.0/balance" {
            return error(404, "not_found", "no such method");
        }
        if asked.header("authorization") != self.token {
            return error(401, "unauthorized", "the token is unknown");
        }
        let demanded =
            [("user-agent", self.user_agent.as_str()), ("accept-encoding", "gzip, deflate, br"), ("accept", "application/json")];
        if let Some((name, _)) = demanded.iter().find(|(name, value)| asked.header(name) != *value) {
            return error(400, "bad_request", &format!("the header {name} is not as demanded"));
        }
        let wallet = lock(&self.wallet).clone();
        if let Some(status) = wallet.outage {
            return error(status, "gateway", "the billing does not answer");
        }
        let document = json!({
            "balance": wallet.balance, "contactId": 17, "departmentId": 3, "firmId": 64357,
            "isCommonWallet": wallet.common, "isDepartmentWallet": false, "isPersonalWallet": !wallet.common,
            "operationsForbidden": wallet.forbidden, "walletId": wallet.id,
        });
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        // Writing into memory does not fail.
        let _ = gzip.write_all(document.to_string().as_bytes());
        Reply::new(200, gzip.finish().unwrap_or_default())
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
    }
}
