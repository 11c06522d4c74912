//! The configuration: from a YAML file to sources that can be polled, or to one line that says what is wrong and where.
//!
//! It reads files and the environment, and does nothing else: nothing is polled, nothing is started. [`schema`] is what the text
//! may look like; this module gives it defaults, checks what keys say together, and finds the secrets.

mod error;
mod scalar;
mod schema;
pub(crate) mod yaml;

use crate::domain::{Label, Limits, Low, LowMetric, Thresholds};
use crate::problem::Problem;
use crate::provider::{Build, Provider};
use crate::secret::{Secret, SecretRef};
use crate::system::files;
use crate::transport::client::{ExtraRoots, Network};
use crate::transport::proxy;
use scalar::show;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

pub use error::ConfigError;
pub(crate) use scalar::UniqueMap;

/// The largest configuration that is read, in bytes: enough for the sources of many processes.
const FILE_LIMIT: u64 = 32 * 1024 * 1024;

/// Between two polls of a source, unless configured.
const fn default_interval() -> Duration {
    Duration::from_secs(5 * 60)
}

/// Of one HTTP call, unless configured: ten seconds or half the interval, the shorter.
fn default_timeout(interval: Duration) -> Duration {
    Duration::from_secs(10).min(interval / 2)
}

/// How long old readings are served, unless configured: an hour or three intervals, the longer.
fn default_max_age(interval: Duration) -> Duration {
    Duration::from_secs(60 * 60).max(interval * 3)
}

/// A checked configuration with its secrets found.
pub struct Config {
    /// In the order of the file; names are unique.
    pub sources: Vec<Source>,
    /// The names of all sources in the file, those that were left out included.
    pub names: Vec<String>,
    /// What is not wrong but should be known, one line each, for the log at the start.
    pub warnings: Vec<String>,
}

/// One configured source.
pub struct Source {
    /// Unique, `[a-zA-Z0-9_.-]{1,64}`.
    pub name: Arc<str>,
    /// The name of its provider.
    pub provider_name: &'static str,
    /// The provider itself.
    pub provider: Arc<dyn Provider>,
    /// The address that it asks.
    pub url: Option<Url>,
    /// What says which account it asks, each under its key.
    pub account: Vec<(&'static str, Secret)>,
    /// Every secret of the source, the proxy's included.
    pub secrets: Vec<Secret>,
    /// Between two polls; a second or more.
    pub interval: Duration,
    /// Of one HTTP call; shorter than the interval.
    pub timeout: Duration,
    /// How long the last good readings are served after polls began to fail; the interval or more.
    pub max_age: Duration,
    /// How it reaches the network.
    pub network: Network,
    /// Its thresholds.
    pub low: Low,
}

impl Config {
    /// Reads and checks the file at `path`, for the sources of these names, or for all where there are none. The others are
    /// left out with their secrets; whether all names exist is for the caller to see.
    ///
    /// # Errors
    /// The first problem, with the place and the mend.
    pub fn load(path: &Path, names: &[String]) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::of_file(path, &format!("cannot be read: {error}; name another with --config.file"));
        let bytes = files::read(path, FILE_LIMIT).map_err(unreadable)?;
        let Parsed { mut config, readable_secrets } = Self::parse(path, &bytes, names)?;
        if !readable_secrets.is_empty() && others_can_read(path) {
            let places = readable_secrets.join(", ");
            config.warnings.push(format!(
                "{}: others can read this file and the secrets in it ({places}); chmod o-r it, or use file:, env: or credential:",
                path.display()
            ));
        }
        Ok(config)
    }

    /// Checks a configuration that is not in a file; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(name: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::parse(name, text.as_bytes(), &[]).map(|parsed| parsed.config)
    }

    fn parse(path: &Path, bytes: &[u8], names: &[String]) -> Result<Parsed, ConfigError> {
        let file: schema::File = yaml::parse(path, bytes)?;
        check(file, names).map_err(|problem| ConfigError::of_problem(path, &problem))
    }
}

/// A configuration and the places of the secrets that stand in it in the clear.
struct Parsed {
    config: Config,
    readable_secrets: Vec<String>,
}

fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

