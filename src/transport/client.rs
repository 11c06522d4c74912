//! The HTTP client: reqwest with our own limits on time, size and redirects.
//!
//! No error or log line of this module contains a URL, because a query can contain a secret.

use super::coding::{self, Codings};
use super::dns::NameResolver;
use super::failure::{connection_broke, failure_of};
use super::proxy::{Environment, InvalidVariable};
use super::{Http, Request, Response, parse_retry_after};
use crate::domain::{Failure, Reason, Timestamp};
use crate::secret::Secret;
use crate::system::files;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{ACCEPT_ENCODING, CONNECTION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use url::Url;

/// The largest file of root certificates, in bytes. Those of a system take about 256 KiB.
const PEM_LIMIT: u64 = 4 * 1024 * 1024;
/// The maximum number of redirects, all within one origin.
const REDIRECT_LIMIT: usize = 5;
/// `User-Agent` of providers that do not require another one.
const USER_AGENT: &str = concat!("balance-exporter/", env!("CARGO_PKG_VERSION"));

/// How a source reaches the network.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Network {
    /// Overrides the proxy variables of the environment. The address can contain a password.
    pub proxy: Option<Secret>,
    /// Root certificates in addition to those of the system.
    pub extra_roots: Option<ExtraRoots>,
    /// Whether to ignore the proxy variables of the environment.
    pub direct: bool,
}

/// Root certificates read from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ExtraRoots(Arc<[CertificateDer<'static>]>);

impl ExtraRoots {
    /// Reads all certificates of a PEM file.
    ///
    /// # Errors
    /// What is wrong with the file, and the fix.
    pub fn read(path: &Path) -> Result<Self, RootsError> {
        let path_buf = || path.to_owned();
        let pem = files::read(path, PEM_LIMIT).map_err(|source| RootsError::Unreadable { path: path_buf(), source })?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(files::without_mark(&pem)).collect();
        let certificates = certificates.map_err(|source| RootsError::Malformed { path: path_buf(), source })?;
        let mut store = rustls::RootCertStore::empty();
        if certificates.is_empty() || certificates.iter().any(|certificate| store.add(certificate.clone()).is_err()) {
            return Err(RootsError::Unusable { path: path_buf() });
        }
        Ok(Self(certificates.into()))
    }
}

/// Why root certificates cannot be read from a file, with the fix.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// The file cannot be read.
    #[error("cannot read certificates from {}: {source}; name a PEM file", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not PEM.
    #[error("cannot read certificates from {}: {source}; name a PEM file", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: pem::Error,
    },
    /// The file contains no certificate, or one that cannot be a root.
    #[error("{} holds no usable certificate; name a PEM file of root certificates", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
    },
}

/// Creates and caches the clients of all sources. Sources with the same network settings share certificates and TLS sessions, also
/// across reloads. The root certificates of the system are read once.
///
/// Each request uses a new connection. A server may close an idle connection at any time, even while the next request arrives. It is
/// then unknown whether the server has processed that request, and a `POST` must not be sent twice. TLS session resumption keeps new
/// connections cheap.
#[derive(Default)]
pub struct Clients {
    /// By network settings. The timeout is set for each source.
    cached: Vec<(Network, Client)>,
    system_roots: Option<rustls::RootCertStore>,
    resolver: NameResolver,
}

impl Clients {
    /// A client for one source. `timeout` limits each call, from the first byte sent to the last byte read.
    ///
    /// # Errors
    /// When the TLS or proxy settings are invalid.
    pub fn client(&mut self, network: &Network, timeout: Duration) -> Result<Client, ClientError> {
        let found = self.cached.iter().find(|(cached, _)| cached == network).map(|(_, client)| client.clone());
        let client = match found {
            Some(client) => client,
            None => self.create(network)?,
        };
        Ok(Client { timeout, ..client })
    }

