//! From a checked configuration to what can be polled.

use crate::config::Config;
use crate::http::client::Clients;
use crate::poll::Target;
use crate::store::About;

/// One source, ready to be polled.
pub struct Ready {
    /// What stays the same for it.
    pub about: About,
    /// What is asked.
    pub target: Target,
}

/// Gives each source its way to the network. Sources keep their order.
///
/// # Errors
/// When a TLS or proxy setting cannot be used.
pub fn assemble(config: Config) -> Result<Vec<Ready>, reqwest::Error> {
    let mut clients = Clients::default();
    let ready = config.sources.into_iter().map(|source| {
        let http = clients.client(&source.network, source.timeout)?;
        let about = About {
            name: source.name,
            provider: source.provider_name,
            interval: source.interval,
            max_age: source.max_age,
            low: source.low,
        };
        Ok(Ready { about, target: Target { provider: source.provider, http: Box::new(http), secrets: source.secrets } })
    });
    ready.collect()
}
