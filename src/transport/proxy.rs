//! Addresses of proxies, and the environment variables that name them.
//!
//! The variables have no specification, and programs interpret them differently. reqwest's interpretation could send credentials to a
//! proxy that the user has excluded, or bypass one that is configured: `*` covers only names, ports, `*.domain` and brackets are not
//! supported, and an invalid address is ignored. This module therefore parses them itself; an exception covers what it covers in any
//! of curl, Go and Python.

use crate::secret::Secret;
use base64::Engine;
use std::net::IpAddr;
use url::{Host, Url};

/// Variables by kind; the first that is not empty is used.
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// An address that is not one of a proxy. The error does not contain it, because it can contain a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the address of a proxy; write http://HOST:PORT")]
pub struct InvalidAddress;

/// An environment variable whose value is not the address of a proxy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the environment variable {name} is {source}")]
pub struct InvalidVariable {
    name: &'static str,
    source: InvalidAddress,
}

/// Parses the address of a proxy.
///
/// # Errors
/// When it is not an `http` or `https` URL with a host.
pub fn parse_address(address: &str) -> Result<Url, InvalidAddress> {
    let parsed = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or(InvalidAddress)
}

/// The secrets that a response of the proxy could echo into the log: the password, encoded and decoded, and the value of the
/// authorization header. Empty without a password: masking the address would hide more than it protects.
#[must_use]
pub fn secrets(address: &Url) -> Vec<Secret> {
    let Some(password) = address.password() else { return Vec::new() };
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let login = format!("{}:{}", decoded(address.username()), decoded(password));
    let header = base64::engine::general_purpose::STANDARD.encode(login);
    [password.to_owned(), decoded(password), header].map(Secret::new).to_vec()
}

/// The proxies that the environment names.
#[derive(Default)]
pub(super) struct Environment {
    http: Option<Url>,
    https: Option<Url>,
    exceptions: Vec<Exception>,
}

impl Environment {
    /// Reads the variables of this process.
    ///
    /// # Errors
    /// The variable that is invalid, without its value.
    pub(super) fn read() -> Result<Self, InvalidVariable> {
        Self::of(|name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    fn of(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidVariable> {
        let first = |names: [&'static str; 2]| {
            let set = names.into_iter().filter_map(|name| Some((name, variable(name)?.trim().to_owned())));
            set.into_iter().find(|(_, value)| !value.is_empty())
        };
        let proxy = |names| first(names).or_else(|| first(ALL)).map(|(name, value)| parse_variable(name, &value)).transpose();
        let exceptions = first(EXCEPTIONS).map(|(_, value)| value).unwrap_or_default();
        let exceptions = exceptions.split(|c: char| c == ',' || c.is_whitespace()).filter_map(Exception::parse);
        Ok(Self { http: proxy(HTTP)?, https: proxy(HTTPS)?, exceptions: exceptions.collect() })
    }

    /// The proxy for requests to this URL, if any.
    pub(super) fn proxy(&self, url: &Url) -> Option<Url> {
        let proxy = if url.scheme() == "https" { &self.https } else { &self.http };
        if self.exceptions.iter().any(|exception| exception.covers(url)) { None } else { proxy.clone() }
    }

    /// The secrets of all proxies.
    pub(super) fn secrets(&self) -> Vec<Secret> {
        [&self.http, &self.https].into_iter().flatten().flat_map(secrets).collect()
    }
}

/// Parses the address of a proxy in a variable; the scheme is optional.
fn parse_variable(name: &'static str, value: &str) -> Result<Url, InvalidVariable> {
    let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    parse_address(&whole).map_err(|source| InvalidVariable { name, source })
}

/// An entry of `NO_PROXY`: hosts that are reached without a proxy.
struct Exception {
    hosts: Hosts,
    /// Absent for all ports.
    port: Option<u16>,
}

enum Hosts {
    /// `*`: all names and addresses.
    All,
    /// `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`: an address and the length of the prefix in bits.
    Network(IpAddr, u32),
    /// `example.com`, `.example.com` and `*.example.com` all mean the domain and its subdomains.
    Domain(String),
}

impl Exception {
    /// Parses an entry. Absent if it is invalid; it then covers nothing.
    fn parse(entry: &str) -> Option<Self> {
        // First, because IPv6 addresses contain colons.
        if let Some(hosts) = Hosts::network(entry) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = match entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, rest)) => (host, Some(rest.strip_prefix(':')?)),
            None => entry.split_once(':').map_or((entry, None), |(host, port)| (host, Some(port))),
        };
        let hosts = if host == "*" { Some(Hosts::All) } else { Hosts::network(host).or_else(|| Hosts::domain(host)) };
        Some(Self { hosts: hosts?, port: port.map(str::parse).transpose().ok()? })
    }

