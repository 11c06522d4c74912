//! Files and places that cannot be used, with the real binary: damaged, of a newer version, closed to it.

use crate::kept::{DAMAGED_FILES, Noting, Place, Random, UP, page_of, polls, source, value};
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
        let told = |line: &String| line.contains("the storage is damaged; it was set aside") && line.contains("ERROR");
        assert_eq!(log.iter().filter(|line| told(line)).count(), 1, "{log:?}");
        assert_eq!(&std::fs::read(place.damaged(number)).expect("a file"), bytes, "it is kept as it was");
        daemon_restores(&place).await;
    }
}

async fn daemon_restores(place: &Place) {
    let daemon = place.start();
    assert_eq!(daemon.get("/-/ready").await.status, 200);
}

/// What a process finds in a file: whether it was set aside, and the states that it kept.
async fn found_in(bytes: &[u8], place: &Place) -> (bool, Vec<SourceState>) {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join(FILE_NAME), bytes).expect("a file");
    let (storage, mut kept) = Storage::open(directory.path(), Arc::new(Moment::now)).expect("nobody else is there");
    let config = Config::load(&place.configured.file, &[]).expect("a good file");
    let sources = assemble(config, &mut Clients::default()).expect("good sources").sources;
    let states = sources.iter().filter_map(|source| kept.take(&source.about, Moment::now())).collect();
    storage.close().await;
    let damaged = storage.health().damaged() > 0;
    if damaged {
        let aside = directory.path().join(format!("{DAMAGED}1"));
        assert_eq!(std::fs::metadata(aside).expect("a file").len(), bytes.len() as u64);
    }
    (damaged, states)
}

