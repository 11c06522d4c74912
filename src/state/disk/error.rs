//! Why the file cannot be opened or written.

use super::database::FORMAT;
use std::io::{self, ErrorKind};

/// Why the file cannot be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("the storage is in use by another process")]
    InUse,
    /// Its records have this format, which is newer than [`FORMAT`].
    #[error("the storage is from a newer version (format {0}, this one writes {FORMAT}); it is left alone")]
    Newer(u32),
    #[error("the storage is damaged: {0}")]
    Damaged(#[from] Damage),
    /// A later attempt can succeed.
    #[error("the storage cannot be used: {0}")]
    Unusable(#[from] Obstacle),
}

/// Why the content of a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error(transparent)]
    Database(redb::Error),
    #[error("it names no format of this program")]
    NoFormat,
    #[error("it has no salt")]
    NoSalt,
    #[error("source {name}: {error}")]
    Record {
        name: String,
        #[source]
        error: postcard::Error,
    },
    #[error("failures: {0}")]
    Failures(#[source] postcard::Error),
    /// The panic itself is in the log.
    #[error("reading it failed in an unexpected way")]
    Panic,
}

/// What keeps a file from being used for now: a permission, a full disk, a disk that is not there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Obstacle {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Database(redb::Error),
    #[error("the file was replaced while it was opened")]
    Replaced,
    #[error("damaged ({damage}), and it cannot be set aside: {error}")]
    CannotSetAside {
        damage: Damage,
        #[source]
        error: io::Error,
    },
}

/// Why changes were not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("the file is gone: {0}")]
    Gone(#[source] io::Error),
    #[error("another file is in its place")]
    Replaced,
    #[error("the file was truncated")]
    Truncated,
    #[error(transparent)]
    Database(#[from] redb::Error),
    #[error(transparent)]
    Encoding(#[from] postcard::Error),
    /// The panic itself is in the log.
    #[error("writing failed in an unexpected way")]
    Panic,
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Unusable(error.into())
    }
}

impl From<redb::Error> for OpenError {
    fn from(error: redb::Error) -> Self {
        match &error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::Io(io) if matches!(io.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Damage::Database(error).into()
            }
            redb::Error::Io(_) | redb::Error::PreviousIo => Obstacle::Database(error).into(),
            _ => Damage::Database(error).into(),
        }
    }
}
