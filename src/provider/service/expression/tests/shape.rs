//! What is said about an expression before there is an answer.

use super::*;

fn expression(text: &str) -> Expression {
    Expression::parse(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn a_figure_that_may_be_written_in_the_expression_ends_in_a_literal() {
    let literal = [
        "0",
        "\"0\"",
        "null",
        "false",
        ".balance // 0",
        "(.a // 0)",
        ".a // null",
        ".a // .b // 0",
        "0 // .a",
        ".a, 0",
        ".a | (. // 0)",
        ".a | 0",
        "if .x then .x else 0 end",
        "if .x then 0 else .x end",
        "if .x then .x elif .y then 0 else .z end",
        ".a // 0 | . * 1",
        "(.a // 0) - (.b // 0)",
        ".a - (.b // 0)",
        "-(.a // 0)",
        "(.a // 0) as $x | $x",
        ".a as $x | $x // 0",
        "0 as $x | .a // $x",
        "[.a // 0][0]",
        "[.a // 0] | first",
        "{b: (.a // 0)} | .b",
        "{b: (.a // 0)}.b",
        "first(.a // 0)",
        "(.a // \"0\") | tonumber",
        "(.a | tonumber)? // 0",
        "\"\\(.a // 0)\" | tonumber",
        ".a | select(. != null) // 0",
        "reduce .l[] as $x (0; . + $x.v)",
        "reduce .l[] as $x (.a; 0)",
        "[.l[] | .v // 0] | add",
        ".l | map(.v // 0) | add",
        "{usd: 1}[.currency]",
        "({jpy: 1}[.currency] // 0.01)",
        "$parameters.balance",
        ".a // $parameters.balance",
        "try .a // 0",
        "[1, 2] | add",
        "(.l // []) | length",
        "[.l[]?] | length",
        "[.l[] | .a // empty] | length",
    ];
    for text in literal {
        assert!(expression(text).ends_in_literal(), "{text}");
    }
    let from_the_answer = [
        ".a",
        ".a / 100",
        "100 * .a",
        ".a - .b",
        ".a + 0",
        ".a * ({jpy: 1}[.currency] // 0.01)",
        ".a / (if .currency == \"JPY\" then 1 else 100 end)",
        ".a * $parameters.rate",
        ".a // .b",
        ".a // empty",
        "if .kind == \"prepaid\" then .a else .b end",
        "if .x == 0 then empty else .a end",
        ".l[] | select(.id == 5 and .name == \"x\") | .v",
        "[.l[].v] | add",
        "(.data // [])[0].balance",
        ".l | map(select(.a // 0 | . > 1)) | first | .v",
        ".a as $x | $x",
        ".text | split(\" \")[1]",
        "\"\\(.whole).\\(.cents)\" | tonumber",
        "first(.l[].v)",
        ".l | length",
        "[.l[] | select(.state == \"free\")] | length",
        "$headers[\"x-left\"] | tonumber",
        ".. | .balance? // empty",
        "reduce .l[] as $x (.start; . + $x.v)",
        ".a | ltrimstr(\"x\")",
    ];
    for text in from_the_answer {
        assert!(!expression(text).ends_in_literal(), "{text}");
    }
}

#[test]
fn an_expression_says_whether_errors_become_nothing() {
    for text in [".a?", ".[]?", "try .a", "[.a.b?[0]]", "if .a? then 1 else 2 end", ".l[] // empty", "map(.a?)", "{a: .b?}"] {
        assert!(expression(text).swallows_errors(), "{text}");
    }
    for text in [".a", ".a // .b", "(.data // .result)[]", "\"?\"", "if .a then .b else empty end"] {
        assert!(!expression(text).swallows_errors(), "{text}");
    }
}

#[test]
fn an_expression_says_whether_it_yields_one_result_at_most() {
    let single = [
        ".a",
        ".a.b[0]",
        "[.[]]",
        "first(.[])",
        "last(.[])",
        "map(.[])",
        "any(.[]; .a)",
        ".a // .b",
        "if .a then .b else .c end",
        "select(.a)",
        "reduce .[] as $x (0; . + $x)",
        ".a as $x | $x",
        "{a: .b}",
        "sort_by(.a)",
        ".a?",
        "\"\\(.a)\"",
        "empty",
        ".[1:2]",
    ];
    for text in single {
        assert!(expression(text).is_single(), "{text}");
    }
    let several = [
        ".[]",
        ".a[]",
        "..",
        ".a, .b",
        ".a[] | .b",
        "select(.[])",
        ".[] // 0",
        "0 // .[]",
        "{a: .[]}",
        ".[.[]]",
        ".[.[]:]",
        "\"\\(.[])\"",
        "if .[] then 1 else 2 end",
        "if .a then .[] else 2 end",
        ".[] as $x | 1",
        "reduce .[] as $x (.[]; .)",
        ".[] + 1",
        "has(.[])",
        "-.[]",
        ".[]?",
        "try .[]",
        "to_entries[]",
    ];
    for text in several {
        assert!(!expression(text).is_single(), "{text}");
    }
}