/// A storage directory after `polls` transactions of one poll each, and the page after each of them.
async fn committed_one_by_one(place: &Place, polls: usize) -> Vec<BTreeMap<String, Vec<String>>> {
    let (storage, _) = Storage::open(&place.directory, Arc::new(Moment::now)).expect("nobody else is there");
    let store = Store::new(storage.clone());
    let config = Config::load(&place.configured.file, &[]).expect("a good file");
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
    std::fs::copy(place.file(), place.directory.join("killed")).expect("a copy");
    storage.close().await;
    pages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_flipped_bit_costs_one_transaction_at_most_unless_it_is_found() {
    let stand_in = Noting::default().start().await;
    let place = Place::new(&source("a", &stand_in, ""));
    let pages = committed_one_by_one(&place, 4).await;
    let [.., before, newest] = pages.as_slice() else { panic!("four pages") };
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    for file in [place.file(), place.directory.join("killed")] {
        let whole = std::fs::read(&file).expect("a file");
        assert_eq!(page_of(found_in(&whole, &place).await.1), *newest, "{}", file.display());
        let used = worth_damaging(&whole);
        let drawn = (0..80).map(|_| {
            let at = used[usize::try_from(random.below(used.len() as u64)).expect("small")];
            (at, random.below(8))
        });
        let mut found = 0;
        for (at, bit) in drawn.chain((0..8).map(|bit| (NEWEST, bit))) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            let (damaged, states) = found_in(&bytes, &place).await;
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

/// The places in the header, and in the pages that name a currency or the format: they hold the record, or an older one.
fn worth_damaging(file: &[u8]) -> Vec<usize> {
    const PAGE: usize = 4096;
    let names = |page: &[u8]| [&b"EUR"[..], b"format"].iter().any(|name| page.windows(name.len()).any(|window| window == *name));
    let pages = file.chunks(PAGE).enumerate().filter(|(_, page)| names(page));
    let places = pages.flat_map(|(number, _)| number * PAGE..(number + 1) * PAGE).chain(0..320);
    // The database fills with ones or noughts what it does not use.
    places.filter(|at| !matches!(file[*at], 0 | 0xff)).collect()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_header_that_cannot_be_read_is_damage_whatever_version_it_names() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    let whole = std::fs::read(place.file()).expect("a file");
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
        assert!(found_in(bytes, &place).await.0, "case {number} is not found");
    }
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
    let nobody_may_look = filled(&stand_in).await;
    std::fs::set_permissions(&nobody_may_look.directory, Permissions::from_mode(0o000)).expect("permissions");
    for (place, why) in
        [(&no_directory, "File exists"), (&nothing_may_be_made, "Permission denied"), (&nobody_may_look, "Permission denied")]
    {
        let mut daemon = place.start_by(&mut modest());
        let metrics = daemon.metrics_with("balance_up{provider=\"mysmpp\",source=\"a\"} 1").await;
        assert_eq!((value(&metrics, UP), value(&metrics, DAMAGED_FILES)), (Some(0.0), Some(0.0)), "{why}");
        daemon.signal(Signal::TERM);
        daemon.wait_for_log(&["stopping"]);
        let told = |line: &String| line.contains("ERROR the storage cannot be used") && line.contains(why);
        assert_eq!(daemon.log.iter().filter(|line| told(line)).count(), 1, "{:?}", daemon.log);
        assert_eq!(daemon.wait().0.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_can_be_read_but_not_written_is_gone_on_from() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o400)).expect("permissions");
    for _ in 0..3 {
        let daemon = place.start_by(&mut modest());
        assert_eq!(daemon.get("/-/ready").await.status, 200);
        let metrics = daemon.metrics().await;
        assert_eq!((value(&metrics, UP), value(&metrics, "balance_polls_total{")), (Some(0.0), Some(1.0)));
        daemon.signal(Signal::KILL);
        daemon.wait();
    }
    assert_eq!(noting.count(), 1, "restarting in a loop costs a provider nothing");

    // What is there already can be written in a directory that is closed.
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o600)).expect("permissions");
    std::fs::set_permissions(&place.directory, Permissions::from_mode(0o500)).expect("permissions");
    let daemon = place.start_by(&mut modest());
    let metrics = daemon.metrics().await;
    assert_eq!((value(&metrics, UP), value(&metrics, "balance_polls_total{")), (Some(1.0), Some(1.0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_comes_too_late_to_begin_with_is_not_overwritten() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = filled(&stand_in).await;
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o000)).expect("permissions");
    let daemon = place.start_by(&mut modest());
    daemon.metrics_with("balance_up{").await;
    let inode = std::fs::metadata(place.file()).expect("a file").ino();
    std::fs::set_permissions(place.file(), Permissions::from_mode(0o600)).expect("permissions");
    daemon.metrics_with(&format!("{UP} 1")).await;
    let aside = place.directory.join(format!("{FILE_NAME}.unread-1"));
    assert_eq!(std::fs::metadata(aside).expect("a file").ino(), inode);
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert_eq!(place.committed().len(), 1);
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
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = Place::new(&source("a", &stand_in, ", interval: 1s"));
    DirBuilder::new().mode(0o700).create(&place.directory).expect("a directory");
    std::fs::write(place.file(), "").expect("a file");
    let _lease = Lease::take(&place.file());
    let mut daemon = place.start();
    assert!(daemon.log.iter().any(|line| line.contains("ERROR the storage takes too long")), "{:?}", daemon.log);
    daemon.wait_for_log(&["first poll succeeded"]);
    let metrics = daemon.metrics_where("two polls", |metrics| value(metrics, "balance_polls_total{") >= Some(2.0)).await;
    assert_eq!(value(&metrics, UP), Some(0.0));
    daemon.signal(Signal::TERM);
    let (status, log) = daemon.wait();
    assert_eq!(status.code(), Some(0));
    assert!(log.iter().any(|line| line.contains("the last changes may be lost")), "{log:?}");
}

/// Nothing was to be written any more, and nobody would have looked.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_end_writes_what_was_taken_away() {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = Place::new(&source("a", &stand_in, ""));
    let daemon = place.start();
    daemon.metrics_with("balance_up{").await;
    place.committed_polls(1).await;
    std::fs::remove_dir_all(&place.directory).expect("it is there");
    daemon.signal(Signal::TERM);
    daemon.wait();
    assert_eq!(place.committed().iter().map(|state| state.polls).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_is_taken_away_is_noticed_and_written_anew() {
    let take = |place: &Place| std::fs::remove_dir_all(&place.directory).expect("it is there");
    is_noticed_and_written_anew(take, "the file is gone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_is_replaced_is_noticed_and_written_anew() {
    let replace = |place: &Place| {
        let copy = place.directory.join("copy");
        std::fs::copy(place.file(), &copy).expect("a copy");
        std::fs::rename(copy, place.file()).expect("it takes the place");
    };
    is_noticed_and_written_anew(replace, "another file is in its place").await;
}

async fn is_noticed_and_written_anew(change: impl Fn(&Place), why: &str) {
    let noting = Noting::default();
    let stand_in = noting.start().await;
    let place = Place::new(&source("a", &stand_in, ", interval: 1s"));
    let daemon = place.start();
    place.committed_polls(1).await;
    change(&place);
    daemon.metrics_with(&format!("{UP} 0")).await;
    daemon.metrics_with(&format!("{UP} 1")).await;
    let metrics = daemon.metrics().await;
    daemon.signal(Signal::TERM);
    let (_, log) = daemon.wait();
    let told = |line: &&String| line.contains("ERROR the storage cannot be written") && line.contains(why);
    assert_eq!(log.iter().filter(told).count(), 1, "{log:?}");
    assert!(Some(polls(&page_of(place.committed())["a"])) >= value(&metrics, "balance_polls_total{"));
}
