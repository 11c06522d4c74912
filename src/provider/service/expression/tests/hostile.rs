//! Expressions and answers that would run long, fill the memory or overflow the stack.

use super::*;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Evaluates in a thread with the stack of a worker. The time is that of a debug build.
fn refused(expression: &str, answer: &str) -> String {
    let (text, expression, answer) = (expression, expression.to_owned(), answer.to_owned());
    let start = Instant::now();
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || outputs(&expression, &answer).map(|_| ()));
    let message = thread.expect("a thread").join().expect("no panic").expect_err(text);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?} {text}", start.elapsed());
    message
}

const TOO_MUCH: &str = "too much work for one answer: its expressions took more than 1,000,000 steps together";

#[test]
fn work_is_bounded() {
    let list = format!("[{}0]", "0,".repeat(40_000));
    let (short, text) = (format!("[{}0]", "0,".repeat(2_000)), format!("\"{}\"", "x".repeat(100_000)));
    let doubling = format!("[.,.]{}", "|[.[],.[]]".repeat(39));
    let shared = format!("(0{})", "|[.,.]".repeat(28));
    let keys = (0..20_000).fold(String::from("{"), |mut keys, i| {
        write!(keys, "\"{i}\":{i},").expect("a text");
        keys
    }) + "\"x\":0}";
    let cases = [
        (doubling.as_str(), "0"),
        (&format!("{shared} | tostring"), "0"),
        (&format!("{shared} as $a | {shared} as $b | $a == $b"), "0"),
        (&format!("{shared} as $a | {shared} as $b | [$a, $b] | sort"), "0"),
        (&format!("{shared} | flatten"), "0"),
        (&format!("{shared} | [..] | length"), "0"),
        (&format!("{shared} | \"\\(.)\""), "0"),
        (&format!("\"xx\"{}", " | . + .".repeat(60)), "0"),
        (&format!("\"xx\"{}", " | \"\\(.)\\(.)\"".repeat(40)), "0"),
        (".[] as $a | .[] as $b | .[] as $c | $a", &list),
        ("[.[] as $a | .[] as $b | 1] | length", &list),
        ("[.[] | $answer | length] | add | ., [$answer[] | $answer | add]", &list),
        ("[.[] | $answer | sort] | length", &short),
        ("[.[] | $answer | map(.)] | length", &list),
        ("reduce .[] as $x ([]; . + [$x])", &list),
        ("reduce .[] as $x (\"x\"; . + .)", &list),
        ("reduce .[] as $x ([1]; . + .)", &list),
        ("reduce .[] as $x (2; . * .)", "[1,2,3,4,5,6,7]"),
        ("[.[] as $x | $answer[] as $y | $answer[\"x\"]] | length", &keys),
        ("to_entries as $e | [$e[] | .key as $k | $answer[$k]] | length", &keys),
        ("keys as $k | reduce $k[] as $x ({}; . + {($x): 1})", &keys),
        ("split(\"\") | [.[] as $a | .[] as $b | $a + $b] | length", &text),
        ("[split(\"\")[] | $answer | ascii_upcase] | length", &text),
        ("[split(\"\")[] | $answer | split(\"\")[0:1]] | length", &text),
        ("[split(\"\")[] | $answer[1:]] | length", &text),
        ("[split(\"\")[] | $answer | length] | length", &text),
        ("[split(\"\")[] | $answer == ($answer + \"\")] | length", &text),
        (".. | .. | .. | .. | .. | .. | .. | ..", &list),
        (".. as $a | .. as $b | .. as $c | 1", &list),
    ];
    for (expression, answer) in cases {
        let message = refused(expression, answer);
        let expected = [TOO_MUCH, "yields more than 1000 results", "28 digits"];
        assert!(expected.iter().any(|expected| message.contains(expected)), "{expression}: {message}");
    }
}

#[test]
fn nothing_catches_that_the_work_is_too_much() {
    let list = format!("[{}0]", "0,".repeat(40_000));
    for expression in [
        "[try (.[] as $a | .[] as $b | 1)] | length",
        "((.[] as $a | .[] as $b | empty)?) // 5",
        "first([.[] as $a | .[] as $b | 1], 2)?",
        "any(.[] as $a | .[] as $b | false; .)?",
        "[.[] | [$answer[] as $a | $answer[] as $b | 1]?] | length",
    ] {
        assert_eq!(refused(expression, &list), TOO_MUCH, "{expression}");
    }
}

