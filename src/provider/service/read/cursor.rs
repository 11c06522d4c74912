//! Walks the tree of a description and collects every mistake with its place.

use crate::nearest::nearest;
use crate::provider::service::mistake::Mistake;
use crate::yaml::{Node, Position};
use std::time::Duration;

/// Every mistake so far.
#[derive(Debug, Default)]
pub(super) struct Mistakes(pub(super) Vec<Mistake>);

/// A node and its place.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'n> {
    pub(super) node: &'n Node,
    /// Of the key, where the node is the value of one.
    at: Position,
    pub(super) place: String,
}

impl Mistakes {
    /// Notes a mistake. Returns nothing, so that a reader can end with it.
    pub(super) fn note<T>(&mut self, cursor: &Cursor<'_>, text: impl Into<String>) -> Option<T> {
        self.0.push(Mistake { at: cursor.at, place: cursor.place.clone(), text: text.into() });
        None
    }
}

impl<'n> Cursor<'n> {
    pub(super) fn new(node: &'n Node, at: Position, place: &str) -> Self {
        Self { node, at, place: place.to_owned() }
    }

    /// The position of the value rather than of its key: where a text begins.
    pub(super) fn at_value(mut self) -> Self {
        self.at = self.node.at;
        self
    }

    /// The value of a key; `None` if it is missing.
    pub(super) fn key(&self, key: &str) -> Option<Self> {
        let entry = self.node.entries()?.iter().find(|entry| entry.key == key)?;
        Some(Self { node: &entry.value, at: entry.at, place: format!("{}.{key}", self.place) })
    }

    /// Every key and its value. A mistake if it is no map.
    pub(super) fn map(&self, mistakes: &mut Mistakes) -> Option<Vec<(&'n str, Self)>> {
        let Some(entries) = self.node.entries() else {
            return mistakes.note(self, format!("is {}; write a map", self.node.described()));
        };
        let below = |key: &str| format!("{}.{key}", self.place);
        let cursors =
            entries.iter().map(|entry| (&*entry.key, Self { node: &entry.value, at: entry.at, place: below(&entry.key) }));
        Some(cursors.collect())
    }

    /// Every item. A mistake if it is no list.
    pub(super) fn list(&self, mistakes: &mut Mistakes) -> Option<Vec<Self>> {
        let Some(items) = self.node.items() else {
            return mistakes.note(self, format!("is {}; write a list", self.node.described()));
        };
        let cursors = items.iter().enumerate().map(|(i, node)| Self { node, at: node.at, place: format!("{}[{i}]", self.place) });
        Some(cursors.collect())
    }

    /// Checks that it is a map of these keys alone.
    pub(super) fn only(&self, known: &[&str], mistakes: &mut Mistakes) -> Option<()> {
        for (key, cursor) in self.map(mistakes)? {
            if !known.contains(&key) {
                let list = known.join(", ");
                let meant = nearest(key, known.iter().copied())
                    .map_or(format!("the keys here are {list}"), |meant| format!("did you mean {meant}?"));
                mistakes.note::<()>(&cursor, format!("is not a key of this place; {meant}"));
            }
        }
        Some(())
    }

    /// A text. A mistake if it is anything else, or nothing.
    pub(super) fn text(&self, mistakes: &mut Mistakes) -> Option<&'n str> {
        match self.node.text() {
            Some(text) => Some(text),
            None => mistakes.note(self, format!("is {}; write a text", self.node.described())),
        }
    }

    /// `true` or `false` without quotes.
    pub(super) fn flag(&self, mistakes: &mut Mistakes) -> Option<bool> {
        match self.node.text() {
            Some("true") => Some(true),
            Some("false") => Some(false),
            _ => mistakes.note(self, "write true or false"),
        }
    }

    /// One of these words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)], mistakes: &mut Mistakes) -> Option<T> {
        let text = self.text(mistakes)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        found.or_else(|| {
            let list = words.iter().map(|(word, _)| *word).collect::<Vec<_>>();
            let meant = nearest(text, list.iter().copied()).map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
            mistakes.note(self, format!("is one of {}{meant}", list.join(", ")))
        })
    }

    /// A whole number within these bounds.
    pub(super) fn whole(&self, from: usize, to: usize, mistakes: &mut Mistakes) -> Option<usize> {
        let number =
            self.node.text().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok());
        match number.filter(|number| (from..=to).contains(number)) {
            Some(number) => Some(number),
            None => mistakes.note(self, format!("write a whole number from {from} to {to}")),
        }
    }

    /// A duration of a second or more.
    pub(super) fn duration(&self, mistakes: &mut Mistakes) -> Option<Duration> {
        let parsed = self.node.text().and_then(|text| humantime::parse_duration(text).ok());
        match parsed.filter(|duration| (1..=366 * 86_400).contains(&duration.as_secs())) {
            Some(duration) => Some(duration),
            None => mistakes.note(self, "write a duration with its unit, from 1s to 1year, such as 5m"),
        }
    }
}

/// Something optional that was read: absent, or there and good. `None` if it is there and wrong.
#[expect(clippy::option_option, reason = "absent, wrong and good are three cases, and each caller passes the second on with ?")]
pub(super) fn optional<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    read.map_or(Some(None), |read| read.map(Some))
}
