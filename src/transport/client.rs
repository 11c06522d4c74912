//! The network: reqwest with our own bounds on time, size and redirects.
//!
//! It shows no address: a query can carry a secret.

use super::coding::{self, Codings};
use super::dns::Names;
use super::failure::{broke, failure_of};
use super::proxy::Environment;
use super::{Http, Request, Response, parse_retry_after};
use crate::domain::{Failure, Reason};
use crate::secret::Secret;
use crate::system::files;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONNECTION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use url::Url;

/// The largest file of root certificates that is read, in bytes: those of a system take a quarter of a MiB.
const PEM_LIMIT: u64 = 4 * 1024 * 1024;
/// How many redirects within one origin are followed.
const REDIRECT_LIMIT: usize = 5;
/// `User-Agent` of calls whose provider demands no other.
const USER_AGENT: &str = concat!("balance-exporter/", env!("CARGO_PKG_VERSION"));

/// How a source reaches the network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// Overrides the proxy variables of the environment. Its address can hold a password.
    pub proxy: Option<Secret>,
    /// Root certificates beside those of the system.
    pub extra_roots: Option<ExtraRoots>,
    /// Whether the proxy variables of the environment are ignored.
    pub direct: bool,
}

/// Root certificates read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtraRoots(Arc<[CertificateDer<'static>]>);

impl ExtraRoots {
    /// Reads all certificates of a PEM file.
    ///
    /// # Errors
    /// What is wrong with the file and how to mend it.
    pub fn read(path: &Path) -> Result<Self, String> {
        let cannot = |error: String| format!("cannot read certificates from {}: {error}; name a PEM file", path.display());
        let pem = files::read(path, PEM_LIMIT).map_err(|error| cannot(error.to_string()))?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(files::without_mark(&pem)).collect();
        let certificates = certificates.map_err(|error| cannot(error.to_string()))?;
        let mut probe = rustls::RootCertStore::empty();
        if certificates.is_empty() || certificates.iter().any(|certificate| probe.add(certificate.clone()).is_err()) {
            return Err(format!("{} holds no usable certificate; name a PEM file of root certificates", path.display()));
        }
        Ok(Self(certificates.into()))
    }
}

/// Makes the clients of all sources. Sources that reach the network in the same way share certificates and TLS sessions, and keep
/// them over a reload. The system's root certificates are read once.
///
/// Each request has a connection of its own. A server may end an idle connection at any time, also just as the next request arrives;
/// whether it has acted on that request cannot be known, and a `POST` must not be sent twice. TLS sessions are resumed, so that a
/// new connection costs little.
#[derive(Default)]
pub struct Clients {
    /// Each with the timeout that is put in for a source.
    made: Vec<(Network, Client)>,
    system_roots: Option<rustls::RootCertStore>,
    names: Names,
}

impl Clients {
    /// A client for one source; `timeout` bounds each of its calls from the first byte sent to the last byte read.
    ///
    /// # Errors
    /// When the TLS or proxy settings cannot be used.
    pub fn client(&mut self, network: &Network, timeout: Duration) -> Result<Client, NoWay> {
        let found = self.made.iter().find(|(made, _)| made == network).map(|(_, client)| client.clone());
        let client = match found {
            Some(client) => client,
            None => self.make(network)?,
        };
        Ok(Client { timeout, ..client })
    }

    fn make(&mut self, network: &Network) -> Result<Client, NoWay> {
        let unusable = |_| NoWay("the proxy or TLS settings cannot be used; correct them".to_owned());
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls(network.extra_roots.as_ref()))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .default_headers(default_headers())
            .user_agent(USER_AGENT)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .dns_resolver(self.names.clone());
        let mut secrets = Vec::new();
        if let Some(proxy) = &network.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.expose()).map_err(unusable)?);
        } else if !network.direct {
            let environment = Environment::read().map_err(NoWay)?;
            secrets = environment.secrets();
            builder = builder.proxy(reqwest::Proxy::custom(move |url| environment.proxy(url)));
        }
        let client = Client { inner: builder.build().map_err(unusable)?, secrets: secrets.into(), timeout: Duration::ZERO };
        self.made.push((network.clone(), client.clone()));
        Ok(client)
    }

    /// Forgets the clients of all other ways to the network.
    pub fn keep(&mut self, used: &[&Network]) {
        self.made.retain(|(network, _)| used.contains(&network));
    }

    fn tls(&mut self, extra: Option<&ExtraRoots>) -> rustls::ClientConfig {
        // A machine without system roots still polls what `ca_file` vouches for; anything else then fails with `tls`.
        let mut roots = self.system_roots.get_or_insert_with(system_roots).clone();
        roots.add_parsable_certificates(extra.into_iter().flat_map(|extra| extra.0.iter().cloned()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        #[expect(clippy::expect_used, reason = "ring supports both versions of TLS that rustls knows")]
        let versions = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the TLS versions fit the provider");
        versions.with_root_certificates(roots).with_no_client_auth()
    }
}

/// What every request carries unless its provider demands otherwise.
fn default_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCEPT_ENCODING, HeaderValue::from_static(coding::ACCEPTED)),
        // The server ends the connection first, and so has to remember it: many polls of one host would use up our ports.
        (CONNECTION, HeaderValue::from_static("close")),
    ])
}

