//! A property of every provider: after any mutation of a successful answer (values dropped, repeated, nested, retyped, re-encoded or
//! cut), the provider reads no figure that the answer does not state in its place.

mod described;
mod mutation;

use super::Build;
use super::Entry;
use super::answer::tests::response;
use crate::domain::{Answer, Failure, Figure, Label, Measure, Quantity, Reading, Reason, Value as Read};
use crate::properties;
use crate::transport::{Http, Request, Response};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use mutation::{Damage, Mutation, Tree, damage, mutation};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// Part of every text in the answers, to detect messages that quote one.
const CANARY: &str = "канарейка";
const CANARY_TOKEN: &str = "canary-token";

/// Answers of a provider, one for each of its calls.
type Bodies = Vec<(&'static str, Vec<u8>)>;

/// A network with a fixed answer to each call, chosen by the end of the path.
struct Canned {
    status: u16,
    bodies: Bodies,
}

impl Http for Canned {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, Failure>> {
        let body = self.bodies.iter().find(|(path, _)| request.url.path().ends_with(path)).map(|(_, body)| body.clone());
        std::future::ready(Ok(response(self.status, body.expect("a known path")))).boxed()
    }
}

fn poll(settings: &str, status: u16, bodies: &Bodies) -> Result<Answer, Failure> {
    let entry: Entry =
        serde_yaml::with::singleton_map::deserialize(serde_yaml::Deserializer::from_str(settings)).expect("good settings");
    let Entry::BuiltIn(settings) = entry else { panic!("not built in") };
    let provider = settings.build(&mut Build::default()).expect("a provider");
    let http = Canned { status, bodies: bodies.clone() };
    provider.poll(&http).now_or_never().expect("nothing to wait for")
}

/// A document as another parser reads it: the last of equal keys counts.
fn reread(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)).ok()
}

/// Whether a value states a figure. A gateway can also state that there is no limit.
fn states(value: Option<&Value>, read: Read) -> bool {
    let Some(figure) = read.figure().map(Figure::get) else {
        let unlimited = |text: &str| text.trim() == "Безлимит";
        return read == Read::Count(Quantity::Unlimited) && value.and_then(Value::as_str).is_some_and(unlimited);
    };
    match value {
        Some(Value::Number(number)) => number.as_f64() == Some(figure),
        Some(Value::String(text)) => text.trim().parse() == Ok(figure),
        _ => false,
    }
}

/// Whether a value states a text; a missing value is an empty text.
fn names(value: Option<&Value>, label: &Label) -> bool {
    match value {
        None | Some(Value::Null) => label.is_empty(),
        Some(Value::String(text)) => Label::new(text) == *label,
        // This parser keeps fewer digits; another test covers every digit.
        Some(Value::Number(number)) => number.as_f64() == label.as_str().parse().ok(),
        Some(_) => false,
    }
}

/// Whether a document states an error at its root.
fn is_refusal(document: &Value) -> bool {
    let nothing = [Value::Null, false.into(), "".into(), " ".into(), "0".into(), serde_json::json!([]), serde_json::json!({})];
    document.as_object().is_some_and(|entries| {
        let mut errors = entries.iter().filter(|(key, _)| ["error", "errors"].contains(&&*key.to_lowercase()));
        errors.any(|(_, value)| !nothing.contains(value) && value.as_f64() != Some(0.0))
    })
}

/// Whether a value states a label of a reading.
fn label(value: Option<&Value>, reading: &Reading, name: &str) -> bool {
    reading.label(name).is_some_and(|label| names(value, label))
}

