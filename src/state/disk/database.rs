//! The file: one embedded transactional database. It is created, opened, checked, written and, when it is damaged, set aside here.
//!
//! It stores bytes under names and does not know what they mean.

use super::error::{Damage, Obstacle, OpenError, WriteError};
use crate::system::files;
use redb::backends::InMemoryBackend;
use redb::{Builder, Database, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The file in the directory.
pub const FILE_NAME: &str = "balance-exporter.redb";
/// The prefix of a damaged file that was set aside. A number follows.
pub const DAMAGED: &str = "balance-exporter.redb.damaged-";
/// The prefix of a good file that was set aside because it could not be read at the start. A number follows.
pub(super) const UNREAD: &str = "balance-exporter.redb.unread-";
/// A file that is being created.
const UNFINISHED: &str = "balance-exporter.redb.new";
/// The format of the records that are written. Files with a lower format are read and become this one with the first write. A file
/// with a higher format is left alone.
pub(super) const FORMAT: u32 = 2;
/// In bytes. Small, because all states are in memory anyway.
const CACHE: usize = 1024 * 1024;
/// The largest file that is read into memory, in bytes: far more than ten thousand sources take.
const LARGEST_COPY: u64 = 256 * 1024 * 1024;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const SOURCES: TableDefinition<&str, &[u8]> = TableDefinition::new("sources");

/// The exclusive right to use the directory, until it is dropped or the process ends.
pub(super) struct Lock(File);

impl Lock {
    /// Locks the directory, which is created if need be.
    pub(super) fn acquire(directory: &Path) -> Result<Self, OpenError> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let opened = File::open(directory)?;
        match flock(&opened, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => Err(OpenError::InUse),
            // A network file system may not lock directories; the database has its own lock on the file.
            _ => Ok(Self(opened)),
        }
    }

    /// Whether this path still leads to the directory that was locked.
    pub(super) fn is_of(&self, directory: &Path) -> bool {
        let inode = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let locked = self.0.metadata().map(inode);
        locked.is_ok_and(|locked| std::fs::metadata(directory).is_ok_and(|there| inode(there) == locked))
    }
}

/// What a file holds.
pub(super) struct Content {
    /// Keys the hashes of identities. It never leaves the file.
    pub(super) salt: hmac::Key,
    /// The record of each source, by name.
    pub(super) records: Vec<(String, Vec<u8>)>,
    /// What was stored of all sources together. Absent in files of older versions.
    pub(super) failures: Option<Vec<u8>>,
}

impl Content {
    /// Reads the file without writing to it: recovery after a crash happens in a copy in memory. None where nothing good can be
    /// read.
    pub(super) fn read_copy(directory: &Path) -> Option<Self> {
        let bytes = files::read_regular(&directory.join(FILE_NAME), LARGEST_COPY).ok()?;
        let read = AssertUnwindSafe(|| {
            let copy = InMemoryBackend::new();
            copy.set_len(bytes.len() as u64).ok()?;
            copy.write(0, &bytes).ok()?;
            Self::read(&builder().create_with_backend(copy).ok()?).ok()
        });
        catch_unwind(read).ok().flatten()
    }

    fn read(database: &Database) -> Result<Self, OpenError> {
        let transaction = database.begin_read().map_err(redb::Error::from)?;
        let Meta { format, salt, failures } = Meta::read(&transaction)?;
        match format.and_then(|bytes| Some(u32::from_le_bytes(bytes.try_into().ok()?))) {
            Some(1..=FORMAT) => {}
            Some(newer) if newer > FORMAT => return Err(OpenError::Newer(newer)),
            _ => return Err(Damage::NoFormat.into()),
        }
        let salt = hmac::Key::new(hmac::HMAC_SHA256, &salt.ok_or(Damage::NoSalt)?);
        Ok(Self { salt, records: read_records(&transaction)?, failures })
    }
}

/// The table of what is stored once.
struct Meta {
    format: Option<Vec<u8>>,
    salt: Option<Vec<u8>>,
    failures: Option<Vec<u8>>,
}

impl Meta {
    fn read(transaction: &ReadTransaction) -> Result<Self, redb::Error> {
        let table = transaction.open_table(META)?;
        let value = |key| -> Result<_, redb::Error> { Ok(table.get(key)?.map(|bytes| bytes.value().to_vec())) };
        Ok(Self { format: value("format")?, salt: value("salt")?, failures: value("failures")? })
    }
}

fn read_records(transaction: &ReadTransaction) -> Result<Vec<(String, Vec<u8>)>, redb::Error> {
    let mut records = Vec::new();
    for entry in transaction.open_table(SOURCES)?.iter()? {
        let (name, record) = entry?;
        records.push((name.value().to_owned(), record.value().to_vec()));
    }
    Ok(records)
}

/// What one transaction writes.
pub(super) struct Batch {
    pub(super) scope: Scope,
    /// The new record of each name. A name without a record is removed.
    pub(super) records: Vec<(Arc<str>, Option<Vec<u8>>)>,
    /// As [`Content::failures`].
    pub(super) failures: Vec<u8>,
}

