//! Mutations of a document: of its values and of its bytes.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// A document to write, which may be invalid JSON.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    /// Written verbatim.
    Atom(String),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Tree {
    pub(super) fn of(document: &Value) -> Self {
        match document {
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(entries) => Self::Object(entries.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect()),
            atom => Self::Atom(atom.to_string()),
        }
    }

    pub(super) fn write(&self) -> String {
        match self {
            Self::Atom(text) => text.clone(),
            Self::List(items) => format!("[{}]", items.iter().map(Self::write).collect::<Vec<_>>().join(",")),
            Self::Object(entries) => {
                let entries: Vec<_> =
                    entries.iter().map(|(key, value)| format!("{}:{}", Value::from(&**key), value.write())).collect();
                format!("{{{}}}", entries.join(","))
            }
        }
    }

    pub(super) fn size(&self) -> usize {
        1 + match self {
            Self::Atom(_) => 0,
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Object(entries) => entries.iter().map(|(_, value)| value.size()).sum(),
        }
    }

    /// The `nth` value in the order of writing.
    pub(super) fn nth(&mut self, nth: usize) -> &mut Self {
        if nth == 0 {
            return self;
        }
        let children: Vec<&mut Self> = match self {
            Self::Atom(_) => Vec::new(),
            Self::List(items) => items.iter_mut().collect(),
            Self::Object(entries) => entries.iter_mut().map(|(_, value)| value).collect(),
        };
        let mut left = nth - 1;
        for child in children {
            let size = child.size();
            if left < size {
                return child.nth(left);
            }
            left -= size;
        }
        unreachable!("there is no such value")
    }
}

