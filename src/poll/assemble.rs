//! From a checked configuration to sources that can be polled.
//!
//! Only this module resolves secrets, reads CA files, and builds providers, network clients and identities. It sends nothing.

use crate::config::{self, Config, ConfigError};
use crate::domain::{About, Identity};
use crate::poll::Target;
use crate::problem::{Problem, join};
use crate::provider::service::Values;
use crate::provider::{Build, Provider};
use crate::secret::{Secret, SecretRef};
use crate::transport::client::{ClientError, Clients, ExtraRoots, Network};
use crate::transport::proxy;
use ring::digest::{Context, SHA256};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// A configuration that is ready to run.
pub struct Assembled {
    /// In the order of the configuration.
    pub sources: Vec<Ready>,
    /// What works but should be known, one line each, for the log.
    pub warnings: Vec<String>,
}

/// One source, ready to be polled.
pub struct Ready {
    /// Its fixed properties.
    pub about: About,
    /// The provider and its network.
    pub target: Target,
    /// The target's ingredients.
    pub recipe: Recipe,
}

/// What a target is made of, beside what is in [`About::identity`]. It has no `Debug`, because it holds secrets in several places.
#[derive(PartialEq)]
pub struct Recipe {
    /// Every secret of the source.
    pub secrets: Vec<Secret>,
    /// The address that is asked, which several identities can share.
    pub url: Option<Url>,
    /// How the source reaches the network.
    pub network: Network,
    /// Timeout of one HTTP call.
    pub timeout: Duration,
    /// The description and the values of a service.
    pub service: Option<(Arc<str>, Values)>,
}

impl Recipe {
    /// Whether the provider built from one can keep serving the other, given that both ask the same account.
    #[must_use]
    pub fn makes_same_provider(&self, other: &Self) -> bool {
        self.secrets == other.secrets && self.url == other.url && self.service == other.service
    }
}

/// A digest of the settings that say which account is asked. It is the key of state on disk, so it must never change for the same
/// account: each setting enters with its key and its length, in the order of the keys.
fn identity(provider: &str, account: &[(Box<str>, Secret)]) -> Identity {
    let mut settings: Vec<(&str, &str)> = account.iter().map(|(key, value)| (&**key, value.expose())).collect();
    settings.sort_unstable();
    settings.insert(0, ("provider", provider));
    let mut identity = Context::new(&SHA256);
    for (key, value) in settings {
        identity.update(format!("{key} {}:", value.len()).as_bytes());
        identity.update(value.as_bytes());
        identity.update(b"\n");
    }
    Identity(identity.finish().as_ref().try_into().unwrap_or_default())
}

/// Why a configuration cannot be used on this machine.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A secret or a CA file is missing or wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No network client can be made for the source of this name.
    #[error("source {0}: {1}")]
    Network(Arc<str>, #[source] ClientError),
}

/// Assembles every source. It blocks while files are read.
///
/// Clients that no source uses any more are dropped from `clients`.
///
/// # Errors
/// The first problem: of `defaults`, then of the sources in their order, then of their network clients.
pub fn assemble(config: Config, clients: &mut Clients) -> Result<Assembled, Unusable> {
    let mut findings = Findings::default();
    let resolved = resolve(&config, &mut findings).map_err(|problem| ConfigError::of_problem(&config.file, &problem))?;
    let warnings = findings.warnings(&config);
    let paired = config.sources.into_iter().zip(resolved);
    let sources = paired.map(|(source, resolved)| resolved.ready(source, clients)).collect::<Result<Vec<_>, _>>()?;
    clients.keep(&sources.iter().map(|source| &source.recipe.network).collect::<Vec<_>>());
    Ok(Assembled { sources, warnings })
}

/// Resolves the references of every source, in order.
fn resolve(config: &Config, findings: &mut Findings) -> Result<Vec<Resolved>, Problem> {
    let defaults = Way::of("defaults", &config.network, findings)?;
    let resolve = |source| Resolved::of(source, &defaults, findings);
    config.sources.iter().map(resolve).collect()
}

/// What is found on the way and calls for a warning.
#[derive(Default)]
struct Findings {
    /// Places of secrets that are written in the file itself.
    plain: Vec<String>,
    /// Sources whose credentials cross the network unencrypted.
    cleartext: Vec<String>,
}

impl Findings {
    fn warnings(self, config: &Config) -> Vec<String> {
        let mut warnings = Vec::new();
        if config.names.is_empty() {
            warnings.push("sources: no source is configured, so nothing is polled".to_owned());
        }
        warnings.extend(
            config
                .services
                .iter()
                .filter(|service| service.replaces)
                .map(|service| format!("services.{0}: replaces the catalogue's description of {0}", service.description.name)),
        );
        warnings.extend(in_the_clear(&self.cleartext));
        if config.others_can_read && !self.plain.is_empty() {
            warnings.push(format!(
                "{}: others can read this file and the secrets in it ({}); chmod o-r it, or use file:, env: or credential:",
                config.file.display(),
                self.plain.join(", ")
            ));
        }
        warnings
    }
}

