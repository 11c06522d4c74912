//! A YAML document as a tree whose nodes know their line and column.
//!
//! For documents whose keys are data, such as descriptions of services, and for the place of a problem that was found later. It is strict:
//! one document, keys that are texts, each key once, no tags and no merge keys. It knows nothing of what a document means.

#[cfg(test)]
mod tests;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput};
use std::collections::HashMap;

/// Maximum nesting of maps and lists.
const DEPTH: usize = 64;
/// Maximum number of nodes with aliases expanded.
const NODES: usize = 1_000_000;

/// A position in a text. Lines and columns begin at 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it begins.
    pub at: Position,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A scalar without quotes, as it is written.
    Plain(String),
    /// A text in quotes or a block.
    Quoted(String),
    /// A list.
    List(Vec<Node>),
    /// A map in its order.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub at: Position,
    /// The value.
    pub value: Node,
}

/// Why a text is no document, or none that is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Malformed {
    /// Where.
    pub at: Position,
    /// What is wrong and how to fix it. It quotes nothing but a key.
    pub text: String,
}

impl Node {
    /// Parses a text that is one document.
    ///
    /// # Errors
    /// The first problem.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut reader = Reader { events: Parser::new_from_str(text), anchors: HashMap::new(), left: NODES };
        reader.document()
    }

    /// Whether nothing is written here, or `null` or `~` without quotes.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Plain(text) if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The text of a scalar; `None` for a list, a map or null.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Quoted(text) => Some(text),
            Kind::Plain(text) if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// The entries of a map; `None` for anything else.
    #[must_use]
    pub fn entries(&self) -> Option<&[Entry]> {
        if let Kind::Map(entries) = &self.kind { Some(entries) } else { None }
    }

    /// The items of a list; `None` for anything else.
    #[must_use]
    pub fn items(&self) -> Option<&[Self]> {
        if let Kind::List(items) = &self.kind { Some(items) } else { None }
    }

    /// The value of a key; `None` if there is none, or this is no map.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The node as a text that is equal for equal nodes, wherever they stand.
    #[must_use]
    pub fn canonical(&self) -> String {
        match &self.kind {
            Kind::Plain(text) => format!("{text:?}."),
            Kind::Quoted(text) => format!("{text:?}"),
            Kind::List(items) => format!("[{}]", items.iter().map(Self::canonical).collect::<Vec<_>>().join(",")),
            Kind::Map(entries) => {
                let entry = |entry: &Entry| format!("{:?}:{}", entry.key, entry.value.canonical());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// What it is, for messages.
    #[must_use]
    pub fn described(&self) -> &'static str {
        match &self.kind {
            _ if self.is_null() => "nothing",
            Kind::Plain(_) | Kind::Quoted(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a map",
        }
    }

    /// Where a place such as `sources[0].provider.token` stands, or the nearest node above it that exists. A place ends in a key that is
    /// missing where that is the problem.
    #[must_use]
    pub fn position(&self, place: &str) -> Position {
        let mut at = self;
        let mut position = self.at;
        for step in place.split(['.', '[']).filter(|step| !step.is_empty()) {
            let next = match (&at.kind, step.strip_suffix(']').and_then(|index| index.parse::<usize>().ok())) {
                (Kind::List(items), Some(index)) => items.get(index).map(|item| (item, item.at)),
                (Kind::Map(entries), _) => entries.iter().find(|entry| entry.key == step).map(|entry| (&entry.value, entry.at)),
                _ => None,
            };
            let Some((node, found)) = next else { return position };
            (at, position) = (node, found);
        }
        position
    }
}

struct Reader<'t> {
    events: Parser<'t, StrInput<'t>>,
    /// By the parser's number.
    anchors: HashMap<usize, Node>,
    left: usize,
}

fn position(span: &Span) -> Position {
    Position { line: span.start.line(), column: span.start.col() + 1 }
}

fn malformed<T>(at: Position, text: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed { at, text: text.into() })
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Position), Malformed> {
        let end = Position { line: 1, column: 1 };
        match self.events.next() {
            Some(Ok((event, span))) => Ok((event, position(&span))),
            Some(Err(error)) => {
                let at = Position { line: error.marker().line(), column: error.marker().col() + 1 };
                // The parser's own words quote nothing of the text.
                malformed(at, "is not YAML; look for a wrong indentation, a tab or a missing quote")
            }
            None => malformed(end, "ends too early"),
        }
    }

    fn document(&mut self) -> Result<Node, Malformed> {
        let mut root = None;
        loop {
            match self.next()? {
                (Event::StreamEnd, at) => {
                    let empty = Node { at, kind: Kind::Plain(String::new()) };
                    return Ok(root.unwrap_or(empty));
                }
                (Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing, _) => {}
                (_, at) if root.is_some() => return malformed(at, "a second document begins; keep one"),
                (event, at) => root = Some(self.node(event, at, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'t>, at: Position, depth: usize) -> Result<Node, Malformed> {
        self.spend(1, at)?;
        if depth > DEPTH {
            return malformed(at, "is nested too deeply; flatten it");
        }
        let (kind, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return malformed(at, "names an anchor that is not there");
                };
                self.spend(count(&node), at)?;
                return Ok(node);
            }
            Event::Scalar(text, ScalarStyle::Plain, anchor, tag) => (Kind::Plain(text.into_owned()), anchor, tag),
            Event::Scalar(text, _, anchor, tag) => (Kind::Quoted(text.into_owned()), anchor, tag),
            Event::SequenceStart(anchor, tag) => (Kind::List(self.items(depth)?), anchor, tag),
            Event::MappingStart(anchor, tag) => (Kind::Map(self.entries(depth)?), anchor, tag),
            _ => return malformed(at, "is not YAML"),
        };
        if tag.is_some() {
            return malformed(
                at,
                "a tag such as !name means nothing here; write the value itself, in quotes where it begins with !",
            );
        }
        let node = Node { at, kind };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Node>, Malformed> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, at) => items.push(self.node(event, at, depth + 1)?),
            }
        }
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, Malformed> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, at) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = match self.node(event, at, depth + 1)? {
                key if key.is_null() => return malformed(at, "a key is missing; write it, in quotes where it is the word null"),
                Node { kind: Kind::Plain(key), .. } if key == "<<" => {
                    return malformed(at, "merge keys are not supported; write the keys out, or use defaults");
                }
                Node { kind: Kind::Plain(key) | Kind::Quoted(key), .. } => key,
                _ => return malformed(at, "a key must be a text"),
            };
            if entries.iter().any(|entry| entry.key == key) {
                return malformed(at, format!("the key {key} appears twice; drop one"));
            }
            let (event, value_at) = self.next()?;
            let value = self.node(event, value_at, depth + 1)?;
            entries.push(Entry { key, at, value });
        }
    }

    fn spend(&mut self, nodes: usize, at: Position) -> Result<(), Malformed> {
        match self.left.checked_sub(nodes) {
            Some(left) => self.left = left,
            None => return malformed(at, "is too large; use fewer aliases, or split it"),
        }
        Ok(())
    }
}

fn count(node: &Node) -> usize {
    1 + match &node.kind {
        Kind::List(items) => items.iter().map(count).sum(),
        Kind::Map(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
        Kind::Plain(_) | Kind::Quoted(_) => 0,
    }
}