/// A change of a document's values.
#[derive(Debug, Clone)]
pub(super) enum Mutation {
    /// Drops a member of a list or object.
    Drop(Index),
    /// Duplicates a member, unchanged or with another value.
    Repeat(Index, Option<&'static str>),
    /// Swaps two members.
    Swap(Index, Index),
    /// Wraps a value in a list or in an object.
    Nest(Option<&'static str>),
    /// Replaces a list or object with one of its members.
    Unnest(Index),
    /// Replaces a value.
    Replace(&'static str),
    /// Turns an object into the list of its values, or a list into an object of its items.
    Reshape,
    /// Removes the quotes of a text, or quotes any other value.
    Requote,
    /// Adds a key.
    Add(&'static str, &'static str),
    /// Changes the spelling of a key.
    Rename(Index, &'static str),
}

const VALUES: [&str; 34] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "402",
    "1e3",
    "1.0",
    "1e400",
    "-1e400",
    "1e-400",
    "00",
    "0x10",
    "NaN",
    "Infinity",
    "\"\"",
    "\" \"",
    "\"0\"",
    "\"402\"",
    "\" 7 \"",
    "\"NaN\"",
    "\"inf\"",
    "\"1e999\"",
    "\"0x10\"",
    "\"1,5\"",
    "\"12 RUB\"",
    "\"Безлимит\"",
    "\"down\"",
    "\"\\ud83d\"",
    "[]",
    "{}",
    "[402,\"error\",[]]",
    "{\"amount\":0,\"balance\":0,\"money\":0}",
];
const KEYS: [&str; 12] =
    ["error", "Error", "ERRORS", "errors", "status_code", "detail", "money", "balance", "amount", "num_sms", "sms", "area"];

pub(super) fn mutation() -> impl Strategy<Value = Mutation> {
    let (value, key, at) = (prop::sample::select(&VALUES[..]), prop::sample::select(&KEYS[..]), any::<Index>);
    prop_oneof![
        at().prop_map(Mutation::Drop),
        (at(), prop::option::of(value.clone())).prop_map(|(at, value)| Mutation::Repeat(at, value)),
        (at(), at()).prop_map(|(first, second)| Mutation::Swap(first, second)),
        prop::option::of(key.clone()).prop_map(Mutation::Nest),
        at().prop_map(Mutation::Unnest),
        value.clone().prop_map(Mutation::Replace),
        Just(Mutation::Reshape),
        Just(Mutation::Requote),
        (key.clone(), value).prop_map(|(key, value)| Mutation::Add(key, value)),
        (at(), key).prop_map(|(at, key)| Mutation::Rename(at, key)),
    ]
}

impl Mutation {
    pub(super) fn apply(&self, tree: &mut Tree) {
        match (self, tree) {
            (Self::Drop(at), Tree::List(items)) if !items.is_empty() => drop(items.remove(at.index(items.len()))),
            (Self::Drop(at), Tree::Object(entries)) if !entries.is_empty() => drop(entries.remove(at.index(entries.len()))),
            (Self::Repeat(at, value), Tree::List(items)) if !items.is_empty() => {
                let at = at.index(items.len());
                let again = value.map_or_else(|| items[at].clone(), |value| Tree::Atom(value.to_owned()));
                items.insert(at, again);
            }
            (Self::Repeat(at, value), Tree::Object(entries)) if !entries.is_empty() => {
                let (key, before) = entries[at.index(entries.len())].clone();
                entries.push((key, value.map_or(before, |value| Tree::Atom(value.to_owned()))));
            }
            (Self::Swap(first, second), Tree::List(items)) if !items.is_empty() => {
                let (first, second) = (first.index(items.len()), second.index(items.len()));
                items.swap(first, second);
            }
            (Self::Swap(first, second), Tree::Object(entries)) if !entries.is_empty() => {
                let (first, second) = (first.index(entries.len()), second.index(entries.len()));
                let before = std::mem::replace(&mut entries[first].1, Tree::Atom(String::new()));
                let after = if first == second { before } else { std::mem::replace(&mut entries[second].1, before) };
                entries[first].1 = after;
            }
            (Self::Nest(None), tree) => *tree = Tree::List(vec![tree.clone()]),
            (Self::Nest(Some(key)), tree) => *tree = Tree::Object(vec![((*key).to_owned(), tree.clone())]),
            (Self::Unnest(at), tree @ (Tree::List(_) | Tree::Object(_))) if tree.size() > 1 => {
                let at = 1 + at.index(tree.size() - 1);
                *tree = tree.nth(at).clone();
            }
            (Self::Replace(value), tree) => *tree = Tree::Atom((*value).to_owned()),
            (Self::Reshape, tree) => {
                *tree = match std::mem::replace(tree, Tree::Atom(String::new())) {
                    Tree::Object(entries) => Tree::List(entries.into_iter().map(|(_, value)| value).collect()),
                    Tree::List(items) => {
                        Tree::Object(items.into_iter().enumerate().map(|(i, item)| (i.to_string(), item)).collect())
                    }
                    atom @ Tree::Atom(_) => atom,
                }
            }
            (Self::Requote, Tree::Atom(text)) => {
                let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).map(str::to_owned);
                *text = bare.unwrap_or_else(|| format!("\"{text}\""));
            }
            (Self::Add(key, value), Tree::Object(entries)) => entries.push(((*key).to_owned(), Tree::Atom((*value).to_owned()))),
            (Self::Rename(at, key), Tree::Object(entries)) if !entries.is_empty() => {
                let at = at.index(entries.len());
                (*key).clone_into(&mut entries[at].0);
            }
            _ => {}
        }
    }
}

/// A change of a document's bytes.
#[derive(Debug, Clone)]
pub(super) enum Damage {
    None,
    Cut(Index),
    Without(Index, usize),
    With(Index, &'static [u8]),
    /// Encodes Cyrillic in one byte, as old gateways do.
    Windows1251,
    Utf16,
}

pub(super) fn damage() -> impl Strategy<Value = Damage> {
    let inserted: [&[u8]; 10] =
        [b"\xef\xbb\xbf", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\0", b"9", b"}", b" ", b",\"error\":\"down\""];
    let at = any::<Index>;
    prop_oneof![
        6 => Just(Damage::None),
        1 => at().prop_map(Damage::Cut),
        1 => (at(), 1..20_usize).prop_map(|(at, length)| Damage::Without(at, length)),
        2 => (at(), prop::sample::select(inserted.to_vec())).prop_map(|(at, bytes)| Damage::With(at, bytes)),
        1 => Just(Damage::Windows1251),
        1 => Just(Damage::Utf16),
    ]
}

impl Damage {
    pub(super) fn apply(&self, text: &str) -> Vec<u8> {
        let mut bytes = text.as_bytes().to_vec();
        match self {
            Self::None => {}
            Self::Cut(at) => bytes.truncate(at.index(bytes.len() + 1)),
            Self::Without(at, length) => {
                let at = at.index(bytes.len() + 1);
                bytes.drain(at..(at + length).min(bytes.len()));
            }
            Self::With(at, inserted) => {
                let at = at.index(bytes.len() + 1);
                bytes.splice(at..at, inserted.iter().copied());
            }
            Self::Windows1251 => {
                let byte =
                    |c: char| u8::try_from(c).or_else(|_| u8::try_from(u32::from(c).saturating_sub(0x350))).unwrap_or(b'?');
                bytes = text.chars().map(byte).collect();
            }
            Self::Utf16 => bytes = text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        }
        bytes
    }
}
