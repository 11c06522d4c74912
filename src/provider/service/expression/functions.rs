//! The functions that an expression may call, each with what it means. There are no others.

use super::meter::{Flow, Meter};
use super::values;
use crate::provider::document::Value;

/// A function, for the documentation.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) example: &'static str,
    pub(crate) meaning: &'static str,
    /// How many arguments it may have.
    pub(super) arguments: &'static [usize],
    pub(super) call: Call,
}

/// How a function is evaluated.
#[derive(Debug, Clone, Copy)]
pub(super) enum Call {
    Empty,
    Select,
    Values,
    Map,
    First,
    Last,
    Any,
    Length,
    All,
    Sorted(Sorted),
    /// A value makes another.
    Value(fn(&Meter, &Value) -> Flow<Value>),
    /// A value and an argument make another.
    Value2(fn(&Meter, &Value, &Value) -> Flow<Value>),
    /// Says something about a value.
    About(fn(&Meter, &Value) -> Flow<Value>),
    /// Says something about a value and an argument.
    About2(fn(&Meter, &Value, &Value) -> Flow<Value>),
}

/// What is made of the elements of a list in an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sorted {
    Sort,
    Least,
    Greatest,
    Unique,
    Groups,
}

/// The function of this name.
pub(super) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// The functions, in the order of the documentation.
pub(crate) const fn functions() -> &'static [Function] {
    FUNCTIONS
}

const fn function(
    name: &'static str,
    arguments: &'static [usize],
    call: Call,
    example: &'static str,
    meaning: &'static str,
) -> Function {
    Function { name, example, meaning, arguments, call }
}

