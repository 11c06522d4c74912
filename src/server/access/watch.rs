//! Files that were read, and whether they have changed since. Nothing waits or runs here: whoever uses a file asks.

use crate::system::files;
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The largest file that is read, in bytes.
const LIMIT: u64 = 4 * 1024 * 1024;

/// The files of one reading, each as it was just before it was read.
#[derive(Default)]
pub(super) struct Watched(Vec<(PathBuf, Option<Stamp>)>);

/// What differs once a file was written, replaced or made readable.
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

impl Watched {
    /// Reads a file and remembers it, also where it cannot be read.
    ///
    /// # Errors
    /// As the system says, or that it is over 4 MiB. A pipe or a device is refused: to read it again could take for ever.
    pub(super) fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        self.0.push((path.to_owned(), std::fs::metadata(path).ok().as_ref().map(Stamp::of)));
        files::read_regular(path, LIMIT)
    }

    /// Whether any of the files is not as it was.
    pub(super) fn changed(&self) -> bool {
        self.0.iter().any(|(path, then)| std::fs::metadata(path).ok().as_ref().map(Stamp::of) != *then)
    }
}
