//! A poll that explains itself: each request, each answer, and how each figure came about. Everything is masked.

use crate::domain::{Answer, Failure};
use crate::poll::Target;
use crate::secret::Mask;
use crate::transport::{Explained, Http, Request, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Longest answer that is shown, in characters, unless all of it is wanted.
const BODY_LIMIT: usize = 200;

/// Polls once and explains how the outcome came about, one line each. `full` shows answers as a whole.
pub async fn explain(target: &Target, full: bool) -> (Result<Answer, Failure>, Vec<String>) {
    let recording = Recording { inner: &*target.http, lines: Mutex::default() };
    let result = target.poll_through(&recording).await;
    let secrets = [target.secrets.as_slice(), &target.provider.session_secrets(), &target.provider.kept_texts()].concat();
    let lines = std::mem::take(&mut *recording.lines());
    (result, masked(lines, &Mask::new(&secrets), full))
}

/// The lines as they may be shown.
#[must_use]
pub fn masked(lines: Vec<Explained>, mask: &Mask, full: bool) -> Vec<String> {
    let line = |explained| match explained {
        Explained::Line(line) => mask.line(&line).trim_end().to_owned(),
        // Masked before it is cut: half a secret is not found.
        Explained::Body(body) => format!("  < {}", cut(mask.line(&body), full)),
    };
    lines.into_iter().map(line).collect()
}

fn cut(text: String, full: bool) -> String {
    if full || text.chars().count() <= BODY_LIMIT { text } else { text.chars().take(BODY_LIMIT - 1).chain(['…']).collect() }
}

/// Writes down the requests and responses that pass.
struct Recording<'a> {
    inner: &'a dyn Http,
    lines: Mutex<Vec<Explained>>,
}

impl Recording<'_> {
    fn lines(&self) -> MutexGuard<'_, Vec<Explained>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: String) {
        self.lines().push(Explained::Line(line));
    }
}

impl Http for Recording<'_> {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        async move {
            let asked = format!("{} {}", request.method, request.url);
            let mut sent = headers(&request.headers);
            let body = request.body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            sent.extend((!body.is_empty()).then(|| format!("  > {body}")));
            let begun = self.inner.now();
            let result = self.inner.send(request).await;
            let took = self.inner.now().saturating_duration_since(begun).as_millis();
            match &result {
                Ok(response) => {
                    let kind = response.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                    let kind = kind.map(|kind| format!(", {kind}")).unwrap_or_default();
                    let (status, bytes) = (response.status.as_u16(), response.body.len());
                    self.push(format!("{asked:<58}  {status} in {took} ms, {bytes} bytes{kind}"));
                }
                Err(failure) => self.push(format!("{asked:<58}  {}: {}", failure.reason.as_str(), failure.detail)),
            }
            self.lines().extend(sent.into_iter().map(Explained::Line));
            result
        }
        .boxed()
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn explains(&self) -> bool {
        true
    }

    fn explain(&self, lines: Vec<Explained>) {
        self.lines().extend(lines);
    }
}

/// The headers that a provider sends, but for those that say nothing about the account.
fn headers(headers: &HeaderMap) -> Vec<String> {
    let shown = headers.iter().filter(|(name, _)| ![ACCEPT, ACCEPT_ENCODING].contains(name));
    let line = shown.map(|(name, value)| {
        let value = value.to_str().unwrap_or("***");
        // The scheme is no secret; the rest always is.
        let value = match value.split_once(' ') {
            Some((scheme, _)) if *name == AUTHORIZATION => format!("{scheme} ***"),
            _ if *name == AUTHORIZATION => "***".to_owned(),
            _ => value.to_owned(),
        };
        format!("  > {name}: {value}")
    });
    line.collect()
}