/// One warning for all sources whose credentials cross the network unencrypted.
fn in_the_clear(sources: &[String]) -> Option<String> {
    const SHOWN: usize = 5;
    let fix = "use an https url if the provider has one";
    match sources {
        [] => None,
        [source] => Some(format!("{source}: its credentials cross the network in the clear; {fix}")),
        _ => {
            let more = sources.len().saturating_sub(SHOWN);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let shown = sources[..sources.len().min(SHOWN)].join(", ");
            Some(format!("{} sources send their credentials over the network in the clear: {shown}{more}; {fix}", sources.len()))
        }
    }
}

/// A source whose references are resolved.
struct Resolved {
    provider: Arc<dyn Provider>,
    identity: Identity,
    secrets: Vec<Secret>,
    url: Option<Url>,
    service: Option<(Arc<str>, Values)>,
    network: Network,
}

impl Resolved {
    fn of(source: &config::Source, defaults: &Way, findings: &mut Findings) -> Result<Self, Problem> {
        let own = Way::of(&source.place, &source.network, findings)?;
        let proxy = own.proxy.or_else(|| defaults.proxy.clone());
        let mut build = Build::default();
        build.secrets.extend(proxy.iter().flat_map(|proxy| proxy.secrets.iter().cloned()));
        let place = join(&join(&source.place, "provider"), source.provider.name());
        let provider = source.provider.build(&mut build).map_err(|problem| problem.below(&place))?;
        findings.plain.extend(build.plain.iter().map(|key| join(&place, key)));
        if build.cleartext {
            findings.cleartext.push(format!("{} ({})", source.place, source.name));
        }
        let network = Network {
            proxy: proxy.map(|proxy| proxy.address),
            extra_roots: own.extra_roots.or_else(|| defaults.extra_roots.clone()),
            direct: source.direct,
        };
        let identity = identity(source.provider.name(), &build.account);
        Ok(Self { provider, identity, secrets: build.secrets, url: build.url, service: build.account_of, network })
    }

    /// Gives it its network client.
    fn ready(self, source: config::Source, clients: &mut Clients) -> Result<Ready, Unusable> {
        let Self { provider, identity, secrets, url, service, network } = self;
        let http = clients.client(&network, source.timeout).map_err(|error| Unusable::Network(source.name.clone(), error))?;
        let about = About {
            name: source.name,
            provider: source.provider.name().into(),
            identity,
            interval: source.interval,
            max_age: source.max_age,
            low: source.low,
        };
        let masked = [&secrets, http.secrets()].concat();
        let target = Target { provider, http: Box::new(http), secrets: masked, limit: service.as_ref().map(|_| source.interval) };
        Ok(Ready { about, target, recipe: Recipe { secrets, url, network, timeout: source.timeout, service } })
    }
}

/// Resolved network settings.
struct Way {
    proxy: Option<Proxy>,
    extra_roots: Option<ExtraRoots>,
}

impl Way {
    /// Resolves the settings that stand at `place`.
    fn of(place: &str, network: &config::Network, findings: &mut Findings) -> Result<Self, Problem> {
        let proxy = network.proxy.as_ref().map(|proxy| Proxy::of(&join(place, "proxy"), proxy, findings)).transpose()?;
        let roots = |path: &Path| ExtraRoots::read(path).map_err(|error| Problem::caused(join(place, "ca_file"), error));
        Ok(Self { proxy, extra_roots: network.ca_file.as_deref().map(roots).transpose()? })
    }
}

/// A proxy, and what of its address must not be shown.
#[derive(Clone)]
struct Proxy {
    address: Secret,
    /// Empty for an address without a password: masking that would hide more than it protects.
    secrets: Vec<Secret>,
}

