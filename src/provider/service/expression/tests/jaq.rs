//! The same expressions by another implementation of jq: both yield the same.

use super::*;
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Vars, data, unwrap_valr};
use jaq_json::{Val, read};
use proptest::prelude::*;

/// What is different here on purpose, in jq. Each definition replaces a construct of the expressions in what jaq is given.
const ON_PURPOSE: &str = r#"
    def wrong: error("wrong");
    def kinds($l; $r): [($l | type), ($r | type)];
    # jq begins with the right side.
    def equal(l; r): r as $r | l as $l | $l == $r;
    def other(l; r): r as $r | l as $l | $l != $r;
    def less(l; r): r as $r | l as $l | $l < $r;
    def at_most(l; r): r as $r | l as $l | $l <= $r;
    def greater(l; r): r as $r | l as $l | $l > $r;
    def at_least(l; r): r as $r | l as $l | $l >= $r;
    def text(l; r): r as $r | l as $l | "\($l)-\($r)";
    def plus(l; r): r as $r | l as $l |
        if kinds($l; $r) | . == ["number", "number"] or . == ["string", "string"] or . == ["array", "array"] or . == ["object", "object"]
        then $l + $r else wrong end;
    def minus(l; r): r as $r | l as $l | if kinds($l; $r) == ["number", "number"] then $l - $r else wrong end;
    def twice($l): if ($l | type) == "number" then $l * 2 else wrong end;
    def sum: [.[]] | if length == 0 then null else . as $all | reduce .[1:][] as $item ($all[0]; plus(.; $item)) end;
    def size: if . == null then wrong else length end;
    def at($k):
        if [type, ($k | type)] | . == ["object", "string"] or . == ["array", "number"] or . == ["null", "string"] or . == ["null", "number"]
        then .[$k] else wrong end;
    def holds($k):
        if [type, ($k | type)] | . == ["object", "string"] or . == ["array", "number"] then
            # jaq also counts from the end.
            has($k) and (($k | type) == "string" or $k >= 0) else wrong end;
    def part($from; $to):
        if type == "array" or type == "string" or . == null then
            if ($from == null or ($from | type) == "number") and ($to == null or ($to | type) == "number")
            then (if . == null then null else .[$from:$to] end) elif . == null then null else wrong end
        else wrong end;
    def joined: reduce (map(if . == null or type == "array" or type == "object" then wrong else tostring end) | to_entries[])
        as $e (""; . + (if $e.key > 0 then "-" else "" end) + $e.value);
    def entries: if type == "object" then to_entries else wrong end;
    def without: if type == "string" then ltrimstr("a") else wrong end;
    # jaq does not look at the first value if there is no second one.
    def made(k; l; r): l as $l | r as $r | {a: $l, (k): $r};
    # jaq does not look at the only element of a list.
    def looked_at(f): if type == "array" then [.[] | f] | empty else empty end;
    def sorted(f): looked_at(f), sort_by(f);
    def least(f): looked_at(f), min_by(f);
    def greatest(f): looked_at(f), max_by(f);
    def once(f): looked_at(f), unique_by(f);
    def groups(f): looked_at(f), group_by(f);
    # jaq finds no number in an empty text, and two in "1-2".
    def number: [tonumber] | if length == 1 then .[0] else wrong end;
    def one(f): [f] | if length == 1 then .[0] else wrong end;
"#;

/// What is needed of jaq's library; the rest needs its regular expressions, times and formats.
const NEEDED: [&str; 22] = [
    "isboolean",
    "isnumber",
    "isstring",
    "isarray",
    "isobject",
    "type",
    "values",
    "arrays",
    "min_by",
    "max_by",
    "min",
    "max",
    "unique_by",
    "unique",
    "keys",
    "flatten",
    "split",
    "totype",
    "tonumber",
    "fromjson",
    "null",
    "add",
];

/// An expression, and what jaq is given in its place.
type Pair = (String, String);

fn same(text: &str) -> Pair {
    (text.to_owned(), text.to_owned())
}

/// Puts expressions into the places of `{}`.
fn fill(ours: &str, theirs: &str, inner: &[Pair]) -> Pair {
    let put = |template: &str, text: fn(&Pair) -> &str| {
        inner.iter().fold(template.to_owned(), |made, pair| made.replacen("{}", text(pair), 1))
    };
    (put(ours, |pair| &pair.0), put(theirs, |pair| &pair.1))
}

fn chosen(templates: &'static [(&str, &str)], inner: impl Strategy<Value = Pair> + Clone + 'static) -> BoxedStrategy<Pair> {
    let template = proptest::sample::select(templates);
    (template, proptest::collection::vec(inner, 3))
        .prop_map(|((ours, theirs), inner)| fill(ours, if theirs.is_empty() { ours } else { theirs }, &inner))
        .boxed()
}

