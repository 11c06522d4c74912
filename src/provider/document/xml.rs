//! A strict reader of XML, which makes the same values as that of JSON.
//!
//! An element is an object: its attributes `@name`, its elements by name, a list where a name is repeated, and its text `$text`. An
//! element with neither attributes nor elements is its text alone. Text is trimmed, since most white space in XML is layout; blank text
//! beside attributes or elements is no text. Texts between elements become lines, so that two numbers do not become one. Prefixes and declarations of namespaces are dropped. The document is an object with the root.
//!
//! quick-xml cuts the text into tags. It accepts much that is not well-formed, so names, attributes, references and what stands outside
//! the root are checked here. A document type, an entity that XML does not predefine, and a processing instruction are refused: they
//! change what a document says, and no answer needs them.

mod syntax;
#[cfg(test)]
mod tests;

use super::{DEPTH_LIMIT, Unreadable, VALUES_LIMIT, Value, place};
use quick_xml::errors::{IllFormedError, SyntaxError};
use quick_xml::events::Event;
use std::collections::HashMap;
use std::sync::Arc;

/// Parses a whole text as one document.
pub(super) fn read(text: &str) -> Result<Value, Unreadable> {
    // Some frameworks print an empty line before the declaration.
    let begin = text.len() - text.trim_start_matches(syntax::is_space).len();
    if text[begin..].is_empty() {
        return Err(Unreadable::decode("the answer is empty"));
    }
    if !text[begin..].starts_with('<') {
        return Err(Unreadable::decode("something other than XML, which begins with a tag; is `answer` right?"));
    }
    let mut events = quick_xml::Reader::from_str(&text[begin..]);
    events.config_mut().check_comments = true;
    let mut reader = Reader { text, begin, events, at: begin, values: 1, open: Vec::new(), root: None };
    if let Some(at) = text.find(|c| !syntax::is_character(c)) {
        reader.at = at;
        return Err(reader.wrong("a character that XML does not allow"));
    }
    while reader.step()? {}
    reader.end()
}

struct Reader<'a> {
    text: &'a str,
    /// Where the document begins in the text.
    begin: usize,
    events: quick_xml::Reader<&'a [u8]>,
    /// Where the current part begins in the text.
    at: usize,
    values: usize,
    /// The elements that are not closed yet, the root first.
    open: Vec<Element>,
    root: Option<(Arc<str>, Tall)>,
}

/// A value with the number of objects and lists that are nested in it, itself included.
struct Tall {
    value: Value,
    height: usize,
}

struct Element {
    name: Arc<str>,
    attributes: Vec<(Arc<str>, Value)>,
    children: Vec<(Arc<str>, Tall)>,
    /// The trimmed texts before the last element in it.
    lines: Vec<String>,
    /// The text since then.
    text: String,
}

impl Element {
    fn end_line(&mut self) {
        let text = std::mem::take(&mut self.text);
        let line = text.trim_matches(syntax::is_space);
        if !line.is_empty() {
            self.lines.push(line.to_owned());
        }
    }
}

