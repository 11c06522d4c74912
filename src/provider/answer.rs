//! Turns a response into the document of a successful answer. The order is the same for every provider: the error stated in the
//! document, then the status, then the content.

use super::document::{Document, Value, decimal};
use crate::domain::{Failure, Reason};
use crate::transport::{Response, StatusCode, reason_of_status};
use std::sync::Arc;

/// Keys of an error at the root of a document, matched case-insensitively.
const ERROR_KEYS: [&str; 2] = ["error", "errors"];

/// How a provider reports refusals, in addition to the rules for all providers.
pub(super) struct Refusals {
    /// Keys at the root whose text explains a refusal, matched case-insensitively.
    pub(super) explained_by: &'static [&'static str],
    /// The key of a status in the document, used if the HTTP status is a success.
    pub(super) status_key: Option<&'static str>,
    /// The reason for a text that the documentation lists.
    pub(super) known: fn(&str) -> Option<Reason>,
    /// The reason for any other text, given the status.
    pub(super) unknown: fn(StatusCode) -> Reason,
}

impl Refusals {
    /// Rules for a provider whose documentation lists no texts: the status decides the reason.
    pub(super) const BY_STATUS: Self = Self { explained_by: &[], status_key: None, known: |_| None, unknown: reason_by_status };
}

/// The reason for an error with this status; with 2xx it is a refusal.
pub(super) fn reason_by_status(status: StatusCode) -> Reason {
    reason_of_status(status).unwrap_or(Reason::Rejected)
}

/// Parses a response and returns the document of a successful answer.
///
/// # Errors
/// The error that the document states, the meaning of the status, or the parse error.
pub(super) fn document(response: &Response, refusals: &Refusals) -> Result<Document, Failure> {
    let document = Document::read(&response.body);
    let root = document.as_ref().map(keys_of).unwrap_or_default();
    let status = stated_status(root, response.status, refusals.status_key).unwrap_or(response.status);
    let errors = stated_errors(root);
    let known = || errors.iter().find_map(|text| (refusals.known)(text));
    let refused = (!errors.is_empty()).then(|| known().unwrap_or_else(|| (refusals.unknown)(status)));
    if let Some(reason) = refused.or_else(|| reason_of_status(status)) {
        let explained = values_at(root, refusals.explained_by).map(said);
        let texts: Vec<String> = [errors.join("; ")].into_iter().chain(explained).filter(|text| !text.is_empty()).collect();
        return Err(response.failure(reason, detail(response.status, status, &texts.join(": "))));
    }
    document.map_err(|unreadable| response.failure(unreadable.reason, unreadable.detail))
}

/// The text with which the document explains a refusal.
pub(super) fn explanation(document: &Document, refusals: &Refusals) -> Option<String> {
    let texts: Vec<String> =
        values_at(keys_of(document), refusals.explained_by).filter(|value| !says_nothing(value)).map(said).collect();
    (!texts.is_empty()).then(|| texts.join(": "))
}

fn keys_of(document: &Document) -> &[(Arc<str>, Value)] {
    if let Value::Object(entries) = document.root() { entries } else { &[] }
}

fn detail(status: StatusCode, stated: StatusCode, text: &str) -> String {
    let heading = match (status.as_u16(), stated.as_u16()) {
        (status, stated) if status != stated => format!("HTTP {status} that says {stated}"),
        (200..=299, _) => return text.to_owned(),
        (status, _) => format!("HTTP {status}"),
    };
    if text.is_empty() { heading } else { format!("{heading}: {text}") }
}

/// The status in the document of a refusal that was sent with a success status.
fn stated_status(root: &[(Arc<str>, Value)], status: StatusCode, key: Option<&str>) -> Option<StatusCode> {
    let code = match root.iter().find(|(found, _)| Some(&**found) == key).map(|(_, value)| value) {
        Some(Value::Number(number)) => number.value,
        Some(Value::Text(text)) => decimal(text)?,
        _ => return None,
    };
    if !status.is_success() || code < 400.0 {
        return None;
    }
    let known = StatusCode::from_bytes(code.to_string().as_bytes()).ok().filter(|known| known.as_u16() < 600);
    Some(known.unwrap_or(StatusCode::BAD_REQUEST))
}

/// The errors that the document states. Successful answers may have the same keys with empty values.
pub(super) fn stated_errors(root: &[(Arc<str>, Value)]) -> Vec<String> {
    let stated = values_at(root, &ERROR_KEYS).filter(|value| !says_nothing(value));
    let texts = stated.flat_map(|value| match value {
        Value::List(items) => items.iter().map(said).collect(),
        other => vec![said(other)],
    });
    texts.collect()
}

pub(super) fn says_nothing(error: &Value) -> bool {
    match error {
        Value::Null | Value::Flag(false) => true,
        Value::Flag(true) => false,
        Value::Number(number) => number.value == 0.0,
        Value::Text(text) => text.trim().is_empty() || decimal(text) == Some(0.0),
        Value::List(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
    }
}

fn values_at<'a>(root: &'a [(Arc<str>, Value)], keys: &[&str]) -> impl Iterator<Item = &'a Value> {
    root.iter().filter(|(found, _)| keys.iter().any(|key| key.eq_ignore_ascii_case(found))).map(|(_, value)| value)
}

