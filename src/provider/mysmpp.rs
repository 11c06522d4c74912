//! MySMPP / webcom.mobi, an SMS gateway: `POST balance.php`, one call a poll.
//!
//! The documentation's table and its example disagree on types and on the name of the count; both are accepted. Sibling
//! gateways report errors under status 200, so `error` is looked for first, whatever the status.

use super::Provider;
use super::figure::{Figure, Identifier, identifier, json, said};
use super::settings::{Build, Endpoint, required};
use crate::checked::Problem;
use crate::domain::{Amount, AmountKind, Answer, Failure, Label, Reading, Reason};
use crate::http::{Http, Request, Response};
use crate::secret::{Secret, SecretRef};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::de::{Deserialize, Deserializer, Error};
use serde_json::Value;
use url::Url;

const DEFAULT_URL: &str = "http://lk.mysmpp.ru/json/balance.php";

/// `provider.mysmpp`: a login with its password, or a token.
#[derive(Debug, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of mysmpp")]
pub struct Settings {
    url: Option<Endpoint>,
    login: Option<String>,
    password: Option<SecretRef>,
    token: Option<SecretRef>,
}

impl Settings {
    pub(super) fn build(&self, build: &mut Build) -> Result<Mysmpp, Problem> {
        let credentials = match (&self.login, &self.password, &self.token) {
            (Some(login), Some(password), None) => {
                required("login", login)?;
                let password = build.secret("password", password)?;
                serde_json::json!({"login": login, "password": password.expose()})
            }
            (None, None, Some(token)) => serde_json::json!({"token": build.token("token", token)?.expose()}),
            (None, None, None) => return Err(Problem::at("", "no credentials; add login and password, or token")),
            (_, _, Some(_)) => {
                return Err(Problem::at("token", "stands beside login or password; keep either the token or those two"));
            }
            (Some(_), None, None) => return Err(Problem::at("password", "is missing beside login; add it")),
            (None, Some(_), None) => return Err(Problem::at("login", "is missing beside password; add it")),
        };
        let url = build.endpoint(self.url.as_ref(), DEFAULT_URL).url().clone();
        Ok(Mysmpp { url, body: Secret::new(credentials.to_string()) })
    }
}

/// A configured gateway account.
pub(super) struct Mysmpp {
    url: Url,
    /// The same for every poll.
    body: Secret,
}

impl Provider for Mysmpp {
    fn poll<'a>(&'a self, http: &'a dyn Http) -> BoxFuture<'a, Result<Answer, Failure>> {
        async {
            let body = self.body.expose().as_bytes().to_vec();
            let request = Request::post(self.url.clone(), "text/json; charset=utf-8", body);
            parse(&http.send(request).await?)
        }
        .boxed()
    }
}

#[derive(serde::Deserialize)]
struct Balance {
    money: Figure,
    currency: Option<Identifier>,
    information: Option<Vec<Row>>,
}

/// A row without a name still has a count, and does not spoil the others.
#[derive(serde::Deserialize)]
struct Row {
    type_sms: Option<Identifier>,
    area: Option<Identifier>,
    /// So called in the example of the documentation.
    num_sms: Option<Count>,
    /// So called in its table.
    sms: Option<Count>,
}

/// A figure, or infinity for a word that means unlimited.
struct Count(f64);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        // The Russian and the English documentation of the same API, and what the latter abbreviates.
        let unlimited = |text: &str| ["безлимит", "unlim", "unlimited"].contains(&text.trim().to_lowercase().as_str());
        if value.as_str().is_some_and(unlimited) {
            return Ok(Self(f64::INFINITY));
        }
        Figure::deserialize(value).map(|figure| Self(figure.0)).map_err(D::Error::custom)
    }
}

/// Reads an answer of `balance.php`.
fn parse(response: &Response) -> Result<Answer, Failure> {
    let document = json::<Value>(&response.body);
    if let Ok(document) = &document {
        let error = stated_error(document);
        if !error.is_empty() {
            return Err(response.failure(reason_of_error(&error), error));
        }
    }
    if let Some(failure) = response.status_failure("") {
        return Err(failure);
    }
    let readings = json::<Balance>(&response.body).and_then(readings);
    Ok(Answer::new(readings.map_err(|error| response.failure(Reason::Decode, error))?))
}

fn readings(balance: Balance) -> Result<Vec<Reading>, String> {
    let mut readings = vec![Reading::Amount(Amount {
        kind: AmountKind::Available,
        account: Label::default(),
        currency: Label::currency(identifier(balance.currency).as_str()),
        amount: balance.money.0,
    })];
    for row in balance.information.unwrap_or_default() {
        let (sms_type, area) = (identifier(row.type_sms), identifier(row.area));
        let count = row.num_sms.or(row.sms).ok_or_else(|| format!("area \"{area}\" has no count"))?;
        readings.push(Reading::Sms { sms_type, area, available: count.0 });
    }
    Ok(readings)
}