fn system_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
        // The library would read a device without an end for ever.
        if let Err(error) = files::read_regular(Path::new(&path), PEM_LIMIT) {
            tracing::warn!(%error, "no root certificates of the system: SSL_CERT_FILE cannot be read; name a PEM file");
            return roots;
        }
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// The client of one source.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    secrets: Arc<[Secret]>,
    timeout: Duration,
}

/// Why a source cannot reach the network. No address of a proxy stands in it: it can hold a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoWay(String);

impl Http for Client {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        async move { self.follow(&request, Instant::now() + self.timeout).await }.boxed()
    }
}

impl Client {
    /// Secrets of the environment that go over the network with each request.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Sends the request, and again to wherever a redirect within its origin points.
    async fn follow(&self, request: &Request, deadline: Instant) -> Result<Response, Failure> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECT_LIMIT {
            let response = self.until(deadline, self.send_once(request, &url)).await?;
            match redirect_within_origin(request, &url, &response) {
                Some(next) => url = next,
                None => return self.read(response, deadline).await,
            }
        }
        Err(Failure::new(Reason::Redirect, format!("more than {REDIRECT_LIMIT} redirects")))
    }

    async fn send_once(&self, request: &Request, url: &Url) -> Result<reqwest::Response, Failure> {
        let send = || {
            let mut builder = self.inner.request(request.method.clone(), url.clone()).headers(request.headers.clone());
            if let Some(body) = &request.body {
                builder = builder.body(body.clone());
            }
            builder.send()
        };
        let response = match send().await {
            Err(error) if request.retry_reset && broke(&error) => send().await,
            response => response,
        };
        response.map_err(|error| failure_of(&error))
    }

    /// Reads the response to its end and decodes it. The status of a failure has said what matters: the body would only tell it in
    /// words, so one that cannot be read changes nothing.
    async fn read(&self, mut response: reqwest::Response, deadline: Instant) -> Result<Response, Failure> {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?));
        let codings = Codings::of(response.headers());
        let mut body = Vec::new();
        let read = self.until(deadline, gather(&mut response, codings.limit(), &mut body)).await;
        let body = match read {
            Err(failure) if status.is_success() => return Err(failure),
            // The beginning of a plain text is worth more than nothing.
            Err(_) if codings.are_none() => body,
            Err(_) => Vec::new(),
            Ok(()) => match codings.decode(body) {
                Err(failure) if status.is_success() => return Err(failure),
                decoded => decoded.unwrap_or_default(),
            },
        };
        Ok(Response { status, retry_after, body, received: std::time::Instant::now() })
    }

    /// Does a part of a call as long as there is time for it.
    async fn until<T>(&self, deadline: Instant, part: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::time::timeout_at(deadline, part).await.unwrap_or_else(|_| {
            let timeout = humantime::format_duration(self.timeout);
            Err(Failure::new(Reason::Timeout, format!("no whole answer within {timeout}")))
        })
    }
}

/// Only a `GET` is sent again, and only to the scheme, host and port it was meant for: its headers carry credentials.
fn redirect_within_origin(request: &Request, url: &Url, response: &reqwest::Response) -> Option<Url> {
    if request.method != Method::GET || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = url.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    (next.origin() == url.origin() && next.username().is_empty() && next.password().is_none()).then_some(next)
}

/// Reads the body as it comes over the wire. What came before a failure stays in `body`.
async fn gather(response: &mut reqwest::Response, limit: usize, body: &mut Vec<u8>) -> Result<(), Failure> {
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(coding::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}
