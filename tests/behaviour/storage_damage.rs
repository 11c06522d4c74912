//! Files and directories that cannot be used, with the real binary: damaged, of a newer version, without permission.

use crate::kept::{DAMAGED_FILES, Random, RecordingGateway, Setup, UP, page_of, polls, source, value};
use crate::support::binary;
use balance_exporter::config::Config;
use balance_exporter::domain::{Answer, Figure, Label, Reading};
use balance_exporter::poll::assemble::assemble;
use balance_exporter::standin::StandIn;
use balance_exporter::state::clock::Moment;
use balance_exporter::state::disk::{DAMAGED, FILE_NAME, Storage};
use balance_exporter::state::{Outcome, SourceState, Store};
use balance_exporter::transport::client::Clients;
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::fs::{DirBuilder, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// A setup whose file holds one polled source.
async fn filled(stand_in: &StandIn) -> Setup {
    let setup = Setup::new(&source("a", stand_in, ""));
    let daemon = setup.start();
    daemon.metrics_with("balance_up{").await;
    daemon.signal(Signal::TERM);
    daemon.wait();
    setup
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn each_damaged_file_is_set_aside_and_a_new_one_created() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = filled(&stand_in).await;
    let whole = std::fs::read(setup.file()).expect("a file");
    let truncated = |length: usize| whole[..length].to_vec();
    let damages = [truncated(0), truncated(100), truncated(5000), truncated(whole.len() / 2), vec![b'x'; 9000]];
    for (number, bytes) in (1..).zip(&damages) {
        std::fs::write(setup.file(), bytes).expect("a file");
        let daemon = setup.start();
        daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
        let metrics = daemon.metrics().await;
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(1.0), Some(f64::from(number))));
        assert_eq!(value(&metrics, "balance_polls_total{"), Some(1.0), "it starts from nothing");
        daemon.signal(Signal::TERM);
        let (status, log) = daemon.wait();
        assert_eq!(status.code(), Some(0));
        let is_logged = |line: &String| line.contains("the storage is damaged; it was set aside") && line.contains("ERROR");
        assert_eq!(log.iter().filter(|line| is_logged(line)).count(), 1, "{log:?}");
        assert_eq!(&std::fs::read(setup.damaged(number)).expect("a file"), bytes, "it is unchanged");
        daemon_restores(&setup).await;
    }
}

async fn daemon_restores(setup: &Setup) {
    let daemon = setup.start();
    assert_eq!(daemon.get("/-/ready").await.status, 200);
}

/// Opens a file with this content: whether it was set aside as damaged, and the states that were read.
async fn found_in(bytes: &[u8], setup: &Setup) -> (bool, Vec<SourceState>) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(FILE_NAME), bytes).expect("a file");
    let (storage, mut saved) = Storage::open(directory.path(), Arc::new(Moment::now)).expect("not in use");
    let config = Config::load(&setup.configured.file, &[]).expect("a good file");
    let sources = assemble(config, &mut Clients::default()).expect("good sources").sources;
    let states = sources.iter().filter_map(|source| saved.take(&source.about, Moment::now())).collect();
    storage.close().await;
    let damaged = storage.health().damaged() > 0;
    if damaged {
        let aside = directory.path().join(format!("{DAMAGED}1"));
        assert_eq!(std::fs::metadata(aside).expect("a file").len(), bytes.len() as u64);
    }
    (damaged, states)
}