fn check(file: schema::File, names: &[String]) -> Result<Parsed, Problem> {
    let mut config = Config { sources: Vec::new(), names: Vec::new(), warnings: Vec::new() };
    let mut readable_secrets = Vec::new();
    let defaults = Inherited::of(file.defaults.unwrap_or_default(), &mut readable_secrets)?;
    let mut taken = HashSet::new();
    if file.sources.is_empty() {
        config.warnings.push("sources: no source is configured, so nothing is polled".to_owned());
    }
    for (i, entry) in file.sources.into_iter().enumerate() {
        let place = format!("sources[{i}]");
        let name = entry.name.0.clone();
        if !taken.insert(name.clone()) {
            return Err(Problem::at(join(&place, "name"), format!("the name {name} is taken by another source; rename one")));
        }
        if names.is_empty() || names.contains(&name) {
            let mut build = Build::default();
            config.sources.push(source(&place, entry, &defaults, &mut build)?);
            if build.cleartext {
                config.warnings.push(format!(
                    "{place} ({name}): its credentials cross the network in the clear; use an https url if the provider has one"
                ));
            }
            readable_secrets.extend(build.plain);
        }
        config.names.push(name);
    }
    Ok(Parsed { config, readable_secrets })
}

/// What sources inherit, read and checked once.
struct Inherited {
    interval: Option<Duration>,
    timeout: Option<Duration>,
    max_age: Option<Duration>,
    proxy: Option<Proxy>,
    extra_roots: Option<ExtraRoots>,
}

impl Inherited {
    fn of(defaults: schema::Defaults, readable_secrets: &mut Vec<String>) -> Result<Self, Problem> {
        Ok(Self {
            interval: defaults.interval.map(|interval| interval.0),
            timeout: defaults.timeout.map(|timeout| timeout.0),
            max_age: defaults.max_age.map(|max_age| max_age.0),
            proxy: defaults.proxy.map(|proxy| Proxy::of("defaults.proxy", &proxy, readable_secrets)).transpose()?,
            extra_roots: defaults.ca_file.map(|path| roots("defaults.ca_file", &path)).transpose()?,
        })
    }
}

fn source(place: &str, entry: schema::Source, defaults: &Inherited, build: &mut Build) -> Result<Source, Problem> {
    let timing = Timing::of(place, &entry, defaults)?;
    let network = network(place, &entry, defaults, build)?;
    let low = low(&join(place, "low"), entry.low.unwrap_or_default())?;
    let provider_name = entry.provider.name();
    let place = join(&join(place, "provider"), provider_name);
    let plain_before = build.plain.len();
    let below = |problem: Problem| Problem::at(join(&place, &problem.place), problem.text);
    let provider = entry.provider.build(build).map_err(below)?;
    for key in &mut build.plain[plain_before..] {
        *key = join(&place, key);
    }
    Ok(Source {
        name: entry.name.0.into(),
        provider_name,
        provider,
        url: build.url.clone(),
        account: build.account.clone(),
        secrets: build.secrets.clone(),
        interval: timing.interval,
        timeout: timing.timeout,
        max_age: timing.max_age,
        network,
        low,
    })
}

struct Timing {
    interval: Duration,
    timeout: Duration,
    max_age: Duration,
}

impl Timing {
    fn of(place: &str, entry: &schema::Source, defaults: &Inherited) -> Result<Self, Problem> {
        let interval = entry.interval.map(|interval| interval.0).or(defaults.interval).unwrap_or_else(default_interval);
        let own_timeout = entry.timeout.map(|timeout| timeout.0);
        let timeout = own_timeout.or(defaults.timeout).unwrap_or_else(|| default_timeout(interval));
        let own_max_age = entry.max_age.map(|max_age| max_age.0);
        let max_age = own_max_age.or(defaults.max_age).unwrap_or_else(|| default_max_age(interval));
        // The place is where the value stands; the source may only have inherited it.
        let at = |own: bool, key: &str, text: String| {
            let inherited = || Problem::at(format!("defaults.{key}"), format!("{text}, or give {place} its own"));
            if own { Problem::at(join(place, key), text.clone()) } else { inherited() }
        };
        let (named, interval_shown) = (&entry.name.0, show(interval));
        if timeout >= interval {
            let text = format!("{} is not shorter than the interval of {named}, {interval_shown}; shorten it", show(timeout));
            return Err(at(own_timeout.is_some(), "timeout", text));
        }
        if max_age < interval {
            let text = format!("{} is shorter than the interval of {named}, {interval_shown}; lengthen it", show(max_age));
            return Err(at(own_max_age.is_some(), "max_age", text));
        }
        Ok(Self { interval, timeout, max_age })
    }
}