impl Proxy {
    fn of(place: &str, reference: &SecretRef, findings: &mut Findings) -> Result<Self, Problem> {
        let address = reference.resolve().map_err(|error| Problem::caused(place, error))?;
        let url = proxy::parse_address(address.expose()).map_err(|error| Problem::caused(place, error))?;
        let mut secrets = proxy::secrets(&url);
        if !secrets.is_empty() {
            secrets.push(address.clone());
            if matches!(reference, SecretRef::Plain(_)) {
                findings.plain.push(place.to_owned());
            }
        }
        Ok(Self { address, secrets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The identity of the only source of a configuration with this provider, as text.
    fn identity_of(provider: &str) -> String {
        let text = format!("sources: [{{name: a, provider: {provider}}}]\n");
        let config = Config::from_text(Path::new("f.yaml"), &text).expect(provider);
        let Identity(bytes) = assemble(config, &mut Clients::default()).expect("good").sources[0].about.identity;
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    #[test]
    fn credentials_in_the_clear_are_one_warning() {
        let warnings = |sources: &str| {
            let config = Config::from_text(Path::new("f.yaml"), sources).expect(sources);
            assemble(config, &mut Clients::default()).expect("good").warnings
        };
        let source =
            |name: &str, url: &str| format!("  - {{name: {name}, provider: {{mysmpp: {{token: x, url: \"{url}\"}}}}}}\n");
        let loopback = ["http://127.0.0.1:1/", "http://[::1]/", "http://localhost/", "https://a.example/"];
        let quiet: String = loopback.iter().enumerate().map(|(i, url)| source(&format!("s{i}"), url)).collect();
        assert_eq!(warnings(&format!("sources:\n{quiet}")), [""; 0]);
        let many: String = (0..7).map(|i| source(&format!("s{i}"), "http://a.example/")).collect();
        assert_eq!(
            warnings(&format!("sources:\n{many}")),
            [
                "7 sources send their credentials over the network in the clear: sources[0] (s0), sources[1] (s1), sources[2] (s2), sources[3] (s3), sources[4] (s4) and 2 more; use an https url if the provider has one"
            ]
        );
    }

    #[test]
    fn identities_never_change_between_versions() {
        let adstat = "{adstat: {login: {username: me, password: x}, account_currency: EUR, accounts: [A, B]}}";
        let fixed = [
            (adstat, "f1dce5b9e44532589122f76743c5721364d69c20a7960732391fbc173d56299f"),
            ("{adstat: {token: x}}", "fcf28ec8eb95278742a2427e7603de5ec32032948c38c868cbbf63116926af70"),
            ("{mysmpp: {login: me, password: x}}", "5df3c5ff4693a55d4f4bdb47c078cfa62a5debe830bab9c078dcac161539927f"),
            (
                "{mysmpp: {url: 'https://host:8443/a?b=c', token: x}}",
                "86d8fbcaa761782a43db54e08fc3a898cecdb0d00d1d9a156ed644b820e7e42b",
            ),
            ("{atisu: {token: x, ati_code: 1}}", "f6d15622e13502281b1b3181eb21e5e25126582583e36b468330e725979274c5"),
        ];
        for (provider, digest) in fixed {
            assert_eq!(identity_of(provider), digest, "{provider}: a change costs every user the state of such sources");
        }
    }

    #[test]
    fn the_same_account_has_one_identity_however_it_is_written() {
        let same = [
            "{adstat: {login: {username: me, password: x}, account_currency: rub, accounts: [A, B]}}",
            "{adstat: {accounts: [B, A], account_currency: RUB, login: {password: x, username: me}}}",
            "{adstat: {login: {username: me, password: other}, account_currency: ' RUR ', accounts: ['B ', ' A']}}",
            "{adstat: {url: 'https://client.adstat.pro/api/', login: {username: me, password: x}, account_currency: RUB, accounts: [A, B]}}",
            "{adstat: {url: 'HTTPS://Client.AdStat.pro.:443/api', login: {username: me, password: {env: PATH}}, account_currency: RUB, accounts: [A, B]}}",
            "{adstat: {url: 'http://client.adstat.pro/api/?', login: {username: me, password: x}, account_currency: RUB, accounts: [A, B]}}",
        ];
        for provider in same {
            assert_eq!(identity_of(provider), identity_of(same[0]), "{provider}");
        }
        let default = identity_of("{mysmpp: {login: me, password: x}}");
        assert_eq!(identity_of("{mysmpp: {url: 'https://lk.mysmpp.ru/json/balance.php', login: me, password: y}}"), default);
        assert_eq!(
            identity_of("{atisu: {token: x, ati_code: ' 1 '}}"),
            identity_of("{atisu: {token: x, ati_code: 1, url: null}}")
        );
    }

    #[test]
    fn another_account_has_another_identity() {
        let others = [
            "{adstat: {login: {username: me, password: x}}}",
            "{adstat: {login: {username: ' me', password: x}}}",
            "{adstat: {login: {username: me, password: x}, accounts: [A]}}",
            "{adstat: {login: {username: me, password: x}, accounts: [A, B]}}",
            "{adstat: {login: {username: me, password: x}, accounts: [AB]}}",
            "{adstat: {login: {username: me, password: x}, accounts: ['A\\naccounts 1:B']}}",
            "{adstat: {login: {username: me, password: x}, account_currency: EUR}}",
            "{adstat: {url: 'https://client.adstat.pro:8443/api/', login: {username: me, password: x}}}",
            "{adstat: {url: 'https://client.adstat.pro/API/', login: {username: me, password: x}}}",
            "{adstat: {token: me}}",
            "{mysmpp: {token: me}}",
            "{mysmpp: {login: me, password: x}}",
            "{mysmpp: {url: 'http://lk.mysmpp.ru/json/balance.php?a', login: me, password: x}}",
            "{atisu: {token: me, ati_code: 1}}",
            "{atisu: {token: me, ati_code: 2}}",
            "{atisu: {token: x, ati_code: 1}}",
        ];
        let identities: std::collections::BTreeSet<String> = others.iter().map(|provider| identity_of(provider)).collect();
        assert_eq!(identities.len(), others.len());
    }
}
