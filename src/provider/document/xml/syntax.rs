//! What stands inside the tags of XML: names, attributes, references, the declaration.

use super::super::{Value, reader::repeated};
use std::borrow::Cow;
use std::sync::Arc;

/// White space between the parts of XML.
pub(super) const fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// What XML 1.0 allows in a document.
pub(super) const fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// A text with `\n` for every end of a line, as XML reads it.
pub(super) fn unified(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n").into() } else { text.into() }
}

/// A name without its prefix; none if it is no name.
pub(super) fn local(name: &str) -> Option<&str> {
    match name.split_once(':') {
        Some((prefix, local)) => (is_plain_name(prefix) && is_plain_name(local)).then_some(local),
        None => is_plain_name(name).then_some(name),
    }
}

/// A name without a colon.
fn is_plain_name(name: &str) -> bool {
    let first = |c: char| c.is_alphabetic() || c == '_';
    let other = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '\u{b7}');
    name.starts_with(first) && name.chars().all(other)
}

/// The character that `&NAME;` stands for. Entities that only a document type defines are unknown.
pub(super) fn reference(name: &str) -> Option<char> {
    let code = |digits: &str, radix: u32| {
        let plain = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        let code = plain.then(|| u32::from_str_radix(digits, radix).ok())??;
        char::from_u32(code).filter(|c| is_character(*c))
    };
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "apos" => Some('\''),
        "quot" => Some('"'),
        _ => match name.strip_prefix("#x") {
            Some(digits) => code(digits, 16),
            None => code(name.strip_prefix('#')?, 10),
        },
    }
}

/// The attributes of a tag as they are written, with their values. `text` is what follows the name of the tag.
pub(super) fn attributes(text: &str) -> Result<Vec<(&str, String)>, String> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let next = rest.trim_start_matches(is_space);
        if next.is_empty() {
            return Ok(found);
        }
        if next.len() == rest.len() {
            return Err("no space before an attribute".to_owned());
        }
        let (name, after) = next.split_once('=').ok_or("an attribute without a value")?;
        let name = name.trim_end_matches(is_space);
        local(name).ok_or("something that is no attribute")?;
        let after = after.trim_start_matches(is_space);
        let quote =
            after.chars().next().filter(|quote| matches!(quote, '"' | '\'')).ok_or("the value of an attribute without quotes")?;
        let (value, after) = after[1..].split_once(quote).ok_or("the value of an attribute that is not closed")?;
        found.push((name, attribute_value(value)?));
        rest = after;
    }
}

/// Replaces references and, as XML does, ends of lines and tabs by spaces.
fn attribute_value(raw: &str) -> Result<String, String> {
    if raw.contains('<') {
        return Err("`<` in the value of an attribute".to_owned());
    }
    let spaced = unified(raw).replace(['\n', '\t'], " ");
    let mut parts = spaced.split('&');
    let mut value = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, text) = part.split_once(';').ok_or("an `&` that begins no reference")?;
        value.push(reference(name).ok_or("an unknown entity")?);
        value.push_str(text);
    }
    Ok(value)
}

/// Attributes as entries of an object, without prefixes and declarations of namespaces.
pub(super) fn named(attributes: Vec<(&str, String)>) -> Result<Vec<(Arc<str>, Value)>, String> {
    let is_namespace = |name: &str| name == "xmlns" || name.starts_with("xmlns:");
    let key = |name: &str| if is_namespace(name) { name.into() } else { format!("@{}", local(name).unwrap_or(name)).into() };
    let mut entries: Vec<(Arc<str>, Value)> =
        attributes.into_iter().map(|(name, value)| (key(name), Value::Text(value.into()))).collect();
    if let Some(name) = repeated(&entries) {
        return Err(format!("the attribute \"{}\" stands twice in the tag", name.trim_start_matches('@')));
    }
    entries.retain(|(name, _)| name.starts_with('@'));
    Ok(entries)
}

/// Checks the declaration, from its `xml` on.
pub(super) fn declaration(text: &str) -> Result<(), String> {
    let attributes = attributes(text.strip_prefix("xml").unwrap_or(text))?;
    let mut rest = attributes.iter().map(|(name, value)| (*name, value.as_str())).peekable();
    let is_minor = |minor: &str| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
    if !rest.next().is_some_and(|(name, version)| name == "version" && version.strip_prefix("1.").is_some_and(is_minor)) {
        return Err("an XML declaration without the version 1".to_owned());
    }
    let encoding = rest.next_if(|(name, _)| *name == "encoding").map_or("utf-8", |(_, encoding)| encoding);
    if !encoding.eq_ignore_ascii_case("utf-8") && !encoding.eq_ignore_ascii_case("utf8") {
        return Err("an encoding other than UTF-8 in the XML declaration".to_owned());
    }
    let _ = rest.next_if(|(name, value)| *name == "standalone" && matches!(*value, "yes" | "no"));
    if rest.next().is_some() { Err("an XML declaration that is not well-formed".to_owned()) } else { Ok(()) }
}