#[test]
fn one_meter_pays_for_all_expressions_over_an_answer() {
    let expression = Expression::parse("[.[] | . + 1] | length").expect("an expression");
    let (answer, null) = (value(&format!("[{}0]", "0,".repeat(20_000))), Value::Null);
    let scope = Scope { answer: &answer, headers: &null, status: &null, parameters: &null };
    let mut meter = Meter::new();
    let done = (0..1_000).take_while(|_| expression.outputs(&answer, &scope, &mut meter, 1).is_ok()).count();
    assert!((3..100).contains(&done), "{done}");
    let dot = Expression::parse(".").expect("an expression");
    assert_eq!(dot.outputs(&answer, &scope, &mut meter, 1), Err(Fault { message: TOO_MUCH.to_owned() }));
}

#[test]
fn deep_values_and_long_expressions_fit_the_stack() {
    let deep = format!("{}0{}", "[".repeat(128), "]".repeat(128));
    let deeper = format!("[{}0]", "0,".repeat(3_000));
    let expressions = [
        (".. | numbers".to_owned(), deep.as_str()),
        (format!("..{} | select(. == 1) | .a", " | $answer | ..".repeat(40)), &deep),
        (format!("{} | .a.b", "[.] | ".repeat(90) + "."), &deep),
        (format!("reduce .[] as $x (0; {}.{})", "[".repeat(20), "]".repeat(20)), &deeper),
        ("reduce .[] as $x (0; [.])".to_owned(), &deeper),
        ("reduce .[] as $x (0; {a: .})".to_owned(), &deeper),
        ("reduce .[] as $x (0; reduce $answer[] as $y (.; [.]))".to_owned(), &deeper),
        ("reduce .[] as $x ([0]; group_by(.) | map([.]))".to_owned(), &deeper),
        (format!("{}.a{}", "(".repeat(32), ")".repeat(32)), &deep),
        (format!("{}.a", "- ".repeat(32)), &deep),
        (format!(".{} | .a", ".a".repeat(199)), "5"),
        (format!(".a{}", " + 1".repeat(98)), "null"),
        (format!(".a{}", " - 1".repeat(98)), "null"),
        (format!("{}.a{}", "if 1 then ".repeat(32), " end".repeat(32)), &deep),
        (format!("{}.a{}", "[1 | ".repeat(32), "]".repeat(32) + " | .a"), &deep),
    ];
    for (expression, answer) in expressions {
        refused(&expression, answer);
    }
    let wrapped = "[.] | ".repeat(90);
    for last in ["tostring | .a", "sort | .a", "flatten | .a", "(. as $x | [$x] == [$x]) | .a", "[..] | .a"] {
        refused(&format!("{wrapped}{last}"), &deep);
    }
}

#[test]
fn long_expressions_are_refused_before_they_are_parsed() {
    let long = [
        "(".repeat(20_000),
        format!("{}1{}", "[".repeat(400), "]".repeat(400)),
        "- ".repeat(400),
        "-".repeat(900),
        "if ".repeat(300),
        "try ".repeat(240),
        "reduce ".repeat(140),
        ". as $x|".repeat(100),
        ".|".repeat(490),
        ".,".repeat(490),
        "1+".repeat(490),
        ".a//".repeat(240),
        "\"\\(".repeat(300),
        "{a:".repeat(300),
        "$".repeat(900),
        "?".repeat(900),
        ".?".repeat(450),
        ".[".repeat(450),
        "def f: ".repeat(100),
        "label $x|".repeat(100),
        "@a".repeat(450),
        "\\".repeat(900),
        "\"\\".repeat(450),
        ".a".repeat(500),
        format!(".{}", "[0]".repeat(300)),
        format!("{}end", "if . then . else ".repeat(50)),
        "é".repeat(499),
        "\u{0}".repeat(900),
    ];
    for text in long {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(move || Expression::parse(&text).map(|_| text));
        let parsed = thread.expect("a thread").join().expect("no panic");
        assert!(parsed.is_err(), "{parsed:?}");
    }
}

proptest::proptest! {
    #![proptest_config(properties::config())]

    #[test]
    fn any_text_is_an_expression_or_a_mistake_in_it(text in "\\PC{0,60}|[-.,|/()\\[\\]{}\"\\\\$@?:;a-c0-9 <>=!+*%#]{0,60}") {
        if let Err(error) = Expression::parse(&text) {
            proptest::prop_assert!(text.is_char_boundary(error.at), "{}", error.at);
        }
    }
}