/// A storage directory after `polls` transactions of one poll each, and the page after each of them.
async fn committed_one_by_one(setup: &Setup, polls: usize) -> Vec<BTreeMap<String, Vec<String>>> {
    let (storage, _) = Storage::open(&setup.directory, Arc::new(Moment::now)).expect("not in use");
    let store = Store::new(storage.clone());
    let config = Config::load(&setup.configured.file, &[]).expect("a good file");
    let about = assemble(config, &mut Clients::default()).expect("a good source").sources.remove(0).about;
    let name = about.name.clone();
    store.insert(SourceState::new(Arc::new(about)));
    store.persisted().await;
    let mut pages = Vec::new();
    for poll in 1..=polls {
        let (ended, account, currency) = (Moment::now(), Label::default(), Label::new("EUR"));
        let amount = Figure::from(i32::try_from(poll).expect("small"));
        let readings = vec![Reading::available_amount(account, currency, amount)];
        let took = Duration::from_millis(1);
        store.record(&name, Outcome { ended, took, result: Ok(Answer::new(readings)), next: ended.instant });
        store.persisted().await;
        assert!(storage.health().is_up());
        pages.push(page_of(store.snapshot().iter().map(|state| SourceState::clone(state)).collect()));
    }
    std::fs::copy(setup.file(), setup.directory.join("killed")).expect("a copy");
    storage.close().await;
    pages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flipped_bit_costs_one_transaction_at_most_unless_it_is_found() {
    let stand_in = RecordingGateway::default().start().await;
    let setup = Setup::new(&source("a", &stand_in, ""));
    let pages = committed_one_by_one(&setup, 4).await;
    let [.., before, newest] = pages.as_slice() else { panic!("four pages") };
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    for file in [setup.file(), setup.directory.join("killed")] {
        let whole = std::fs::read(&file).expect("a file");
        assert_eq!(page_of(found_in(&whole, &setup).await.1), *newest, "{}", file.display());
        let used = worth_damaging(&whole);
        let drawn = (0..80).map(|_| {
            let at = used[usize::try_from(random.below(used.len() as u64)).expect("small")];
            (at, random.below(8))
        });
        let mut found = 0;
        for (at, bit) in drawn.chain((0..8).map(|bit| (NEWEST, bit))) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let (damaged, states) = found_in(&bytes, &setup).await;
            if damaged {
                found += 1;
                assert_eq!(states.len(), 0);
            } else {
                let page = page_of(states);
                assert!(page == *newest || page == *before, "bit {bit} of byte {at}: {page:?}");
            }
        }
        assert!(found > 5, "only {found} of 88 found");
    }
}

/// The byte that says which of the last two transactions is the newer. No checksum covers it.
const NEWEST: usize = 9;

/// The used bytes of the header and of the pages that name a currency or the format: they hold the current or an older record.
fn worth_damaging(file: &[u8]) -> Vec<usize> {
    const PAGE: usize = 4096;
    let names = |page: &[u8]| [&b"EUR"[..], b"format"].iter().any(|name| page.windows(name.len()).any(|window| window == *name));
    let pages = file.chunks(PAGE).enumerate().filter(|(_, page)| names(page));
    let places = pages.flat_map(|(number, _)| number * PAGE..(number + 1) * PAGE).chain(0..320);
    // The database fills unused space with zero bits or one bits.
    places.filter(|at| !matches!(file[*at], 0 | 0xff)).collect()
}

