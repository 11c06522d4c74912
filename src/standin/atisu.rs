//! A stand-in for ATI.SU: `GET /v1.0/balance`.

use super::{ReceivedRequest, Reply, Service, lock};
use serde_json::json;
use std::io::Write;
use std::sync::{Arc, Mutex};

/// A freight exchange with one wallet.
#[derive(Clone)]
pub struct Exchange {
    token: String,
    user_agent: String,
    wallet: Arc<Mutex<Wallet>>,
}

/// The wallet that the exchange returns.
#[derive(Debug, Clone, Default)]
pub struct Wallet {
    /// In atis.
    pub balance: f64,
    /// `walletId`.
    pub id: u64,
    /// `isCommonWallet`; otherwise the wallet is personal.
    pub common: bool,
    /// `operationsForbidden`.
    pub forbidden: bool,
    /// Answers every call with this status and without a wallet.
    pub outage: Option<u16>,
}

impl Exchange {
    /// An exchange that accepts this token from the integrator with this ATI code.
    #[must_use]
    pub fn new(token: &str, ati_code: &str) -> Self {
        Self { token: format!("Bearer {token}"), user_agent: format!("ati_integrator_{ati_code}"), wallet: Arc::default() }
    }

    /// Replaces the wallet.
    pub fn set(&self, wallet: Wallet) {
        *lock(&self.wallet) = wallet;
    }
}

impl Service for Exchange {
    fn answer(&self, request: &ReceivedRequest) -> Reply {
        let error = |status, error: &str, reason: &str| Reply::json(status, &json!({"error": error, "reason": reason}));
        if request.method != "GET" || request.target != "/v1.0/balance" {
            return error(404, "not_found", "no such method");
        }
        if request.header("authorization") != self.token {
            return error(401, "unauthorized", "the token is unknown");
        }
        let required =
            [("user-agent", self.user_agent.as_str()), ("accept-encoding", "gzip, deflate, br"), ("accept", "application/json")];
        if let Some((name, _)) = required.iter().find(|(name, value)| request.header(name) != *value) {
            return error(400, "bad_request", &format!("the header {name} is wrong"));
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
        // Writing to memory does not fail.
        let _ = gzip.write_all(document.to_string().as_bytes());
        Reply::new(200, gzip.finish().unwrap_or_default())
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
    }
}
