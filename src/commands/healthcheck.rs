//! `healthcheck`: asks the running daemon whether it is healthy, for containers without a shell. It reads no configuration.

use super::Failed;
use crate::commands::cli::Options;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Timeout of the connection and of each read.
const PATIENCE: Duration = Duration::from_secs(3);
/// Maximum number of bytes read from an answer: the status line is enough.
const ANSWER_LIMIT: u64 = 64;

pub(super) fn run(options: &Options) -> Result<(), Failed> {
    let Some(address) = options.listen_addresses.first() else { return Err(Failed::other("no --web.listen-address")) };
    let healthy = ask(address).map_err(Unhealthy::Unreachable).and_then(|answer| judge(&answer));
    healthy.map_err(|cause| Failed::other(format!("{address} is not healthy: {cause}")))
}

/// Why a daemon is not healthy.
#[derive(Debug, thiserror::Error)]
enum Unhealthy {
    #[error(transparent)]
    Unreachable(std::io::Error),
    #[error("HTTP {0}")]
    Status(String),
    #[error("the answer is not HTTP")]
    NotHttp,
}

fn ask(address: &str) -> std::io::Result<Vec<u8>> {
    let mut refused = std::io::ErrorKind::AddrNotAvailable.into();
    for reachable in reachable(address)? {
        match TcpStream::connect_timeout(&reachable, PATIENCE) {
            Ok(stream) => return exchange(stream, address),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

fn exchange(mut stream: TcpStream, address: &str) -> std::io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET /-/healthy HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    match stream.take(ANSWER_LIMIT).read_to_end(&mut answer) {
        // A status line may have arrived before the connection broke.
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

/// Addresses at which a daemon that listens on this address can be reached from its own machine.
fn reachable(address: &str) -> std::io::Result<Vec<SocketAddr>> {
    let addresses: Vec<SocketAddr> = match address.strip_prefix(':') {
        Some(port) => format!("[::]:{port}").to_socket_addrs()?.collect(),
        None => address.to_socket_addrs()?.collect(),
    };
    let loopback = |address: SocketAddr| match (address.ip().is_unspecified(), address.is_ipv4()) {
        (false, _) => vec![address],
        (true, true) => vec![(Ipv4Addr::LOCALHOST, address.port()).into()],
        // A socket on [::] usually accepts IPv4 too, and the daemon falls back to IPv4 on a machine without IPv6.
        (true, false) => {
            vec![(Ipv4Addr::LOCALHOST, address.port()).into(), (Ipv6Addr::LOCALHOST, address.port()).into()]
        }
    };
    Ok(addresses.into_iter().flat_map(loopback).collect())
}

fn judge(answer: &[u8]) -> Result<(), Unhealthy> {
    // A TLS alert: the daemon runs and serves TLS. Its certificate is not checked here.
    if answer.starts_with(&[0x15, 0x03]) {
        return Ok(());
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    match line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next()) {
        // 401: the daemon runs and requires a password.
        Some("200" | "401") => Ok(()),
        Some(status) => Err(Unhealthy::Status(status.to_owned())),
        None => Err(Unhealthy::NotHttp),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::server::{ClientHello, ResolvesServerCert};
    use std::sync::Arc;

    #[derive(Debug)]
    struct NoCertificate;

    impl ResolvesServerCert for NoCertificate {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            None
        }
    }

    #[test]
    fn every_listen_address_is_reachable_from_its_own_machine() {
        let reachable = |address| reachable(address).expect("an address").iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(reachable("0.0.0.0:9"), ["127.0.0.1:9"]);
        assert_eq!(reachable("192.0.2.1:9"), ["192.0.2.1:9"]);
        assert_eq!(reachable("[::]:9"), ["127.0.0.1:9", "[::1]:9"]);
        assert_eq!(reachable(":9"), ["127.0.0.1:9", "[::1]:9"]);
        assert_eq!(reachable("[::1]:9"), ["[::1]:9"]);
    }

    #[test]
    fn a_daemon_that_requires_tls_or_a_password_is_healthy() {
        for good in ["HTTP/1.1 200 OK\r\n", "HTTP/1.1 401 Unauthorized\r\n", "\x15\x03\x03\x00\x02\x02\x32"] {
            assert!(judge(good.as_bytes()).is_ok(), "{good:?}");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth().with_cert_resolver(Arc::new(NoCertificate));
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).expect("a server");
        tls.read_tls(&mut &b"GET /-/healthy HTTP/1.1\r\n\r\n"[..]).expect("bytes");
        assert!(tls.process_new_packets().is_err());
        let mut answer = Vec::new();
        tls.write_tls(&mut answer).expect("an alert");
        assert!(judge(&answer).is_ok(), "what a TLS server says to plain HTTP: {answer:?}");
        let refused = |answer: &str| judge(answer.as_bytes()).expect_err("unhealthy").to_string();
        assert_eq!(refused("HTTP/1.1 503 Service Unavailable\r\n"), "HTTP 503");
        assert_eq!(refused(""), "the answer is not HTTP");
        assert_eq!(refused("SSH-2.0-x\r\n"), "the answer is not HTTP");
    }
}
