//! ATI.SU billing, the wallet of a freight exchange: `GET balance`, one call a poll.
//!
//! The documentation requires every header that is sent here, gzip, deflate and brotli, redirects within the host, and one
//! more try on a reset connection.

use super::Provider;
use super::figure::{Figure, Identifier, identifier, json, said};
use super::settings::{Build, Endpoint};
use crate::checked::Problem;
use crate::domain::{Amount, AmountKind, Answer, Failure, Label, Reading, Reason, Wallet, WalletKind};
use crate::http::{Http, Request, Response};
use crate::secret::SecretRef;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

const DEFAULT_URL: &str = "https://api.ati.su/v1.0/balance";
/// A balance counts atis, the exchange's own unit.
const CURRENCY: &str = "ATIS";

/// `provider.atisu`: a token and the code of its ATI account.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of atisu")]
pub struct Settings {
    url: Option<Endpoint>,
    token: SecretRef,
    ati_code: String,
}

impl Settings {
    pub(super) fn build(&self, build: &mut Build) -> Result<Atisu, Problem> {
        let code = self.ati_code.trim();
        if code.is_empty() || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Problem::at("ati_code", "not an ATI code; write its digits, such as \"64357\""));
        }
        let user_agent = HeaderValue::try_from(format!("ati_integrator_{code}"))
            .map_err(|error| Problem::at("ati_code", error.to_string()))?;
        let authorization = build.bearer("token", &self.token)?;
        Ok(Atisu { url: build.endpoint(self.url.as_ref(), DEFAULT_URL).url().clone(), authorization, user_agent })
    }
}

/// A configured wallet.
pub(super) struct Atisu {
    url: Url,
    authorization: HeaderValue,
    user_agent: HeaderValue,
}

impl Provider for Atisu {
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>> {
        async {
            let mut request = Request::get(self.url.clone())
                .header("authorization", self.authorization.clone())
                .header("user-agent", self.user_agent.clone())
                .header("accept", HeaderValue::from_static("application/json"))
                .header("accept-encoding", HeaderValue::from_static("gzip, deflate, br"));
            request.retry_reset = true;
            parse(&http.send(request).await?)
        }
        .boxed()
    }
}

/// Only `balance` is required: the documentation's own example lacks fields that its model lists.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Balance {
    #[serde(rename = "balance")]
    figure: Figure,
    wallet_id: Option<Identifier>,
    contact_id: Option<Identifier>,
    department_id: Option<Identifier>,
    firm_id: Option<Identifier>,
    is_common_wallet: Option<bool>,
    is_department_wallet: Option<bool>,
    is_personal_wallet: Option<bool>,
    operations_forbidden: Option<bool>,
}

/// Sibling methods of the API capitalise the keys.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(alias = "Error", default)]
    error: Value,
    #[serde(alias = "Reason", default)]
    reason: Value,
}

fn parse(response: &Response) -> Result<Answer, Failure> {
    let refusal: Refusal = json(&response.body).unwrap_or_default();
    let told: Vec<String> = [said(&refusal.error), said(&refusal.reason)].into_iter().filter(|text| !text.is_empty()).collect();
    if let Some(failure) = response.status_failure(&told.join(": ")) {
        return Err(failure);
    }
    let balance: Balance = json(&response.body).map_err(|error| response.failure(Reason::Decode, error))?;
    Ok(Answer::new(readings(balance)))
}

fn readings(balance: Balance) -> Vec<Reading> {
    let kind = wallet_kind(&balance);
    let account = identifier(balance.wallet_id);
    let mut readings = vec![
        Reading::Amount(Amount {
            kind: AmountKind::Available,
            account: account.clone(),
            currency: Label::new(CURRENCY),
            amount: balance.figure.0,
        }),
        Reading::Wallet(Wallet {
            account: account.clone(),
            kind,
            contact_id: identifier(balance.contact_id),
            department_id: identifier(balance.department_id),
            firm_id: identifier(balance.firm_id),
        }),
    ];
    readings.extend(balance.operations_forbidden.map(|forbidden| Reading::OperationsForbidden { account, forbidden }));
    readings
}