/// An error text for people: texts unchanged, lists joined, anything else as JSON. Null is not a text.
fn said(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.trim().to_owned(),
        Value::List(items) => items.iter().map(said).collect::<Vec<_>>().join("; "),
        other => other.to_string(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::provider) fn response(status: u16, body: impl Into<Vec<u8>>) -> Response {
        let status = StatusCode::from_u16(status).expect("a status");
        let received_at = crate::domain::Timestamp { millis: 0 };
        let headers = reqwest::header::HeaderMap::new();
        Response { status, headers, retry_after: None, body: body.into(), received: std::time::Instant::now(), received_at }
    }

    const EXPLAINING: Refusals = Refusals { explained_by: &["reason"], status_key: Some("status_code"), ..Refusals::BY_STATUS };

    fn read(status: u16, body: &str) -> Result<(), (Reason, String)> {
        document(&response(status, body), &EXPLAINING).map(drop).map_err(|failure| (failure.reason, failure.detail))
    }

    fn refused<T>(reason: Reason, detail: &str) -> Result<T, (Reason, String)> {
        Err((reason, detail.to_owned()))
    }

    #[test]
    fn an_error_that_the_document_states_comes_before_its_figures() {
        for key in ["error", "Error", "ERROR", "errors", "Errors", "eRRors"] {
            for error in [r#""down""#, "true", "1", "-1", r#"["down"]"#, r#"{"code":0}"#, r#""false""#, "[null]", "0.1"] {
                let body = format!(r#"{{"balance":1,"{key}":{error}}}"#);
                assert_eq!(read(200, &body).map_err(|e| e.0), Err(Reason::Rejected), "{body}");
            }
            for nothing in ["null", "false", "0", "0.0", "-0", r#""""#, r#"" ""#, r#""0""#, "[]", "{}"] {
                let body = format!(r#"{{"balance":1,"{key}":{nothing}}}"#);
                assert_eq!(read(200, &body), Ok(()), "{body}");
            }
        }
        assert_eq!(read(200, r#"{"error":0,"Error":"down"}"#), refused(Reason::Rejected, "down"));
        assert_eq!(read(200, r#"{"error":"a","errors":["b","c"],"Reason":"d"}"#), refused(Reason::Rejected, "a; b; c: d"));
        assert_eq!(
            read(200, r#"{"errors":{"k\"1":[1.50,null,false]}}"#),
            refused(Reason::Rejected, r#"{"k\"1":[1.50,null,false]}"#)
        );
    }

    #[test]
    fn an_error_counts_only_at_the_root() {
        assert_eq!(read(200, r#"{"data":{"error":"down"},"terror":1}"#), Ok(()));
        assert_eq!(read(200, r#"[{"error":"down"}]"#), Ok(()));
    }

    #[test]
    fn the_status_comes_second_and_decides_the_reason_of_an_error() {
        assert_eq!(read(401, r#"{"error":"who","reason":"bad token"}"#), refused(Reason::Auth, "HTTP 401: who: bad token"));
        assert_eq!(read(402, r#"{"Reason":["pay","now"]}"#), refused(Reason::PaymentRequired, "HTTP 402: pay; now"));
        assert_eq!(read(500, r#"{"balance":1}"#), refused(Reason::Server, "HTTP 500"));
        assert_eq!(read(504, "<html>"), refused(Reason::Server, "HTTP 504"));
        assert_eq!(read(302, ""), refused(Reason::Redirect, "HTTP 302"));
    }

    #[test]
    fn a_status_in_the_body_counts_if_the_http_status_is_a_success() {
        let read_code = |code: &str| read(200, &format!(r#"{{"balance":1,"status_code":{code},"reason":"why"}}"#));
        assert_eq!(read_code("401"), refused(Reason::Auth, "HTTP 200 that says 401: why"));
        assert_eq!(read_code("\"403\""), refused(Reason::Forbidden, "HTTP 200 that says 403: why"));
        assert_eq!(read_code("503.0"), refused(Reason::Server, "HTTP 200 that says 503: why"));
        assert_eq!(read_code("1e9"), refused(Reason::Rejected, "HTTP 200 that says 400: why"));
        for fine in ["200", "0", "null", "\"\"", "\"ok\"", "-401", "[401]", "399.9"] {
            assert_eq!(read_code(fine), Ok(()), "{fine}");
        }
        assert_eq!(read(500, r#"{"status_code":401}"#), refused(Reason::Server, "HTTP 500"));
        assert_eq!(
            read(200, r#"{"status_code":429,"error":"slow down"}"#),
            refused(Reason::RateLimited, "HTTP 200 that says 429: slow down")
        );
    }

    #[test]
    fn an_answer_that_cannot_be_read_whole_is_a_failure() {
        let unreadable = |body: &str| read(200, body).map_err(|e| e.0);
        assert_eq!(unreadable(r#"{"error":"down","x":1e400,"balance":0}"#), Err(Reason::Decode));
        assert_eq!(unreadable(r#"{"error":"down","balance":0,"error":""}"#), Err(Reason::Decode));
        assert_eq!(unreadable(&format!("[{}0]", "0,".repeat(100_000))), Err(Reason::TooLarge));
        assert_eq!(read(429, &format!("[{}0]", "0,".repeat(100_000))), refused(Reason::RateLimited, "HTTP 429"));
    }
}