impl Reader<'_> {
    /// Reads the next part; false at the end of the text.
    fn step(&mut self) -> Result<bool, Unreadable> {
        self.at = self.begin + position(self.events.buffer_position());
        let event = self.events.read_event().map_err(|error| self.broken(&error))?;
        match event {
            Event::Start(tag) => self.start(tag.name().as_ref(), tag.attributes_raw())?,
            Event::Empty(tag) => {
                self.start(tag.name().as_ref(), tag.attributes_raw())?;
                self.close()?;
            }
            Event::End(_) => self.close()?,
            Event::Text(part) => self.text(&part)?,
            Event::CData(part) => self.element("a CDATA section")?.text.push_str(&syntax::unified(&part)),
            Event::GeneralRef(name) => {
                let character = syntax::reference(&name).ok_or_else(|| self.wrong("an unknown entity"))?;
                self.element("a reference")?.text.push(character);
            }
            Event::Comment(_) => {}
            Event::Decl(declaration) => self.declaration(&declaration)?,
            Event::PI(_) => return Err(self.wrong("a processing instruction, which is not accepted")),
            Event::DocType(_) => return Err(self.wrong("a document type, which is not accepted")),
            Event::Eof => return Ok(false),
        }
        Ok(true)
    }

    fn start(&mut self, name: &str, attributes: &str) -> Result<(), Unreadable> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.wrong("a second root element"));
        }
        if self.open.len() == DEPTH_LIMIT {
            return Err(self.too_deep());
        }
        let name = syntax::local(name).ok_or_else(|| self.wrong("something that is no tag"))?;
        let attributes = syntax::attributes(attributes).and_then(syntax::named).map_err(|problem| self.wrong(&problem))?;
        self.count(1 + attributes.len())?;
        if let Some(parent) = self.open.last_mut() {
            parent.end_line();
        }
        self.open.push(Element { name: name.into(), attributes, children: Vec::new(), lines: Vec::new(), text: String::new() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Unreadable> {
        // quick-xml refuses an end tag that does not belong to the element.
        let Some(element) = self.open.pop() else {
            return Err(self.wrong("an end tag without a start tag"));
        };
        let name = Arc::clone(&element.name);
        let value = self.value(element)?;
        match self.open.last_mut() {
            Some(parent) => parent.children.push((name, value)),
            None => self.root = Some((name, value)),
        }
        Ok(())
    }

    /// The value of an element that is closed.
    fn value(&mut self, mut element: Element) -> Result<Tall, Unreadable> {
        element.end_line();
        let text = element.lines.join("\n");
        if element.attributes.is_empty() && element.children.is_empty() {
            return Ok(Tall { value: Value::Text(text.into()), height: 0 });
        }
        let mut entries = element.attributes;
        let mut height = 0;
        for (name, mut values) in grouped(element.children) {
            let tallest = values.iter().map(|value| value.height).max().unwrap_or_default();
            let repeated = values.len() > 1;
            self.count(usize::from(repeated))?;
            height = height.max(tallest + usize::from(repeated));
            let value = match values.pop() {
                Some(only) if !repeated => only.value,
                last => Value::List(values.into_iter().chain(last).map(|value| value.value).collect()),
            };
            entries.push((name, value));
        }
        if !text.is_empty() {
            self.count(1)?;
            entries.push(("$text".into(), Value::Text(text.into())));
        }
        // The object of the whole document is one more.
        if height + 2 > DEPTH_LIMIT {
            return Err(self.too_deep());
        }
        Ok(Tall { value: Value::Object(entries.into()), height: height + 1 })
    }

    fn text(&mut self, part: &str) -> Result<(), Unreadable> {
        if part.contains("]]>") {
            return Err(self.wrong("`]]>` outside a CDATA section"));
        }
        if self.open.is_empty() && part.chars().all(syntax::is_space) {
            return Ok(());
        }
        self.element("text")?.text.push_str(&syntax::unified(part));
        Ok(())
    }

    /// The element that holds what comes now.
    fn element(&mut self, what: &str) -> Result<&mut Element, Unreadable> {
        let (text, at) = (self.text, self.at);
        let outside = || Unreadable::decode(format!("{what} outside the root element {}", place(text, at)));
        self.open.last_mut().ok_or_else(outside)
    }

    fn declaration(&self, declaration: &str) -> Result<(), Unreadable> {
        if self.at > self.begin {
            return Err(self.wrong("an XML declaration that is not at the beginning"));
        }
        syntax::declaration(declaration).map_err(|problem| self.wrong(&problem))
    }

    fn end(self) -> Result<Value, Unreadable> {
        if !self.open.is_empty() {
            return Err(Unreadable::decode("the answer is cut off: it ends before its elements are closed"));
        }
        let (name, root) = self.root.ok_or_else(|| Unreadable::decode("XML without an element"))?;
        Ok(Value::Object(Arc::new([(name, root.value)])))
    }

    fn count(&mut self, more: usize) -> Result<(), Unreadable> {
        self.values += more;
        if self.values > VALUES_LIMIT { Err(Unreadable::too_many()) } else { Ok(()) }
    }

    fn too_deep(&self) -> Unreadable {
        self.wrong(&format!("elements and lists are nested more than {DEPTH_LIMIT} deep"))
    }

    /// The words of quick-xml quote the answer, so they are not used.
    fn broken(&self, error: &quick_xml::Error) -> Unreadable {
        let what = match error {
            quick_xml::Error::Syntax(SyntaxError::InvalidBangMarkup) => "something that is no markup after `<!`",
            quick_xml::Error::Syntax(_) => "the answer is cut off: a tag, comment or section is not closed",
            quick_xml::Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "`--` in a comment",
            quick_xml::Error::IllFormed(IllFormedError::UnclosedReference) => "an `&` that begins no reference",
            quick_xml::Error::IllFormed(IllFormedError::UnmatchedEndTag(_)) => "an end tag without a start tag",
            quick_xml::Error::IllFormed(IllFormedError::MismatchedEndTag { .. }) => "an end tag that differs from its start tag",
            _ => "something that is not well-formed",
        };
        Unreadable::decode(format!("{what} {}", place(self.text, self.begin + position(self.events.error_position()))))
    }

    fn wrong(&self, what: &str) -> Unreadable {
        Unreadable::decode(format!("{what} {}", place(self.text, self.at)))
    }
}

/// The elements by name, in the order in which the names appear first.
fn grouped(children: Vec<(Arc<str>, Tall)>) -> Vec<(Arc<str>, Vec<Tall>)> {
    let mut groups: Vec<(Arc<str>, Vec<Tall>)> = Vec::new();
    let mut places: HashMap<Arc<str>, usize> = HashMap::new();
    for (name, value) in children {
        let place = *places.entry(Arc::clone(&name)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

/// A position in a text that is in memory.
fn position(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
