use super::*;
use crate::properties;
use proptest::prelude::*;

fn read(body: &[u8]) -> Result<Value, String> {
    Document::read(body).map(|document| document.0).map_err(|unreadable| unreadable.detail)
}

fn detail(body: impl AsRef<[u8]>) -> String {
    read(body.as_ref()).expect_err("it should not be readable")
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn number(text: &str, value: f64) -> Value {
    Value::Number(Number { text: text.into(), value })
}

#[test]
fn reads_every_kind_of_value() {
    let json = r#" {"a":[null,true,false,-0.50e+1,10],"":{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00é"}} "#;
    let list = Value::List(
        vec![Value::Null, Value::Flag(true), Value::Flag(false), number("-0.50e+1", -5.0), number("10", 10.0)].into(),
    );
    let object = Value::Object(vec![("a".into(), text("\"\\/\u{8}\u{c}\n\r\té😀é"))].into());
    assert_eq!(read(json.as_bytes()), Ok(Value::Object(vec![("a".into(), list), ("".into(), object)].into())));
}

#[test]
fn only_utf_8_is_accepted_with_at_most_one_byte_order_mark() {
    assert_eq!(read(b"\xef\xbb\xbf 7"), Ok(number("7", 7.0)));
    assert_eq!(detail(b"\xef\xbb\xbf\xef\xbb\xbf7"), "expected a value at line 1 column 1");
    let windows_1251 = b"{\"error\":\"\xc2\xe0\xf8 \xe0\xea\xea\xe0\xf3\xed\xf2\",\"money\":\"0\"}";
    assert_eq!(detail(windows_1251), "not UTF-8 from byte 11 on");
    let utf_16: Vec<u8> = "{\"money\":0}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(detail(&utf_16), "expected a key in double quotes at line 1 column 2");
    assert_eq!(detail([b"\xff\xfe".as_slice(), &utf_16].concat()), "not UTF-8 from byte 1 on");
    assert_eq!(detail(b"\"\xed\xa0\x80\""), "not UTF-8 from byte 2 on", "a surrogate as UTF-8 would write it");
    assert_eq!(detail(b"\"\xc0\xaf\""), "not UTF-8 from byte 2 on", "longer than need be");
}

#[test]
fn keys_are_unique_however_they_are_escaped() {
    assert_eq!(
        detail(r#"{"a":{"b":1,"c":2,"\u0062":3}}"#),
        "the key \"b\" stands twice in the object that ends at line 1 column 29"
    );
    assert_eq!(detail(r#"{"":0,"":0}"#), "the key \"\" stands twice in the object that ends at line 1 column 11");
    assert!(read(br#"{"a":1,"A":2,"a ":3}"#).is_ok());
    assert!(read(br#"[{"a":1},{"a":1}]"#).is_ok());
}

#[test]
fn a_number_outside_the_range_of_a_float_is_refused() {
    for wrong in ["1e400", "-1e400", "[1e309]", "{\"x\":{\"y\":1e400}}", "1e-400", "0.001e-330", &"9".repeat(400)] {
        assert!(detail(wrong).starts_with("a number that no float can hold at line 1"), "{wrong}");
    }
    assert_eq!(read(b"0.000e-999"), Ok(number("0.000e-999", 0.0)));
    assert_eq!(read(b"1.7976931348623157e308"), Ok(number("1.7976931348623157e308", f64::MAX)));
    assert_eq!(read(b"5e-324"), Ok(number("5e-324", 5e-324)));
    let padded = format!("0.{}", "0".repeat(1_000_000));
    assert_eq!(read(padded.as_bytes()), Ok(number(&padded, 0.0)));
}

#[test]
fn almost_valid_json_is_refused() {
    let nearly = [
        "01",
        "+1",
        ".5",
        "1.",
        "1e",
        "-",
        "0x10",
        "1_000",
        "NaN",
        "Infinity",
        "nul",
        "True",
        "'a'",
        "{a:1}",
        "{\"a\" 1}",
        "{\"a\":1,}",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "{1:2}",
        "{null:1}",
        "/**/1",
        "1//",
        "\"\t\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"\\u+123\"",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\"\\ud800\\n\"",
        "\"\\udc00\\ud800\"",
        "1 1",
        "{}{}",
        "[]]",
        "1\u{a0}",
        "\u{feff}\u{feff}1",
        "1\0",
        "\0",
        "[1}",
        "{\"a\":1]",
        "\u{2028}1",
    ];
    for text in nearly {
        assert!(read(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn nesting_is_limited() {
    let nested =
        |open: &str, inner: &str, close: &str, depth| [open.repeat(depth), inner.to_owned(), close.repeat(depth)].concat();
    assert!(read(nested("[", "", "]", 128).as_bytes()).is_ok());
    assert!(read(nested("{\"a\":", "1", "}", 128).as_bytes()).is_ok());
    let too_deep = "lists and objects are nested more than 128 deep at line 1 column 129";
    assert_eq!(detail(nested("[", "", "]", 129)), too_deep);
    assert_eq!(detail("[".repeat(1_000_000)), too_deep);
}

#[test]
fn the_number_of_values_is_limited() {
    let list = |items: usize| format!("[{}]", vec!["{}"; items].join(","));
    assert!(Document::read(list(99_999).as_bytes()).is_ok());
    let unreadable = Document::read(list(100_000).as_bytes()).expect_err("too many");
    assert_eq!((unreadable.reason, unreadable.detail.as_str()), (Reason::TooLarge, "the answer holds more than 100000 values"));
}

#[test]
fn the_message_names_a_truncated_answer() {
    for (cut, expected) in [
        ("{\"a\":", "a value"),
        ("{\"a\"", "a colon"),
        ("{", "a key in double quotes"),
        ("{\"a\":1", "a comma or a closing brace"),
        ("[1", "a comma or a closing bracket"),
        ("\"a", "the end of a text"),
        ("-", "a digit"),
    ] {
        assert_eq!(detail(cut), format!("the answer is cut off: it ends where {expected} is expected"), "{cut}");
    }
}

#[test]
fn a_message_contains_line_and_column_in_characters() {
    assert_eq!(detail("{\n  \"é😀\": x}"), "expected a value at line 2 column 9");
    assert_eq!(detail("{}\n\nnull"), "something follows the document at line 3 column 1");
}

#[test]
fn the_message_names_what_is_not_json_at_all() {
    let page = "an HTML page where JSON was expected; is the URL right?";
    for html in [
        "<!DOCTYPE html><title>Log in</title>",
        "\u{feff}\r\n  <!doctype HTML>",
        "<HTML>",
        "<?xml version=\"1.0\"?>\n<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Strict//EN\">\n<html xmlns=\"x\">",
        "<!-- moved -->\n<html>",
    ] {
        assert_eq!(detail(html), page, "{html}");
    }
    assert_eq!(detail(b"<html><title>\xd1\xe0\xe9\xf2</title>"), page, "in windows-1251");
    let markup = "HTML or XML where JSON was expected; is the URL right?";
    for other in ["<br />\n<b>Warning</b>: mysqli_connect()", "<error>down</error>", "<"] {
        assert_eq!(detail(other), markup, "{other}");
    }
    for empty in ["", " ", "\r\n", "\u{feff}"] {
        assert_eq!(detail(empty), "the answer is empty", "{empty:?}");
    }
    assert_eq!(detail("Service Unavailable"), "expected a value at line 1 column 1");
}

/// A document with every kind of value, and the text of one way to write it.
fn documents() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(6, 60, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(serde_json::Value::from),
            proptest::collection::vec((any::<String>(), inner), 0..8)
                .prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// The same document as a value of serde.
fn as_serde(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Flag(flag) => (*flag).into(),
        Value::Number(number) => serde_json::from_str(&number.text).expect("a number"),
        Value::Text(text) => (**text).into(),
        Value::List(items) => items.iter().map(as_serde).collect(),
        Value::Object(entries) => entries.iter().map(|(key, value)| (key.to_string(), as_serde(value))).collect(),
    }
}

/// Whether serde accepts a text as a whole document. It also accepts what this parser refuses on purpose.
fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

proptest! {
    #![proptest_config(properties::config())]

    #[test]
    fn reads_what_another_library_writes(document in documents()) {
        for text in [document.to_string(), serde_json::to_string_pretty(&document).expect("JSON")] {
            let value = read(text.as_bytes()).map_err(TestCaseError::fail)?;
            prop_assert_eq!(as_serde(&value), document.clone());
            prop_assert_eq!(as_serde(&read(value.to_string().as_bytes()).map_err(TestCaseError::fail)?), document.clone());
        }
    }

    #[test]
    fn accepts_nothing_that_another_library_refuses(
        document in documents(), at in any::<prop::sample::Index>(), cut in 0..4_usize, put in "[\\[\\]{}\",:0-9eE.+\\-\\\\u nulltre\u{0}-\u{1f}é]{0,3}",
    ) {
        let mut text = document.to_string().into_bytes();
        let from = at.index(text.len() + 1);
        let to = (from + cut).min(text.len());
        text.splice(from..to, put.bytes());
        match Document::read(&text) {
            Ok(_) => prop_assert!(is_json(&text)),
            Err(unreadable) if is_json(&text) => {
                let on_purpose = ["stands twice", "no float can hold", "more than 128 deep"];
                prop_assert!(on_purpose.iter().any(|why| unreadable.detail.contains(why)), "{}", unreadable.detail);
            }
            Err(_) => {}
        }
    }

    #[test]
    fn a_number_and_a_text_are_the_same_figure(whole in 0_u64..1_u64 << 60, fraction in "[0-9]{1,17}", exponent in -30..30_i32) {
        let plain = format!("{whole}.{fraction}e{exponent}");
        prop_assert_eq!(read(plain.as_bytes()), Ok(number(&plain, decimal(&plain).expect("a figure"))));
    }
}

#[test]
fn a_text_answer_is_its_trimmed_body() {
    let read = |body: &[u8]| Document::read_text(body).map(|document| document.0).map_err(|unreadable| unreadable.detail);
    assert_eq!(read(b"ACCESS_BALANCE:12.50\r\n"), Ok(text("ACCESS_BALANCE:12.50")));
    assert_eq!(read("\u{feff} 152,35 ₽ ".as_bytes()), Ok(text("152,35 ₽")));
    assert_eq!(read(b"<b>5</b>"), Ok(text("<b>5</b>")));
    assert_eq!(read(b"see <html>"), Ok(text("see <html>")));
    for empty in [b"".as_slice(), b" \r\n", b"\xef\xbb\xbf\n", &[b' '; 2000]] {
        assert_eq!(read(empty), Err("the answer is empty".to_owned()));
    }
    for page in ["<!DOCTYPE html><p>502", "\n<html>", "<!-- --><HTML lang=en>"] {
        assert_eq!(read(page.as_bytes()), Err("an HTML page where a text was expected; is the URL right?".to_owned()));
    }
    assert_eq!(read(b"\xc0\xe0"), Err("not UTF-8 from byte 1 on".to_owned()));
}
