//! Reloads when the configuration, or a file that it names, has changed: for files that are replaced without a signal, as secrets and
//! configuration maps are in Kubernetes.
//!
//! It compares contents, so that a file that is only touched reloads nothing. A change that is seen half-written is a failed reload, and the
//! rest of it is the next change.

use crate::secret::credential_file;
use crate::server::reload::Reloader;
use crate::system::files;
use crate::system::lane::Lane;
use crate::yaml::{Kind, Node};
use ring::digest::{Context, SHA256};
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// Largest file that is compared, in bytes: that of a configuration.
const FILE_LIMIT: u64 = 32 * 1024 * 1024;

/// The configuration as it was read last.
pub(super) struct Watched {
    file: PathBuf,
    interval: Duration,
    digest: Vec<u8>,
}

impl Watched {
    /// Reads the files. Call it before they are loaded: a change in between is then seen. It blocks while files are read.
    pub(super) fn new(file: PathBuf, interval: Duration) -> Self {
        let digest = digest(&file);
        Self { file, interval, digest }
    }

    /// Looks at the files once in each interval, and reloads when they have changed. The daemon logs the result.
    pub(super) async fn run(mut self, reloader: Reloader) -> Infallible {
        // One thread: on a disk that hangs, reads do not pile up.
        let lane = Lane::new("watch", 1);
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let file = self.file.clone();
            match lane.run(move || digest(&file)).await {
                Ok(found) if found != self.digest => {
                    self.digest = found;
                    tracing::info!(file = %self.file.display(), "the configuration, or a file that it names, has changed");
                    // Logged by the daemon.
                    let _ = reloader.reload().await;
                }
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot look for changes of the configuration"),
            }
        }
    }
}

/// A digest of the configuration and of the files that it names. A file that cannot be read counts as its error.
fn digest(file: &Path) -> Vec<u8> {
    let configuration = files::read(file, FILE_LIMIT);
    let text = configuration.as_ref().ok().and_then(|bytes| files::text(bytes).ok());
    let mut named = BTreeSet::new();
    if let Some(tree) = text.and_then(|text| Node::parse(text).ok()) {
        collect(&tree, &mut named);
    }
    let mut digest = Context::new(&SHA256);
    let mut add = |path: &Path, content: std::io::Result<Vec<u8>>| {
        let content = content.unwrap_or_else(|error| error.kind().to_string().into_bytes());
        digest.update(format!("{} {}:", path.display(), content.len()).as_bytes());
        digest.update(&content);
    };
    add(file, configuration);
    for path in named {
        add(&path, files::read_regular(&path, FILE_LIMIT));
    }
    digest.finish().as_ref().to_vec()
}

/// The files that a configuration names: secrets, credentials and root certificates.
fn collect(node: &Node, named: &mut BTreeSet<PathBuf>) {
    match &node.kind {
        Kind::List(items) => items.iter().for_each(|item| collect(item, named)),
        Kind::Map(entries) => {
            for entry in entries {
                match (entry.key.as_str(), entry.value.text()) {
                    ("file" | "ca_file", Some(path)) => {
                        named.insert(path.into());
                    }
                    ("credential", Some(name)) => {
                        named.insert(credential_file(name));
                    }
                    _ => collect(&entry.value, named),
                }
            }
        }
        Kind::Plain(_) | Kind::Quoted(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_a_named_file_changes_the_digest_and_a_touch_does_not() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let file = at("exporter.yaml");
        let text = format!(
            "sources: [{{provider: {{x: {{token: {{file: {}}}}}}}, ca_file: {}}}]",
            at("token").display(),
            at("ca").display()
        );
        std::fs::write(&file, text).expect("a file");
        let before = digest(&file);
        assert_eq!(digest(&file), before);
        let mut seen = BTreeSet::from([before]);
        for (name, content) in [("token", "one"), ("token", "two"), ("ca", "x"), ("exporter.yaml", "sources: []")] {
            std::fs::write(at(name), content).expect("a file");
            assert!(seen.insert(digest(&file)), "{name}: {content}");
            std::fs::write(at(name), content).expect("a file");
            assert!(!seen.insert(digest(&file)), "{name} was only touched");
        }
    }
}