/// The one kind that the answer names.
fn wallet_kind(balance: &Balance) -> Option<WalletKind> {
    let named = [
        (balance.is_common_wallet, WalletKind::Common),
        (balance.is_department_wallet, WalletKind::Department),
        (balance.is_personal_wallet, WalletKind::Personal),
    ];
    let mut kinds = named.into_iter().filter(|(named, _)| *named == Some(true)).map(|(_, kind)| kind);
    let first = kinds.next()?;
    kinds.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::StatusCode;

    fn poll(status: u16, body: &str) -> Result<Vec<Reading>, (Reason, String)> {
        let status = StatusCode::from_u16(status).expect("a status");
        let answer = parse(&Response { status, retry_after: None, body: body.as_bytes().to_vec(), received: std::time::Instant::now() });
        answer.map(|a| a.readings).map_err(|f| (f.reason, f.detail))
    }

    fn atis(account: &str, amount: f64) -> Reading {
        Reading::Amount(Amount {
            kind: AmountKind::Available,
            account: Label::new(account),
            currency: Label::new("ATIS"),
            amount,
        })
    }

    fn wallet(account: &str, kind: Option<WalletKind>, ids: [&str; 3]) -> Reading {
        let [contact_id, department_id, firm_id] = ids.map(Label::new);
        Reading::Wallet(Wallet { account: Label::new(account), kind, contact_id, department_id, firm_id })
    }

    #[test]
    fn the_default_address_is_good() {
        assert!(Endpoint::parse(DEFAULT_URL).is_ok());
    }

    #[test]
    fn reads_the_documented_answer() {
        let body = r#"{"balance":0.5,"contactId":1,"departmentId":2,"firmId":3,"isCommonWallet":false,"isDepartmentWallet":false,"isPersonalWallet":true,"operationsForbidden":false,"walletId":4}"#;
        let forbidden = Reading::OperationsForbidden { account: Label::new("4"), forbidden: false };
        assert_eq!(
            poll(200, body),
            Ok(vec![atis("4", 0.5), wallet("4", Some(WalletKind::Personal), ["1", "2", "3"]), forbidden])
        );
    }

    #[test]
    fn only_the_balance_is_required() {
        assert_eq!(poll(200, r#"{"balance":"-7","walletId":null}"#), Ok(vec![atis("", -7.0), wallet("", None, [""; 3])]));
    }

    #[test]
    fn a_wallet_of_two_kinds_has_none() {
        let body = r#"{"balance":1,"walletId":"w","isCommonWallet":true,"isDepartmentWallet":true}"#;
        assert_eq!(poll(200, body), Ok(vec![atis("w", 1.0), wallet("w", None, [""; 3])]));
    }

    #[test]
    fn errors_are_read_in_either_case_and_need_no_text() {
        assert_eq!(
            poll(401, r#"{"error":"unauthorized","reason":"bad token"}"#),
            Err((Reason::Auth, "HTTP 401: unauthorized: bad token".to_owned()))
        );
        assert_eq!(poll(402, r#"{"Error":"pay","Reason":null}"#), Err((Reason::PaymentRequired, "HTTP 402: pay".to_owned())));
        assert_eq!(poll(504, "<html>"), Err((Reason::Server, "HTTP 504".to_owned())));
    }

    #[test]
    fn a_lie_is_a_reason() {
        for lie in [
            "{}",
            "",
            "null",
            "[]",
            r#"{"balance":null}"#,
            r#"{"balance":1,"isCommonWallet":"no"}"#,
            r#"{"balance":1,"walletId":{}}"#,
            r#"{"balance":1"#,
        ] {
            assert_eq!(poll(200, lie).map_err(|e| e.0), Err(Reason::Decode), "{lie}");
        }
    }
}
