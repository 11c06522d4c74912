use super::*;

fn wrong(text: &str) -> (usize, usize, String) {
    let Malformed { at, text } = Node::parse(text).expect_err(text);
    (at.line, at.column, text)
}

#[test]
fn nodes_know_their_place_and_their_quotes() {
    let tree = Node::parse("# first\na: {b: [x, \"1\"]}\nc:\n  - d: |\n      e\n  - 1e-18\n").expect("YAML");
    let at = |place| tree.position(place);
    assert_eq!(at("a"), Position { line: 2, column: 1 });
    assert_eq!(at("a.b"), Position { line: 2, column: 5 });
    assert_eq!(at("a.b[1]"), Position { line: 2, column: 12 });
    assert_eq!(at("c[0].d"), Position { line: 4, column: 5 });
    assert_eq!(at("c[0].missing"), Position { line: 4, column: 5 });
    let list = tree.get("a").and_then(|a| a.get("b")).and_then(Node::items).expect("a list");
    assert_eq!(
        list.iter().map(|item| item.kind.clone()).collect::<Vec<_>>(),
        [Kind::Plain("x".into()), Kind::Quoted("1".into())]
    );
    let others = tree.get("c").and_then(Node::items).expect("a list");
    assert_eq!((others[0].get("d").and_then(Node::text), others[1].text()), (Some("e\n"), Some("1e-18")));
}

#[test]
fn null_is_what_is_not_written() {
    let tree = Node::parse("{a: , b: null, c: ~, d: 'null', e: ''}").expect("YAML");
    let nulls = ["a", "b", "c", "d", "e"].map(|key| tree.get(key).is_some_and(Node::is_null));
    assert_eq!(nulls, [true, true, true, false, false]);
    assert!(Node::parse("").expect("nothing").is_null());
    assert!(Node::parse("# only a comment\n").expect("nothing").is_null());
}

#[test]
fn refuses_what_readers_disagree_on() {
    assert_eq!(wrong("a: 1\nb: {c: 1, c: 2}\n"), (2, 11, "the key c appears twice; drop one".to_owned()));
    assert_eq!(wrong("a: !x 1\n").0, 1);
    assert_eq!(wrong("a: 1\n---\nb: 1\n").2, "a second document begins; keep one");
    assert_eq!(wrong("x: &x {a: 1}\ny:\n  <<: *x\n").2, "merge keys are not supported; write the keys out, or use defaults");
    assert_eq!(wrong("a: [1\nb: 2\n").2, "is not YAML; look for a wrong indentation, a tab or a missing quote");
    assert_eq!(wrong("? [a]\n: 1\n").2, "a key must be a text");
    assert_eq!(wrong("a: *nothing\n").2, "is not YAML; look for a wrong indentation, a tab or a missing quote");
    assert_eq!(wrong(&format!("a: {}1{}\n", "[".repeat(100), "]".repeat(100))).2, "is nested too deeply; flatten it");
    let bomb = (0..9).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, i| {
        let items = vec![format!("*a{i}"); 10].join(", ");
        format!("{text}a{}: &a{} [{items}]\n", i + 1, i + 1)
    });
    assert_eq!(wrong(&bomb).2, "is too large; use fewer aliases, or split it");
}

#[test]
fn an_alias_is_what_it_names() {
    let tree = Node::parse("a: &x {b: 1}\nc: *x\n").expect("YAML");
    assert_eq!(tree.get("c"), tree.get("a"));
}