#[rustfmt::skip]
static FUNCTIONS: &[Function] = &[
    function("select", &[1], Call::Select, ".list[] | select(.active)", "passes what the condition holds for"),
    function("map", &[1], Call::Map, ".list | map(.sum)", "a list with what the expression makes of each element"),
    function("first", &[0, 1], Call::First, ".list | first", "the first element; first(…): the first result"),
    function("last", &[0, 1], Call::Last, ".list | last", "the last element; last(…): the last result"),
    function("any", &[0, 1, 2], Call::Any, ".list | any(.blocked)", "whether the condition holds for an element"),
    function("all", &[0, 1, 2], Call::All, ".list | all(.paid)", "whether the condition holds for every element"),
    function("add", &[0], Call::Value(values::add), "[.list[].sum] | add", "the sum of the elements; null if there are none"),
    function("length", &[0], Call::Length, ".list | length", "elements, keys or characters; the size of a number without its sign; an error for null"),
    function("keys", &[0], Call::Value(values::keys), ".accounts | keys", "the sorted keys of an object, or the indexes of a list"),
    function("has", &[1], Call::About2(values::has), r#"has("error")"#, "whether an object has the key, or a list the index"),
    function("to_entries", &[0], Call::Value(values::to_entries), ".remaining | to_entries[]", r#"a list with {"key": …, "value": …} for each key"#),
    function("flatten", &[0, 1], Call::Value2(values::flatten), ".pages | flatten", "lists in the list are replaced by their elements; flatten(1): one level"),
    function("sort", &[0], Call::Sorted(Sorted::Sort), "[.list[].name] | sort", "the elements in order"),
    function("sort_by", &[1], Call::Sorted(Sorted::Sort), ".list | sort_by(.date)", "the elements in the order of the expression"),
    function("min", &[0], Call::Sorted(Sorted::Least), "[.list[].sum] | min", "the smallest element"),
    function("max", &[0], Call::Sorted(Sorted::Greatest), "[.list[].sum] | max", "the greatest element"),
    function("min_by", &[1], Call::Sorted(Sorted::Least), ".packages | min_by(.expires)", "the element with the smallest value of the expression"),
    function("max_by", &[1], Call::Sorted(Sorted::Greatest), ".packages | max_by(.date)", "the element with the greatest value of the expression"),
    function("unique", &[0], Call::Sorted(Sorted::Unique), "[.list[].currency] | unique", "the elements in order, each once"),
    function("unique_by", &[1], Call::Sorted(Sorted::Unique), ".list | unique_by(.id)", "one element for each value of the expression"),
    function("group_by", &[1], Call::Sorted(Sorted::Groups), ".list | group_by(.currency)[]", "a list of lists, one for each value of the expression"),
    function("reverse", &[0], Call::Value(values::reverse), ".list | reverse", "the elements from the last to the first"),
    function("join", &[1], Call::Value2(values::join), r#"[.first, .last] | join(" ")"#, "the elements as one text"),
    function("split", &[1], Call::Value2(values::split), r#".balance | split(" ")[1]"#, "the parts of a text between separators"),
    function("startswith", &[1], Call::About2(values::startswith), r#"startswith("ERROR")"#, "whether a text begins so"),
    function("endswith", &[1], Call::About2(values::endswith), r#".name | endswith("-eu")"#, "whether a text ends so"),
    function("ltrimstr", &[1], Call::Value2(values::ltrimstr), r#"ltrimstr("BALANCE:")"#, "the text without this beginning"),
    function("rtrimstr", &[1], Call::Value2(values::rtrimstr), r#".quota | rtrimstr(" GB")"#, "the text without this end"),
    function("trim", &[0], Call::Value(values::trim), ".name | trim", "the text without white space around it"),
    function("tostring", &[0], Call::Value(values::tostring), ".id | tostring", "a number or another value as a text"),
    function("tonumber", &[0], Call::Value(values::tonumber), ".sum | tonumber", "a text that holds a number and nothing else as that number"),
    function("ascii_downcase", &[0], Call::Value(values::downcase), ".currency | ascii_downcase", "A to Z in lower case"),
    function("ascii_upcase", &[0], Call::Value(values::upcase), ".currency | ascii_upcase", "a to z in upper case"),
    function("type", &[0], Call::About(values::kind), r#".error | type == "object""#, r#""null", "boolean", "number", "string", "array" or "object""#),
    function("not", &[0], Call::About(values::not), ".active | not", "true for false and null"),
    function("empty", &[0], Call::Empty, "if .deleted then empty else .sum end", "no result"),
    function("values", &[0], Call::Values, ".list[].sum | values", "passes everything but null"),
];

/// The names that stand for a value. They are called like functions.
pub(super) fn constant(name: &str) -> Option<Value> {
    match name {
        "true" => Some(Value::Flag(true)),
        "false" => Some(Value::Flag(false)),
        "null" => Some(Value::Null),
        _ => None,
    }
}

/// What to use instead of functions of jq that are not here.
pub(super) fn replacement(name: &str) -> Option<&'static str> {
    Some(match name {
        "test" | "match" | "capture" | "scan" | "splits" | "sub" | "gsub" => {
            "there are no regular expressions; use startswith, endswith, split, ltrimstr or rtrimstr"
        }
        "contains" | "inside" | "index" | "rindex" | "indices" | "in" | "IN" => {
            r#"compare with ==, or use any(. == "x"), has("x"), startswith("x") or endswith("x")"#
        }
        "range" | "limit" | "until" | "while" | "repeat" | "recurse" | "input" | "inputs" | "nth" | "skip" | "getpath"
        | "paths" | "path" | "env" | "walk" => {
            "there are no loops; .list[], .list[0], .list[2:4], first(…) and .. select from the answer"
        }
        "with_entries" | "from_entries" | "map_values" | "del" | "delpaths" | "setpath" | "pick" => {
            "an expression selects from the answer; to_entries[] and {name: .value} make new values"
        }
        "round" | "floor" | "ceil" | "trunc" | "fabs" | "abs" | "pow" | "log" | "sqrt" => {
            "figures are not rounded; scale multiplies them"
        }
        "tojson" | "@text" | "@json" => "tostring makes a text",
        "fromjson" => "tonumber reads a number from a text",
        "ltrim" | "rtrim" => "trim removes white space at both ends",
        "keys_unsorted" => "keys lists them sorted",
        "now" | "fromdate" | "todate" | "strptime" | "mktime" | "fromdateiso8601" | "date" | "dateadd" | "strftime"
        | "gmtime" => "expires and resets read dates themselves",
        "numbers" | "strings" | "booleans" | "arrays" | "objects" | "nulls" | "iterables" | "scalars" => {
            r#"select(type == "number") passes one kind"#
        }
        "error" | "halt" | "debug" | "input_line_number" => "the error rule of a call says what an error is",
        "utf8bytelength" => "length counts characters",
        _ => return None,
    })
}
