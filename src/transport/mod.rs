//! HTTP as providers see it: a request, a response, and what a status means.
//!
//! Providers depend only on the trait [`Http`]; [`client`] implements it over the network.

pub mod client;
mod coding;
mod dns;
mod failure;
pub mod proxy;

use crate::domain::{Failure, Reason, RetryAfter, Timestamp};
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use std::time::{Duration, Instant, SystemTime};
use url::Url;

pub use reqwest::StatusCode;

/// The largest body that is read, in bytes after decompression.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// One HTTP call. It has no `Debug`: headers and body carry secrets.
pub struct Request {
    /// `GET`, `POST` or `HEAD`.
    pub method: Method,
    /// It can contain a secret and is never logged.
    pub url: Url,
    /// In addition to the headers of every request.
    pub headers: HeaderMap,
    /// Absent for `GET`.
    pub body: Option<Vec<u8>>,
    /// Whether to retry once, immediately, when the connection is reset.
    pub retry_reset: bool,
    /// Whether to follow redirects of a `GET` within its origin.
    pub redirects: bool,
}

impl Request {
    /// A `GET`.
    #[must_use]
    pub fn get(url: Url) -> Self {
        Self { method: Method::GET, url, headers: HeaderMap::new(), body: None, retry_reset: false, redirects: true }
    }

    /// A `POST` with a body of this media type.
    #[must_use]
    pub fn post(url: Url, content_type: &'static str, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(reqwest::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        Self { method: Method::POST, url, headers, body: Some(body), retry_reset: false, redirects: true }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }
}

/// A header value that `Debug` output and the logs of libraries hide.
///
/// # Errors
/// When the text contains characters that a header cannot: control characters or line ends.
pub fn secret_header(text: &str) -> Result<HeaderValue, reqwest::header::InvalidHeaderValue> {
    let mut value = HeaderValue::try_from(text)?;
    value.set_sensitive(true);
    Ok(value)
}

/// A complete response.
pub struct Response {
    /// Of the last response, after redirects.
    pub status: StatusCode,
    /// Of the last response, as they were sent. They can contain a secret.
    pub headers: HeaderMap,
    /// `Retry-After`, for any status.
    pub retry_after: Option<RetryAfter>,
    /// Decompressed, at most [`BODY_LIMIT`] bytes.
    pub body: Vec<u8>,
    /// When the response was complete, so that providers need no clock.
    pub received: Instant,
    /// The same moment on the wall clock.
    pub received_at: Timestamp,
}

impl Response {
    /// A failure with this reason and the `Retry-After` of the response.
    #[must_use]
    pub fn failure(&self, reason: Reason, detail: impl Into<String>) -> Failure {
        Failure { reason, detail: detail.into(), retry_after: self.retry_after }
    }
}

/// The reason of a failure status; absent for 2xx.
#[must_use]
pub fn reason_of_status(status: StatusCode) -> Option<Reason> {
    Some(match status.as_u16() {
        200..=299 => return None,
        300..=399 => Reason::Redirect,
        401 => Reason::Auth,
        402 => Reason::PaymentRequired,
        403 => Reason::Forbidden,
        404 => Reason::NotFound,
        429 => Reason::RateLimited,
        400..=499 => Reason::Rejected,
        500..=599 => Reason::Server,
        _ => Reason::Decode,
    })
}

/// Parses `Retry-After`: seconds, or an HTTP date. Absent if it is neither.
#[must_use]
pub fn parse_retry_after(value: &str) -> Option<RetryAfter> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // A number that overflows means "very long"; the schedule caps it.
        return Some(RetryAfter::Delay(Duration::from_secs(value.parse().unwrap_or(u64::from(u32::MAX)))));
    }
    httpdate::parse_http_date(value).ok().map(|at: SystemTime| RetryAfter::At(at))
}

/// A part of the explanation of a poll. It holds texts of an answer, so it is masked before it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explained {
    /// A line of the program's own.
    Line(String),
    /// The answer.
    Body(String),
}

/// Sends requests. An implementation limits the time of a call and the size of a body.
pub trait Http: Send + Sync {
    /// Sends one request and reads the whole response.
    ///
    /// Any status is a response. A failure means that there was no complete response.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>>;

    /// The present moment, on the clock of [`Response::received`].
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Whether somebody wants each step of the poll explained.
    fn explains(&self) -> bool {
        false
    }

    /// Takes explanations of what came of the last response.
    fn explain(&self, _: Vec<Explained>) {}

    /// Whether no response is to be evaluated on another thread.
    fn is_inline(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_its_reason() {
        let reason = |status| StatusCode::from_u16(status).ok().and_then(reason_of_status).map(Reason::as_str);
        let expected = [
            (200, None),
            (204, None),
            (301, Some("redirect")),
            (304, Some("redirect")),
            (400, Some("rejected")),
            (401, Some("auth")),
            (402, Some("payment_required")),
            (403, Some("forbidden")),
            (404, Some("not_found")),
            (418, Some("rejected")),
            (429, Some("rate_limited")),
            (500, Some("server")),
            (504, Some("server")),
            (700, Some("decode")),
        ];
        for (status, wanted) in expected {
            assert_eq!(reason(status), wanted, "{status}");
        }
    }

    #[test]
    fn retry_after_has_two_forms() {
        assert_eq!(parse_retry_after(" 120 "), Some(RetryAfter::Delay(Duration::from_secs(120))));
        let date = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        assert_eq!(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(RetryAfter::At(date)));
        assert_eq!(parse_retry_after("99999999999999999999"), Some(RetryAfter::Delay(Duration::from_secs(u64::from(u32::MAX)))));
        assert_eq!(parse_retry_after("-1"), None);
        assert_eq!(parse_retry_after("soon"), None);
        assert_eq!(parse_retry_after(""), None);
    }
}
