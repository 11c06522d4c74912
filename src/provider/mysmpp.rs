//! MySMPP / webcom.mobi, an SMS gateway: `POST balance.php`, one call a poll.
//!
//! The documentation's table and its example disagree on types and on the name of the count; both are accepted.

use super::answer::{self, Refusals, reason_by_status};
use super::document::{Document, Value};
use super::found::{Found, Object};
use super::settings::{Build, Endpoint, required};
use super::{BuiltIn, Provider};
use crate::domain::{Answer, Failure, Label, Quantity, Reading, Reason};
use crate::problem::{Problem, Text};
use crate::secret::{Secret, SecretRef};
use crate::transport::{Http, Request, Response, StatusCode};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use url::Url;

/// For people.
pub(super) const BUILT_IN: BuiltIn = BuiltIn {
    name: "mysmpp",
    title: "MySMPP / webcom.mobi, SMS gateway",
    documentation: "https://webcom.mobi/",
    reads: "available, sms",
    source: "        login: LOGIN\n        password: {file: /etc/balance-exporter/mysmpp-password}\n        # token: {file: /etc/balance-exporter/mysmpp-token}     instead of login and password\n        # url: http://lk.mysmpp.ru/json/balance.php\n",
};

const DEFAULT_URL: &str = "http://lk.mysmpp.ru/json/balance.php";

/// `provider.mysmpp`: a login with its password, or a token.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with the settings of mysmpp")]
pub struct Settings {
    url: Option<Endpoint>,
    login: Option<Text>,
    password: Option<SecretRef>,
    token: Option<SecretRef>,
}

/// The credentials that the settings name.
enum Credentials<'a> {
    Login(&'a str, &'a SecretRef),
    Token(&'a SecretRef),
}

impl Settings {
    pub(super) fn check(&self) -> Result<(), Problem> {
        self.credentials().map(drop)
    }

    pub(super) fn build(&self, build: &mut Build) -> Result<Mysmpp, Problem> {
        let body = match self.credentials()? {
            Credentials::Login(login, password) => {
                build.identify("login", login);
                let password = build.secret("password", password)?;
                serde_json::json!({"login": login, "password": password.expose()})
            }
            Credentials::Token(token) => serde_json::json!({"token": build.token("token", token)?.expose()}),
        };
        let url = build.endpoint(self.url.as_ref(), DEFAULT_URL).url().clone();
        Ok(Mysmpp { url, body: Secret::new(body.to_string()) })
    }

    fn credentials(&self) -> Result<Credentials<'_>, Problem> {
        match (&self.login, &self.password, &self.token) {
            (Some(login), Some(password), None) => {
                required("login", login)?;
                Ok(Credentials::Login(login, password))
            }
            (None, None, Some(token)) => Ok(Credentials::Token(token)),
            (None, None, None) => Err(Problem::at("", "no credentials; add login and password, or token")),
            (_, _, Some(_)) => Err(Problem::at("token", "is given with login or password; keep either the token or those two")),
            (Some(_), None, None) => Err(Problem::at("password", "is missing beside login; add it")),
            (None, Some(_), None) => Err(Problem::at("login", "is missing beside password; add it")),
        }
    }
}

