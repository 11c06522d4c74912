use crate::domain::Reason;
use crate::properties;
use crate::provider::document::{DEPTH_LIMIT, Document, VALUES_LIMIT, Value};
use proptest::prelude::*;
use std::time::Instant;

fn read(body: impl AsRef<[u8]>) -> Result<Value, String> {
    Document::read_xml(body.as_ref()).map(|document| document.root().clone()).map_err(|unreadable| unreadable.detail)
}

/// The value of a document as JSON.
fn json(body: impl AsRef<[u8]>) -> String {
    read(body).expect("it should be readable").to_string()
}

fn detail(body: impl AsRef<[u8]>) -> String {
    read(body).expect_err("it should not be readable")
}

#[test]
fn reads_the_answers_of_services() {
    let namecheap = r#"<?xml version="1.0" encoding="UTF-8"?>
<ApiResponse Status="OK" xmlns="http://api.namecheap.com/xml.response">
  <Errors />
  <CommandResponse Type="namecheap.users.getBalances">
    <UserGetBalancesResult Currency="USD" AvailableBalance="4932.96" />
  </CommandResponse>
  <GMTTimeDifference>--5:00</GMTTimeDifference>
</ApiResponse>
"#;
    assert_eq!(
        json(namecheap),
        r#"{"ApiResponse":{"@Status":"OK","Errors":"","CommandResponse":{"@Type":"namecheap.users.getBalances","UserGetBalancesResult":{"@Currency":"USD","@AvailableBalance":"4932.96"}},"GMTTimeDifference":"--5:00"}}"#
    );
    let gateway = r#"<?xml version="1.0" encoding="utf-8"?><response><money currency="RUR">150.5</money><sms area="Россия">111</sms><sms area="Украина">54</sms></response>"#;
    assert_eq!(
        json(gateway),
        r#"{"response":{"money":{"@currency":"RUR","$text":"150.5"},"sms":[{"@area":"Россия","$text":"111"},{"@area":"Украина","$text":"54"}]}}"#
    );
    assert_eq!(json("<result><balance>152.35</balance></result>"), r#"{"result":{"balance":"152.35"}}"#);
}

#[test]
fn elements_become_texts_objects_and_lists() {
    for (xml, expected) in [
        ("<a/>", r#"{"a":""}"#),
        ("<a></a>", r#"{"a":""}"#),
        ("<a> 1\n</a>", r#"{"a":"1"}"#),
        ("<a b=''/>", r#"{"a":{"@b":""}}"#),
        ("<a b='1'> </a>", r#"{"a":{"@b":"1"}}"#),
        ("<a>12<b>34</b>56</a>", r#"{"a":{"b":"34","$text":"12\n56"}}"#),
        ("<a> <b/> x &amp; y <b/><b/>\n</a>", r#"{"a":{"b":["","",""],"$text":"x & y"}}"#),
        ("<a>\n <b>1</b>\n <c>2</c>\n <b>3</b>\n</a>", r#"{"a":{"b":["1","3"],"c":"2"}}"#),
        ("<a><a><a/></a></a>", r#"{"a":{"a":{"a":""}}}"#),
        ("<a><b/><B/></a>", r#"{"a":{"b":"","B":""}}"#),
        ("<a ><b\n/></a\n>", r#"{"a":{"b":""}}"#),
        ("<деньги валюта='RUB'>1</деньги>", r#"{"деньги":{"@валюта":"RUB","$text":"1"}}"#),
    ] {
        assert_eq!(json(xml), expected, "{xml}");
    }
}

#[test]
fn prefixes_and_namespaces_are_dropped() {
    let soap = r#"<s:Envelope xmlns:s="http://a" xmlns="http://b"><s:Body><m:Balance xmlns:m="http://c" m:unit="RUB" xml:lang="ru">5</m:Balance></s:Body></s:Envelope>"#;
    assert_eq!(json(soap), r#"{"Envelope":{"Body":{"Balance":{"@unit":"RUB","@lang":"ru","$text":"5"}}}}"#);
    assert_eq!(json("<r><a:x>1</a:x><b:x>2</b:x></r>"), r#"{"r":{"x":["1","2"]}}"#);
    assert_eq!(detail("<r a:x='1' b:x='2'/>"), "the attribute \"x\" stands twice in the tag at line 1 column 1");
    assert_eq!(json("<r><xmlns>1</xmlns></r>"), r#"{"r":{"xmlns":"1"}}"#);
}

#[test]
fn references_sections_and_comments_are_text_or_nothing() {
    assert_eq!(json("<a>&lt;&amp;&gt;&quot;&apos;&#65;&#x1F600;</a>"), r#"{"a":"<&>\"'A😀"}"#);
    assert_eq!(
        json("<a b='&lt;&amp;&#9;&quot;&#x41;' c=\"'\">x</a>"),
        "{\"a\":{\"@b\":\"<&\\t\\\"A\",\"@c\":\"'\",\"$text\":\"x\"}}"
    );
    assert_eq!(json("<a>1<![CDATA[<b>&amp;]]>2<!-- 3 < 4 & 5 -->3</a>"), r#"{"a":"1<b>&amp;23"}"#);
    assert_eq!(json("<!-- before --><a/><!-- after --> "), r#"{"a":""}"#);
    assert_eq!(json("<a>1\r\n2\r3</a>"), r#"{"a":"1\n2\n3"}"#);
    assert_eq!(json("<a b='1\r\n2\t3'/>"), r#"{"a":{"@b":"1 2 3"}}"#);
    assert_eq!(json("<a><!----></a>"), r#"{"a":""}"#);
    assert_eq!(json("<a>12<!-- 000 -->34</a>"), r#"{"a":"1234"}"#, "as XML defines it");
}

#[test]
fn only_utf_8_is_accepted() {
    assert_eq!(json(b"\xef\xbb\xbf<a>\xc3\xa9</a>"), r#"{"a":"é"}"#);
    for good in [
        "<?xml version='1.0'?><a/>",
        "<?xml version=\"1.1\" encoding='Utf-8' standalone=\"yes\" ?>\n<a/>",
        "\n <?xml version='1.0' encoding='UTF8'?><a/>",
    ] {
        assert_eq!(json(good), r#"{"a":""}"#, "{good}");
    }
    let other = "an encoding other than UTF-8 in the XML declaration at line 1 column 1";
    for encoding in ["windows-1251", "utf-16", "us-ascii", ""] {
        assert_eq!(detail(format!("<?xml version=\"1.0\" encoding=\"{encoding}\"?><a/>")), other, "{encoding}");
    }
    assert_eq!(detail(b"<a>\xc0\xe0</a>"), "not UTF-8 from byte 4 on");
    let utf_16: Vec<u8> = "<a/>".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(detail(&utf_16), "a character that XML does not allow at line 1 column 2");
    assert_eq!(detail([b"\xff\xfe".as_slice(), &utf_16].concat()), "not UTF-8 from byte 1 on");
    assert_eq!(detail(b"\xef\xbb\xbf\xef\xbb\xbf<a/>"), "something other than XML, which begins with a tag; is `answer` right?");
}

#[test]
fn what_is_not_one_well_formed_document_is_refused() {
    let cases = [
        ("", "the answer is empty"),
        (" \n", "the answer is empty"),
        ("\u{feff}", "the answer is empty"),
        ("5", "something other than XML, which begins with a tag; is `answer` right?"),
        ("{\"a\":1}", "something other than XML, which begins with a tag; is `answer` right?"),
        ("<!-- -->", "XML without an element"),
        ("<a><b></b>", "the answer is cut off: it ends before its elements are closed"),
        ("<a><b", "the answer is cut off: a tag, comment or section is not closed at line 1 column 4"),
        ("<a b='1", "the answer is cut off: a tag, comment or section is not closed at line 1 column 1"),
        ("<a>\n<!-- ", "the answer is cut off: a tag, comment or section is not closed at line 2 column 1"),
        ("<a><![CDATA[ ]]></a", "the answer is cut off: a tag, comment or section is not closed at line 1 column 17"),
        ("<a></b>", "an end tag that differs from its start tag at line 1 column 4"),
        ("<a></A>", "an end tag that differs from its start tag at line 1 column 4"),
        ("<x:a></y:a>", "an end tag that differs from its start tag at line 1 column 6"),
        ("<a></a b='1'>", "an end tag that differs from its start tag at line 1 column 4"),
        ("<a/></a>", "an end tag without a start tag at line 1 column 5"),
        ("<a/><b/>", "a second root element at line 1 column 5"),
        ("<a/>b", "text outside the root element at line 1 column 5"),
        ("<a/>&amp;", "a reference outside the root element at line 1 column 5"),
        ("<a/><![CDATA[]]>", "a CDATA section outside the root element at line 1 column 5"),
        ("<a>]]></a>", "`]]>` outside a CDATA section at line 1 column 4"),
        ("<a>1 & 2</a>", "an `&` that begins no reference at line 1 column 6"),
        ("<a>&nbsp;</a>", "an unknown entity at line 1 column 4"),
        ("<a>&#0;</a>", "an unknown entity at line 1 column 4"),
        ("<a b='&nbsp;'/>", "an unknown entity at line 1 column 1"),
        ("<a b='&'/>", "an `&` that begins no reference at line 1 column 1"),
        ("<a b='<'/>", "`<` in the value of an attribute at line 1 column 1"),
        ("<a b='1' b='2'/>", "the attribute \"b\" stands twice in the tag at line 1 column 1"),
        ("<a b='1'c='2'/>", "no space before an attribute at line 1 column 1"),
        ("<a b/>", "an attribute without a value at line 1 column 1"),
        ("<a b=1/>", "the value of an attribute without quotes at line 1 column 1"),
        ("<a b=/>", "the value of an attribute without quotes at line 1 column 1"),
        ("<a 1b='1'/>", "something that is no attribute at line 1 column 1"),
        ("<a $text='1'/>", "something that is no attribute at line 1 column 1"),
        ("<1a/>", "something that is no tag at line 1 column 1"),
        ("< a/>", "something that is no tag at line 1 column 1"),
        ("<>", "something that is no tag at line 1 column 1"),
        ("<a/ >", "something that is no tag at line 1 column 1"),
        ("<a@b/>", "something that is no tag at line 1 column 1"),
        ("<:a/>", "something that is no tag at line 1 column 1"),
        ("<a:/>", "something that is no tag at line 1 column 1"),
        ("<a:b:c/>", "something that is no tag at line 1 column 1"),
        ("<a><!-- a--b --></a>", "`--` in a comment at line 1 column 10"),
        ("<a>\u{1}</a>", "a character that XML does not allow at line 1 column 4"),
        ("<!DOCTYPE a><a/>", "a document type, which is not accepted at line 1 column 1"),
        ("<!doctype a><a/>", "a document type, which is not accepted at line 1 column 1"),
        ("<a><!ELEMENT b></a>", "something that is no markup after `<!` at line 1 column 4"),
        ("<a><?php echo 1 ?></a>", "a processing instruction, which is not accepted at line 1 column 4"),
        ("<?xml-stylesheet href='a'?><a/>", "a processing instruction, which is not accepted at line 1 column 1"),
        ("<a/><?xml version='1.0'?>", "an XML declaration that is not at the beginning at line 1 column 5"),
        ("<!-- --><?xml version='1.0'?><a/>", "an XML declaration that is not at the beginning at line 1 column 9"),
        ("<?xml?><a/>", "an XML declaration without the version 1 at line 1 column 1"),
        ("<?xml encoding='utf-8'?><a/>", "an XML declaration without the version 1 at line 1 column 1"),
        ("<?xml version='1.'?><a/>", "an XML declaration without the version 1 at line 1 column 1"),
        ("<?xml version='1.0 '?><a/>", "an XML declaration without the version 1 at line 1 column 1"),
        ("<?xml version='2.0'?><a/>", "an XML declaration without the version 1 at line 1 column 1"),
        ("<?xml version='1.0' a='1'?><a/>", "an XML declaration that is not well-formed at line 1 column 1"),
        (
            "<?xml version='1.0' standalone='no' encoding='windows-1251'?><a/>",
            "an XML declaration that is not well-formed at line 1 column 1",
        ),
    ];
    for (xml, expected) in cases {
        assert_eq!(detail(xml), expected, "{xml:?}");
    }
    for reference in [
        "&#;",
        "&#x;",
        "&#-1;",
        "&#+65;",
        "&#xD800;",
        "&#x110000;",
        "&#99999999999;",
        "&#X41;",
        "&;",
        "& ;",
        "&LT;",
        "&#8;",
        "&#xFFFE;",
    ] {
        assert!(read(format!("<a>{reference}</a>")).is_err(), "{reference}");
        assert!(read(format!("<a b=\"{reference}\"/>")).is_err(), "{reference}");
    }
}

#[test]
fn a_page_is_not_an_answer() {
    let page = "an HTML page where XML was expected; is the URL right?";
    for html in [
        "<!DOCTYPE html><html><body>502</body></html>",
        "<html><body>502</body></html>",
        "<HTML/>",
        "\n<html><br></html>",
        "<?xml version='1.0'?><!DOCTYPE html PUBLIC '' ''><html xmlns='http://www.w3.org/1999/xhtml'/>",
        "<x:html/>",
    ] {
        assert_eq!(detail(html), page, "{html}");
    }
    assert_eq!(json("<a><![CDATA[<html>]]></a>"), r#"{"a":"<html>"}"#);
}

#[test]
fn a_message_never_quotes_a_value() {
    for xml in [
        "<a>hidden</b hidden>",
        "<a hidden/>",
        "<a>&hidden;</a>",
        "<a b='hidden'c='hidden'/>",
        "<a/>hidden",
        "<a b=\"&hidden;\"/>",
        "<?xml version='1.0' encoding='hidden'?><a/>",
        "<a><!hidden></a>",
        "<a><?hidden?></a>",
        "<hidden@></hidden@>",
    ] {
        assert!(!detail(xml).contains("hidden"), "{}", detail(xml));
    }
}

#[test]
fn depth_is_limited() {
    let nested = |depth: usize| format!("{}1{}", "<a>".repeat(depth), "</a>".repeat(depth));
    assert!(read(nested(DEPTH_LIMIT)).is_ok());
    let column = DEPTH_LIMIT * 3 + 1;
    let deep = format!("elements and lists are nested more than 128 deep at line 1 column {column}");
    assert_eq!(detail(nested(DEPTH_LIMIT + 1)), deep);
    // Every list is a level of its own.
    let listed = |depth: usize| format!("{}1{}", "<b><a/><a>".repeat(depth), "</a></b>".repeat(depth));
    assert!(read(listed(43)).is_err(), "43 objects of 2 elements and 1 list");
    let value = read(listed(42)).expect("42 × 3 + 1 levels");
    assert_eq!(height(&value), 42 * 3);
}

/// How many lists and objects are nested.
fn height(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(height).max().unwrap_or_default(),
        Value::Object(entries) => 1 + entries.iter().map(|(_, value)| height(value)).max().unwrap_or_default(),
        _ => 0,
    }
}

#[test]
fn the_number_of_values_is_limited() {
    // The document, the root, its list.
    let elements = |count: usize| format!("<r>{}</r>", "<a/>".repeat(count));
    assert!(read(elements(VALUES_LIMIT - 3)).is_ok());
    let unreadable = Document::read_xml(elements(VALUES_LIMIT - 2).as_bytes()).expect_err("too many");
    assert_eq!((unreadable.reason, unreadable.detail.as_str()), (Reason::TooLarge, "the answer holds more than 100000 values"));
    let attributes: Vec<String> = (0..VALUES_LIMIT).map(|i| format!(" a{i}=''")).collect();
    assert_eq!(detail(format!("<r{}/>", attributes.concat())), "the answer holds more than 100000 values");
}

#[test]
fn hostile_documents_cost_little() {
    let mib = 1024 * 1024;
    let names: Vec<String> = (0..90_000).map(|i| format!("<a{i:x}/>")).collect();
    let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;&x;&x;&x;&x;&x;\">]><a>&y;&y;&y;</a>";
    for xml in [
        "<a>".repeat(mib / 3),
        "<".repeat(mib),
        format!("<a>{}</a>", "&amp;".repeat(mib / 5)),
        format!("<a>{}</a>", "&".repeat(mib)),
        format!("<a>{}</a>", "&#x41;".repeat(mib / 6)),
        format!("<a>{}</a>", "<![CDATA[]]>".repeat(mib / 12)),
        format!("<a>{}</a>", "<!---->".repeat(mib / 7)),
        format!("<a>{}</a>", "\r".repeat(mib)),
        format!("<a>{}</a>", "<b>".repeat(100)),
        format!("<a b='{}'/>", "&amp;".repeat(mib / 5)),
        format!("<a{}/>", " b='".repeat(mib / 4)),
        format!("<{}/>", "a".repeat(mib)),
        format!("<r>{}</r>", names.concat()),
        format!("<!DOCTYPE a [{}", "<!ENTITY x '".repeat(mib / 12)),
        format!("<!DOCTYPE a [{}]><a/>", "<!-- -->".repeat(mib / 8)),
        format!("<!--{}", "-".repeat(mib)),
        format!("<?{}", "?".repeat(mib)),
        bomb.to_owned(),
    ] {
        let started = Instant::now();
        let _ = read(&xml);
        let took = started.elapsed();
        assert!(took.as_secs() < 5, "{took:?} for {}…", &xml[..40.min(xml.len())]);
    }
    assert_eq!(detail(bomb), "a document type, which is not accepted at line 1 column 1");
}

/// A tree as a value and as the XML that means it.
fn tree() -> impl Strategy<Value = (Value, String)> {
    let text = "[a-z<>&'\"\\]é0-9]{1,8}";
    let leaf = (text, any::<bool>()).prop_map(|(text, section)| (Value::Text(text.as_str().into()), content(&text, section)));
    leaf.prop_recursive(4, 64, 4, move |inner| {
        let attributes = prop::collection::btree_map("[a-z]{1,3}", text, 1..3);
        let children = prop::collection::btree_map("[A-Z]{1,2}", prop::collection::vec(inner, 1..3), 1..4);
        (attributes, children).prop_map(|(attributes, children)| {
            let mut entries: Vec<(std::sync::Arc<str>, Value)> = Vec::new();
            let mut open = Vec::new();
            for (name, value) in attributes {
                open.push(format!(" {name}=\"{}\"", content(&value, false)));
                entries.push((format!("@{name}").into(), Value::Text(value.into())));
            }
            let mut inside = Vec::new();
            for (name, items) in children {
                for (_, xml) in &items {
                    // The attributes of an element stand before its content.
                    let (attributes, content) = xml.split_once('\u{0}').unwrap_or(("", xml));
                    inside.push(format!("\n<{name}{attributes}>{content}</{name}>"));
                }
                let mut values: Vec<Value> = items.into_iter().map(|(value, _)| value).collect();
                let value = if values.len() == 1 { values.remove(0) } else { Value::List(values.into()) };
                entries.push((name.into(), value));
            }
            (Value::Object(entries.into()), format!("{}\u{0}{}", open.concat(), inside.concat()))
        })
    })
}

fn content(text: &str, section: bool) -> String {
    if section && !text.contains("]]>") {
        return format!("<![CDATA[{text}]]>");
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&#34;")
}

proptest! {
    #![proptest_config(properties::config())]

    #[test]
    fn a_tree_is_read_back((value, xml) in tree()) {
        let (attributes, content) = xml.split_once('\u{0}').unwrap_or(("", &xml));
        let read = read(format!("<root{attributes}>{content}</root>"));
        prop_assert_eq!(read, Ok(Value::Object(vec![("root".into(), value)].into())));
    }

    #[test]
    fn any_bytes_are_a_document_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(bytes);
    }

    #[test]
    fn any_markup_is_a_document_or_an_error(parts in prop::collection::vec(prop_oneof![
        Just("<a>"), Just("</a>"), Just("<a"), Just(">"), Just("/>"), Just(" b='"), Just("'"), Just("\""), Just("="), Just("&"), Just("amp;"), Just(";"),
        Just("<!--"), Just("-->"), Just("<![CDATA["), Just("]]>"), Just("<?xml version='1.0'"), Just("?>"), Just("<!DOCTYPE"), Just("["), Just("]"),
        Just("#x"), Just("é"), Just("\n"), Just("x"), Just("\u{feff}"), Just("<"), Just("!"), Just("-"), Just("?"), Just(":"), Just("xmlns"), Just("\0"),
    ], 0..24)) {
        if let Ok(value) = read(parts.concat()) {
            prop_assert!(height(&value) <= DEPTH_LIMIT);
            let again = Document::read(value.to_string().as_bytes()).expect("JSON").root().clone();
            prop_assert_eq!(again, value, "the reader of JSON accepts what the reader of XML makes");
        }
    }

    #[test]
    fn a_document_that_is_cut_off_is_an_error(cut in 0usize..78) {
        let xml = "<?xml version='1.0'?><a b='1'><c>x</c><!-- - --><c>&amp;<![CDATA[y]]></c></a>";
        prop_assert_eq!(xml.len(), 77);
        prop_assert_eq!(read(&xml[..cut.min(77)]).is_ok(), cut >= 77);
    }
}
