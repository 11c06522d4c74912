//! The file: one embedded transactional database, opened, checked, written and, when it is damaged, set aside.
//!
//! It knows bytes under names and nothing of what they mean.

use crate::system::files;
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The file in the directory.
pub const FILE_NAME: &str = "balance-exporter.redb";
/// What a damaged file is called from then on, with a number behind it.
pub const DAMAGED: &str = "balance-exporter.redb.damaged-";
/// What a good file is called from then on that could not be read when the program began, with a number behind it.
pub(super) const UNREAD: &str = "balance-exporter.redb.unread-";
/// A file that was never finished.
const UNFINISHED: &str = "balance-exporter.redb.new";
/// The format of the records. Lower ones are read, and become this one when they are written. A file of a higher one is left alone.
pub(super) const FORMAT: u32 = 2;
/// The states are in memory anyway.
const CACHE: usize = 1024 * 1024;

/// The largest file that is read into memory, in bytes: far more than ten thousand sources take.
const LARGEST_GLANCE: u64 = 256 * 1024 * 1024;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const SOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("sources");

/// Why a file cannot be used.
#[derive(Debug)]
pub(super) enum Refused {
    /// Another process has it.
    InUse,
    /// Written by a newer version of the program.
    Newer(String),
    /// Its content cannot be read.
    Damaged(String),
    /// It may be better later: no permission, no space, no such disk.
    Unusable(String),
}

/// The right to use the directory, until it is dropped or the process ends in whatever way.
pub(super) struct Lock(File);

impl Lock {
    /// Takes the directory, which is made where there is none.
    pub(super) fn take(directory: &Path) -> Result<Self, Refused> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let opened = File::open(directory)?;
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Err(Refused::InUse),
            // A network file system may not lock directories; the database has its own lock on the file.
            _ => Ok(Self(opened)),
        }
    }

    /// Whether the directory is still the one that was taken.
    pub(super) fn holds(&self, directory: &Path) -> bool {
        let inode = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let taken = self.0.metadata().map(inode);
        taken.is_ok_and(|taken| std::fs::metadata(directory).is_ok_and(|there| inode(there) == taken))
    }
}

/// What a file holds.
pub(super) struct Content {
    /// What identities are hashed with; it never leaves the file.
    pub(super) salt: hmac::Key,
    /// What was stored, by name.
    pub(super) records: Vec<(String, Vec<u8>)>,
    /// What was stored of all sources together; versions before have none.
    pub(super) failures: Option<Vec<u8>>,
}

impl Content {
    /// Reads the file without writing to it: what an opening would repair is repaired in a copy in memory. None where nothing
    /// good can be read.
    pub(super) fn glance(directory: &Path) -> Option<Self> {
        let bytes = files::read_regular(&directory.join(FILE_NAME), LARGEST_GLANCE).ok()?;
        let read = AssertUnwindSafe(|| {
            let copy = InMemoryBackend::new();
            copy.set_len(bytes.len() as u64).ok()?;
            copy.write(0, &bytes).ok()?;
            Self::read(&builder().create_with_backend(copy).ok()?).ok()
        });
        catch_unwind(read).ok().flatten()
    }

    fn read(database: &Database) -> Result<Self, Refused> {
        let reading = database.begin_read().map_err(redb::Error::from)?;
        let meta = reading.open_table(META).map_err(redb::Error::from)?;
        let format = meta.get("format").map_err(redb::Error::from)?;
        let format = format.and_then(|bytes| Some(u32::from_le_bytes(bytes.value().try_into().ok()?)));
        match format {
            Some(1..=FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(Refused::Newer(format!("format {newer}, this one writes {FORMAT}"))),
            _ => return Err(Refused::Damaged("it names no format of this program".to_owned())),
        }
        let salt = meta.get("salt").map_err(redb::Error::from)?;
        let salt = salt.ok_or_else(|| Refused::Damaged("it has no salt".to_owned()))?;
        let salt = hmac::Key::new(hmac::HMAC_SHA256, salt.value());
        let failures = meta.get("failures").map_err(redb::Error::from)?.map(|bytes| bytes.value().to_vec());
        let sources = reading.open_table(SOURCES).map_err(redb::Error::from)?;
        let mut records = Vec::new();
        for entry in sources.iter().map_err(redb::Error::from)? {
            let (name, record) = entry.map_err(redb::Error::from)?;
            records.push((name.value().to_owned(), record.value().to_vec()));
        }
        Ok(Self { salt, records, failures })
    }
}

/// An open file.
pub(super) struct Opened {
    database: Database,
    /// As [`Content::salt`].
    pub(super) salt: hmac::Key,
    path: PathBuf,
    /// What it looked like when it was last seen.
    seen: Metadata,
}

impl Opened {
    /// Opens the file, or makes it where there is none, and reads it whole.
    pub(super) fn open(directory: &Path, lock: &Lock) -> Result<(Self, Content), Refused> {
        let path = directory.join(FILE_NAME);
        // The database is not made for damage that nobody has made on purpose yet, and may panic.
        let open = AssertUnwindSafe(|| {
            if !path.try_exists()? {
                create(directory, &path, lock)?;
            }
            let before = std::fs::metadata(&path)?;
            if before.mode() & 0o077 != 0 {
                // A copy that was put back. Whose it is not cannot do that, and need not.
                let _ = std::fs::set_permissions(&path, Permissions::from_mode(0o600));
            }
            let database = builder().open(&path).map_err(redb::Error::from)?;
            let content = Content::read(&database)?;
            let seen = std::fs::metadata(&path)?;
            if before.ino() != seen.ino() {
                return Err(Refused::Unusable("the file was replaced while it was opened".to_owned()));
            }
            Ok((Self { database, salt: content.salt.clone(), path: path.clone(), seen }, content))
        });
        catch_unwind(open).unwrap_or_else(|_| Err(Refused::Damaged("reading it failed in an unexpected way".to_owned())))
    }