fn network(place: &str, entry: &schema::Source, defaults: &Inherited, build: &mut Build) -> Result<Network, Problem> {
    let own_proxy = entry.proxy.as_ref().map(|proxy| Proxy::of(&join(place, "proxy"), proxy, &mut build.plain)).transpose()?;
    let proxy = own_proxy.or_else(|| defaults.proxy.clone());
    let own_roots = entry.ca_file.as_ref().map(|path| roots(&join(place, "ca_file"), path)).transpose()?;
    build.secrets.extend(proxy.iter().flat_map(|proxy| proxy.secrets.iter().cloned()));
    Ok(Network {
        proxy: proxy.map(|proxy| proxy.address),
        extra_roots: own_roots.or_else(|| defaults.extra_roots.clone()),
        direct: false,
    })
}

fn roots(place: &str, path: &Path) -> Result<ExtraRoots, Problem> {
    ExtraRoots::read(path).map_err(|text| Problem::at(place, text))
}

/// A proxy, and what of its address must not be shown.
#[derive(Clone)]
struct Proxy {
    address: Secret,
    /// Empty for an address without a password: masking that would hide more than it protects.
    secrets: Vec<Secret>,
}

impl Proxy {
    fn of(place: &str, reference: &SecretRef, plain: &mut Vec<String>) -> Result<Self, Problem> {
        let address = reference.resolve().map_err(|text| Problem::at(place, text))?;
        let url = proxy::check(address.expose()).map_err(|text| Problem::at(place, text))?;
        let mut secrets = proxy::secrets(&url);
        if !secrets.is_empty() {
            secrets.push(address.clone());
            if matches!(reference, SecretRef::Plain(_)) {
                plain.push(place.to_owned());
            }
        }
        Ok(Self { address, secrets })
    }
}

fn low(place: &str, low: schema::Low) -> Result<Low, Problem> {
    let all = |key: &str, entry: Option<schema::Thresholds>| entry.map(|entry| thresholds(&join(place, key), &entry)).transpose();
    let amount = all("amount", low.amount)?.unwrap_or_default();
    let sms = all("sms", low.sms)?.unwrap_or_default();
    let accounts = named(&join(place, "accounts"), low.accounts, amount)?;
    let areas = named(&join(place, "areas"), low.areas, sms)?;
    Ok(Low::default()
        .with(LowMetric::Amount, Limits { all: amount, named: accounts })
        .with(LowMetric::Sms, Limits { all: sms, named: areas }))
}

/// Thresholds by name. `all` are those that a name inherits.
fn named(
    place: &str,
    entries: Option<UniqueMap<schema::Thresholds>>,
    all: Thresholds,
) -> Result<BTreeMap<Label, Thresholds>, Problem> {
    let mut thresholds_of = BTreeMap::new();
    for (name, entry) in entries.unwrap_or_default().0 {
        let place = join(place, &name);
        let own = thresholds(&place, &entry)?;
        in_order(&place, own.or(all))?;
        if thresholds_of.insert(Label::new(&name), own).is_some() {
            return Err(Problem::at(place, "stands there twice but for white space; drop one"));
        }
    }
    Ok(thresholds_of)
}

fn thresholds(place: &str, entry: &schema::Thresholds) -> Result<Thresholds, Problem> {
    let thresholds = Thresholds { warning: entry.warning.as_ref().map(|w| w.0), critical: entry.critical.as_ref().map(|c| c.0) };
    if thresholds == Thresholds::default() {
        return Err(Problem::at(place, "names no threshold; add warning, critical or both"));
    }
    in_order(place, thresholds)?;
    Ok(thresholds)
}

fn in_order(place: &str, thresholds: Thresholds) -> Result<(), Problem> {
    match (thresholds.warning, thresholds.critical) {
        (Some(warning), Some(critical)) if critical > warning => {
            let text = format!("critical {critical} is above warning {warning}; a critical balance is the lower one");
            Err(Problem::at(place, text))
        }
        _ => Ok(()),
    }
}

fn join(place: &str, key: &str) -> String {
    if key.is_empty() { place.to_owned() } else { format!("{place}.{key}") }
}