    fn create(&mut self, network: &Network) -> Result<Client, ClientError> {
        // The error of reqwest is dropped, because it can contain the address of the proxy.
        let unusable = |_| ClientError::Settings;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(self.tls(network.extra_roots.as_ref()))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .default_headers(default_headers())
            .user_agent(USER_AGENT)
            .pool_max_idle_per_host(0)
            .no_proxy()
            .dns_resolver(self.resolver.clone());
        let mut secrets = Vec::new();
        if let Some(proxy) = &network.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.expose()).map_err(unusable)?);
        } else if !network.direct {
            let environment = Environment::read()?;
            secrets = environment.secrets();
            builder = builder.proxy(reqwest::Proxy::custom(move |url| environment.proxy(url)));
        }
        let client = Client { inner: builder.build().map_err(unusable)?, secrets: secrets.into(), timeout: Duration::ZERO };
        self.cached.push((network.clone(), client.clone()));
        Ok(client)
    }

    /// Drops the cached clients of all other network settings.
    pub fn keep(&mut self, used: &[&Network]) {
        self.cached.retain(|(network, _)| used.contains(&network));
    }

    fn tls(&mut self, extra: Option<&ExtraRoots>) -> rustls::ClientConfig {
        // Without root certificates of the system, only servers that `ca_file` covers can be polled; others fail with `tls`.
        let mut roots = self.system_roots.get_or_insert_with(system_roots).clone();
        roots.add_parsable_certificates(extra.into_iter().flat_map(|extra| extra.0.iter().cloned()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        #[expect(clippy::expect_used, reason = "ring supports all TLS versions of rustls")]
        let versions = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider supports the TLS versions");
        versions.with_root_certificates(roots).with_no_client_auth()
    }
}

/// Headers of every request; a provider can override them.
fn default_headers() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCEPT_ENCODING, HeaderValue::from_static(coding::ACCEPTED)),
        // Makes the server close the connection first, so that TIME_WAIT is on its side: many polls of one host would otherwise use up
        // our ports.
        (CONNECTION, HeaderValue::from_static("close")),
    ])
}

fn system_roots() -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
        // rustls-native-certs would read an endless device such as /dev/zero for ever.
        if let Err(error) = files::read_regular(Path::new(&path), PEM_LIMIT) {
            tracing::warn!(%error, "cannot read SSL_CERT_FILE, so there are no root certificates of the system; name a PEM file");
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

/// Why no client can be created. It never contains the address of a proxy, which can contain a password.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// reqwest rejects the proxy or TLS settings.
    #[error("the proxy or TLS settings are invalid; correct them")]
    Settings,
    /// A proxy variable of the environment is invalid.
    #[error(transparent)]
    Variable(#[from] InvalidVariable),
}

impl Http for Client {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        async move { self.follow(&request, Instant::now() + self.timeout).await }.boxed()
    }
}

impl Client {
    /// Secrets from the environment that are sent with each request.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.secrets
    }

    /// Sends the request and follows redirects within its origin.
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
            Err(error) if request.retry_reset && connection_broke(&error) => send().await,
            response => response,
        };
        response.map_err(|error| failure_of(&error))
    }

    /// Reads the whole response and decodes it. If the status already is a failure, a body that cannot be read or decoded is ignored:
    /// it would only describe the failure.
    async fn read(&self, mut response: reqwest::Response, deadline: Instant) -> Result<Response, Failure> {
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| parse_retry_after(value.to_str().ok()?));
        let codings = Codings::of(response.headers());
        let mut body = Vec::new();
        let read = self.until(deadline, read_body(&mut response, codings.limit(), &mut body)).await;
        let body = match read {
            Err(failure) if status.is_success() => return Err(failure),
            // A truncated text can still describe the failure.
            Err(_) if codings.are_none() => body,
            Err(_) => Vec::new(),
            Ok(()) => match codings.decode(body) {
                Err(failure) if status.is_success() => return Err(failure),
                decoded => decoded.unwrap_or_default(),
            },
        };
        let headers = std::mem::take(response.headers_mut());
        let received_at = Timestamp::of(SystemTime::now());
        Ok(Response { status, headers, retry_after, body, received: std::time::Instant::now(), received_at })
    }

    /// Runs a step of a call until the deadline.
    async fn until<T>(&self, deadline: Instant, step: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::time::timeout_at(deadline, step).await.unwrap_or_else(|_| {
            let timeout = humantime::format_duration(self.timeout);
            Err(Failure::new(Reason::Timeout, format!("no complete answer within {timeout}")))
        })
    }
}

/// The target of a redirect to follow; none where the request follows none. Only a `GET` is redirected, and only within its scheme, host and port, because its headers
/// contain credentials.
fn redirect_within_origin(request: &Request, url: &Url, response: &reqwest::Response) -> Option<Url> {
    if !request.redirects || request.method != Method::GET || !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let next = url.join(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    (next.origin() == url.origin() && next.username().is_empty() && next.password().is_none()).then_some(next)
}

/// Reads the encoded body. After an error, `body` holds what was read before.
async fn read_body(response: &mut reqwest::Response, limit: usize, body: &mut Vec<u8>) -> Result<(), Failure> {
    while let Some(chunk) = response.chunk().await.map_err(|error| failure_of(&error))? {
        if body.len() + chunk.len() > limit {
            return Err(coding::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(())
}
