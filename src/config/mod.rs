//! The configuration: from YAML text to checked settings, or to one line that says what is wrong and where.
//!
//! [`schema`] says what each key may be; this module applies defaults and checks what keys say together. It reads no file but the
//! configuration itself: secrets and CA files stay references, which assembly resolves.

mod error;
mod scalar;
mod schema;
mod services;
pub(crate) mod yaml;

use crate::domain::{Label, Limits, Low, LowMetric, Thresholds};
use crate::problem::{Problem, join};
use crate::provider::service::Pace;
use crate::provider::{Entry, Settings};
use crate::secret::SecretRef;
use crate::system::files;
use crate::yaml::Node;
use scalar::{Interval, MaxAge, Timeout, show};
use services::Services;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use error::ConfigError;
pub(crate) use scalar::UniqueMap;
pub use services::OwnService;

/// Largest configuration file, in bytes: enough for the sources of many processes.
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

/// A checked configuration. Its secrets and CA files are still references.
pub struct Config {
    /// The file, for messages.
    pub file: PathBuf,
    /// The network settings under `defaults`.
    pub network: Network,
    /// In the order of the file; names are unique.
    pub sources: Vec<Source>,
    /// The services that the file describes, in its order.
    pub services: Vec<OwnService>,
    /// The names of all sources in the file, including those left out.
    pub names: Vec<String>,
    /// Whether users outside the file's group can read it. Such a file should contain no secret.
    pub others_can_read: bool,
}

/// One configured source.
pub struct Source {
    /// Its place in the file: `sources[0]`.
    pub place: String,
    /// Unique, `[a-zA-Z0-9_.-]{1,64}`.
    pub name: Arc<str>,
    /// Its provider's settings.
    pub provider: Settings,
    /// Between two polls; a second or more.
    pub interval: Duration,
    /// Of one HTTP call; shorter than the interval.
    pub timeout: Duration,
    /// How long the last good readings are served after polls began to fail; the interval or more.
    pub max_age: Duration,
    /// Its own network settings, which override those of [`Config::network`].
    pub network: Network,
    /// Whether it ignores the proxy variables of the environment. No key sets this.
    pub direct: bool,
    /// Its thresholds.
    pub low: Low,
}

/// How to reach the network, as the file says.
#[derive(Default)]
pub struct Network {
    /// The address of a proxy.
    pub proxy: Option<SecretRef>,
    /// A PEM file of root certificates beside those of the system.
    pub ca_file: Option<PathBuf>,
}

impl Config {
    /// Reads and checks the file at `path`, for the sources of these names, or for all if there are none. The caller checks that
    /// each name exists in [`Config::names`].
    ///
    /// # Errors
    /// The first problem, with its place and the fix.
    pub fn load(path: &Path, names: &[String]) -> Result<Self, ConfigError> {
        Self::read(path, names, false)
    }

    /// As [`Config::load`] of all sources, and the examples of the services must come out as they say.
    ///
    /// # Errors
    /// As [`Config::load`], or each example that does not.
    pub fn check(path: &Path) -> Result<Self, ConfigError> {
        Self::read(path, &[], true)
    }

    fn read(path: &Path, names: &[String], with_examples: bool) -> Result<Self, ConfigError> {
        let bytes = files::read(path, FILE_LIMIT).map_err(|error| ConfigError::unreadable(path, error, "--config.file"))?;
        let config = Self::parse(path, &bytes, names, with_examples)?;
        Ok(Self { others_can_read: others_can_read(path), ..config })
    }

    /// Checks a configuration that is not in a file; `name` stands for the file in messages.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn from_text(name: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::parse(name, text.as_bytes(), &[], false)
    }

    fn parse(path: &Path, bytes: &[u8], names: &[String], with_examples: bool) -> Result<Self, ConfigError> {
        let mut file: schema::File = yaml::parse(path, bytes)?;
        let Services { own: services, settings } = read_services(path, bytes, &file, names, with_examples)?;
        insert(&mut file, settings);
        let config = check(path, file, names).map_err(|problem| ConfigError::of_problem(path, &problem))?;
        Ok(Config { services, ..config })
    }
}

/// The services of the file, and the settings of the sources that use services.
fn read_services(
    path: &Path,
    bytes: &[u8],
    file: &schema::File,
    names: &[String],
    with_examples: bool,
) -> Result<Services, ConfigError> {
    let wanted = |source: &schema::Source| names.is_empty() || names.contains(&source.name.0);
    let used = file.sources.iter().enumerate().filter(|(_, source)| wanted(source));
    let used =
        used.filter_map(|(i, source)| if let Entry::Other(name) = &source.provider { Some((i, name.clone())) } else { None });
    let used: Vec<(usize, String)> = used.collect();
    if used.is_empty() && file.services.is_none() {
        return Ok(Services::default());
    }
    let text = files::text(bytes).map_err(|problem| ConfigError::of_file(path, &format!("{problem}; save it as UTF-8")))?;
    let tree = Node::parse(text).map_err(|malformed| ConfigError::of_malformed(path, &malformed))?;
    services::read(&tree, &used, with_examples).map_err(|mistakes| ConfigError::of_mistakes(path, &mistakes))
}

