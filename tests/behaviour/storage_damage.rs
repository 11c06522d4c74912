//! Files and places that cannot be used, with the real binary: damaged, of a newer version, closed to it.

use crate::kept::{DAMAGED_FILES, Noting, Place, Random, UP, page_of, source, value};
use crate::support::binary;
use balance_exporter::assemble::assemble;
use balance_exporter::config::Config;
use balance_exporter::http::client::Clients;
use balance_exporter::standin::StandIn;
use balance_exporter::storage::{DAMAGED, FILE_NAME, Storage};
use balance_exporter::store::Moment;
use rustix::process::Signal;
use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

/// Lets a place fill its file with one polled source.
async fn filled(stand_in: &StandIn) -> Place {
    let place = Place::new(&source("a", stand_in, ""));
    let daemon = place.start();
    daemon.metrics_with("balance_up{").await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    place
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn damaged_files_are_set_aside_one_by_one_and_the_daemon_begins_anew() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let whole = std::fs::read(place.file()).expect("a file");
    let truncated = |length: usize| whole[..length].to_vec();
    let damages = [truncated(0), truncated(100), truncated(5000), truncated(whole.len() / 2), vec![b'x'; 9000]];
    for (number, bytes) in (1..).zip(&damages) {
        std::fs::write(place.file(), bytes).expect("a file");
        let daemon = place.start();
        daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
        let metrics = daemon.metrics().await;
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(1.0), Some(f64::from(number))));
        assert_eq!(value(&metrics, "balance_polls_total{"), Some(1.0), "it begins anew");
        daemon.signal(Signal::TERM);
        let (status, log) = daemon.wait();
        assert_eq!(status.code(), Some(0));
        let told = |line: &String| line.contains("the storage is damaged: it was set aside") && line.contains("ERROR");
        assert_eq!(log.iter().filter(|line| told(line)).count(), 1, "{log:?}");
        assert_eq!(&std::fs::read(place.damaged(number)).expect("a file"), bytes, "it is kept as it was");
        daemon_restores(&place).await;
    }
}

async fn daemon_restores(place: &Place) {
    let daemon = place.start();
    assert_eq!(daemon.get("/-/ready").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flipped_bit_is_found_or_harmless() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let whole = std::fs::read(place.file()).expect("a file");
    let good = page_of(place.committed());
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let mut found = 0;
    for _ in 0..120 {
        let at = used[usize::try_from(random.below(used.len() as u64)).expect("small")];
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << random.below(8);
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join(FILE_NAME), &bytes).expect("a file");
        let (storage, mut kept) = Storage::open(directory.path(), Arc::new(Moment::now)).expect("nobody else is there");
        let config = Config::load(&place.configured.file, &[]).expect("a good file");
        let sources = assemble(config, &mut Clients::default()).expect("good sources");
        let states: Vec<_> = sources.iter().filter_map(|source| kept.take(&source.about, Moment::now())).collect();
        storage.close();
        if storage.health().damaged() > 0 {
            found += 1;
            assert!(states.is_empty());
            let aside = directory.path().join(format!("{DAMAGED}1"));
            assert_eq!(std::fs::metadata(aside).expect("a file").len(), bytes.len() as u64);
        } else if let Some(state) = states.into_iter().find(|state| state.polls > 0) {
            assert_eq!(page_of(vec![state]), good, "byte {at}: a damage that is not found must change nothing");
        }
    }
    assert!(found > 5, "only {found} of 120 found");
}

/// The records in a file, as they are.
fn sources_in(file: &Path) -> Vec<(String, Vec<u8>)> {
    use redb::{ReadableDatabase, ReadableTable};
    let database = redb::Database::open(file).expect("a good file");
    let table = redb::TableDefinition::<&str, &[u8]>::new("sources");
    let table = database.begin_read().expect("a transaction").open_table(table).expect("a table");
    let rows = table.iter().expect("rows").map(|row| row.expect("a row"));
    rows.map(|(name, record)| (name.value().to_owned(), record.value().to_vec())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_of_a_newer_version_is_left_alone() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::open(place.file()).expect("a file");
    let writing = database.begin_write().expect("a transaction");
    writing.open_table(meta).expect("a table").insert("format", 99_u32.to_le_bytes().as_slice()).expect("a row");
    writing.commit().expect("a commit");
    database.close().expect("an end");
    let before = sources_in(&place.file());
    let mut daemon = place.start();
    let metrics = daemon.metrics_with("balance_up{").await;
    assert_eq!(value(&metrics, UP), Some(0.0));
    daemon.signal(Signal::TERM);
    let line = daemon.wait_for_log(&["stopping"]);
    assert!(daemon.log.iter().any(|line| line.contains("from a newer version (format 99")), "{line}");
    daemon.wait();
    assert!(!place.damaged(1).exists());
    // Its bookkeeping may change with each opening, its content not.
    assert_eq!(sources_in(&place.file()), before);
}

/// The binary as a user to whom the modes of files apply. They do not apply to root.
fn modest() -> Command {
    if !rustix::process::geteuid().is_root() {
        return binary();
    }
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-dac_override,-dac_read_search").arg(binary().get_program());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_place_that_cannot_be_used_costs_the_memory_of_a_restart_and_nothing_else() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let no_directory = Place::new(&source("a", &stand_in, ""));
    std::fs::write(&no_directory.directory, "not a directory").expect("a file");
    let nothing_may_be_made = Place::new(&source("a", &stand_in, ""));
    DirBuilder::new().mode(0o500).create(&nothing_may_be_made.directory).expect("a directory");
    let nothing_may_be_written = filled(&stand_in).await;
    std::fs::set_permissions(nothing_may_be_written.file(), Permissions::from_mode(0o400)).expect("permissions");
    let nobody_may_look = filled(&stand_in).await;
    std::fs::set_permissions(&nobody_may_look.directory, Permissions::from_mode(0o000)).expect("permissions");
    for (place, why) in [
        (&no_directory, "File exists"),
        (&nothing_may_be_made, "Permission denied"),
        (&nothing_may_be_written, "Permission denied"),
        (&nobody_may_look, "Permission denied"),
    ] {
        let mut daemon = place.start_by(&mut modest());
        let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(0.0), Some(0.0)), "{why}");
        daemon.signal(Signal::TERM);
        daemon.wait_for_log(&["stopping"]);
        let told = |line: &String| line.contains("ERROR the storage cannot be used") && line.contains(why);
        assert_eq!(daemon.log.iter().filter(|line| told(line)).count(), 1, "{:?}", daemon.log);
        assert_eq!(daemon.wait().0.code(), Some(0));
    }
    // What is there already can be written in a directory that is closed.
    let only_the_file = filled(&stand_in).await;
    std::fs::set_permissions(&only_the_file.directory, Permissions::from_mode(0o500)).expect("permissions");
    let daemon = only_the_file.start_by(&mut modest());
    let metrics = daemon.metrics().await;
    assert_eq!((value(&metrics, UP), value(&metrics, "balance_polls_total{")), (Some(1.0), Some(1.0)));
}
