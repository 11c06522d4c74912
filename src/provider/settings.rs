//! Building blocks for the settings of all providers.

use crate::problem::{self, Problem};
use crate::secret::{Secret, SecretRef};
use reqwest::header::HeaderValue;
use serde::de::{Deserialize, Deserializer};
use url::{Host, Url};

/// The URL of a provider: `http` or `https`, without credentials and without a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Parses and checks a URL.
    ///
    /// # Errors
    /// The problem, without the URL: its query can contain a secret.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let url = Url::parse(text).map_err(|_| "not an absolute URL; write http://HOST/PATH or https://HOST/PATH")?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("only http and https are spoken; write https://HOST/PATH");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("a URL must not contain credentials; use the provider's own keys");
        }
        if url.fragment().is_some() {
            return Err("a fragment is never sent; drop the # and what follows it");
        }
        Ok(Self(url))
    }

    /// The address.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.0
    }

    /// Whether credentials that are sent there cross a network unencrypted.
    pub(super) fn is_cleartext(&self) -> bool {
        let loopback = match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        self.0.scheme() == "http" && !loopback
    }

    /// The part of the URL that selects an account.
    pub(super) fn account_part(&self) -> String {
        service(&self.0)
    }

    /// The URL with a path that ends in a slash, so that other paths can be joined to it.
    #[must_use]
    pub fn into_base(mut self) -> Url {
        if !self.0.path().ends_with('/') {
            let path = format!("{}/", self.0.path());
            self.0.set_path(&path);
        }
        self.0
    }
}

impl<'de> Deserialize<'de> for Endpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        problem::text(deserializer, Self::parse)
    }
}

/// Collects facts about a source while its settings are checked.
#[derive(Debug, Default)]
pub struct Build {
    /// All secrets, for the mask.
    pub secrets: Vec<Secret>,
    /// Settings that identify the account, by key. Never the password, which may change.
    pub account: Vec<(Box<str>, Secret)>,
    /// What a source of a service is made of: its description and its values.
    pub account_of: Option<(std::sync::Arc<str>, super::service::Values)>,
    /// The URL that is polled.
    pub url: Option<Url>,
    /// Keys of the secrets that are plain text in the configuration.
    pub plain: Vec<String>,
    /// Whether credentials cross the network unencrypted.
    pub cleartext: bool,
}

impl Build {
    /// Resolves the secret at `key`.
    ///
    /// # Errors
    /// The problem with the secret, at `key`.
    pub fn secret(&mut self, key: &str, reference: &SecretRef) -> Result<Secret, Problem> {
        let secret = reference.resolve().map_err(|error| Problem::caused(key, error))?;
        if matches!(reference, SecretRef::Plain(_)) {
            self.plain.push(key.to_owned());
        }
        self.secrets.push(secret.clone());
        Ok(secret)
    }

    /// Records a setting that identifies the account. Blank settings are ignored, so that a key added in a later version does not change
    /// the account. A setting that can be written in several ways must be passed in normalised form.
    pub fn identify(&mut self, key: &str, value: &str) {
        if !value.trim().is_empty() {
            self.account.push((key.into(), Secret::new(value.to_owned())));
        }
    }

    /// Resolves the token at `key`. It identifies the account if there is no login.
    ///
    /// # Errors
    /// The problem with the secret, at `key`.
    pub fn token(&mut self, key: &'static str, reference: &SecretRef) -> Result<Secret, Problem> {
        let token = self.secret(key, reference)?;
        self.identify(key, token.expose());
        Ok(token)
    }

    /// Resolves the token at `key` and makes an `Authorization` header from it.
    ///
    /// # Errors
    /// The problem with the secret, at `key`.
    pub fn bearer(&mut self, key: &'static str, reference: &SecretRef) -> Result<HeaderValue, Problem> {
        let token = self.token(key, reference)?;
        bearer(token.expose())
            .ok_or_else(|| Problem::at(key, "the token holds characters that cannot be sent in a header; correct it"))
    }

    /// Sets the URL, and records whether it is unencrypted.
    ///
    /// # Panics
    /// If the default is not a valid URL.
    #[must_use]
    pub fn endpoint(&mut self, given: Option<&Endpoint>, default: &'static str) -> Endpoint {
        #[expect(clippy::expect_used, reason = "the default is a constant that a test parses")]
        let endpoint = given.cloned().unwrap_or_else(|| Endpoint::parse(default).expect("a good default"));
        self.cleartext |= endpoint.is_cleartext();
        self.identify("url", &service(endpoint.url()));
        self.url = Some(endpoint.url().clone());
        endpoint
    }
}

/// The normalised identity of a URL's service. With or without TLS, it has the same accounts.
fn service(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default().trim_end_matches('.');
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = url.query().filter(|query| !query.is_empty()).map(|query| format!("?{query}")).unwrap_or_default();
    format!("{host}{port}{}{query}", url.path().trim_end_matches('/'))
}

/// `Bearer TOKEN`, or `None` if the token is not valid in a header.
pub(super) fn bearer(token: &str) -> Option<HeaderValue> {
    crate::transport::secret_header(&format!("Bearer {token}")).ok()
}

/// Checks that a required text is not blank.
///
/// # Errors
/// If the text is blank.
pub(super) fn required(key: &str, text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() { Err(Problem::at(key, "must not be empty; write the value or drop the key")) } else { Ok(()) }
}
