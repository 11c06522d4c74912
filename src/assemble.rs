//! From a checked configuration to what can be polled.

use crate::config::Config;
use crate::http::client::{Clients, Network, NoWay};
use crate::poll::Target;
use crate::provider::Settings;
use crate::secret::Secret;
use crate::store::{About, Identity};
use ring::digest::{Context, SHA256};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// One source, ready to be polled.
pub struct Ready {
    /// What stays the same for it.
    pub about: About,
    /// What is asked.
    pub target: Target,
    /// What the target was made of.
    pub recipe: Recipe,
}

/// What a target is made of beside the settings, of which [`About::identity`] tells. It has no `Debug`, because it holds secrets
/// in two places.
#[derive(PartialEq)]
pub struct Recipe {
    /// Every secret of the source.
    pub secrets: Vec<Secret>,
    /// How the source reaches the network.
    pub network: Network,
    /// Of one HTTP call.
    pub timeout: Duration,
}

/// A digest of what says which account is asked: the settings, and the tokens where no login names it. A password may change, and
/// a secret may move, without changing the account. A setting that is left out does not count, so that one which a later version
/// brings changes nothing.
fn identity(settings: &Settings, tokens: &[Secret]) -> Identity {
    fn without_nulls(value: &mut Value) {
        if let Value::Object(map) = value {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(without_nulls);
        }
    }
    // Settings are maps with texts for keys, which always become JSON.
    let mut settings = serde_json::to_value(settings).unwrap_or_default();
    without_nulls(&mut settings);
    let mut identity = Context::new(&SHA256);
    identity.update(settings.to_string().as_bytes());
    for token in tokens {
        // JSON holds no such byte.
        identity.update(&[0]);
        identity.update(token.expose().as_bytes());
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
            identity: identity(&source.settings, &source.tokens),
            interval: source.interval,
            max_age: source.max_age,
            low: source.low,
        };
        let secrets = [&source.secrets, http.secrets()].concat();
        let target = Target { provider: source.provider, http: Box::new(http), secrets };
        let recipe = Recipe { secrets: source.secrets, network: source.network, timeout: source.timeout };
        Ok(Ready { about, target, recipe })
    });
    let ready = ready.collect::<Result<Vec<_>, _>>()?;
    clients.keep(&ready.iter().map(|source| &source.recipe.network).collect::<Vec<_>>());
    Ok(ready)
}