/// Puts the settings of services into their sources.
fn insert(file: &mut schema::File, settings: BTreeMap<usize, Settings>) {
    for (index, settings) in settings {
        if let Some(source) = file.sources.get_mut(index) {
            source.provider = Entry::BuiltIn(settings);
        }
    }
}

fn others_can_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

fn check(path: &Path, file: schema::File, names: &[String]) -> Result<Config, Problem> {
    let defaults = file.defaults.unwrap_or_default();
    let mut sources = Vec::new();
    let mut all = Vec::new();
    let mut taken = HashSet::new();
    for (i, entry) in file.sources.into_iter().enumerate() {
        let place = format!("sources[{i}]");
        let name = entry.name.0.clone();
        if !taken.insert(name.clone()) {
            return Err(Problem::at(join(&place, "name"), format!("the name {name} is taken by another source; rename one")));
        }
        if names.is_empty() || names.contains(&name) {
            sources.push(source(place, entry, &defaults)?);
        }
        all.push(name);
    }
    let network = Network { proxy: defaults.proxy, ca_file: defaults.ca_file };
    Ok(Config { file: path.to_owned(), network, sources, services: Vec::new(), names: all, others_can_read: false })
}

fn source(place: String, entry: schema::Source, defaults: &schema::Defaults) -> Result<Source, Problem> {
    let schema::Source { name, interval, timeout, max_age, proxy, ca_file, provider, low: thresholds } = entry;
    let provider = match provider {
        Entry::BuiltIn(settings) => settings,
        // Every source that is wanted has its settings.
        Entry::Other(_) => return Err(Problem::at(join(&place, "provider"), "unknown name")),
    };
    let stated = Stated { place: &place, name: &name.0, interval, timeout, max_age };
    let timing = stated.timing(&provider, defaults)?;
    let low = low(&join(&place, "low"), thresholds.unwrap_or_default())?;
    provider.check().map_err(|problem| problem.below(provider.name()).below("provider").below(&place))?;
    Ok(Source {
        name: name.0.into(),
        provider,
        interval: timing.interval,
        timeout: timing.timeout,
        max_age: timing.max_age,
        network: Network { proxy, ca_file },
        direct: false,
        low,
        place,
    })
}

/// What a source states of its timing.
struct Stated<'a> {
    place: &'a str,
    name: &'a str,
    interval: Option<Interval>,
    timeout: Option<Timeout>,
    max_age: Option<MaxAge>,
}

struct Timing {
    interval: Duration,
    timeout: Duration,
    max_age: Duration,
}

impl Stated<'_> {
    fn timing(&self, provider: &Settings, defaults: &schema::Defaults) -> Result<Timing, Problem> {
        let pace = provider.pace();
        let usual = pace.and_then(|pace| pace.default).unwrap_or_else(default_interval);
        let interval = self.interval.or(defaults.interval).map_or(usual, |interval| interval.0);
        let timeout = self.timeout.or(defaults.timeout).map_or_else(|| default_timeout(interval), |timeout| timeout.0);
        let max_age = self.max_age.or(defaults.max_age).map_or_else(|| default_max_age(interval), |max_age| max_age.0);
        // The place is where the value stands; the source may only have inherited it.
        let at = |own: bool, key: &str, text: String| {
            let inherited = || Problem::at(format!("defaults.{key}"), format!("{text}, or give {} its own", self.place));
            if own { Problem::at(join(self.place, key), text.clone()) } else { inherited() }
        };
        let (named, interval_shown) = (self.name, show(interval));
        if let Some(Pace { minimum, .. }) = pace.filter(|pace| interval < pace.minimum) {
            let service = provider.name();
            let text = format!("{interval_shown} is below the minimum of {service}, {}; lengthen it", show(*minimum));
            return Err(at(self.interval.is_some(), "interval", text));
        }
        if timeout >= interval {
            let text = format!("{} is not shorter than the interval of {named}, {interval_shown}; shorten it", show(timeout));
            return Err(at(self.timeout.is_some(), "timeout", text));
        }
        if max_age < interval {
            let text = format!("{} is shorter than the interval of {named}, {interval_shown}; lengthen it", show(max_age));
            return Err(at(self.max_age.is_some(), "max_age", text));
        }
        Ok(Timing { interval, timeout, max_age })
    }
}

fn low(place: &str, low: schema::Low) -> Result<Low, Problem> {
    let all = |key: &str, entry: Option<schema::Thresholds>| entry.map(|entry| thresholds(&join(place, key), &entry)).transpose();
    let amount = all("amount", low.amount)?.unwrap_or_default();
    let sms = all("sms", low.sms)?.unwrap_or_default();
    let accounts = named(&join(place, "accounts"), low.accounts, amount)?;
    let areas = named(&join(place, "areas"), low.areas, sms)?;
    let units = named(&join(place, "units"), low.units, Thresholds::default())?;
    Ok(Low::default()
        .with(LowMetric::Amount, Limits { all: amount, named: accounts })
        .with(LowMetric::Sms, Limits { all: sms, named: areas })
        .with(LowMetric::Units, Limits { all: Thresholds::default(), named: units }))
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
            return Err(Problem::at(place, "appears twice if white space is ignored; drop one"));
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