/// Expressions that yield one result at most, so that the order of results cannot matter.
fn single(depth: u32) -> BoxedStrategy<Pair> {
    let leaves = &[
        ".",
        ".a",
        ".b",
        ".a.b",
        ".a?",
        ".b?",
        ".c",
        "$x",
        "$x",
        "1",
        "0",
        "3",
        "-2",
        "\"ab\"",
        "\"b\"",
        "null",
        "true",
        "false",
        "[]",
        "{}",
        "{a: 1, b: [2]}",
        "[3, 1, 2]",
    ];
    let leaf = proptest::sample::select(leaves.as_slice()).prop_map(same);
    if depth == 0 {
        return leaf.boxed();
    }
    let (one, many) = (single(depth - 1), several(depth - 1));
    prop_oneof![
        2 => leaf,
        6 => chosen(ONE_OF_ONE, one.clone()),
        3 => chosen(ONE_OF_MANY, many.clone()),
        1 => (many, one.clone(), one).prop_map(|(source, start, update)| fill(
            "reduce ({}) as $x ({}; {})", "reduce ({}) as $x ({}; one({}))", &[source, start, update])),
    ]
    .boxed()
}

const ONE_OF_ONE: &[(&str, &str)] = &[
    ("({} | {})", ""),
    ("({} + {})", "plus({}; {})"),
    ("({} - {})", "minus({}; {})"),
    ("({} * 2)", "twice({})"),
    ("(-{})", "({} | if type == \"number\" then -. else wrong end)"),
    ("({} == {})", "equal({}; {})"),
    ("({} != {})", "other({}; {})"),
    ("({} < {})", "less({}; {})"),
    ("({} <= {})", "at_most({}; {})"),
    ("({} > {})", "greater({}; {})"),
    ("({} >= {})", "at_least({}; {})"),
    ("({} and {})", ""),
    ("({} or {})", ""),
    ("({} // {})", ""),
    ("(try {})", ""),
    ("(if {} then {} else {} end)", ""),
    ("(if {} then {} end)", ""),
    ("(({}) as $x | {})", ""),
    ("{a: {}, b: {}}", "made(\"b\"; {}; {})"),
    ("{a: {}, (\"c\"): {}}", "made(\"c\"; {}; {})"),
    ("\"\\({})-\\({})\"", "text({}; {})"),
    ("({} | .[{}])", "({} | at({}))"),
    ("({} | .[{}:])", "({} | part({}; null))"),
    ("({} | .[:{}])", "({} | part(null; {}))"),
    ("({} | .[1:{}])", "({} | part(1; {}))"),
    ("({} | has({}))", "({} | holds({}))"),
    ("({} | select({}))", ""),
    ("({} | length)", "({} | size)"),
    ("({} | add)", "({} | sum)"),
    ("({} | keys)", ""),
    ("({} | type)", ""),
    ("({} | not)", ""),
    ("({} | tostring)", ""),
    ("({} | tonumber)", "({} | number)"),
    ("({} | first)", "({} | at(0))"),
    ("({} | last)", "({} | at(-1))"),
    ("({} | to_entries)", "({} | entries)"),
    ("({} | sort)", ""),
    ("({} | sort_by({}))", "({} | sorted({}))"),
    ("({} | min)", ""),
    ("({} | max_by({}))", "({} | greatest({}))"),
    ("({} | min_by({}))", "({} | least({}))"),
    ("({} | unique)", ""),
    ("({} | unique_by({}))", "({} | once({}))"),
    ("({} | group_by({}))", "({} | groups({}))"),
    ("({} | map({}))", "({} | [.[] | {}])"),
    ("({} | any({}))", ""),
    ("({} | all({}))", ""),
    ("({} | any)", ""),
    ("({} | ascii_upcase)", ""),
    ("({} | split(\"b\"))", ""),
    ("({} | split({}))", ""),
    ("({} | startswith({}))", ""),
    ("({} | endswith({}))", ""),
    ("({} | ltrimstr(\"a\"))", "({} | without)"),
    ("({} | trim)", ""),
];

const ONE_OF_MANY: &[(&str, &str)] = &[
    ("[{}]", ""),
    ("[{}, {}]", ""),
    ("first({})", ""),
    ("last({})", ""),
    ("any({}; {})", ""),
    ("all({}; {})", ""),
    ("([{}] | reverse)", ""),
    ("([{}] | flatten)", ""),
    ("([{}] | flatten(1))", "([{}] | [.[] | if type == \"array\" then .[] else . end])"),
    ("([{}] | join(\"-\"))", "([{}] | joined)"),
    ("([{}] | sort_by({}))", "([{}] | sorted({}))"),
    ("([{}] | group_by({}))", "([{}] | groups({}))"),
    ("([{}] | unique)", ""),
];

/// Expressions that may yield several results.
fn several(depth: u32) -> BoxedStrategy<Pair> {
    let leaves = [".[]", ".[]?", ".a[]", "..", "empty", ".a[]?.b?", "(1, 2)", ".", ".a", "$x"];
    let leaf = proptest::sample::select(leaves.to_vec()).prop_map(same);
    if depth == 0 {
        return leaf.boxed();
    }
    prop_oneof![2 => leaf, 2 => single(depth), 3 => chosen(MANY, several(depth - 1))].boxed()
}

