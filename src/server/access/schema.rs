//! The keys and values of the web configuration, in the format of exporter-toolkit, which Prometheus exporters share. It does no I/O.
//!
//! Values that only Go's TLS supports are errors: a start that fails is better than a security setting that is silently ignored.

use crate::config::UniqueMap;
use crate::problem;
use crate::secret::Secret;
use hyper::header::{
    CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
    X_XSS_PROTECTION,
};
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::ring::{cipher_suite as suites, kx_group};
use rustls::version::{TLS12, TLS13};
use rustls::{SupportedCipherSuite, SupportedProtocolVersion};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny};
use std::path::PathBuf;
use std::str::FromStr;

/// The highest bcrypt cost that is accepted. Each step doubles the time; at 16, one login takes several seconds.
const MAX_COST: u32 = 16;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with tls_server_config, http_server_config or basic_auth_users")]
pub(super) struct File {
    pub tls_server_config: Option<Tls>,
    pub http_server_config: Option<HttpServer>,
    pub basic_auth_users: Option<UniqueMap<Hash>>,
    pub rate_limit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with cert_file and key_file")]
pub(super) struct Tls {
    pub cert: Option<Text>,
    pub key: Option<Text>,
    pub client_ca: Option<Text>,
    pub cert_file: Option<PathBuf>,
    pub key_file: Option<PathBuf>,
    pub client_ca_file: Option<PathBuf>,
    pub client_auth_type: Option<ClientAuth>,
    pub client_allowed_sans: Option<IgnoredAny>,
    pub min_version: Option<Version>,
    pub max_version: Option<Version>,
    pub cipher_suites: Option<Vec<Suite>>,
    pub prefer_server_cipher_suites: Option<bool>,
    pub curve_preferences: Option<Vec<Curve>>,
}

/// Which certificate a client must present.
#[derive(Default, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum ClientAuth {
    #[default]
    NoClientCert,
    RequestClientCert,
    #[serde(alias = "RequireClientCert")]
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with http2 or headers")]
pub(super) struct HttpServer {
    /// Accepted because the files are shared with other exporters, and ignored: the server speaks HTTP/1.1 only.
    #[serde(rename = "http2")]
    pub _http2: Option<bool>,
    pub headers: Option<Headers>,
}

/// Headers of every response. A header with an empty value is not sent.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map from headers to their values")]
pub(super) struct Headers {
    #[serde(rename = "Content-Security-Policy")]
    content_security_policy: Option<Header>,
    #[serde(rename = "X-Frame-Options")]
    frame_options: Option<FrameOptions>,
    #[serde(rename = "X-Content-Type-Options")]
    content_type_options: Option<ContentTypeOptions>,
    #[serde(rename = "X-XSS-Protection")]
    xss_protection: Option<Header>,
    #[serde(rename = "Strict-Transport-Security")]
    strict_transport_security: Option<Header>,
}

impl Headers {
    pub(super) fn list(self) -> Vec<(HeaderName, HeaderValue)> {
        let headers = [
            (CONTENT_SECURITY_POLICY, self.content_security_policy.map(|value| value.0)),
            (X_FRAME_OPTIONS, self.frame_options.map(|value| value.0)),
            (X_CONTENT_TYPE_OPTIONS, self.content_type_options.map(|value| value.0)),
            (X_XSS_PROTECTION, self.xss_protection.map(|value| value.0)),
            (STRICT_TRANSPORT_SECURITY, self.strict_transport_security.map(|value| value.0)),
        ];
        headers.into_iter().filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?))).collect()
    }
}

macro_rules! checked_texts {
    ($($(#[$doc:meta])* $name:ident($inner:ty): $check:expr;)*) => { $(
        $(#[$doc])*
        pub(super) struct $name(pub $inner);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let check: fn(&str) -> Result<$inner, &'static str> = $check;
                problem::text(deserializer, check).map(Self)
            }
        }
    )* };
}

checked_texts! {
    /// A text that may hold a private key.
    Text(Secret): |text| Ok(Secret::new(text.to_owned()));
    /// The bcrypt hash of a password.
    Hash(Secret): hash;
    /// A version of TLS.
    Version(&'static SupportedProtocolVersion): version;
    /// A cipher suite of TLS 1.2. Absent for a suite of TLS 1.3: those are always enabled.
    Suite(Option<SupportedCipherSuite>): suite;
    /// A group for the key exchange.
    Curve(&'static dyn SupportedKxGroup): curve;
    Header(HeaderValue): header;
    FrameOptions(HeaderValue): |value| match value {
        "" | "deny" | "sameorigin" => header(value),
        _ => Err("not a value of this header; write deny or sameorigin"),
    };
    ContentTypeOptions(HeaderValue): |value| match value {
        "" | "nosniff" => header(value),
        _ => Err("not a value of this header; write nosniff"),
    };
}

fn hash(text: &str) -> Result<Secret, &'static str> {
    let parts = bcrypt::HashParts::from_str(text).map_err(|_| "not a bcrypt hash; make one with: htpasswd -nBC 10 NAME")?;
    match parts.get_cost() {
        4..=MAX_COST => Ok(Secret::new(text.to_owned())),
        _ => Err("a bcrypt cost outside 4 to 16; make a hash with: htpasswd -nBC 10 NAME"),
    }
}

fn version(name: &str) -> Result<&'static SupportedProtocolVersion, &'static str> {
    match name {
        "TLS13" => Ok(&TLS13),
        "TLS12" => Ok(&TLS12),
        "TLS10" | "TLS11" => Err("an insecure version of TLS, which is not supported; write TLS12 or TLS13"),
        _ => Err("not a version of TLS; write TLS12 or TLS13"),
    }
}

fn suite(name: &str) -> Result<Option<SupportedCipherSuite>, &'static str> {
    match name {
        "TLS_AES_128_GCM_SHA256" | "TLS_AES_256_GCM_SHA384" | "TLS_CHACHA20_POLY1305_SHA256" => Ok(None),
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" => Ok(Some(suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)),
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" => Ok(Some(suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)),
        "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" => Ok(Some(suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)),
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" => Ok(Some(suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256)),
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" => Ok(Some(suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384)),
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" => Ok(Some(suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256)),
        _ => Err("not a supported cipher suite; use TLS_ECDHE_ECDSA_WITH_ or TLS_ECDHE_RSA_WITH_ \
                  and AES_128_GCM_SHA256, AES_256_GCM_SHA384 or CHACHA20_POLY1305_SHA256"),
    }
}

fn curve(name: &str) -> Result<&'static dyn SupportedKxGroup, &'static str> {
    match name {
        "X25519" => Ok(kx_group::X25519),
        "CurveP256" => Ok(kx_group::SECP256R1),
        "CurveP384" => Ok(kx_group::SECP384R1),
        _ => Err("not a supported curve; use X25519, CurveP256 or CurveP384"),
    }
}

fn header(value: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_str(value).map_err(|_| "not the value of a header; use one line of visible ASCII")
}
