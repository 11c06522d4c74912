//! The web configuration: who may connect and how, in the format that Prometheus exporters share.
//!
//! It owns TLS, basic authentication and the configured headers, and looks every second whether its files have changed. No request
//! waits for a file. It knows nothing of what is served.

mod basic;
mod schema;
#[cfg(test)]
mod tests;
mod tls;
mod watch;

use crate::config::{ConfigError, yaml};
use crate::problem::Problem;
use crate::system::lane::Lane;
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
use watch::Watched;

/// How often it is looked whether the files have changed.
const PAUSE: Duration = Duration::from_secs(1);

/// The web configuration in force. Whoever uses it gets what is in force by then, without touching a file.
pub struct Web {
    path: Option<PathBuf>,
    /// Held while it is copied or swapped, and never while a file is looked at.
    state: Mutex<State>,
    readings: AtomicU64,
    /// Where [`Web::watch`] looks at the files. Their disk can hang, and then there is one look that hangs.
    files: Lane,
    logins: Logins,
}

#[derive(Default)]
struct State {
    /// The number of the reading that was used last, be it good or bad.
    reading: u64,
    watched: Arc<Watched>,
    settings: Arc<Settings>,
}

/// What the files said when they were read. None of it is in force.
pub struct Reading {
    number: u64,
    watched: Watched,
    settings: Result<Settings, ConfigError>,
}

/// What one reading of the files says. By default: plain HTTP for everybody.
#[derive(Default)]
pub(crate) struct Settings {
    /// How connections are encrypted, if they are.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Headers of every answer.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    users: Users,
}

impl Web {
    /// Reads the file at `path` and those that it names; without a path, everybody is served over plain HTTP.
    ///
    /// # Errors
    /// The first problem, with the place and the mend.
    pub fn open(path: Option<&Path>) -> Result<Self, ConfigError> {
        let web = Self {
            path: path.map(Path::to_owned),
            state: Mutex::default(),
            readings: AtomicU64::new(0),
            files: Lane::new("web", 1),
            logins: Logins::new(),
        };
        web.put_into_force(web.read())?;
        let settings = web.current();
        if settings.tls.is_none() && !settings.users.is_empty() {
            tracing::warn!(
                "basic_auth_users without tls_server_config: passwords cross the network in the clear; add TLS, or listen on loopback"
            );
        }
        Ok(web)
    }

    /// Reads the files. It blocks, for as long as their disk likes.
    #[must_use]
    pub fn read(&self) -> Reading {
        let number = self.readings.fetch_add(1, Ordering::Relaxed) + 1;
        let mut watched = Watched::default();
        let settings = self.path.as_deref().map_or_else(|| Ok(Settings::default()), |path| Settings::read(path, &mut watched));
        Reading { number, watched, settings }
    }

    /// Serves by what was read from now on. A bad reading leaves in force what there was before, and so does one that would serve
    /// without the TLS or the users that there were: half-written files must open no door. One that began before another that was
    /// used already says nothing new, and is dropped.
    ///
    /// # Errors
    /// As [`Web::open`].
    pub fn put_into_force(&self, Reading { number, watched, settings }: Reading) -> Result<(), ConfigError> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut state = self.lock();
        if number < state.reading {
            return Ok(());
        }
        // What is bad is not read again either until it changes.
        (state.reading, state.watched) = (number, Arc::new(watched));
        state.settings = Arc::new(settings?.closed_as(&state.settings, path)?);
        Ok(())
    }

    /// Looks every second whether a file has changed, and puts it into force: a second after the change, and the time that reading it
    /// takes. While the disk hangs, what was in force stays. Without files there is nothing to look at, and nothing is woken.
    pub async fn watch(self: Arc<Self>) -> Infallible {
        if self.path.is_none() {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(PAUSE).await;
            let web = self.clone();
            match self.files.run(move || web.look()).await {
                Ok(None) => {}
                Ok(Some(Ok(()))) => tracing::info!("the web configuration has changed and is in force"),
                Ok(Some(Err(error))) => {
                    tracing::warn!(%error, "the web configuration has changed and cannot be used; the old one stays");
                }
                Err(error) => tracing::debug!(%error, "cannot look whether the web configuration has changed"),
            }
        }
    }

    /// Puts the files into force if one of them has changed. It blocks as [`Web::read`] does.
    fn look(&self) -> Option<Result<(), ConfigError>> {
        let watched = self.lock().watched.clone();
        watched.changed().then(|| self.put_into_force(self.read()))
    }

    /// What is in force.
    pub(crate) fn current(&self) -> Arc<Settings> {
        self.lock().settings.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a request with these headers pass.
    ///
    /// # Errors
    /// Why it must not be answered.
    pub(crate) async fn admit(&self, settings: &Settings, headers: &HeaderMap, client: IpAddr) -> Result<(), Refusal> {
        self.logins.admit(&settings.users, headers, client).await
    }
}

impl Settings {
    fn read(path: &Path, watched: &mut Watched) -> Result<Self, ConfigError> {
        let unreadable =
            |error| ConfigError::of_file(path, &format!("cannot be read: {error}; name another with --web.config.file"));
        let bytes = watched.read(path).map_err(unreadable)?;
        let file = yaml::parse(path, &bytes)?;
        Self::check(file, path.parent().unwrap_or(Path::new("")), watched)
            .map_err(|problem| ConfigError::of_problem(path, &problem))
    }

    fn check(file: schema::File, directory: &Path, watched: &mut Watched) -> Result<Self, Problem> {
        if file.rate_limit.is_some() {
            let text = "is not supported; connections and password checks are bounded without it, so drop it";
            return Err(Problem::at("rate_limit", text));
        }
        let within = |problem: Problem| Problem::at(format!("tls_server_config.{}", problem.place), problem.text);
        let tls = file.tls_server_config.map(|tls| tls::server(tls, directory, watched)).transpose().map_err(within)?;
        let headers = file.http_server_config.and_then(|http| http.headers).unwrap_or_default().list();
        let users = file.basic_auth_users.unwrap_or_default().0;
        if let Some(user) = users.keys().find(|user| user.contains(':')) {
            let text = "a name with a colon cannot log in; choose another";
            return Err(Problem::at(format!("basic_auth_users.{user}"), text));
        }
        Ok(Self { tls, headers, users: Users::new(users) })
    }

    /// These settings, unless they would open what `old` keeps closed.
    fn closed_as(self, old: &Self, path: &Path) -> Result<Self, ConfigError> {
        let gone =
            |key: &str| Err(ConfigError::of_file(path, &format!("{key}: is gone; put it back, or restart to serve without")));
        if old.tls.is_some() && self.tls.is_none() {
            return gone("tls_server_config");
        }
        if !old.users.is_empty() && self.users.is_empty() {
            return gone("basic_auth_users");
        }
        Ok(self)
    }
}
