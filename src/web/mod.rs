//! The web configuration: who may connect and how, in the format that Prometheus exporters share.
//!
//! It owns TLS, basic authentication and the configured headers, and reads its files again once they change. It knows nothing of
//! what is served.

mod file;
mod login;
#[cfg(test)]
mod tests;
mod tls;
mod watch;

use crate::checked::Problem;
use crate::config::{ConfigError, yaml};
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
pub(crate) use login::Refusal;
use login::{Logins, Users};
use rustls::ServerConfig;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use watch::Watched;

/// The web configuration in force. Whoever uses it gets what its files say by then.
pub struct Web {
    path: Option<PathBuf>,
    state: Mutex<State>,
    logins: Logins,
}

#[derive(Default)]
struct State {
    watched: Watched,
    settings: Arc<Settings>,
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
        let web = Self { path: path.map(Path::to_owned), state: Mutex::default(), logins: Logins::new() };
        web.reload()?;
        let settings = web.current();
        if settings.tls.is_none() && !settings.users.is_empty() {
            tracing::warn!(
                "basic_auth_users without tls_server_config: passwords cross the network in the clear; add TLS, or listen on loopback"
            );
        }
        Ok(web)
    }

    /// Reads the files again. A bad one leaves in force what was read before, and so does one that would serve without the TLS
    /// or the users that there were: half-written files must open no door.
    ///
    /// # Errors
    /// As [`Web::open`].
    pub fn reload(&self) -> Result<(), ConfigError> {
        self.read(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn read(&self, state: &mut State) -> Result<(), ConfigError> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut watched = Watched::default();
        let settings = Settings::read(path, &mut watched).and_then(|settings| settings.closed_as(&state.settings, path));
        // What is bad is not read again either until it changes.
        state.watched = watched;
        state.settings = Arc::new(settings?);
        Ok(())
    }

    /// What is in force, read again where a file has changed.
    pub(crate) fn current(&self) -> Arc<Settings> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.watched.changed() {
            match self.read(&mut state) {
                Ok(()) => tracing::info!("the web configuration has changed and is in force"),
                Err(error) => tracing::warn!(%error, "the web configuration has changed and cannot be used; the old one stays"),
            }
        }
        state.settings.clone()
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

    fn check(file: file::File, directory: &Path, watched: &mut Watched) -> Result<Self, Problem> {
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
