//! ATI.SU billing, the wallet of a freight exchange: `GET balance`, one call a poll.
//!
//! The documentation requires every header sent here, support for gzip, deflate and brotli, redirects within the host, and one retry
//! on a reset connection.

use super::answer::{self, Refusals};
use super::document::Document;
use super::found::Object;
use super::settings::{Build, Endpoint};
use super::{BuiltIn, Provider};
use crate::domain::{Answer, Failure, Label, Reading, Reason, Wallet, WalletKind};
use crate::problem::{Problem, Text};
use crate::secret::SecretRef;
use crate::transport::{Http, Request, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use url::Url;

/// For people.
pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "atisu",
    title: "ATI.SU, wallet of the freight exchange",
    documentation: "https://ati.su/developers/api/",
    reads: "available, wallet, forbidden",
    source: "        token: {file: /etc/balance-exporter/atisu-token}\n        ati_code: \"64357\"\n        # url: https://api.ati.su/v1.0/balance\n",
};

const DEFAULT_URL: &str = "https://api.ati.su/v1.0/balance";
/// Balances are in atis, the exchange's own unit.
const CURRENCY: &str = "ATIS";

/// `provider.atisu`: a token and the code of its ATI account.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of atisu")]
pub struct Settings {
    url: Option<Endpoint>,
    token: SecretRef,
    ati_code: Text,
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.code().map(drop)
    }

    pub(super) fn build(&self, build: &mut Build) -> Result<Atisu, Problem> {
        let code = self.code()?;
        let user_agent = HeaderValue::try_from(format!("ati_integrator_{code}"))
            .map_err(|error| Problem::at("ati_code", error.to_string()))?;
        build.identify("ati_code", code);
        let authorization = build.bearer("token", &self.token)?;
        Ok(Atisu { url: build.endpoint(self.url.as_ref(), DEFAULT_URL).url().clone(), authorization, user_agent })
    }

    fn code(&self) -> Result<&str, Problem> {
        let code = self.ati_code.trim();
        if code.is_empty() || !code.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(Problem::at("ati_code", "not an ATI code; write its digits, such as \"64357\""));
        }
        Ok(code)
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

fn parse(response: &Response) -> Result<Answer, Failure> {
    let document = answer::document(response, &REFUSALS)?;
    readings(&document).map(Answer::new).map_err(|error| response.failure(Reason::Decode, error))
}

const REFUSALS: Refusals = Refusals { explained_by: &["reason"], ..Refusals::BY_STATUS };

/// Only `balance` is required: the example in the documentation lacks fields that its model lists.
fn readings(document: &Document) -> Result<Vec<Reading>, String> {
    let balance = document.whole().object()?;
    let account = balance.label("walletId")?;
    let mut readings = vec![
        Reading::available_amount(account.clone(), Label::new(CURRENCY), balance.required("balance")?.figure()?),
        Reading::wallet(Wallet {
            account: account.clone(),
            kind: wallet_kind(&balance)?,
            contact_id: balance.label("contactId")?,
            department_id: balance.label("departmentId")?,
            firm_id: balance.label("firmId")?,
        }),
    ];
    if let Some(forbidden) = balance.get("operationsForbidden") {
        readings.push(Reading::operations_forbidden(account, forbidden.flag()?));
    }
    Ok(readings)
}

/// The kind of the wallet, if the answer names exactly one.
fn wallet_kind(balance: &Object<'_>) -> Result<Option<WalletKind>, String> {
    let mut named = Vec::new();
    for (key, kind) in [
        ("isCommonWallet", WalletKind::Common),
        ("isDepartmentWallet", WalletKind::Department),
        ("isPersonalWallet", WalletKind::Personal),
    ] {
        if balance.get(key).map_or(Ok(false), |found| found.flag())? {
            named.push(kind);
        }
    }
    Ok(if let [kind] = named[..] { Some(kind) } else { None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Figure;
    use crate::provider::answer::tests::response;

    fn poll(status: u16, body: &str) -> Result<Vec<Reading>, (Reason, String)> {
        parse(&response(status, body)).map(|answer| answer.readings).map_err(|failure| (failure.reason, failure.detail))
    }

    fn atis(account: &str, amount: f64) -> Reading {
        Reading::available_amount(Label::new(account), Label::new("ATIS"), Figure::new(amount).expect("a finite number"))
    }

    fn wallet(account: &str, kind: Option<WalletKind>, ids: [&str; 3]) -> Reading {
        let [contact_id, department_id, firm_id] = ids.map(Label::new);
        Reading::wallet(Wallet { account: Label::new(account), kind, contact_id, department_id, firm_id })
    }

    #[test]
    fn the_default_url_is_valid() {
        assert!(Endpoint::parse(DEFAULT_URL).is_ok());
    }

    #[test]
    fn reads_the_documented_answer() {
        let body = r#"{"balance":0.5,"contactId":1,"departmentId":2,"firmId":3,"isCommonWallet":false,"isDepartmentWallet":false,"isPersonalWallet":true,"operationsForbidden":false,"walletId":4}"#;
        let forbidden = Reading::operations_forbidden(Label::new("4"), false);
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
    fn a_wallet_with_two_kinds_has_no_kind() {
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
    fn an_error_beside_a_balance_is_an_error() {
        for body in [r#"{"balance":0,"error":"down"}"#, r#"{"Error":"down","balance":0}"#, r#"{"balance":0,"errors":["down"]}"#] {
            assert_eq!(poll(200, body), Err((Reason::Rejected, "down".to_owned())), "{body}");
        }
        let nothing = r#"{"balance":1,"error":null,"Error":"","Reason":"all is well"}"#;
        assert_eq!(poll(200, nothing), Ok(vec![atis("", 1.0), wallet("", None, [""; 3])]));
    }

    #[test]
    fn identifiers_keep_their_digits_or_the_answer_fails() {
        let body = r#"{"balance":1,"walletId":123456789012345678901,"contactId":18446744073709551616,"firmId":"007"}"#;
        let ids = ["18446744073709551616", "", "007"];
        assert_eq!(poll(200, body), Ok(vec![atis("123456789012345678901", 1.0), wallet("123456789012345678901", None, ids)]));
        for id in ["1e3", "1.0", "1.5", "true", "[1]"] {
            for key in ["walletId", "contactId", "departmentId", "firmId"] {
                let body = format!(r#"{{"balance":1,"{key}":{id}}}"#);
                assert_eq!(poll(200, &body).map_err(|e| e.0), Err(Reason::Decode), "{body}");
            }
        }
    }

    #[test]
    fn a_malformed_answer_is_a_failure() {
        for lie in [
            "[1]",
            "[0.5,0,0,0,false,false,true,false,0]",
            r#"{"balance":[1]}"#,
            r#"{"balance":1,"x":1e400}"#,
            r#"{"balance":1,"operationsForbidden":0}"#,
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