    fn covers(&self, url: &Url) -> bool {
        let hosts = match (&self.hosts, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network, bits), Some(Host::Ipv4(address))) => within(address.into(), *network, *bits),
            (Hosts::Network(network, bits), Some(Host::Ipv6(address))) => within(address.into(), *network, *bits),
            (Hosts::Domain(domain), Some(Host::Domain(name))) => {
                let above = name.strip_suffix('.').unwrap_or(name).strip_suffix(domain.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }
            _ => false,
        };
        hosts && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

impl Hosts {
    fn network(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        match bits {
            None => Some(Self::Network(address, most)),
            Some(bits) => Some(Self::Network(address, bits.parse().ok().filter(|bits| *bits <= most)?)),
        }
    }

    fn domain(text: &str) -> Option<Self> {
        let text = text.strip_prefix('*').unwrap_or(text);
        let text = text.strip_prefix('.').unwrap_or(text);
        // Normalized as in a URL: lower case and ASCII.
        match Host::parse(text.strip_suffix('.').unwrap_or(text)).ok()? {
            Host::Domain(domain) => Some(Self::Domain(domain)),
            Host::Ipv4(_) | Host::Ipv6(_) => None,
        }
    }
}

fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address.to_canonical(), network) {
        // A prefix of zero bits: `checked_shr` returns none for a shift by the whole width, and every address matches.
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).is_none_or(|rest| rest == 0),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).is_none_or(|rest| rest == 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Result<Environment, InvalidVariable> {
        Environment::of(|name| variables.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned()))
    }

    fn proxy(variables: &[(&str, &str)], url: &str) -> Option<String> {
        let proxy = environment(variables).expect("good variables").proxy(&Url::parse(url).expect("a URL"));
        proxy.map(String::from)
    }

    fn is_direct(exceptions: &str, url: &str) -> bool {
        proxy(&[("ALL_PROXY", "http://proxy:3128"), ("NO_PROXY", exceptions)], url).is_none()
    }

    #[test]
    fn the_scheme_of_the_request_chooses_the_variable() {
        let both = [("HTTP_PROXY", "http://a:1"), ("https_proxy", "b:2"), ("ALL_PROXY", "https://c:3")];
        assert_eq!(proxy(&both, "http://host/").as_deref(), Some("http://a:1/"));
        assert_eq!(proxy(&both, "https://host/").as_deref(), Some("http://b:2/"));
        assert_eq!(proxy(&both[2..], "http://host/").as_deref(), Some("https://c:3/"));
        assert_eq!(proxy(&both[..1], "https://host/"), None);
        assert_eq!(proxy(&[], "http://host/"), None);
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        let variables = [("HTTP_PROXY", " "), ("http_proxy", " user:pass@a "), ("NO_PROXY", ""), ("no_proxy", "direct")];
        assert_eq!(proxy(&variables, "http://host/").as_deref(), Some("http://user:pass@a/"));
        assert_eq!(proxy(&variables, "http://direct/"), None);
        assert_eq!(proxy(&[("HTTP_PROXY", ""), ("ALL_PROXY", "a")], "http://host/").as_deref(), Some("http://a/"));
    }

    #[test]
    fn an_invalid_variable_is_refused_without_its_value() {
        for value in ["socks5://secret:1080", "http://", "secret secret", "http://user:secret@", "a:secret", "file:///secret"] {
            let refused = environment(&[("https_proxy", value)]).err().expect(value);
            assert_eq!(
                refused.to_string(),
                "the environment variable https_proxy is not the address of a proxy; write http://HOST:PORT",
                "{value}"
            );
        }
        // The invalid variable is not used.
        let shadowed = [("ALL_PROXY", "socks5://a"), ("HTTP_PROXY", "http://a"), ("HTTPS_PROXY", "http://a")];
        assert!(environment(&shadowed).is_ok());
    }

    #[test]
    fn an_exception_covers_these_urls() {
        let covered = [
            ("*", "http://127.0.0.1/"),
            ("*", "http://[::1]:8080/"),
            ("*", "https://host/"),
            ("a, *", "http://10.0.0.1/"),
            ("*:8080", "http://10.0.0.1:8080/"),
            ("10.0.0.1", "http://10.0.0.1:8080/"),
            ("10.0.0.0/8", "http://10.255.0.1/"),
            ("0.0.0.0/0", "http://10.255.0.1/"),
            ("10.0.0.1/32", "http://10.0.0.1/"),
            ("10.0.0.7/8", "http://10.0.0.1/"),
            ("10.0.0.1:80", "http://10.0.0.1/"),
            ("10.0.0.1:443", "https://10.0.0.1/"),
            ("10.0.0.1", "http://[::ffff:10.0.0.1]/"),
            ("::1", "http://[::1]/"),
            ("[::1]", "http://[0:0::1]/"),
            ("[::1]:8080", "http://[::1]:8080/"),
            ("2001:db8::/32", "http://[2001:db8:1::1]/"),
            ("::/0", "http://[2001:db8:1::1]/"),
            ("example.com", "http://example.com/"),
            ("example.com", "http://api.example.com/"),
            (".example.com", "http://api.example.com/"),
            (".example.com", "http://example.com/"),
            ("*.example.com", "http://a.b.example.com/"),
            ("EXAMPLE.com.", "http://Example.COM/"),
            ("example.com", "http://example.com./"),
            ("example.com:443", "https://api.example.com/"),
            ("пример.рф", "http://api.xn--e1afmkfd.xn--p1ai/"),
            ("a b\tc,,  host ", "http://host/"),
            ("a b\tc", "http://b/"),
            ("localhost", "http://localhost:9000/"),
        ];
        for (exceptions, url) in covered {
            assert!(is_direct(exceptions, url), "{exceptions:?} covers {url}");
        }
    }

    #[test]
    fn an_exception_does_not_cover_these_urls() {
        let others = [
            ("", "http://host/"),
            (",", "http://host/"),
            (".", "http://host/"),
            ("*:8080", "http://10.0.0.1/"),
            ("10.0.0.1:8080", "http://10.0.0.1/"),
            ("10.0.0.1", "http://10.0.0.10/"),
            ("10.0.0.0/9", "http://10.128.0.1/"),
            ("10.0.0.0/33", "http://10.0.0.1/"),
            ("10.0.0.0/-1", "http://10.0.0.1/"),
            ("::/0", "http://10.0.0.1/"),
            ("0.0.0.0/0", "http://[::1]/"),
            ("0.0.0.0/0", "http://host/"),
            ("::1", "http://[::2]/"),
            ("[::1", "http://[::1]/"),
            ("[::1]8080", "http://[::1]:8080/"),
            ("example.com", "http://notexample.com/"),
            ("example.com", "http://example.com.evil.test/"),
            ("api.example.com", "http://example.com/"),
            ("example.com:80", "https://example.com/"),
            ("example.com:http", "http://example.com/"),
            ("exam*.com", "http://example.com/"),
            ("0.1", "http://10.0.0.1/"),
            ("com", "http://host/"),
        ];
        for (exceptions, url) in others {
            assert!(!is_direct(exceptions, url), "{exceptions:?} does not cover {url}");
        }
    }

    #[test]
    fn all_forms_of_the_password_of_a_proxy_are_secret() {
        let variables = [("HTTP_PROXY", "http://user:the%20word@a"), ("HTTPS_PROXY", "http://user@a")];
        let secrets = environment(&variables).expect("good variables").secrets();
        let secrets: Vec<&str> = secrets.iter().map(Secret::expose).collect();
        assert_eq!(secrets, ["the%20word", "the word", "dXNlcjp0aGUgd29yZA=="]);
    }
}