/// The error that the document states, empty where it states none. Sibling gateways fill the field of a good answer, too.
fn stated_error(document: &Value) -> String {
    match document.get("error") {
        None | Some(Value::Bool(false)) => String::new(),
        Some(Value::Number(code)) if code.as_f64() == Some(0.0) => String::new(),
        Some(error) => said(error),
    }
}

/// The texts that the documentation lists; any other is a refusal without a better name.
fn reason_of_error(text: &str) -> Reason {
    match text.trim_end_matches(['.', '!']).to_lowercase().as_str() {
        "ваш аккаунт заблокирован" => Reason::Blocked,
        "неправильный логин или пароль" => Reason::Auth,
        _ => Reason::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::StatusCode;

    fn poll(status: u16, body: &str) -> Result<Answer, (Reason, String)> {
        let status = StatusCode::from_u16(status).expect("a status");
        parse(&Response { status, retry_after: None, body: body.as_bytes().to_vec(), received: std::time::Instant::now() }).map_err(|f| (f.reason, f.detail))
    }

    fn money(currency: &str, amount: f64) -> Reading {
        Reading::Amount(Amount { kind: AmountKind::Available, account: Label::default(), currency: Label::new(currency), amount })
    }

    fn sms(area: &str, available: f64) -> Reading {
        Reading::Sms { sms_type: Label::new("sms"), area: Label::new(area), available }
    }

    #[test]
    fn the_default_address_is_good() {
        assert!(Endpoint::parse(DEFAULT_URL).is_ok());
    }

    #[test]
    fn reads_the_documented_answer() {
        let answer = poll(
            200,
            r#"{"money":"19023.9","currency":"RUR","information":[{"type_sms":"sms","area":"Tele2","num_sms":"72029"},{"type_sms":"sms","area":"Россия","num_sms":"Безлимит"}]}"#,
        );
        assert_eq!(
            answer.map(|a| a.readings),
            Ok(vec![money("RUB", 19023.9), sms("Tele2", 72029.0), sms("Россия", f64::INFINITY)])
        );
    }

    #[test]
    fn reads_the_other_spellings_of_the_same_answer() {
        let answer = poll(
            200,
            "\u{feff}{\"money\":5,\"information\":[{\"type_sms\":\"sms\",\"area\":\"A\",\"sms\":1.5},{\"type_sms\":\"sms\",\"area\":\"B\",\"num_sms\":null,\"sms\":\" UNLIM \"},{\"type_sms\":\"sms\",\"area\":\"C \",\"num_sms\":\"unlimited\"}]}",
        );
        assert_eq!(
            answer.map(|a| a.readings),
            Ok(vec![money("", 5.0), sms("A", 1.5), sms("B", f64::INFINITY), sms("C", f64::INFINITY)])
        );
        let nameless = poll(200, r#"{"money":1,"currency":643,"information":[{"type_sms":null,"num_sms":2}]}"#);
        let row = Reading::Sms { sms_type: Label::default(), area: Label::default(), available: 2.0 };
        assert_eq!(nameless.map(|a| a.readings), Ok(vec![money("643", 1.0), row]));
        assert_eq!(
            poll(200, r#"{"money":"0","currency":null,"information":null,"error":0}"#).map(|a| a.readings),
            Ok(vec![money("", 0.0)])
        );
    }

    #[test]
    fn an_error_speaks_before_anything_else() {
        let texts = [
            ("Неправильный формат JSON документа", Reason::Rejected),
            ("Ваш аккаунт заблокирован", Reason::Blocked),
            (" неправильный логин или пароль. ", Reason::Auth),
            ("POST данные отсутствуют", Reason::Rejected),
            ("что-то ещё", Reason::Rejected),
        ];
        for (text, reason) in texts {
            for status in [200, 400, 500] {
                let answer = poll(status, &serde_json::json!({"error": text, "money": "1"}).to_string());
                assert_eq!(answer.map_err(|e| e.0), Err(reason), "{status} {text}");
            }
        }
    }

    #[test]
    fn a_lie_is_a_reason() {
        let row = |count: &str| format!(r#"{{"money":"1","information":[{{"type_sms":"sms","area":"A","num_sms":{count}}}]}}"#);
        let lies = [
            "<html>502</html>".to_owned(),
            String::new(),
            "null".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            r#"{"money":null}"#.to_owned(),
            r#"{"money":""}"#.to_owned(),
            r#"{"money":"NaN"}"#.to_owned(),
            r#"{"money":"1","#.to_owned(),
            r#"{"money":"1","information":{}}"#.to_owned(),
            r#"{"money":"1","money":"2"}"#.to_owned(),
            row("\"много\""),
            row("null"),
            row("true"),
            row("\"\""),
        ];
        for lie in lies {
            assert_eq!(poll(200, &lie).map_err(|e| e.0), Err(Reason::Decode), "{lie}");
        }
        assert_eq!(poll(503, "<html>").map_err(|e| e.0), Err(Reason::Server));
    }
}
