//! Builds the TLS configuration of the server from `tls_server_config` and the files that it names.

use super::schema::{ClientAuth, Text, Tls};
use super::watch::WatchedFiles;
use crate::problem::Problem;
use crate::system::files;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::version::{TLS12, TLS13};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig, SignatureScheme};
use secrecy::{ExposeSecret, SecretSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The only protocol that is offered in ALPN.
const PROTOCOL: &[u8] = b"http/1.1";

/// Reads the certificate, the key and the client CA, and builds the configuration. Paths are relative to `directory`.
///
/// # Errors
/// The first problem, with its key and the fix.
pub(super) fn server(tls: Tls, directory: &Path, watched: &mut WatchedFiles) -> Result<Arc<ServerConfig>, Problem> {
    if tls.client_allowed_sans.is_some() {
        let text = "is not supported; remove it, and name a CA in client_ca_file that issues certificates only to the clients that may connect";
        return Err(Problem::at("client_allowed_sans", text));
    }
    let mut read = |key, inline, file| Pem::read(key, inline, file, directory, watched);
    let certificate = read("cert", tls.cert, tls.cert_file)?.ok_or_else(|| missing("cert_file"))?;
    let key = read("key", tls.key, tls.key_file)?.ok_or_else(|| missing("key_file"))?;
    let client_ca = read("client_ca", tls.client_ca, tls.client_ca_file)?;

    let mut provider = ring::default_provider();
    if let Some(suites) = tls.cipher_suites.filter(|suites| !suites.is_empty()) {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites.into_iter().filter_map(|suite| suite.0));
    }
    if let Some(curves) = tls.curve_preferences.filter(|curves| !curves.is_empty()) {
        provider.kx_groups = curves.into_iter().map(|curve| curve.0).collect();
    }
    let provider = Arc::new(provider);
    let lowest = tls.min_version.map_or(&TLS12, |version| version.0);
    let highest = tls.max_version.map_or(&TLS13, |version| version.0);
    let between = |version: u16| (u16::from(lowest.version)..=u16::from(highest.version)).contains(&version);
    let versions: Vec<_> = [&TLS13, &TLS12].into_iter().filter(|version| between(version.version.into())).collect();
    if versions.is_empty() {
        return Err(Problem::at("max_version", "is below min_version; swap them or remove one"));
    }
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&versions)
        .map_err(|_| Problem::at("cipher_suites", "contain none for the enabled versions of TLS; add some or remove the key"))?;
    let builder = match client_verifier(tls.client_auth_type.unwrap_or_default(), client_ca, provider)? {
        None => builder.with_no_client_auth(),
        Some(verifier) => builder.with_client_cert_verifier(verifier),
    };
    let chain = certificate.certificates()?;
    let mut config = builder.with_single_cert(chain, key.private_key()?).map_err(|error| key.unusable(&error))?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    config.ignore_client_order = tls.prefer_server_cipher_suites.unwrap_or(true);
    Ok(Arc::new(config))
}

fn missing(key: &str) -> Problem {
    Problem::at(key, "is missing; add it")
}

fn client_verifier(
    wanted: ClientAuth,
    client_ca: Option<Pem>,
    provider: Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Problem> {
    let any = |mandatory| Ok(Some(Arc::new(AnyClient { provider: provider.clone(), mandatory }) as Arc<_>));
    let optional = match wanted {
        ClientAuth::NoClientCert => {
            return client_ca.map_or(Ok(None), |ca| {
                Err(Problem::at(
                    ca.place,
                    "has no effect without client_auth_type: RequireAndVerifyClientCert; add that or remove it",
                ))
            });
        }
        ClientAuth::RequestClientCert => return any(false),
        ClientAuth::RequireAnyClientCert => return any(true),
        ClientAuth::VerifyClientCertIfGiven => true,
        ClientAuth::RequireAndVerifyClientCert => false,
    };
    let client_ca = client_ca.ok_or_else(|| missing("client_ca_file"))?;
    let mut roots = RootCertStore::empty();
    for certificate in client_ca.certificates()? {
        roots.add(certificate).map_err(|_| client_ca.no_certificate())?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
    let builder = if optional { builder.allow_unauthenticated() } else { builder };
    builder.build().map(Some).map_err(|_| client_ca.no_certificate())
}

/// PEM text, with its origin for error messages.
struct Pem {
    place: String,
    from: String,
    text: SecretSlice<u8>,
}

impl Pem {
    /// Takes the text under `KEY`, or reads the file under `KEY_file`.
    fn read(
        key: &str,
        inline: Option<Text>,
        file: Option<PathBuf>,
        directory: &Path,
        watched: &mut WatchedFiles,
    ) -> Result<Option<Self>, Problem> {
        match (inline, file) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Problem::at(key, format!("is set together with {key}_file; remove one of them"))),
            (Some(Text(text)), None) => {
                Ok(Some(Self { place: key.to_owned(), from: "it".to_owned(), text: text.expose().as_bytes().to_vec().into() }))
            }
            (None, Some(file)) => {
                let (place, path) = (format!("{key}_file"), directory.join(file));
                match watched.read(&path) {
                    Ok(bytes) => Ok(Some(Self { place, from: path.display().to_string(), text: bytes.into() })),
                    Err(error) => {
                        let text = format!("cannot read {}: {error}; create it or correct the path", path.display());
                        Err(Problem::at(place, text))
                    }
                }
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        files::without_mark(self.text.expose_secret())
    }

    fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.bytes()).collect();
        certificates.ok().filter(|certificates| !certificates.is_empty()).ok_or_else(|| self.no_certificate())
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Problem> {
        let text = format!("{} holds no private key; name a PEM file with one that has no passphrase", self.from);
        PrivateKeyDer::from_pem_slice(self.bytes()).map_err(|_| Problem::at(&self.place, text))
    }

    fn no_certificate(&self) -> Problem {
        Problem::at(&self.place, format!("{} holds no usable certificate; name a PEM file of certificates", self.from))
    }

    /// Why rustls rejects this key or the certificate chain, both of which are well-formed PEM.
    fn unusable(&self, error: &Error) -> Problem {
        match error {
            Error::InconsistentKeys(_) => {
                Problem::at(&self.place, format!("{} is not the key of the certificate; name a matching pair", self.from))
            }
            Error::InvalidCertificate(_) => Problem::at("cert_file", "the certificate is invalid; create a new one"),
            _ => Problem::at(&self.place, format!("{} holds a key of an unsupported type; use ECDSA or RSA", self.from)),
        }
    }
}

/// Accepts any certificate whose private key the client holds, without verifying who issued it.
#[derive(Debug)]
struct AnyClient {
    provider: Arc<CryptoProvider>,
    mandatory: bool,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
