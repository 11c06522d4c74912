//! What expressions yield, by subject.

mod hostile;
mod jaq;
mod mistakes;
mod shape;

use super::*;
use crate::properties;
use crate::provider::document::Document;

fn value(json: &str) -> Value {
    Document::read(json.as_bytes()).expect("a document").root().clone()
}

/// Evaluates an expression over an answer.
fn outputs(expression: &str, answer: &str) -> Result<Vec<Value>, String> {
    let expression = Expression::parse(expression).map_err(|error| format!("{}: {}", error.at, error.message))?;
    let (answer, headers) = (value(answer), value(r#"{"x-left":"76;w=21600"}"#));
    let (status, parameters) = (value("200"), value(r#"{"login":"me"}"#));
    let scope = Scope { answer: &answer, headers: &headers, status: &status, parameters: &parameters };
    expression.outputs(&answer, &scope, &mut Meter::new(), 1000).map_err(|fault| fault.message)
}

/// The same as JSON, one result a line.
fn eval(expression: &str, answer: &str) -> String {
    match outputs(expression, answer) {
        Ok(values) => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        Err(message) => format!("error: {message}"),
    }
}

fn check(cases: &[(&str, &str, &str)]) {
    for (expression, answer, expected) in cases {
        assert_eq!(eval(expression, answer), *expected, "{expression} over {answer}");
    }
}

#[test]
fn paths_select_from_the_answer() {
    check(&[
        (".", r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (".a.b", r#"{"a":{"b":1}}"#, "1"),
        (".a.b.c", r"{}", "null"),
        (r#"."a b""#, r#"{"a b":1}"#, "1"),
        (r#".["@x"]"#, r#"{"@x":1}"#, "1"),
        (r#".a["$b"]"#, r#"{"a":{"$b":1}}"#, "1"),
        (r#"."ИНН""#, r#"{"ИНН":1}"#, "1"),
        (".[0], .[-1], .[5], .[1.9]", "[1,2,3]", "1 3 null 2"),
        (".[1:], .[:1], .[-2:], .[1:2], .[2:1]", "[1,2,3]", "[2,3] [1] [2,3] [2] []"),
        (".[1:3], .[-1:]", r#""añcd""#, r#""ñc" "d""#),
        (".[1.2:2.5]", "[1,2,3,4]", "[2,3]"),
        (".[]", r#"{"b":1,"a":2}"#, "1 2"),
        (".[].a", r#"[{"a":1},{"a":null},{}]"#, "1 null null"),
        (".[(.k)]", r#"{"k":"v","v":5}"#, "5"),
        (".l[.i]", r#"{"l":[4,5],"i":1}"#, "5"),
        ("..", r#"[[1],{"a":2}]"#, r#"[[1],{"a":2}] [1] 1 {"a":2} 2"#),
        ("$answer.a, $headers[\"x-left\"], $status, $parameters.login", r#"{"a":1}"#, r#"1 "76;w=21600" 200 "me""#),
    ]);
}

#[test]
fn a_wrong_kind_is_an_error_that_names_it() {
    check(&[
        (".a", "[1]", "error: only an object has keys; this is a list"),
        (".a", "5", "error: only an object has keys; this is a number"),
        (".[0]", r#"{"a":1}"#, "error: only a list has numbered elements; this is an object"),
        (".[]", "null", "error: only a list or an object has elements; this is null"),
        (".[]", r#""secret""#, "error: only a list or an object has elements; this is a text"),
        (".[null]", "[1]", "error: an index is a number and a key is a text; this is null"),
        (".[1:]", r"{}", "error: only a list or a text has parts; this is an object"),
        (r#".["a":]"#, "[]", "error: the bounds of a part are numbers; this is a text"),
        (r"{(.a): 1}", r#"{"a":7}"#, "error: a key of an object is a text; this is a number"),
    ]);
}

#[test]
fn errors_can_become_nothing() {
    check(&[
        (".a?", "5", ""),
        (".[]?", "5", ""),
        (".[]?.a?", "[1,{\"a\":2}]", "2"),
        ("[.[] | tonumber?]", r#"["1","x","3"]"#, "[1,3]"),
        ("try tonumber", r#""x""#, ""),
        ("(.a | tonumber)? // .b", r#"{"a":"x","b":2}"#, "2"),
        // What the part does not do itself is not its error.
        (
            "[.[]?] | .[0] | tonumber",
            r#"["x"]"#,
            "error: tonumber takes a text that holds a number and nothing else; this one does not",
        ),
        ("(.[]? | .a) , 1", "[5]", "error: only an object has keys; this is a number"),
        // As in jq, the alternative is for null and false and not for errors.
        (".a.b // 2", r#"{"a":5}"#, "error: only an object has keys; this is a number"),
    ]);
}

#[test]
fn alternatives_conditions_and_logic_follow_jq() {
    check(&[
        (".a // .b", r#"{"a":null,"b":1}"#, "1"),
        (".a // .b", r#"{"a":0,"b":1}"#, "0"),
        ("(.[] // 9)", "[null,1,false,2]", "1 2"),
        ("[] | (.[] // 9)", "0", "9"),
        ("empty // 1", "0", "1"),
        ("if .a then 1 else 2 end", r#"{"a":false}"#, "2"),
        ("if .a then 1 end", r#"{"a":null}"#, r#"{"a":null}"#),
        ("if . == 1 then \"a\" elif . == 2 then \"b\" else \"c\" end", "2", r#""b""#),
        ("if (true, false) then 1 else 2 end", "0", "1 2"),
        ("true and false, true or false, false and (1 | .a), true or (1 | .a)", "0", "false true false true"),
        ("(true, false) and (true, false)", "0", "true false false"),
        ("(false, true) or false", "0", "false true"),
        ("not", "null", "true"),
        ("[.[] | not]", "[0,\"\",null,false]", "[false,false,true,true]"),
    ]);
}

#[test]
fn several_results_come_in_the_order_of_jq() {
    check(&[
        ("[(1,2) + (10,20)]", "0", "[11,12,21,22]"),
        ("[(1,2) < (2,1)]", "0", "[true,false,false,false]"),
        (r#"["\(1,2) \(3,4)"]"#, "0", r#"["1 3","2 3","1 4","2 4"]"#),
        ("[{a: (1,2), b: (3,4)} | .a * 10 + .b]", "0", "[13,14,23,24]"),
        (r#"{("a","b"): (1,2)}"#, "0", r#"{"a":1} {"a":2} {"b":1} {"b":2}"#),
        ("[.[] as $x | $x, -$x]", "[1,2]", "[1,-1,2,-2]"),
    ]);
}

#[test]
fn values_are_constructed() {
    check(&[
        ("{a, \"b c\": .b, (.k): 1, \"x\\(.a)\": 2}", r#"{"a":1,"b":2,"k":"z"}"#, r#"{"a":1,"b c":2,"z":1,"x1":2}"#),
        ("{\"b c\"}", r#"{"b c":2}"#, r#"{"b c":2}"#),
        (".a as $n | {$n, m: $n}", r#"{"a":1}"#, r#"{"n":1,"m":1}"#),
        ("\"k\" as $n | {($n): 1}", "0", r#"{"k":1}"#),
        ("{a: 1, a: 2}", "0", r#"{"a":2}"#),
        ("{def: 1, if: 2, label: .a}", r#"{"a":3}"#, r#"{"def":1,"if":2,"label":3}"#),
        ("{a: 1 | . + 1, b: 2}", "0", r#"{"a":2,"b":2}"#),
        ("[], {}", "0", "[] {}"),
        (r#""a\(.x)b\(.y)""#, r#"{"x":1.50,"y":["z",null]}"#, r#""a1.50b[\"z\",null]""#),
        (r#""\u00e9\n\"\\""#, "0", r#""é\n\"\\""#),
        ("1 as $x | 2 as $y | [$x, $y]", "0", "[1,2]"),
        ("1 as $x | 2 as $x | $x", "0", "2"),
        (". as $all | .list[] | . + $all.more", r#"{"list":[1,2],"more":10}"#, "11 12"),
        ("reduce .[] as $x (0; . + $x)", "[1,2,3]", "6"),
        ("reduce .[] as $x ({}; . + {($x.k): $x.v})", r#"[{"k":"a","v":1},{"k":"b","v":2}]"#, r#"{"a":1,"b":2}"#),
        ("reduce .[] as $x (0; empty)", "[1]", "error: the update of reduce yields no result"),
        ("reduce .[] as $x (0; 1, 2)", "[1]", "error: the update of reduce yields more than one result"),
    ]);
}

#[test]
fn arithmetic_is_decimal_and_exact() {
    check(&[
        (".a - .b", r#"{"a":100.10,"b":0.20}"#, "99.9"),
        ("0.1 * 1 + 0.1 * 2", "0", "0.3"),
        ("9007199254740993 * 0.01", "0", "90071992547409.93"),
        ("123456789012345678901234567 + 1", "0", "123456789012345678901234568"),
        ("1234567890123456789012345678 * 10", "0", "12345678901234567890123456780"),
        ("1e20 + 1e-20", "0", "error: arithmetic is exact, and the result of this one has more than 28 digits"),
        (". + 0.5", "12345678901234567890123456789", "error: arithmetic is exact, and a number has more than 28 digits"),
        ("1e300 * 1e300", "0", "error: the result is larger or smaller than any number may be"),
        ("1e-300 * 1e-300", "0", "error: the result is larger or smaller than any number may be"),
        ("172774397764084972158218 * 1e-18", "0", "172774.397764084972158218"),
        ("33554432 * 0.000000298023223876953125", "0", "10"),
        ("1 / 4, 1 / 3, 2 / 3, -1 / 8", "0", "0.25 0.3333333333333333333333333333 0.6666666666666666666666666667 -0.125"),
        ("1e-20 / 3", "0", "0.000000000000000000003333333333333333333333333333"),
        ("7 / 0", "0", "error: a division by zero"),
        ("0 - 0, -0, 0 * -5, 1 - 1.0", "0", "0 0 0 0"),
        ("-.a", r#"{"a":1.50}"#, "-1.50"),
        ("-(.a)", r#"{"a":-123456789012345678901234567890}"#, "123456789012345678901234567890"),
        ("2 - 1 - 1, 2 + 3 * 4, (2 + 3) * 4, 8 / 2 / 2", "0", "0 14 20 2"),
        ("5 - -3, 5 - 3", "0", "8 2"),
        ("1e5 + 1", "0", "100001"),
    ]);
}

#[test]
fn the_text_of_a_small_number_is_plain() {
    check(&[("1e-20 / 3 * 3", "0", "0.000000000000000000009999999999999999999999999999")]);
}

#[test]
fn arithmetic_takes_numbers() {
    check(&[
        (r#""a" + "b", [1] + [2], {a: 1} + {b: 2, a: 3}"#, "0", r#""ab" [1,2] {"a":3,"b":2}"#),
        ("null + 1", "0", "error: `+` takes two numbers, two texts, two lists or two objects; here are null and a number"),
        (
            ".a + .b",
            r#"{"b":5}"#,
            "error: `+` takes two numbers, two texts, two lists or two objects; here are null and a number",
        ),
        (".a - 1", r#"{"a":"5"}"#, "error: `-` takes two numbers; here are a text and a number"),
        (".a * .b", r#"{"a":"x","b":1000000000000}"#, "error: `*` takes two numbers; here are a text and a number"),
        ("[1] - [1]", "0", "error: `-` takes two numbers; here are a list and a list"),
        ("-.", r#""x""#, "error: `-` takes a number; this is a text"),
        ("[null, 1] | add", "0", "error: `+` takes two numbers, two texts, two lists or two objects; here are null and a number"),
    ]);
}

#[test]
fn numbers_keep_their_digits_and_compare_exactly() {
    check(&[
        (".", "60906404.930000000000", "60906404.930000000000"),
        ("[.[]]", "[1e3,1.0,9007199254740993]", "[1e3,1.0,9007199254740993]"),
        (". == 9007199254740992", "9007199254740993", "false"),
        ("1.0 == 1, 1e3 == 1000, 0.10 == 0.1, -0.0 == 0", "0", "true true true true"),
        ("1e300 > 1e299, 1e-300 < 1e-299, -1e300 < -1e299", "0", "true true true"),
        ("123456789012345678901234567890 < 123456789012345678901234567891", "0", "true"),
        ("[.[]] | sort", "[3,1e1,-2,0.5,-2.5]", "[-2.5,-2,0.5,3,1e1]"),
        ("007, 00.5, 0, 10", "0", "7 0.5 0 10"),
    ]);
}

#[test]
fn kinds_are_in_the_order_of_jq() {
    check(&[
        ("sort", r#"[{},[],"a",1,true,false,null]"#, r#"[null,false,true,1,"a",[],{}]"#),
        (r#""a" < ["b"], [1] < [1,0], {a: 1} == {a: 1.0}, "ab" < "b""#, "0", "true true true true"),
        ("{b: 1, a: 2} == {a: 2, b: 1}, {b: 1, a: 2} < {a: 1, c: 0}", "0", "true true"),
        ("null < 1, null == false", "0", "true false"),
    ]);
}

#[test]
fn functions_do_what_their_examples_say() {
    check(&[
        ("[.[] | select(.a > 1) | .a]", r#"[{"a":1},{"a":2}]"#, "[2]"),
        ("map(. * 2), map(select(. > 1))", "[1,2]", "[2,4] [2]"),
        ("first, last, first(.[] | select(. > 1)), last(.[])", "[1,2,3]", "1 3 2 3"),
        ("first, last, [first(.[])], [last(.[])]", "[]", "null null [] []"),
        ("any, all, any(. > 1), all(. > 0), any(.[]; . == 2)", "[1,2]", "true true true true true"),
        ("any, all", "[]", "false true"),
        ("add", "[1,2,3.5]", "6.5"),
        ("add", r#"{"a":1,"b":2}"#, "3"),
        ("add", "[]", "null"),
        ("[.[] | length]", r#"["añ",[1],{"a":1},-5]"#, "[2,1,1,5]"),
        ("length", "null", "error: length takes a text, a list, an object or a number; this is null"),
        ("length", "true", "error: length takes a text, a list, an object or a number; this is true or false"),
        ("keys", r#"{"b":1,"a":2}"#, r#"["a","b"]"#),
        ("keys", "[7,8]", "[0,1]"),
        (r#"has("a"), has("z")"#, r#"{"a":null}"#, "true false"),
        ("has(0), has(1), has(-1)", "[1]", "true false false"),
        ("to_entries[] | .key, .value", r#"{"b":1,"a":2}"#, r#""b" 1 "a" 2"#),
        ("flatten, flatten(1)", "[1,[2,[3]]]", "[1,2,3] [1,2,[3]]"),
        ("sort_by(.b), sort_by(-.b)", r#"[{"b":2},{"b":1}]"#, r#"[{"b":1},{"b":2}] [{"b":2},{"b":1}]"#),
        ("min, max", "[2,1,3]", "1 3"),
        ("min, max", "[]", "null null"),
        ("min_by(.a).b, max_by(.a).b", r#"[{"a":1,"b":1},{"a":1,"b":2}]"#, "1 2"),
        ("unique", "[2,1,2.0]", "[1,2]"),
        ("unique_by(.a) | map(.b)", r#"[{"a":2,"b":1},{"a":1,"b":2},{"a":2,"b":3}]"#, "[2,1]"),
        ("group_by(.a) | map(map(.b))", r#"[{"a":2,"b":1},{"a":1,"b":2},{"a":2,"b":3}]"#, "[[2],[1,3]]"),
        ("reverse", "[1,2]", "[2,1]"),
        (r#"join("-")"#, r#"["a",1,true]"#, r#""a-1-true""#),
        (r#"join(".")"#, r"[12,null]", "error: join takes texts, numbers and flags in the list; this is null"),
        (r#"split(",")"#, r#""a,,b""#, r#"["a","","b"]"#),
        (r#"split("")"#, r#""añ""#, r#"["a","ñ"]"#),
        (r#"split(",")"#, r#""""#, "[]"),
        (r#"startswith("a"), endswith("c"), startswith("")"#, r#""abc""#, "true true true"),
        (r#"ltrimstr("a"), rtrimstr("c"), ltrimstr("x")"#, r#""abc""#, r#""bc" "ab" "abc""#),
        ("trim", r#""\u00a0 a b\n""#, r#""a b""#),
        ("map(tostring)", r#"["a",1.50,null,{"b":[true]}]"#, r#"["a","1.50","null","{\"b\":[true]}"]"#),
        ("ascii_downcase, ascii_upcase", r#""Añ""#, r#""añ" "Añ""#),
        ("map(type)", r#"[null,true,1,"a",[],{}]"#, r#"["null","boolean","number","string","array","object"]"#),
        ("[.[] | values]", "[1,null,false]", "[1,false]"),
        ("true, false, null, empty", "0", "true false null"),
    ]);
}

#[test]
fn a_text_becomes_a_number_only_as_a_whole() {
    check(&[("tonumber", "5.10", "5.10"), ("tonumber", r#"" -1.50e3 ""#, "-1.50e3")]);
    for text in [
        "nan", "NaN", "Infinity", "1e999", "1e-999", "+5", "5 RUB", "1 2", "1,5", "", "0x10", "05", ".5", "5.", "[1]", "--1", "-",
    ] {
        let answer = serde_json::Value::from(text).to_string();
        assert!(eval("tonumber", &answer).starts_with("error: tonumber takes a text that holds a number"), "{text}");
    }
}

#[test]
fn a_message_holds_no_value_of_the_answer() {
    let answer = r#"{"secret-key":"secret-text","list":["secret"],"n":12345}"#;
    let expressions = [
        ".list.a",
        ".n.a",
        ".n[]",
        ".[.n]",
        ".list[.list]",
        ".n + .list",
        ".\"secret-key\" - 1",
        "keys | tonumber",
        ".n | length | .a",
        ".list | join(.n)",
        ".list[0] | has(0)",
        "{(.n): 1}",
        "-.list",
        ".list | flatten(-1)",
        "to_entries | first | .key | tonumber",
        ".[0]",
        ".list[0][0]",
        "reduce .list[] as $x (.; .list[$x])",
        ".n[1:]",
        ".list[.list[0]:]",
        ".n | sort",
        "[.] | join(\",\")",
        ".n | startswith(\"a\")",
        ".list | trim",
        ".n | to_entries",
        ".n | keys",
        ".n | reverse",
        ".n | add",
    ];
    for expression in expressions {
        let message = outputs(expression, answer).expect_err(expression);
        assert!(!message.contains("secret") && !message.contains("12345"), "{expression}: {message}");
    }
}

#[test]
fn the_number_of_results_is_bounded() {
    let expression = Expression::parse(".[]").expect("an expression");
    let (answer, null) = (value("[1,2,3]"), Value::Null);
    let scope = Scope { answer: &answer, headers: &null, status: &null, parameters: &null };
    let run = |most| expression.outputs(&answer, &scope, &mut Meter::new(), most).map(|outputs| outputs.len());
    assert_eq!(run(3), Ok(3));
    assert_eq!(run(2), Err(Fault { message: "yields more than 2 results".to_owned() }));
    assert_eq!(run(1), Err(Fault { message: "yields more than 1 result".to_owned() }));
}

#[test]
fn every_function_has_an_example_that_is_an_expression() {
    for function in functions() {
        let compiled = Expression::parse(function.example);
        assert!(compiled.is_ok() && function.example.contains(function.name), "{}: {compiled:?}", function.name);
    }
}