/// The records in a file, as bytes.
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
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = filled(&stand_in).await;
    let meta = redb::TableDefinition::<&str, &[u8]>::new("meta");
    let database = redb::Database::open(setup.file()).expect("a file");
    let writing = database.begin_write().expect("a transaction");
    writing.open_table(meta).expect("a table").insert("format", 99_u32.to_le_bytes().as_slice()).expect("a row");
    writing.commit().expect("a commit");
    database.close().expect("an end");
    let before = sources_in(&setup.file());
    let mut daemon = setup.start();
    let metrics = daemon.metrics_with("balance_up{").await;
    assert_eq!(value(&metrics, UP), Some(0.0));
    daemon.signal(Signal::TERM);
    let line = daemon.wait_for_log(&["stopping"]);
    assert!(daemon.log.iter().any(|line| line.contains("from a newer version (format 99")), "{line}");
    daemon.wait();
    assert!(!setup.damaged(1).exists());
    // Opening a file may change the metadata of the database, but not the records.
    assert_eq!(sources_in(&setup.file()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_header_that_cannot_be_read_is_damage_whatever_version_it_names() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = filled(&stand_in).await;
    let whole = std::fs::read(setup.file()).expect("a file");
    let with = |range: std::ops::Range<usize>, byte: u8| {
        let mut bytes = whole.clone();
        bytes[range].fill(byte);
        bytes
    };
    // A newer database library names its version twice; only this program's own format number makes a file one to leave alone.
    let mut newer = with(64..65, 4);
    newer[192] = 4;
    let cases = [with(64..512, 0), with(64..4096, 0), with(64..65, 19), with(192..193, 4), with(192..193, 0), newer];
    for (number, bytes) in cases.iter().enumerate() {
        assert!(found_in(bytes, &setup).await.0, "case {number} is not found");
    }
}

/// The binary as an unprivileged user, because file permissions do not restrict root.
fn unprivileged() -> Command {
    if !rustix::process::geteuid().is_root() {
        return binary();
    }
    let mut command = Command::new("setpriv");
    command.arg("--bounding-set=-dac_override,-dac_read_search").arg(binary().get_program());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_storage_that_cannot_be_used_affects_nothing_else() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let no_directory = Setup::new(&source("a", &stand_in, ""));
    std::fs::write(&no_directory.directory, "not a directory").expect("a file");
    let read_only = Setup::new(&source("a", &stand_in, ""));
    DirBuilder::new().mode(0o500).create(&read_only.directory).expect("a directory");
    let unreadable = filled(&stand_in).await;
    std::fs::set_permissions(&unreadable.directory, Permissions::from_mode(0o000)).expect("permissions");
    for (setup, why) in [(&no_directory, "File exists"), (&read_only, "Permission denied"), (&unreadable, "Permission denied")] {
        let mut daemon = setup.start_by(&mut unprivileged());
        let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(0.0), Some(0.0)), "{why}");
        daemon.signal(Signal::TERM);
        daemon.wait_for_log(&["stopping"]);
        let is_logged = |line: &String| line.contains("ERROR the storage cannot be used") && line.contains(why);
        assert_eq!(daemon.log.iter().filter(|line| is_logged(line)).count(), 1, "{:?}", daemon.log);
        assert_eq!(daemon.wait().0.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_can_be_read_but_not_written_is_restored() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = filled(&stand_in).await;
    std::fs::set_permissions(setup.file(), Permissions::from_mode(0o400)).expect("permissions");
    for _ in 0..3 {
        let daemon = setup.start_by(&mut unprivileged());
        assert_eq!(daemon.get("/-/ready").await.status, 200);
        let metrics = daemon.metrics().await;
        assert_eq!((value(&metrics, UP), value(&metrics, "balance_polls_total{")), (Some(0.0), Some(1.0)));
        daemon.signal(Signal::KILL);
        daemon.wait();
    }
    assert_eq!(gateway.count(), 1, "a restart loop sends no request");

    // An existing file can be written in a directory that cannot.
    std::fs::set_permissions(setup.file(), Permissions::from_mode(0o600)).expect("permissions");
    std::fs::set_permissions(&setup.directory, Permissions::from_mode(0o500)).expect("permissions");
    let daemon = setup.start_by(&mut unprivileged());
    let metrics = daemon.metrics().await;
    assert_eq!((value(&metrics, UP), value(&metrics, "balance_polls_total{")), (Some(1.0), Some(1.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_could_not_be_read_at_the_start_is_not_overwritten() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = filled(&stand_in).await;
    std::fs::set_permissions(setup.file(), Permissions::from_mode(0o000)).expect("permissions");
    let daemon = setup.start_by(&mut unprivileged());
    daemon.metrics_with("balance_up{").await;
    let inode = std::fs::metadata(setup.file()).expect("a file").ino();
    std::fs::set_permissions(setup.file(), Permissions::from_mode(0o600)).expect("permissions");
    daemon.metrics_with(&format!("{UP} 1")).await;
    let aside = setup.directory.join(format!("{FILE_NAME}.unread-1"));
    assert_eq!(std::fs::metadata(aside).expect("a file").ino(), inode);
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert_eq!(setup.committed().len(), 1);
}

/// A write lease on a file. The kernel makes every other process that opens the file wait until the lease ends, for 45 s at most.
struct Lease(Child);

impl Lease {
    fn take(path: &Path) -> Self {
        // F_SETLEASE. The holder is asked by SIGIO to give the lease up.
        let script = r#"use Fcntl; $SIG{IO} = "IGNORE"; open(F, "+<", $ARGV[0]) or die $!; fcntl(F, 1024, F_WRLCK) // die $!;
            $| = 1; print "taken\n"; sleep 60;"#;
        let mut perl = Command::new("perl");
        let mut child = perl.args(["-e", script]).arg(path).stdout(Stdio::piped()).spawn().expect("perl runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("text");
        assert_eq!(line, "taken\n", "the file system knows no leases");
        Self(child)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_storage_that_hangs_delays_neither_polls_nor_scrapes() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ", interval: 1s"));
    DirBuilder::new().mode(0o700).create(&setup.directory).expect("a directory");
    std::fs::write(setup.file(), "").expect("a file");
    let _lease = Lease::take(&setup.file());
    let mut daemon = setup.start();
    assert!(daemon.log.iter().any(|line| line.contains("ERROR the storage takes too long")), "{:?}", daemon.log);
    daemon.wait_for_log(&["first poll succeeded"]);
    let metrics = daemon.metrics_where("two polls", |metrics| value(metrics, "balance_polls_total{") >= Some(2.0)).await;
    assert_eq!(value(&metrics, UP), Some(0.0));
    daemon.signal(Signal::TERM);
    let (status, log) = daemon.wait();
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().any(|line| line.contains("the last changes may be lost")), "{log:?}");
}

/// Nothing is left to write, so only the check at shutdown can notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_shutdown_writes_a_file_that_was_removed() {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ""));
    let daemon = setup.start();
    daemon.metrics_with("balance_up{").await;
    setup.committed_polls(1).await;
    std::fs::remove_dir_all(&setup.directory).expect("it is there");
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert_eq!(setup.committed().iter().map(|state| state.polls).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_is_removed_is_noticed_and_written_again() {
    let remove = |setup: &Setup| std::fs::remove_dir_all(&setup.directory).expect("it is there");
    is_noticed_and_written_again(remove, "the file is gone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_is_replaced_is_noticed_and_written_again() {
    let replace = |setup: &Setup| {
        let copy = setup.directory.join("copy");
        std::fs::copy(setup.file(), &copy).expect("a copy");
        std::fs::rename(copy, setup.file()).expect("a renamed file");
    };
    is_noticed_and_written_again(replace, "another file is in its place").await;
}

async fn is_noticed_and_written_again(change: impl Fn(&Setup), why: &str) {
    let gateway = RecordingGateway::default();
    let stand_in = gateway.start().await;
    let setup = Setup::new(&source("a", &stand_in, ", interval: 1s"));
    let daemon = setup.start();
    setup.committed_polls(1).await;
    change(&setup);
    daemon.metrics_with(&format!("{UP} 0")).await;
    daemon.metrics_with(&format!("{UP} 1")).await;
    let metrics = daemon.metrics().await;
    daemon.signal(Signal::TERM);
    let (_, log) = daemon.wait();
    let is_logged = |line: &&String| line.contains("ERROR the storage cannot be written") && line.contains(why);
    assert_eq!(log.iter().filter(is_logged).count(), 1, "{log:?}");
    assert!(Some(polls(&page_of(setup.committed())["a"])) >= value(&metrics, "balance_polls_total{"));
}
