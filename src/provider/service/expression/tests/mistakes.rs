//! What is no expression, and the messages for it.

use super::*;

/// The column (in characters, from 1) and the message.
fn mistake(text: &str) -> (usize, String) {
    let error = Expression::parse(text).expect_err(text);
    (text[..error.at].chars().count() + 1, error.message)
}

fn check(cases: &[(&str, usize, &str)]) {
    for (text, column, message) in cases {
        assert_eq!(mistake(text), (*column, (*message).to_owned()), "{text}");
    }
}

#[test]
fn brackets_and_quotes_must_be_closed() {
    check(&[
        (".data[.list", 6, "this `[` is not closed; `]` closes it"),
        ("(.a", 1, "this `(` is not closed; `)` closes it"),
        (".a | {b: 1", 6, "this `{` is not closed; `}` closes it"),
        (".a)", 3, "`)` closes nothing"),
        ("[.a)", 4, "`)` does not close the `[` of column 1; `]` does"),
        (".a == \"x", 7, "this quote is not closed; `\"` closes it"),
        (r#""\(.a""#, 6, "this quote is not closed; `\"` closes it"),
        (".a # b", 4, "an expression has no comments; a text is written in double quotes: \"#\""),
        (&"[".repeat(33), 33, "more than 32 brackets inside each other"),
    ]);
    assert!(Expression::parse(&format!("{}1{}", "[".repeat(32), "]".repeat(32))).is_ok());
    assert!(Expression::parse("\"))))\" + \"((((\" + \"#\"").is_ok());
}

#[test]
fn an_unknown_function_gets_a_suggestion() {
    check(&[
        (".data.list | selct(. > 1)", 14, "there is no function selct; did you mean select?"),
        ("tonumbr", 1, "there is no function tonumbr; did you mean tonumber?"),
        ("data.balance", 1, "there is no function data; a key of the answer is written .data"),
        ("RUB", 1, "there is no function RUB; a key of the answer is written .RUB and a text \"RUB\""),
        (".a | has(key)", 10, "there is no function key; did you mean keys?"),
        (
            ".a | test(\"x\")",
            6,
            "there is no function test; there are no regular expressions; use startswith, endswith, split, ltrimstr or rtrimstr",
        ),
        (
            "range(9)",
            1,
            "there is no function range; there are no loops; .list[], .list[0], .list[2:4], first(…) and .. select from the answer",
        ),
        (".a | floor", 6, "there is no function floor; figures are not rounded; scale multiplies them"),
        ("select", 1, "select takes 1 argument and has 0: .list[] | select(.active) (passes what the condition holds for)"),
        (
            ".a | split(\",\"; 1)",
            6,
            "split takes 1 argument and has 2: .balance | split(\" \")[1] (the parts of a text between separators)",
        ),
        (
            "first(1; 2)",
            1,
            "first takes 0 or 1 arguments and has 2: .list | first (the first element; first(…): the first result)",
        ),
        ("true(1)", 1, "true takes no arguments"),
    ]);
}

#[test]
fn what_is_not_available_says_what_to_use_instead() {
    check(&[
        ("def f: 1; f", 1, "`def` is not available; `… as $name | …` gives a name to a value"),
        (".a |= 1", 4, "`|=` is not available: an expression cannot change the answer; {name: .value} makes new values"),
        (".a = 1", 4, "an expression cannot change the answer; a comparison is written `==`"),
        (".a += 1", 4, "`+=` is not available: an expression cannot change the answer; {name: .value} makes new values"),
        (".a % 2", 4, "`%` is not available; `+ - * /` are"),
        ("label $x | 1", 1, "`label` and `break` are not available; first(…) takes the first result"),
        ("try .a catch .b", 8, "`catch` is not available; (try …) // .other gives another value where a part fails"),
        ("@base64", 1, "formats such as @base64 are not available; \"\\(.a) \\(.b)\" makes a text of values"),
        ("import \"a\" as b; 1", 1, "an expression cannot load anything"),
        (". as [$a] | $a", 7, "`as` gives a name to one value: . as $it | $it.a"),
        (". as {a: $x} | $x", 10, "`as` gives a name to one value: . as $it | $it.a"),
        ("reduce .[] as $x (0)", 15, "reduce is written so: reduce .list[] as $it (0; . + $it.sum)"),
    ]);
    assert!(mistake("foreach .[] as $x (0; 1)").1.starts_with("`foreach` is not available; reduce"));
}

#[test]
fn a_key_that_needs_quotes_is_shown_with_them() {
    check(&[
        (".my-key", 4, "a key with a hyphen is written in quotes: .\"my-key\"; a subtraction has spaces around its minus"),
        // Both would be subtractions of what a function yields.
        (
            ".min-length",
            5,
            "a key with a hyphen is written in quotes: .\"min-length\"; a subtraction has spaces around its minus",
        ),
        (
            "$headers.x-rate-limit",
            11,
            "a key with a hyphen is written in quotes: .\"x-rate-limit\"; a subtraction has spaces around its minus",
        ),
        (".баланс", 2, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"баланс\""),
        (".data.ИНН", 7, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"ИНН\""),
        (".nameЖ", 6, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"nameЖ\""),
        (".$balance", 2, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"$balance\""),
        (".@id", 2, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"@id\""),
        (". * .01", 6, "a number is written 0.01, and a key .\"01\""),
        (".2fa", 2, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"2fa\""),
        (".usage-24h", 10, "a key with other characters than a-z, 0-9 and _ is written in quotes: .\"usage-24h\""),
    ]);
    for subtraction in [".a - .b", ".a-1", ".a-.b", ".a -length", "$answer.a-$answer.b"] {
        assert!(Expression::parse(subtraction).is_ok(), "{subtraction}");
    }
}

#[test]
fn a_wrong_sign_says_what_is_right() {
    check(&[
        ("", 1, "the expression is empty; `.` is the whole answer"),
        ("  ", 1, "the expression is empty; `.` is the whole answer"),
        (".a == 'x'", 7, "a text is written in double quotes: \"text\""),
        (".a == «x»", 7, "a text is written in double quotes: \"text\""),
        (".a == да", 7, "a text is written in double quotes: \"да\""),
        (".a && .b", 4, "`and` joins two conditions"),
        (".a || .b", 4, "`or` joins two conditions"),
        ("!.a", 1, "the opposite is written `| not`: .active | not"),
        (".a === .b", 4, "a comparison is written `==`, `!=`, `<`, `<=`, `>` or `>=`"),
        (".a − .b", 4, "a minus is written `-`"),
        (".a ^ 2", 4, "`^` has no meaning here"),
        (".a.", 4, "expected a key, as in .name or .\"a name\", but the expression ends"),
        (".a |", 5, "expected a value, as in .name, \"text\" or 1, but the expression ends"),
        ("| .a", 1, "expected a value, as in .name, \"text\" or 1, but `|` follows"),
        (".a .b c", 7, "expected `|` or another sign, but `c` follows"),
        (".a + ()", 7, "expected a value, as in .name, \"text\" or 1, but the bracket is closed"),
        ("if .a then 1", 13, "expected `else` or `end`, but the expression ends"),
        ("if .a 1", 7, "expected `then`, but `1` follows"),
        (".a as b | 1", 7, "expected a name such as $it, but `b` follows"),
        ("{1: 2}", 2, "expected a key, as in .name or .\"a name\", but `1` follows"),
        ("1.", 3, "a digit is missing"),
        ("$", 2, "a name is missing after `$`, `@` or `::`"),
        (
            r#""\x""#,
            3,
            r#"in a text, a backslash stands before `" \ / b f n r t`, four digits as in \u00e9, or a bracket as in \(.name)"#,
        ),
        ("1e999", 1, "no number may be so large or so small"),
        ("$anser.a", 1, "there is no variable $anser; did you mean $answer?"),
        (
            "$x",
            1,
            "there is no variable $x; there are $answer, $headers, $status, $parameters; a key that begins with a dollar sign is written .\"$x\"",
        ),
        (". as $item | $itm", 14, "there is no variable $itm; did you mean $item?"),
        (
            "(. as $x | 1) | $x",
            17,
            "there is no variable $x; there are $answer, $headers, $status, $parameters; a key that begins with a dollar sign is written .\"$x\"",
        ),
    ]);
}

#[test]
fn what_people_read_in_another_way_than_jq_needs_brackets() {
    check(&[
        ("1 < .a < 10", 8, "a comparison has two sides; `and` joins two comparisons: .a > 1 and .a < 10"),
        (".a // \"\" != \"\"", 10, "`//` binds weaker than `!=`; brackets say what is meant: (.a // .b) != …"),
        (".a > .b // 0", 9, "`//` binds weaker than `>`; brackets say what is meant: (.a // .b) > …"),
        (".a // false or .b", 13, "`//` binds weaker than `or`; brackets say what is meant: (.a // .b) or …"),
        (".a and .b // .c", 11, "`//` binds weaker than `and`; brackets say what is meant: (.a // .b) and …"),
        ("1 + . as $x | $x", 7, "brackets say what `as` gives a name to: (.a + .b) as $it | …"),
        ("[.a // .b as $x | $x]", 11, "brackets say what `as` gives a name to: (.a + .b) as $it | …"),
    ]);
    let fine = [
        "(.a // \"\") != \"\"",
        ".a > 1 and .a < 10",
        ".a // .b | . > 1",
        "if .a == 1 then .b // 0 else 1 end",
        "[.a == 1, .b // 0]",
        "(.a + .b) as $x | $x",
        ". + 1 | . as $x | $x",
        "{a: .b // .c, d: (.e == 1)}",
        "reduce .[] as $x (0; . + $x)",
        "1 + reduce .[] as $x (0; . + $x)",
    ];
    for text in fine {
        assert!(Expression::parse(text).is_ok(), "{text}: {:?}", mistake(text));
    }
}

#[test]
fn the_real_expressions_compile() {
    let real = [
        ".data.total_credits - .data.total_usage",
        "$headers[\"x-subject-token\"]",
        "({jpy: 1, krw: 1, vnd: 1, clp: 1, xaf: 1, xof: 1, bhd: 0.001, jod: 0.001, kwd: 0.001, omr: 0.001, tnd: 0.001}[.currency] // 0.01)",
        ".ApiResponse[\"@Status\"] != \"OK\"",
        "$headers[\"ratelimit-remaining\"] | split(\";\")[0]",
        ".remaining | to_entries[]",
        "startswith(\"ACCESS_BALANCE:\") | not",
        "(ltrimstr(\"ACCESS_BALANCE:\"))",
        ".doc.auth[\"$id\"] // .doc.session[\"$id\"]",
        ".UserData.balance | split(\" \")[1]",
        "([.data[]?.trc20[]?.TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t | values] | first)",
        "(.Credits | tonumber) == -1",
        "has(\"error\") or has(\"error_code\")",
        "[.x] | flatten[]",
        "($status)",
    ];
    for text in real {
        assert!(Expression::parse(text).is_ok(), "{text}: {:?}", mistake(text));
    }
}