const MANY: &[(&str, &str)] = &[
    ("({} | {})", ""),
    ("({}, {})", ""),
    ("({} // {})", ""),
    ("({} | select({}))", ""),
    ("({} | values)", ""),
    ("(try {})", ""),
    ("({}?)", ""),
    ("(({}) as $x | {})", ""),
    ("(if {} then {} else {} end)", ""),
    ("({} | .[]?)", ""),
    ("({} | .[])", ""),
    ("({} and {})", ""),
    ("({} | -.)", "({} | if type == \"number\" then -. else wrong end)"),
];

fn document() -> impl Strategy<Value = String> {
    let leaves =
        ["null", "true", "false", "0", "1", "2", "-3", "10", "\"\"", "\"a\"", "\"ab\"", "\"12\"", "\" 7 \"", "\"b\"", "[]", "{}"];
    let leaf = proptest::sample::select(leaves.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let list = proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(",")));
        let object = (inner.clone(), inner).prop_map(|(a, b)| format!("{{\"a\":{a},\"b\":{b}}}"));
        prop_oneof![list, object.clone(), object]
    })
}

/// A document of many values, deep or long.
fn crowded() -> impl Strategy<Value = String> {
    (document(), 1..120_usize, 1..2_000_usize).prop_map(|(inner, depth, length)| {
        let items = vec![inner; length].join(",");
        format!("{}[{items}]{}", "{\"a\":[".repeat(depth / 2), "]}".repeat(depth / 2))
    })
}

/// What jaq yields; `None` if it yields an error.
fn by_jaq(expression: &str, answer: &str) -> Option<Vec<Value>> {
    let code = format!("{ON_PURPOSE} {expression}");
    let arena = Arena::default();
    let needed = |def: &Def| NEEDED.contains(&def.name) && (def.args.len() < 2 || def.name == "totype");
    let loader = Loader::new(jaq_core::defs().chain(jaq_std::defs().filter(needed)).chain(jaq_json::defs().filter(needed)));
    let modules =
        loader.load(&arena, File { code: &*code, path: () }).unwrap_or_else(|errors| panic!("{expression}: {errors:?}"));
    let funs = jaq_core::funs::<data::JustLut<Val>>().chain(jaq_std::base_funs()).chain(jaq_json::funs());
    let filter = Compiler::default().with_funs(funs).compile(modules).unwrap_or_else(|errors| panic!("{expression}: {errors:?}"));
    let context = Ctx::<data::JustLut<Val>>::new(&filter.lut, Vars::new([]));
    let input = read::parse_single(answer.as_bytes()).expect("a document");
    let results = filter.id.run((context, input)).map(unwrap_valr);
    results.map(|result| result.ok().map(|found| value(&found.to_string()))).collect()
}

proptest! {
    #![proptest_config(properties::config())]

    /// The thread of a test has the stack of a worker.
    #[test]
    fn every_expression_ends_over_every_answer((text, _) in several(4), answer in crowded()) {
        if let Ok(expression) = Expression::parse(&text) {
            let input = value(&answer);
            let scope = Scope { answer: &input, headers: &input, status: &input, parameters: &input };
            let (mut meter, start) = (Meter::new(), std::time::Instant::now());
            let outputs = expression.outputs(&input, &scope, &mut meter, 1_000);
            prop_assert!(outputs.is_ok_and(|outputs| outputs.len() <= 1_000) || meter.steps() <= 1_000_000);
            prop_assert!(start.elapsed() < std::time::Duration::from_secs(10), "{text} over {answer}");
        }
    }

    #[test]
    fn yields_the_same(inner in several(3), answer in document()) {
        let (ours, theirs) = fill(". as $x | {}", ". as $x | {}", &[inner]);
        let Ok(expression) = Expression::parse(&ours) else {
            // Some are too long.
            let message = Expression::parse(&ours).map(drop).expect_err("a mistake").message;
            prop_assert!(message.contains("at most") || message.contains("inside each other"), "{ours}: {message}");
            return Ok(());
        };
        let input = value(&answer);
        let scope = Scope { answer: &input, headers: &input, status: &input, parameters: &input };
        let mut meter = Meter::new();
        let outputs = expression.outputs(&input, &scope, &mut meter, 10_000);
        let refused = outputs.as_ref().is_err_and(|fault| fault.message.contains("28 digits"));
        if meter.steps() > 20_000 || refused {
            return Ok(());
        }
        if expression.is_single() {
            prop_assert!(outputs.as_ref().map_or(0, Vec::len) < 2, "{ours} over {answer}");
        }
        let theirs = by_jaq(&theirs, &answer);
        let equal = match (&outputs, &theirs) {
            (Ok(ours), Some(theirs)) => {
                let (ours, theirs) = (Value::List(ours.clone().into()), Value::List(theirs.clone().into()));
                order::compare(&Meter::new(), &ours, &theirs).is_ok_and(std::cmp::Ordering::is_eq)
            }
            (Err(_), None) => true,
            _ => false,
        };
        prop_assert!(equal, "{ours} over {answer}: {outputs:?} and {theirs:?}");
    }
}