/// A provider with a successful answer, and the places in it that state each reading.
struct Subject {
    settings: &'static str,
    good: Vec<(&'static str, Value)>,
    /// Whether these documents, in the order of the calls, state the reading.
    states: fn(&[Value], &Reading) -> bool,
}

fn mysmpp() -> Subject {
    let row = |area: &str, key: &str, count: Value| serde_json::json!({"type_sms": "sms", "area": area, key: count});
    let rows =
        [row("Tele2", "num_sms", "72029".into()), row(CANARY, "num_sms", "Безлимит".into()), row("МТС ", "sms", 31_007.5.into())];
    Subject {
        settings: "{mysmpp: {token: t}}",
        good: vec![("balance.php", serde_json::json!({"money": "19023.9", "currency": "RUR", "information": rows}))],
        states: |documents, reading| match reading.measure() {
            Measure::AvailableAmount => states(documents[0].get("money"), reading.value()),
            Measure::SmsAvailable => {
                let rows: Vec<&Value> = match documents[0].get("information") {
                    Some(Value::Array(rows)) => rows.iter().collect(),
                    Some(Value::Object(rows)) => rows.values().collect(),
                    _ => Vec::new(),
                };
                rows.iter().any(|row| {
                    let count = row.get("num_sms").filter(|count| !count.is_null()).or_else(|| row.get("sms"));
                    label(row.get("type_sms"), reading, "sms_type")
                        && label(row.get("area"), reading, "area")
                        && states(count, reading.value())
                })
            }
            _ => false,
        },
    }
}

fn atisu() -> Subject {
    let wallet = serde_json::json!({
        "balance": 10230.75, "contactId": 17, "departmentId": 3, "firmId": CANARY, "isCommonWallet": false,
        "isDepartmentWallet": false, "isPersonalWallet": true, "operationsForbidden": false, "walletId": 77_001,
    });
    Subject {
        settings: "{atisu: {token: t, ati_code: \"1\"}}",
        good: vec![("balance", wallet)],
        states: |documents, reading| {
            let at = |key| documents[0].get(key);
            let of_wallet = label(at("walletId"), reading, "account");
            match (reading.measure(), reading.value()) {
                (Measure::AvailableAmount, amount) => of_wallet && states(at("balance"), amount),
                (Measure::WalletInfo, _) => of_wallet && label(at("firmId"), reading, "firm_id"),
                (Measure::OperationsForbidden, Read::Flag(forbidden)) => at("operationsForbidden") == Some(&forbidden.into()),
                _ => false,
            }
        },
    }
}

fn adstat() -> Subject {
    let sum = |amount: f64| serde_json::json!({"amount": amount, "currency": CANARY});
    let account = |uid: Value, name: &str, balance: Value| serde_json::json!({"account_uid": uid, "name": name, "balance": balance, "mode": "prod"});
    let names_of_all =
        [account("ACC1".into(), CANARY, 501.25.into()), account(9_000_000_000_000_000_001_u64.into(), "", "602.5".into())];
    Subject {
        settings: "{adstat: {login: {username: u, password: p}}}",
        good: vec![
            ("v2/login", serde_json::json!({"user_id": "U", "access_token": CANARY_TOKEN, "refresh_token": CANARY_TOKEN})),
            ("v2/access-token", serde_json::json!({"access_token": CANARY_TOKEN, "token_type": "Bearer"})),
            (
                "dashboard/balances",
                serde_json::json!({"active": sum(20011.5), "available": sum(10012.25), "total": sum(30023.75)}),
            ),
            ("accounts/telegram/names", Value::from(names_of_all.to_vec())),
        ],
        states: |documents, reading| {
            let row_of = |account: &Label| {
                let rows = documents[3].as_array().into_iter().flatten();
                rows.filter(|row| names(row.get("account_uid"), account)).collect::<Vec<_>>()
            };
            let account = reading.label("account").expect("every reading of the provider is of an account");
            let sum = |key| documents[2].get(key).and_then(|sum: &Value| sum.as_object()?.get("amount"));
            match reading.measure() {
                Measure::AvailableAmount if account.is_empty() => states(sum("available"), reading.value()),
                Measure::ActiveAmount if account.is_empty() => states(sum("active"), reading.value()),
                Measure::TotalAmount if account.is_empty() => states(sum("total"), reading.value()),
                Measure::AvailableAmount => {
                    let rows = row_of(account);
                    !rows.is_empty() && rows.iter().all(|row| states(row.get("balance"), reading.value()))
                }
                Measure::AccountInfo => row_of(account).iter().any(|row| label(row.get("name"), reading, "name")),
                _ => false,
            }
        },
    }
}

/// The document to change, the changes to its values, and the damage to its bytes.
type Change = (Index, Vec<(Index, Mutation)>, Damage, bool);

fn change() -> impl Strategy<Value = Change> {
    let mutations = prop::collection::vec((any::<Index>(), mutation()), 0..4);
    (any::<Index>(), mutations, damage(), prop::bool::weighted(0.1))
}

impl Subject {
    fn bodies(&self, (which, mutations, damage, _): &Change) -> Bodies {
        let which = which.index(self.good.len());
        let bodies = self.good.iter().enumerate().map(|(i, (path, document))| {
            let mut tree = Tree::of(document);
            if i != which {
                return (*path, tree.write().into_bytes());
            }
            for (at, mutation) in mutations {
                let nth = at.index(tree.size());
                mutation.apply(tree.nth(nth));
            }
            (*path, damage.apply(&tree.write()))
        });
        bodies.collect()
    }

