//! The configuration: from a YAML file to sources that can be polled, or to one line that says what is wrong and where.
//!
//! It reads files and the environment, and does nothing else: nothing is polled, nothing is started. [`file`] is what the text
//! may look like; this module gives it defaults, checks what keys say together, and finds the secrets.

mod error;
mod file;
mod scalar;

use crate::domain::{Label, Low, Thresholds};
use crate::http::client::{ExtraRoots, Network, check_proxy};
use crate::provider::{Build, Problem, Provider, Settings};
use crate::secret::{Secret, SecretRef};
use scalar::show;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub use error::ConfigError;

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
    /// What the provider was made of, beside the secrets.
    pub settings: Settings,
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
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// The first problem, with the place and the mend.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::of_file(path, &format!("cannot be read: {error}; name another with --config.file"));
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            ConfigError::of_file(path, &format!("is not UTF-8 at byte {}; save it as UTF-8", error.utf8_error().valid_up_to()))
        })?;
        let mut config = Self::parse(path, &text)?;
        if !config.readable_secrets.is_empty() && others_can_read(path) {
            let places = config.readable_secrets.join(", ");
            let warning = format!(
                "{}: others can read this file and the secrets in it ({places}); chmod o-r it, or use file:, env: or credential:",
                path.display()
            );
            config.config.warnings.push(warning);
        }
        Ok(config.config)
    }

    /// Checks a configuration that is not in a file; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(name: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::parse(name, text).map(|parsed| parsed.config)
    }

    fn parse(path: &Path, text: &str) -> Result<Parsed, ConfigError> {
        // A file saved by an editor of another system may begin with a byte-order mark.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_yaml::from_str::<serde::de::IgnoredAny>(text).map_err(|error| ConfigError::of_syntax(path, &error))?;
        let file: file::File = serde_yaml::from_str(text).map_err(|error| ConfigError::of_yaml(path, &error))?;
        check(file).map_err(|problem| ConfigError::of_problem(path, &problem))
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

fn check(file: file::File) -> Result<Parsed, Problem> {
    let defaults = file.defaults.unwrap_or_default();
    let mut config = Config { sources: Vec::new(), warnings: Vec::new() };
    let mut readable_secrets = Vec::new();
    let mut names = HashSet::new();
    if file.sources.is_empty() {
        config.warnings.push("sources: no source is configured, so nothing is polled".to_owned());
    }
    for (i, entry) in file.sources.into_iter().enumerate() {
        let place = format!("sources[{i}]");
        let within = |problem: Problem| Problem::at(join(&place, &problem.place), problem.text);
        if !names.insert(entry.name.0.clone()) {
            return Err(Problem::at(
                format!("{place}.name"),
                format!("the name {} is taken by another source; rename one", entry.name.0),
            ));
        }
        let mut build = Build::default();
        let source = source(entry, &defaults, &mut build).map_err(within)?;
        if build.cleartext {
            config.warnings.push(format!(
                "{place} ({}): its credentials cross the network in the clear; use an https url if the provider has one",
                source.name
            ));
        }
        readable_secrets.extend(build.plain.iter().map(|key| join(&place, key)));
        config.sources.push(source);
    }
    Ok(Parsed { config, readable_secrets })
}

fn source(entry: file::Source, defaults: &file::Defaults, build: &mut Build) -> Result<Source, Problem> {
    let timing = timing(&entry, defaults)?;
    let network = network(&entry, defaults, build)?;
    let low = entry.low.map(low).transpose()?.unwrap_or_default();
    let provider_name = entry.provider.name();
    let place = format!("provider.{provider_name}");
    let plain_before = build.plain.len();
    let provider = entry.provider.build(build).map_err(|problem| Problem::at(join(&place, &problem.place), problem.text))?;
    for key in &mut build.plain[plain_before..] {
        *key = join(&place, key);
    }
    Ok(Source {
        name: entry.name.0.into(),
        provider_name,
        provider,
        settings: entry.provider,
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

fn timing(entry: &file::Source, defaults: &file::Defaults) -> Result<Timing, Problem> {
    let interval = entry.interval.or(defaults.interval).map_or_else(default_interval, |interval| interval.0);
    let timeout = entry.timeout.or(defaults.timeout).map_or_else(|| default_timeout(interval), |timeout| timeout.0);
    let max_age = entry.max_age.or(defaults.max_age).map_or_else(|| default_max_age(interval), |max_age| max_age.0);
    if timeout >= interval {
        let text = format!(
            "{} is not shorter than the interval of {}; shorten the timeout or lengthen the interval",
            show(timeout),
            show(interval)
        );
        return Err(Problem::at("timeout", text));
    }
    if max_age < interval {
        let text = format!("{} is shorter than the interval of {}; make it at least the interval", show(max_age), show(interval));
        return Err(Problem::at("max_age", text));
    }
    Ok(Timing { interval, timeout, max_age })
}

fn network(entry: &file::Source, defaults: &file::Defaults, build: &mut Build) -> Result<Network, Problem> {
    let proxy = entry.proxy.as_ref().or(defaults.proxy.as_ref());
    let proxy = proxy.map(|proxy| build_proxy(proxy, build)).transpose()?;
    let ca_file = entry.ca_file.as_ref().or(defaults.ca_file.as_ref());
    let extra_roots = ca_file.map(|path| ExtraRoots::read(path)).transpose().map_err(|text| Problem::at("ca_file", text))?;
    Ok(Network { proxy, extra_roots, direct: false })
}

fn build_proxy(proxy: &SecretRef, build: &mut Build) -> Result<Secret, Problem> {
    let secret = proxy.resolve().map_err(|text| Problem::at("proxy", text))?;
    let url = check_proxy(secret.expose()).map_err(|text| Problem::at("proxy", text))?;
    // An address without a password is no secret, and masking it would hide more than it protects.
    if let Some(password) = url.password() {
        build.secrets.push(secret.clone());
        build.secrets.push(Secret::new(password.to_owned()));
        if matches!(proxy, SecretRef::Plain(_)) {
            build.plain.push("proxy".to_owned());
        }
    }
    Ok(secret)
}

fn low(low: file::Low) -> Result<Low, Problem> {
    let amount = low.amount.map(|entry| thresholds("low.amount", entry)).transpose()?.unwrap_or_default();
    let sms = low.sms.map(|entry| thresholds("low.sms", entry)).transpose()?.unwrap_or_default();
    Ok(Low { amount, accounts: named("low.accounts", low.accounts)?, sms, areas: named("low.areas", low.areas)? })
}

fn named(place: &str, entries: Option<scalar::UniqueMap<file::Thresholds>>) -> Result<BTreeMap<Label, Thresholds>, Problem> {
    let mut thresholds_of = BTreeMap::new();
    for (name, entry) in entries.unwrap_or_default().0 {
        let place = format!("{place}.{name}");
        let taken = thresholds_of.insert(Label::new(&name), thresholds(&place, entry)?).is_some();
        if taken {
            return Err(Problem::at(place, "stands there twice but for white space; drop one"));
        }
    }
    Ok(thresholds_of)
}

fn thresholds(place: &str, entry: file::Thresholds) -> Result<Thresholds, Problem> {
    let thresholds = Thresholds { warning: entry.warning.map(|w| w.0), critical: entry.critical.map(|c| c.0) };
    match (thresholds.warning, thresholds.critical) {
        (None, None) => Err(Problem::at(place, "names no threshold; add warning, critical or both")),
        (Some(warning), Some(critical)) if critical > warning => Err(Problem::at(
            place,
            format!("critical {critical} is above warning {warning}; a critical balance is the lower one"),
        )),
        _ => Ok(thresholds),
    }
}

fn join(place: &str, key: &str) -> String {
    if key.is_empty() { place.to_owned() } else { format!("{place}.{key}") }
}