    /// Writes the records of these names, drops those of names without one, and writes what there is to say of all sources together,
    /// in one transaction that is on the disk when it returns. `whole` replaces all records that there are.
    pub(super) fn commit(&mut self, records: &[(&str, Option<Vec<u8>>)], failures: &[u8], whole: bool) -> Result<(), String> {
        let there = self.look()?;
        if there.len() < self.seen.len() {
            return Err("somebody has shortened the file".to_owned());
        }
        let write = AssertUnwindSafe(|| -> Result<(), redb::Error> {
            let mut writing = self.database.begin_write()?;
            // Of a file that was not closed, a damaged last transaction is then told from one that was never finished.
            writing.set_two_phase_commit(true);
            let mut sources = writing.open_table(SOURCES)?;
            if whole {
                sources.retain(|_, _| false)?;
            }
            for (name, record) in records {
                match record {
                    Some(record) => drop(sources.insert(*name, record.as_slice())?),
                    None => drop(sources.remove(*name)?),
                }
            }
            drop(sources);
            let mut meta = writing.open_table(META)?;
            meta.insert("failures", failures)?;
            meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
            drop(meta);
            writing.commit()?;
            Ok(())
        });
        let written = catch_unwind(write).map_err(|_| "writing failed in an unexpected way".to_owned())?;
        written.map_err(|error| error.to_string())?;
        self.seen = self.look()?;
        Ok(())
    }

    /// What lies there, which must still be this file: what is written to one that was removed helps nobody.
    pub(super) fn look(&self) -> Result<Metadata, String> {
        let there = std::fs::metadata(&self.path).map_err(|error| format!("the file is gone: {error}"))?;
        let same = (there.dev(), there.ino()) == (self.seen.dev(), self.seen.ino());
        if same { Ok(there) } else { Err("another file lies in its place".to_owned()) }
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Self::Unusable(error.to_string())
    }
}

impl From<redb::Error> for Refused {
    fn from(error: redb::Error) -> Self {
        let text = error.to_string();
        match error {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            redb::Error::Io(error) if !matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                Self::Unusable(text)
            }
            redb::Error::PreviousIo => Self::Unusable(text),
            _ => Self::Damaged(text),
        }
    }
}

/// Makes a whole file under another name first, so that one that was never finished is not taken for a damaged one.
fn create(directory: &Path, path: &Path, lock: &Lock) -> Result<(), Refused> {
    let unfinished = directory.join(UNFINISHED);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let empty = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unfinished)?;
    drop(empty);
    let fill = || -> Result<(), redb::Error> {
        let database = builder().create(&unfinished)?;
        let mut salt = [0; 32];
        SystemRandom::new().fill(&mut salt).map_err(|_| redb::Error::Io(io::Error::other("no random numbers")))?;
        let mut writing = database.begin_write()?;
        writing.set_two_phase_commit(true);
        let mut meta = writing.open_table(META)?;
        meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
        meta.insert("salt", salt.as_slice())?;
        drop(meta);
        drop(writing.open_table(SOURCES)?);
        writing.commit()?;
        Ok(database.close()?)
    };
    fill().map_err(|error| Refused::Unusable(error.to_string()))?;
    std::fs::rename(&unfinished, path)?;
    Ok(lock.0.sync_all()?)
}

/// Gives the file another name, one that begins so and that no file has yet.
pub(super) fn set_aside(directory: &Path, name: &str) -> io::Result<PathBuf> {
    let free = |n: &u32| !directory.join(format!("{name}{n}")).exists();
    let number = (1..u32::MAX).find(free).ok_or_else(|| io::Error::other("no name is free"))?;
    let aside = directory.join(format!("{name}{number}"));
    // Nobody takes the name meanwhile: the directory is locked.
    std::fs::rename(directory.join(FILE_NAME), &aside)?;
    Ok(aside)
}

/// How many damaged files lie in the directory.
pub(super) fn damaged(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(DAMAGED)).count() as u64
}
