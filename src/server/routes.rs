//! Routes each request to its response.

use super::status;
use crate::exposition::{CONTENT_TYPE, Exposition, Page};
use crate::server::access::Refusal;
use crate::server::reload::Reloader;
use crate::state::Store;
use crate::state::clock::Moment;
use bytes::{Buf, Bytes, buf::Chain};
use http_body_util::Full;
use hyper::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE as TYPE, HeaderMap,
    HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use std::sync::Arc;

/// The health check; it needs no login.
pub(super) const HEALTHY: &str = "/-/healthy";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// A body in two parts. The first may be shared with other responses.
pub type Body = Full<Chain<Bytes, Bytes>>;

/// Everything that is served.
pub struct Site {
    /// The metrics.
    pub exposition: Arc<Exposition>,
    /// For the status page and readiness.
    pub store: Arc<Store>,
    /// The path of the metrics.
    pub telemetry_path: String,
    /// Absent if reloads over HTTP are disabled.
    pub lifecycle: Option<Reloader>,
}

/// A page of the site.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Route {
    Status,
    Metrics,
    Healthy,
    Ready,
    Reload,
}

impl Site {
    /// Answers a request. The request body is ignored.
    pub async fn answer<B>(&self, request: &Request<B>) -> Response<Body> {
        let Some(route) = self.route(request.uri().path()) else {
            return text(StatusCode::NOT_FOUND, "not found\n");
        };
        let (allowed, allow): (&[Method], _) = match route {
            Route::Reload => (&[Method::POST], "POST"),
            _ => (&[Method::GET, Method::HEAD], "GET, HEAD"),
        };
        if !allowed.contains(request.method()) {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            return response;
        }
        match route {
            Route::Status => self.status(),
            Route::Metrics => self.metrics(request.headers()),
            Route::Healthy => text(StatusCode::OK, "healthy\n"),
            Route::Ready if self.store.is_ready() => text(StatusCode::OK, "ready\n"),
            Route::Ready => text(StatusCode::SERVICE_UNAVAILABLE, "some sources have not been polled yet\n"),
            Route::Reload => self.reload().await,
        }
    }

    async fn reload(&self) -> Response<Body> {
        let Some(reloader) = &self.lifecycle else {
            return text(StatusCode::FORBIDDEN, "reloads over HTTP are disabled; start with --web.enable-lifecycle\n");
        };
        match reloader.reload().await {
            Ok(()) => text(StatusCode::OK, "reloaded\n"),
            Err(error) => response(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n").into(), Bytes::new()),
        }
    }

    fn route(&self, path: &str) -> Option<Route> {
        let metrics =
            path == self.telemetry_path || (must_be_encoded(&self.telemetry_path) && decodes_to(path, &self.telemetry_path));
        match path {
            _ if metrics => Some(Route::Metrics),
            "/" => Some(Route::Status),
            HEALTHY => Some(Route::Healthy),
            "/-/ready" => Some(Route::Ready),
            "/-/reload" => Some(Route::Reload),
            _ => None,
        }
    }

    fn status(&self) -> Response<Body> {
        let Ok(page) = status::page(&self.store.snapshot(), Moment::now(), &self.telemetry_path) else {
            return text(StatusCode::INTERNAL_SERVER_ERROR, "the status page cannot be rendered\n");
        };
        let mut response = response(StatusCode::OK, HTML, page.into(), Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(status::CONTENT_SECURITY_POLICY));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    fn metrics(&self, headers: &HeaderMap) -> Response<Body> {
        let now = tokio::time::Instant::now();
        let gzip = accepts_gzip(headers);
        let Page { balances, program } = if gzip { self.exposition.gzip(now) } else { self.exposition.plain(now) };
        let mut response = response(StatusCode::OK, CONTENT_TYPE, balances, program);
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
        if gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    }
}

/// Whether a path contains characters that must be percent-encoded (RFC 3986, section 3.3). Some clients send them unencoded.
fn must_be_encoded(path: &str) -> bool {
    path.bytes().any(|byte| !byte.is_ascii_alphanumeric() && !b"/-._~!$&'()*+,;=:@".contains(&byte))
}

fn decodes_to(encoded: &str, path: &str) -> bool {
    percent_decode_str(encoded).decode_utf8().is_ok_and(|decoded| decoded == path)
}

/// The response to a request that failed authentication.
pub(super) fn refused(refusal: Refusal) -> Response<Body> {
    let (status, message, name, value) = match refusal {
        Refusal::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized\n", WWW_AUTHENTICATE, "Basic"),
        Refusal::Busy => (StatusCode::TOO_MANY_REQUESTS, "too many logins are waiting for a check\n", RETRY_AFTER, "1"),
    };
    let mut response = text(status, message);
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    response(status, TEXT, Bytes::from_static(text.as_bytes()), Bytes::new())
}

fn response(status: StatusCode, media_type: &'static str, first: Bytes, second: Bytes) -> Response<Body> {
    let mut response = Response::new(Full::new(first.chain(second)));
    *response.status_mut() = status;
    response.headers_mut().insert(TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Whether `Accept-Encoding` lists gzip or `*` with a weight above zero.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<(&str, f64)> = values.flat_map(|value| value.split(',')).map(weighted).collect();
    let weight = |name: &str| codings.iter().find(|(coding, _)| coding.eq_ignore_ascii_case(name)).map(|(_, weight)| *weight);
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0.0)
}

/// A coding and its weight; a malformed weight counts as zero.
fn weighted(coding: &str) -> (&str, f64) {
    let mut parts = coding.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_when_the_client_accepts_it() {
        let accepts = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
            }
            accepts_gzip(&headers)
        };
        for yes in [&["gzip"][..], &["deflate, GZIP;q=0.5"], &["br", "gzip"], &["*"], &["gzip; q=1.0"]] {
            assert!(accepts(yes), "{yes:?}");
        }
        for no in [&[][..], &["identity"], &["gzip;q=0"], &["*;q=0"], &["gzip;q=0, *"], &["gzip;q=x"], &["xgzip"]] {
            assert!(!accepts(no), "{no:?}");
        }
    }
}
