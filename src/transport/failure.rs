//! Maps errors of the HTTP and TLS libraries to reasons, with a text that names the cause and contains no URL.

use crate::domain::{Failure, Reason};
use rustls::pki_types::UnixTime;
use rustls::{CertificateError, InvalidMessage};
use std::error::Error;
use std::fmt::Display;
use std::io;
use std::time::{Duration, SystemTime};

/// The failure of a request that got no response.
pub(super) fn failure_of(error: &reqwest::Error) -> Failure {
    let reason = reason_of(error);
    // The innermost error names the cause; the outer ones print the URL.
    let cause = chain(error).last().map(words).unwrap_or_default();
    Failure::new(reason, if cause.is_empty() { "no answer".to_owned() } else { cause })
}

fn words(cause: &(dyn Error + 'static)) -> String {
    cause.downcast_ref::<rustls::Error>().map_or_else(|| cause.to_string(), words_of_tls)
}

fn words_of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the server does not speak TLS; is this its http port?".to_owned()
        }
        rustls::Error::InvalidCertificate(error) => format!("the server's certificate {}", words_of_certificate(error)),
        other => other.to_string(),
    }
}

/// What is wrong with a certificate, and the fix.
fn words_of_certificate(error: &CertificateError) -> String {
    let fixed = match error {
        CertificateError::UnknownIssuer => "is not issued by a trusted CA; name the CA's certificate in ca_file",
        CertificateError::BadSignature => "names a trusted CA but is signed with another key; is ca_file out of date?",
        CertificateError::ExpiredContext { not_after, .. } => return format!("expired at {}", date(*not_after)),
        CertificateError::NotValidYetContext { not_before, .. } => {
            return format!("is not valid before {}; is the clock right?", date(*not_before));
        }
        // rustls has no variant for this error.
        CertificateError::Other(other) if other.0.to_string() == "CaUsedAsEndEntity" => {
            "is a CA certificate used as its own; give the server one with CA:FALSE, and name its issuer in ca_file"
        }
        CertificateError::Other(other) => return format!("cannot be verified: {}", other.0),
        other => return format!("cannot be verified: {other}"),
    };
    fixed.to_owned()
}

fn date(time: UnixTime) -> impl Display {
    // The latest time that certificates and RFC 3339 can express.
    const LAST: u64 = 253_402_300_799;
    humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + Duration::from_secs(time.as_secs().min(LAST)))
}

fn reason_of(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        return Reason::Timeout;
    }
    if error.is_dns() {
        return Reason::Dns;
    }
    if chain(error).any(<dyn Error>::is::<rustls::Error>) {
        return Reason::Tls;
    }
    if connection_broke(error) {
        return Reason::Connect;
    }
    let unreadable = chain(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse));
    if unreadable || error.is_decode() { Reason::Decode } else { Reason::Connect }
}

/// The source chain of `error`, outermost first.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause| source_of(*cause))
}

fn source_of<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    // `io::Error::source` skips the error that it wraps.
    match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => cause.source(),
    }
}

/// Whether the connection was closed before the response was complete.
pub(super) fn connection_broke(error: &reqwest::Error) -> bool {
    chain(error).any(|cause| {
        let reset = matches!(
            io_kind(cause),
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted)
        );
        reset || cause.downcast_ref::<hyper::Error>().is_some_and(ended_early)
    })
}

fn ended_early(error: &hyper::Error) -> bool {
    // hyper has no kind of its own for an early end within the body. The early end of a compressed text is a different error.
    let in_body = error.source().and_then(io_kind) == Some(io::ErrorKind::UnexpectedEof);
    in_body || error.is_incomplete_message() || error.is_closed() || error.is_canceled()
}

fn io_kind(cause: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    cause.downcast_ref::<io::Error>().map(io::Error::kind)
}
