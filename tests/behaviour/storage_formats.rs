//! Files of earlier formats: they are read, and become files of this format when they are written.

use crate::support::repository;
use balance_exporter::domain::{About, Answer, Figure, Identity, Label, Low, Quantity, Reading, Wallet, WalletKind};
use balance_exporter::state::clock::Moment;
use balance_exporter::state::disk::{FILE_NAME, SavedState, Storage};
use balance_exporter::state::{Outcome, SourceState, Store};
use redb::{Database, ReadableDatabase, TableDefinition};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

/// A directory with a file that the last version with format 1 wrote, after one poll of each of the sources below.
fn format_1() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let packed = std::fs::read(repository("tests/storage/format-1.redb.gz")).expect("the fixture");
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut file).expect("a gzip file");
    std::fs::write(directory.path().join(FILE_NAME), file).expect("a file");
    directory
}

fn format_of(directory: &Path) -> Vec<u8> {
    let database = Database::open(directory.join(FILE_NAME)).expect("a database");
    let meta = database.begin_read().expect("a transaction").open_table(META).expect("a table");
    meta.get("format").expect("a row").expect("a format").value().to_vec()
}

fn about(name: &str) -> About {
    About {
        name: name.into(),
        provider: "p".into(),
        identity: Identity([7; 32]),
        interval: Duration::from_secs(60),
        max_age: Duration::from_secs(3600),
        low: Low::default(),
    }
}

fn open(directory: &Path) -> (Arc<Storage>, SavedState) {
    let (storage, saved) = Storage::open(directory, Arc::new(Moment::now)).expect("not in use");
    assert!(storage.health().is_up());
    (storage, saved)
}

/// What is saved of the three sources.
fn states(saved: &mut SavedState) -> Vec<SourceState> {
    ["ads", "freight", "sms"].iter().filter_map(|name| saved.take(&about(name), Moment::now())).collect()
}

/// Every kind of reading that format 1 knew.
fn expected() -> [Vec<Reading>; 3] {
    let label = Label::new;
    let figure = |number| Figure::new(number).expect("a finite number");
    let wallet = |account, kind, [contact_id, department_id, firm_id]: [&str; 3]| {
        let [contact_id, department_id, firm_id] = [contact_id, department_id, firm_id].map(label);
        Reading::wallet(Wallet { account: label(account), kind, contact_id, department_id, firm_id })
    };
    let sms = |area, count| Reading::sms_available(label("sms"), label(area), count);
    [
        vec![
            Reading::available_amount(label(""), label("EUR"), figure(1234.5)),
            Reading::available_amount(label("ACC1"), label("USDT"), figure(-0.25)),
            Reading::active_amount(label(""), label("EUR"), figure(0.1)),
            Reading::total_amount(label(""), label("EUR"), figure(1234.6)),
            Reading::account_info(label("ACC1"), label("«Ромашка»")),
        ],
        vec![
            Reading::available_amount(label("4711"), label("ATIS"), figure(0.5)),
            wallet("1", Some(WalletKind::Common), ["17", "3", "64357"]),
            wallet("2", Some(WalletKind::Department), ["", "3", ""]),
            wallet("3", Some(WalletKind::Personal), ["17", "", ""]),
            wallet("4", None, [""; 3]),
            Reading::operations_forbidden(label("1"), true),
            Reading::operations_forbidden(label("2"), false),
        ],
        vec![
            Reading::available_amount(label(""), label("RUB"), figure(19023.9)),
            sms("Tele2", Quantity::Limited(figure(72029.0))),
            sms("Россия", Quantity::Unlimited),
        ],
    ]
}

fn readings(states: Vec<SourceState>) -> Vec<Vec<Reading>> {
    states.into_iter().map(|state| state.last_readings.expect("readings").to_vec()).collect()
}

#[tokio::test]
async fn a_file_of_format_1_is_read() {
    let directory = format_1();
    let (storage, mut saved) = open(directory.path());
    let states = states(&mut saved);
    assert_eq!(states.iter().map(|state| (state.polls, state.sums.iter().count())).collect::<Vec<_>>(), [(1, 2), (1, 1), (1, 1)]);
    assert_eq!(readings(states), expected());
    storage.close().await;
    assert_eq!(format_of(directory.path()), [1, 0, 0, 0], "it is of its format until it is written");
}

#[tokio::test]
async fn a_file_that_is_written_is_of_this_format_and_keeps_the_records_of_the_one_before() {
    let directory = format_1();
    let (storage, mut saved) = open(directory.path());
    let ads = saved.take(&about("ads"), Moment::now()).expect("a state");
    let store = Store::new(storage.clone());
    store.insert(ads);
    let (ended, took) = (Moment::now(), Duration::ZERO);
    let result = Ok(Answer::new(expected()[0].clone()));
    store.record("ads", Outcome { ended, took, result, next: ended.instant });
    storage.close().await;
    assert_eq!(format_of(directory.path()), [2, 0, 0, 0]);
    let (storage, mut saved) = open(directory.path());
    let states = states(&mut saved);
    assert_eq!(states.iter().map(|state| state.polls).collect::<Vec<_>>(), [2, 1, 1]);
    assert_eq!(readings(states), expected());
    storage.close().await;
}
