//! From a checked configuration to what can be polled.

use crate::config::Config;
use crate::domain::{About, Identity};
use crate::poll::Target;
use crate::secret::Secret;
use crate::transport::client::{Clients, Network, NoWay};
use ring::digest::{Context, SHA256};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// One source, ready to be polled.
pub struct Ready {
    /// What stays the same for it.
    pub about: About,
    /// What is asked.
    pub target: Target,
    /// What the target was made of.
    pub recipe: Recipe,
}

/// What a target is made of beside what [`About::identity`] tells. It has no `Debug`, because it holds secrets in several places.
#[derive(PartialEq)]
pub struct Recipe {
    /// Every secret of the source.
    pub secrets: Vec<Secret>,
    /// The address that is asked, which several identities can share.
    pub url: Option<Url>,
    /// How the source reaches the network.
    pub network: Network,
    /// Of one HTTP call.
    pub timeout: Duration,
}

impl Recipe {
    /// Whether the provider of the one can go on for the other, where they ask the same account.
    #[must_use]
    pub fn makes_same_provider(&self, other: &Self) -> bool {
        self.secrets == other.secrets && self.url == other.url
    }
}

/// A digest of what says which account is asked. State on disk is found again by it, so it must never change for the same account:
/// each setting is spelled out with its key and its length, in the order of the keys.
fn identity(provider: &str, account: &[(&'static str, Secret)]) -> Identity {
    let mut settings: Vec<(&str, &str)> = account.iter().map(|(key, value)| (*key, value.expose())).collect();
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

/// The name of a source that cannot reach the network, and why.
#[derive(Debug)]
pub struct Unusable(pub Arc<str>, pub NoWay);

/// Gives each source its way to the network. Sources keep their order.
///
/// # Errors
/// The first source for which there is none.
pub fn assemble(config: Config, clients: &mut Clients) -> Result<Vec<Ready>, Unusable> {
    let ready = config.sources.into_iter().map(|source| {
        let http = clients.client(&source.network, source.timeout).map_err(|no_way| Unusable(source.name.clone(), no_way))?;
        let about = About {
            name: source.name,
            provider: source.provider_name,
            identity: identity(source.provider_name, &source.account),
            interval: source.interval,
            max_age: source.max_age,
            low: source.low,
        };
        let secrets = [&source.secrets, http.secrets()].concat();
        let target = Target { provider: source.provider, http: Box::new(http), secrets };
        let recipe = Recipe { secrets: source.secrets, url: source.url, network: source.network, timeout: source.timeout };
        Ok(Ready { about, target, recipe })
    });
    let ready = ready.collect::<Result<Vec<_>, _>>()?;
    clients.keep(&ready.iter().map(|source| &source.recipe.network).collect::<Vec<_>>());
    Ok(ready)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The identity of the only source of a configuration with this provider, as text.
    fn identity_of(provider: &str) -> String {
        let text = format!("sources: [{{name: a, provider: {provider}}}]\n");
        let config = Config::from_text(std::path::Path::new("f.yaml"), &text).expect(provider);
        let Identity(bytes) = assemble(config, &mut Clients::default()).expect("good")[0].about.identity;
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
    }

    #[test]
    fn state_is_found_again_by_an_identity_that_never_changes() {
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