/// A configured gateway account.
pub(super) struct Mysmpp {
    url: Url,
    /// The request body, the same for every poll.
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

/// Reads an answer of `balance.php`.
fn parse(response: &Response) -> Result<Answer, Failure> {
    let document = answer::document(response, &REFUSALS)?;
    readings(&document).map(Answer::new).map_err(|error| response.failure(Reason::Decode, error))
}

const REFUSALS: Refusals =
    Refusals { explained_by: &[], status_key: None, known: reason_of_text, unknown: reason_of_unknown_text };

/// The texts that the documentation lists.
fn reason_of_text(text: &str) -> Option<Reason> {
    match text.trim_end_matches(['.', '!']).to_lowercase().as_str() {
        "ваш аккаунт заблокирован" => Some(Reason::Blocked),
        "неправильный логин или пароль" => Some(Reason::Auth),
        "неправильный формат json документа" | "post данные отсутствуют" => {
            Some(Reason::Rejected)
        }
        _ => None,
    }
}

fn reason_of_unknown_text(status: StatusCode) -> Reason {
    let of_status = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    if of_status { reason_by_status(status) } else { Reason::Rejected }
}

fn readings(document: &Document) -> Result<Vec<Reading>, String> {
    let balance = document.whole().object()?;
    let currency = Label::currency(balance.label("currency")?.as_str());
    let mut readings = vec![Reading::available_amount(Label::default(), currency, balance.required("money")?.figure()?)];
    for row in rows(balance.get("information"))? {
        readings.push(sms(&row.object()?)?);
    }
    Ok(readings)
}

/// The rows of `information`, in every form in which PHP encodes a list: an empty list can be an empty object, an empty text or false,
/// and a list with keys is an object.
fn rows(information: Option<Found<'_>>) -> Result<Vec<Found<'_>>, String> {
    let Some(information) = information else { return Ok(Vec::new()) };
    match information.value {
        Value::Flag(false) => Ok(Vec::new()),
        Value::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Value::Object(_) => Ok(information.object()?.values().collect()),
        _ => information.list(),
    }
}

/// Reads one row. A row without a name still has a count, and does not fail the others.
fn sms(row: &Object<'_>) -> Result<Reading, String> {
    // The first key is from the example in the documentation, the second from its table.
    let counts = ["num_sms", "sms"].map(|key| row.get(key).as_ref().map(count).transpose());
    let [in_example, in_table] = counts;
    let available = in_example?.or(in_table?).ok_or_else(|| format!("{} has neither num_sms nor sms", row.place()))?;
    Ok(Reading::sms_available(row.label("type_sms")?, row.label("area")?, available))
}

/// A number, or a word that means unlimited.
fn count(found: &Found<'_>) -> Result<Quantity, String> {
    // From the Russian and the English documentation of the API, and the abbreviation of the latter.
    let unlimited = |text: &str| ["безлимит", "unlim", "unlimited"].contains(&text.trim().to_lowercase().as_str());
    match found.value {
        Value::Text(text) if unlimited(text) => Ok(Quantity::Unlimited),
        _ => found.figure().map(Quantity::Limited),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Figure;
    use crate::provider::answer::tests::response;

    fn poll(status: u16, body: &str) -> Result<Answer, (Reason, String)> {
        parse(&response(status, body)).map_err(|failure| (failure.reason, failure.detail))
    }

    fn money(currency: &str, amount: f64) -> Reading {
        Reading::available_amount(Label::default(), Label::new(currency), Figure::new(amount).expect("a finite number"))
    }

    fn sms(area: &str, available: Quantity) -> Reading {
        Reading::sms_available(Label::new("sms"), Label::new(area), available)
    }

    fn limited(area: &str, available: f64) -> Reading {
        sms(area, Quantity::Limited(Figure::new(available).expect("a finite number")))
    }

    #[test]
    fn the_default_url_is_valid() {
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
            Ok(vec![money("RUB", 19023.9), limited("Tele2", 72029.0), sms("Россия", Quantity::Unlimited)])
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
            Ok(vec![money("", 5.0), limited("A", 1.5), sms("B", Quantity::Unlimited), sms("C", Quantity::Unlimited)])
        );
        let nameless = poll(200, r#"{"money":1,"currency":643,"information":[{"type_sms":null,"num_sms":2}]}"#);
        let row = Reading::sms_available(Label::default(), Label::default(), Quantity::Limited(Figure::from(2)));
        assert_eq!(nameless.map(|a| a.readings), Ok(vec![money("643", 1.0), row]));
        assert_eq!(
            poll(200, r#"{"money":"0","currency":null,"information":null,"error":0}"#).map(|a| a.readings),
            Ok(vec![money("", 0.0)])
        );
    }

    #[test]
    fn an_error_takes_precedence_over_figures() {
        let texts = [
            ("Неправильный формат JSON документа", Reason::Rejected),
            ("Ваш аккаунт заблокирован", Reason::Blocked),
            (" неправильный логин или пароль. ", Reason::Auth),
            ("POST данные отсутствуют", Reason::Rejected),
        ];
        for (text, reason) in texts {
            for status in [200, 400, 401, 429, 500] {
                for error in [serde_json::json!(text), serde_json::json!(["", text])] {
                    for key in ["error", "Error", "errors"] {
                        let answer = poll(status, &serde_json::json!({key: error, "money": "1"}).to_string());
                        assert_eq!(answer.map_err(|e| e.0), Err(reason), "{status} {key} {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_unknown_text_is_a_refusal_unless_the_status_is_more_specific() {
        let reason = |status| poll(status, r#"{"error":"что-то ещё","money":"0"}"#).map_err(|e| e.0);
        for status in [200, 302, 400, 401, 403, 404, 418] {
            assert_eq!(reason(status), Err(Reason::Rejected), "{status}");
        }
        assert_eq!(reason(429), Err(Reason::RateLimited));
        for status in [500, 502, 503, 504] {
            assert_eq!(reason(status), Err(Reason::Server), "{status}");
        }
    }

    #[test]
    fn an_answer_that_cannot_be_read_whole_gives_no_figure() {
        let windows_1251 = b"{\"error\":\"\xc2\xe0\xf8 \xe0\xea\xea\xe0\xf3\xed\xf2 \xe7\xe0\xe1\xeb\xee\xea\xe8\xf0\xee\xe2\xe0\xed\",\"money\":\"0\"}";
        let decoded = parse(&response(200, windows_1251.as_slice())).map_err(|failure| failure.reason);
        assert_eq!(decoded, Err(Reason::Decode));
        for broken in [
            r#"{"error":"down","x":1e400,"money":"0"}"#,
            r#"{"error":"down","money":"0","error":""}"#,
            r#"{"money":"0","error":"\ud83d"}"#,
            r#"{"money":"0","information":[],"x":"\udc00"}"#,
            r#"{"money":"0","x":{"y":1,"y":2}}"#,
            "{\"money\":\"0\",\"x\":\"a\tb\"}",
            r#"{"money":"0"}{"error":"down"}"#,
            r#"{"money":"0"} <!-- 12 ms -->"#,
        ] {
            assert_eq!(poll(200, broken).map_err(|e| e.0), Err(Reason::Decode), "{broken}");
        }
        let deep = format!(r#"{{"money":"0","x":{}}}"#, "[".repeat(128) + &"]".repeat(128));
        assert_eq!(poll(200, &deep).map_err(|e| e.0), Err(Reason::Decode));
    }

    #[test]
    fn a_list_is_never_read_as_an_object() {
        for list in [
            r#"[402,"error",[]]"#,
            r#"["402","RUB",null]"#,
            r#"[{"money":"1"}]"#,
            r#"{"money":["1"]}"#,
            r#"{"money":"1","information":[["sms","Tele2","5",null]]}"#,
            r#"{"money":"1","information":{"0":["sms","Tele2","5",null]}}"#,
            r#"{"money":"1","information":[[{"type_sms":"sms","area":"A","num_sms":"5"}]]}"#,
            r#"{"money":"1","currency":["RUB"]}"#,
        ] {
            assert_eq!(poll(200, list).map_err(|e| e.0), Err(Reason::Decode), "{list}");
        }
    }

    #[test]
    fn reads_a_list_in_every_encoding_of_php() {
        for empty in ["[]", "{}", "\"\"", "\" \"", "false", "null"] {
            let answer = poll(200, &format!(r#"{{"money":"1","information":{empty}}}"#));
            assert_eq!(answer.map(|a| a.readings), Ok(vec![money("", 1.0)]), "{empty}");
        }
        let keyed = r#"{"money":"1","information":{"1":{"type_sms":"sms","area":"A","num_sms":"5"},"x":{"type_sms":"sms","area":"B","sms":6}}}"#;
        assert_eq!(poll(200, keyed).map(|a| a.readings), Ok(vec![money("", 1.0), limited("A", 5.0), limited("B", 6.0)]));
        for other in ["true", "0", "\"none\"", r#"{"type_sms":"sms","area":"A","num_sms":"5"}"#, "[null]", "[false]"] {
            let answer = poll(200, &format!(r#"{{"money":"1","information":{other}}}"#));
            assert_eq!(answer.map_err(|e| e.0), Err(Reason::Decode), "{other}");
        }
    }

    #[test]
    fn a_malformed_answer_is_a_failure() {
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
            r#"{"Money":"1"}"#.to_owned(),
            r#"{"money":"Безлимит"}"#.to_owned(),
            r#"{"money":"1","#.to_owned(),
            r#"{"money":"1","money":"2"}"#.to_owned(),
            r#"{"money":"1","currency":1.0}"#.to_owned(),
            row("\"много\""),
            row("null"),
            row("true"),
            row("\"\""),
            row("\"inf\""),
            row("1,\"sms\":\"много\""),
        ];
        for lie in lies {
            assert_eq!(poll(200, &lie).map_err(|e| e.0), Err(Reason::Decode), "{lie}");
        }
        assert_eq!(poll(503, "<html>").map_err(|e| e.0), Err(Reason::Server));
        let nameless = (Reason::Decode, "information[0] has neither num_sms nor sms".to_owned());
        assert_eq!(poll(200, &row("null")), Err(nameless));
    }
}