    /// Polls a changed answer and compares the readings with another parser.
    fn check(&self, change: &Change) -> Result<(), TestCaseError> {
        let bodies = self.bodies(change);
        let status = if change.3 { 503 } else { 200 };
        let shown = || bodies.iter().map(|(path, body)| format!("{path}: {}", String::from_utf8_lossy(body))).collect::<Vec<_>>();
        match poll(self.settings, status, &bodies) {
            Ok(answer) => {
                prop_assert_eq!(status, 200, "{:?}", shown());
                // For a call that was not made, use the unchanged answer.
                let reread: Vec<Option<Value>> = bodies.iter().map(|(_, body)| reread(body)).collect();
                let unread = bodies.iter().position(|(path, _)| *path == "v2/access-token");
                for (i, document) in reread.iter().enumerate().filter(|(i, _)| Some(*i) != unread) {
                    let document = document.as_ref();
                    prop_assert!(document.is_some_and(|document| !is_refusal(document)), "{i}: {:?}", shown());
                }
                let documents: Vec<Value> = reread.into_iter().map(Option::unwrap_or_default).collect();
                for reading in &answer.readings {
                    prop_assert!((self.states)(&documents, reading), "{reading:?} of {:?}", shown());
                }
            }
            Err(Failure { reason, detail, .. }) => {
                let quotes = reason == Reason::Decode && [CANARY, CANARY_TOKEN].iter().any(|text| detail.contains(text));
                prop_assert!(!quotes, "{detail}");
                prop_assert!(![Reason::Internal, Reason::Connect].contains(&reason), "{detail}");
            }
        }
        Ok(())
    }
}

/// Cases are fast, and there are many kinds of changes.
fn many_cases() -> ProptestConfig {
    let config = properties::config();
    ProptestConfig { cases: config.cases.saturating_mul(8), ..config }
}

proptest! {
    #![proptest_config(many_cases())]

    #[test]
    fn no_mutation_of_an_answer_of_mysmpp_yields_a_figure_that_it_does_not_state(change in change()) {
        mysmpp().check(&change)?;
    }

    #[test]
    fn no_mutation_of_an_answer_of_atisu_yields_a_figure_that_it_does_not_state(change in change()) {
        atisu().check(&change)?;
    }

    #[test]
    fn no_mutation_of_an_answer_of_adstat_yields_a_figure_that_it_does_not_state(change in change()) {
        adstat().check(&change)?;
    }
}

/// Without this test, a parser that reads nothing would satisfy the property.
#[test]
fn the_unchanged_answers_are_successful() {
    for (subject, readings) in [(mysmpp(), 4), (atisu(), 3), (adstat(), 7)] {
        let unchanged: Change = (any_index(), Vec::new(), Damage::None, false);
        let answer = poll(subject.settings, 200, &subject.bodies(&unchanged)).expect("a good answer");
        assert_eq!(answer.readings.len(), readings, "{}: {:?}", subject.settings, answer.readings);
        subject.check(&unchanged).expect("what is read is there");
    }
}

fn any_index() -> Index {
    use proptest::strategy::ValueTree;
    any::<Index>().new_tree(&mut proptest::test_runner::TestRunner::deterministic()).expect("an index").current()
}
