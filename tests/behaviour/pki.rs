//! Certificates for tests, and clients that trust them.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use reqwest::ClientBuilder;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA"))
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// The certificate of the CA itself with its key, as used by people who create a single certificate for everything.
    pub(crate) fn as_server(&self) -> Pair {
        Pair { certificate: self.0.pem(), key: self.0.key().serialize_pem() }
    }

    /// A certificate for 127.0.0.1, for servers and clients.
    pub(crate) fn issue(&self) -> Pair {
        self.issue_for("127.0.0.1", false)
    }

    /// A certificate for another name, or an expired one.
    pub(crate) fn issue_for(&self, name: &str, expired: bool) -> Pair {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("names");
        if expired {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        Pair { certificate: params.signed_by(&key, &self.0).expect("signed").pem(), key: key.serialize_pem() }
    }

    /// The TLS configuration of a client that trusts only this CA and presents this pair.
    pub(crate) fn trusting(&self, own: Option<&Pair>) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a root");
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
        let tls = tls.with_safe_default_protocol_versions().expect("versions").with_root_certificates(roots);
        match own {
            None => tls.with_no_client_auth(),
            Some(pair) => {
                let chain = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).expect("a certificate");
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("a key");
                tls.with_client_auth_cert(vec![chain], key).expect("a pair")
            }
        }
    }

    /// A client that trusts only this CA.
    pub(crate) fn client(&self, own: Option<&Pair>) -> reqwest::Client {
        ClientBuilder::new().tls_backend_preconfigured(self.trusting(own)).no_proxy().build().expect("a client")
    }
}

impl Pair {
    /// The TLS configuration of a server that presents this pair.
    pub(crate) fn server(&self) -> rustls::ServerConfig {
        let chain = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let tls = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
        let tls = tls.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
        tls.with_single_cert(vec![chain], key).expect("a pair")
    }

    /// Writes the pair as `server.crt` and `server.key`.
    pub(crate) fn write(&self, directory: &Path) {
        std::fs::write(directory.join("server.crt"), &self.certificate).expect("a file");
        std::fs::write(directory.join("server.key"), &self.key).expect("a file");
    }
}
