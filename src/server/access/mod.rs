//! The web configuration: TLS, basic authentication and response headers, in the format that Prometheus exporters share.
//!
//! It reloads its files when they change and checks for that every second. No request waits for a file. It knows nothing about what
//! is served.

mod basic;
mod schema;
#[cfg(test)]
mod tests;
mod tls;
mod watch;

use crate::config::{ConfigError, yaml};
use crate::problem::Problem;
use crate::system::lane::Lane;
use arc_swap::ArcSwap;
pub(crate) use basic::Refusal;
use basic::{Logins, Users};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use watch::WatchedFiles;

/// How often the files are checked for changes.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The web configuration. Requests load the settings in force without waiting; files are read on the side.
pub struct Web {
    path: Option<PathBuf>,
    in_force: ArcSwap<Settings>,
    /// Held to compare and replace the settings in force, and never during I/O.
    last: Mutex<LastRead>,
    reads: AtomicU64,
    /// Where [`Web::watch`] checks the files. It has one thread, so that a hanging disk blocks no more than that.
    files: Lane,
    logins: Logins,
}

/// The most recent read whose outcome was handled, whether it was good or bad.
#[derive(Default)]
struct LastRead {
    number: u64,
    watched: Arc<WatchedFiles>,
}

/// The outcome of reading the files. [`Web::put_into_force`] applies it.
pub struct Loaded {
    number: u64,
    watched: WatchedFiles,
    settings: Result<Settings, ConfigError>,
}

/// The settings of one version of the files. The default is plain HTTP without authentication.
#[derive(Default)]
pub(crate) struct Settings {
    /// Absent for plain HTTP.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Headers of every response.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    users: Users,
}

impl Web {
    /// Reads the file at `path` and the files that it names. Without a path, the default settings are in force.
    ///
    /// # Errors
    /// The first problem, with its place and the fix.
    pub fn open(path: Option<&Path>) -> Result<Self, ConfigError> {
        let web = Self {
            path: path.map(Path::to_owned),
            in_force: ArcSwap::default(),
            last: Mutex::default(),
            reads: AtomicU64::new(0),
            files: Lane::new("web", 1),
            logins: Logins::new(),
        };
        web.put_into_force(web.read())?;
        let settings = web.current();
        if settings.tls.is_none() && !settings.users.is_empty() {
            tracing::warn!(
                "basic_auth_users without tls_server_config: passwords cross the network unencrypted; add TLS, or listen on loopback"
            );
        }
        Ok(web)
    }

    /// Reads the files. It blocks for as long as the disk takes, without a bound.
    #[must_use]
    pub fn read(&self) -> Loaded {
        let number = self.reads.fetch_add(1, Ordering::Relaxed) + 1;
        let mut watched = WatchedFiles::default();
        let settings = self.path.as_deref().map_or_else(|| Ok(Settings::default()), |path| Settings::read(path, &mut watched));
        Loaded { number, watched, settings }
    }

    /// Puts the settings that were read into force. The old ones stay when the new ones are bad, and also when the new ones would drop
    /// TLS or the users: a half-written file must not open the server to everybody. A read that began before the last one that was
    /// handled is outdated and ignored.
    ///
    /// # Errors
    /// As [`Web::open`].
    pub fn put_into_force(&self, Loaded { number, watched, settings }: Loaded) -> Result<(), ConfigError> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut last = self.lock();
        if number < last.number {
            return Ok(());
        }
        // Recorded for bad files, too: they are not read again until they change.
        *last = LastRead { number, watched: Arc::new(watched) };
        let settings = settings?.at_least_as_closed_as(&self.in_force.load(), path)?;
        self.in_force.store(Arc::new(settings));
        Ok(())
    }

    /// Checks every second whether a file has changed, and if so reads all of them and puts them into force. While the disk hangs, the
    /// old settings stay. Without a path, it sleeps for ever.
    pub async fn watch(self: Arc<Self>) -> Infallible {
        if self.path.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let web = self.clone();
            match self.files.run(move || web.reload_if_changed()).await {
                Ok(None) => {}
                Ok(Some(Ok(()))) => tracing::info!("web configuration reloaded"),
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "web configuration not reloaded; the old one stays in force");
                }
                Err(error) => tracing::debug!(%error, "cannot check whether the web configuration has changed"),
            }
        }
    }

    /// Reads the files and puts them into force if one of them has changed. It blocks like [`Web::read`].
    fn reload_if_changed(&self) -> Option<Result<(), ConfigError>> {
        let watched = self.lock().watched.clone();
        watched.changed().then(|| self.put_into_force(self.read()))
    }

    /// The settings in force.
    pub(crate) fn current(&self) -> Arc<Settings> {
        self.in_force.load_full()
    }

    fn lock(&self) -> MutexGuard<'_, LastRead> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Authenticates a request by its headers.
    ///
    /// # Errors
    /// Why the request is refused.
    pub(crate) async fn authenticate(&self, settings: &Settings, headers: &HeaderMap, client: IpAddr) -> Result<(), Refusal> {
        self.logins.authenticate(&settings.users, headers, client).await
    }
}

impl Settings {
    fn read(path: &Path, watched: &mut WatchedFiles) -> Result<Self, ConfigError> {
        let unreadable = |error| ConfigError::unreadable(path, error, "--web.config.file");
        let bytes = watched.read(path).map_err(unreadable)?;
        let file = yaml::parse(path, &bytes)?;
        Self::check(file, path.parent().unwrap_or(Path::new("")), watched)
            .map_err(|problem| ConfigError::of_problem(path, &problem))
    }

    fn check(file: schema::File, directory: &Path, watched: &mut WatchedFiles) -> Result<Self, Problem> {
        if file.rate_limit.is_some() {
            let text = "is not supported; connections and password checks are bounded anyway; remove it";
            return Err(Problem::at("rate_limit", text));
        }
        let within = |problem: Problem| problem.below("tls_server_config");
        let tls = file.tls_server_config.map(|tls| tls::server(tls, directory, watched)).transpose().map_err(within)?;
        let headers = file.http_server_config.and_then(|http| http.headers).unwrap_or_default().list();
        let users = file.basic_auth_users.unwrap_or_default().0;
        if let Some(user) = users.keys().find(|user| user.contains(':')) {
            let text = "a name with a colon cannot log in; choose another";
            return Err(Problem::at(format!("basic_auth_users.{user}"), text));
        }
        Ok(Self { tls, headers, users: Users::new(users) })
    }

    /// These settings, unless they drop the TLS or the users that `old` has.
    fn at_least_as_closed_as(self, old: &Self, path: &Path) -> Result<Self, ConfigError> {
        let gone = |key: &str| {
            Err(ConfigError::of_file(path, &format!("{key}: was removed; put it back, or restart to serve without it")))
        };
        if old.tls.is_some() && self.tls.is_none() {
            return gone("tls_server_config");
        }
        if !old.users.is_empty() && self.users.is_empty() {
            return gone("basic_auth_users");
        }
        Ok(self)
    }
}