/// What becomes of records that a [`Batch`] does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// They stay.
    Changes,
    /// They are removed.
    Everything,
}

/// The file while it is open.
pub(super) struct OpenFile {
    database: Database,
    /// As [`Content::salt`].
    pub(super) salt: hmac::Key,
    path: PathBuf,
    /// Of the file after the last access.
    metadata: Metadata,
}

impl OpenFile {
    /// Opens the file, which is created if need be, and reads all of it.
    pub(super) fn open(directory: &Path, lock: &Lock) -> Result<(Self, Content), OpenError> {
        // The database may panic at damage that its authors did not foresee.
        catch_unwind(AssertUnwindSafe(|| Self::open_unguarded(directory, lock))).unwrap_or_else(|_| Err(Damage::Panic.into()))
    }

    fn open_unguarded(directory: &Path, lock: &Lock) -> Result<(Self, Content), OpenError> {
        let path = directory.join(FILE_NAME);
        if !path.try_exists()? {
            create(directory, &path, lock)?;
        }
        let before = std::fs::metadata(&path)?;
        if before.mode() & 0o077 != 0 {
            // A restored backup. Only the owner can do this, so a failure is ignored.
            let _ = std::fs::set_permissions(&path, Permissions::from_mode(0o600));
        }
        let database = builder().open(&path).map_err(redb::Error::from)?;
        let content = Content::read(&database)?;
        let metadata = std::fs::metadata(&path)?;
        if before.ino() != metadata.ino() {
            return Err(Obstacle::Replaced.into());
        }
        Ok((Self { database, salt: content.salt.clone(), path, metadata }, content))
    }

    /// Writes in one transaction, which is on the disk when this returns.
    pub(super) fn commit(&mut self, batch: &Batch) -> Result<(), WriteError> {
        if self.check_in_place()?.len() < self.metadata.len() {
            return Err(WriteError::Truncated);
        }
        catch_unwind(AssertUnwindSafe(|| self.commit_unguarded(batch))).map_err(|_| WriteError::Panic)??;
        self.metadata = self.check_in_place()?;
        Ok(())
    }

    fn commit_unguarded(&self, batch: &Batch) -> Result<(), redb::Error> {
        let mut transaction = self.database.begin_write()?;
        // So that recovery after a crash can distinguish a damaged transaction from an unfinished one.
        transaction.set_two_phase_commit(true);
        let mut sources = transaction.open_table(SOURCES)?;
        if batch.scope == Scope::Everything {
            sources.retain(|_, _| false)?;
        }
        for (name, record) in &batch.records {
            match record {
                Some(record) => drop(sources.insert(&**name, record.as_slice())?),
                None => drop(sources.remove(&**name)?),
            }
        }
        drop(sources);
        let mut meta = transaction.open_table(META)?;
        meta.insert("failures", batch.failures.as_slice())?;
        meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
        drop(meta);
        transaction.commit()?;
        Ok(())
    }

    /// Checks that the path still leads to this file: writes to a file that was removed would be lost.
    pub(super) fn check_in_place(&self) -> Result<Metadata, WriteError> {
        let there = std::fs::metadata(&self.path).map_err(WriteError::Gone)?;
        let same = (there.dev(), there.ino()) == (self.metadata.dev(), self.metadata.ino());
        if same { Ok(there) } else { Err(WriteError::Replaced) }
    }
}

fn builder() -> Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE).set_check_integrity_on_open(true);
    builder
}

/// Creates the file under another name first, so that one whose creation was cut off is not taken for a damaged one.
fn create(directory: &Path, path: &Path, lock: &Lock) -> Result<(), OpenError> {
    let unfinished = directory.join(UNFINISHED);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let empty = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&unfinished)?;
    drop(empty);
    initialize(&unfinished).map_err(Obstacle::Database)?;
    std::fs::rename(&unfinished, path)?;
    Ok(lock.0.sync_all()?)
}

fn initialize(path: &Path) -> Result<(), redb::Error> {
    let database = builder().create(path)?;
    let mut salt = [0; 32];
    SystemRandom::new().fill(&mut salt).map_err(|_| redb::Error::Io(io::Error::other("no random numbers")))?;
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    let mut meta = transaction.open_table(META)?;
    meta.insert("format", FORMAT.to_le_bytes().as_slice())?;
    meta.insert("salt", salt.as_slice())?;
    drop(meta);
    drop(transaction.open_table(SOURCES)?);
    transaction.commit()?;
    Ok(database.close()?)
}

/// Renames the file to the prefix and the first number that is free. Returns the new path.
pub(super) fn set_aside(directory: &Path, prefix: &str) -> io::Result<PathBuf> {
    let free = |n: &u32| !directory.join(format!("{prefix}{n}")).exists();
    let number = (1..u32::MAX).find(free).ok_or_else(|| io::Error::other("no name is free"))?;
    let aside = directory.join(format!("{prefix}{number}"));
    // No other process takes the name meanwhile: the directory is locked.
    std::fs::rename(directory.join(FILE_NAME), &aside)?;
    Ok(aside)
}

/// The number of damaged files in the directory.
pub(super) fn count_damaged(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(DAMAGED)).count() as u64
}
