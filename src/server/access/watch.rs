//! Detects changes of files by comparing their metadata. It is passive: the caller decides when to check.

use crate::system::files;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The files that were read together, each with its metadata from just before it was read.
#[derive(Default)]
pub(super) struct WatchedFiles(Vec<(PathBuf, Option<Stamp>)>);

/// The metadata that changes when a file is written, replaced or made readable.
#[derive(PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl WatchedFiles {
    /// Reads a file and watches it from now on, even if it cannot be read.
    ///
    /// # Errors
    /// I/O errors, and files over 4 MiB. Pipes and devices are refused, because reading them again could block for ever.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.push((path.to_owned(), std::fs::metadata(path).ok().as_ref().map(Stamp::of)));
        files::read_regular(path, LIMIT)
    }

    /// Whether any of the files has changed since it was read.
    pub(super) fn changed(&self) -> bool {
        self.0.iter().any(|(path, before)| std::fs::metadata(path).ok().as_ref().map(Stamp::of) != *before)
    }
}
