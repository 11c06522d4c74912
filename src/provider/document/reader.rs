//! A strict parser for RFC 8259 that enforces the limits of a document.

use super::{DEPTH_LIMIT, Number, Unreadable, VALUES_LIMIT, Value, decimal, place};
use std::sync::Arc;

/// Parses a whole text as one document.
pub(super) fn read(text: &str) -> Result<Value, Unreadable> {
    let mut reader = Reader { text, at: 0, values: 0 };
    let value = reader.value(0)?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.wrong("something follows the document"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a str,
    /// The position in bytes, always on a character boundary.
    at: usize,
    values: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Unreadable> {
        self.values += 1;
        if self.values > VALUES_LIMIT {
            return Err(Unreadable::too_many());
        }
        self.skip_space();
        match self.peek() {
            Some(b'{' | b'[') if depth == DEPTH_LIMIT => {
                Err(self.wrong(&format!("lists and objects are nested more than {DEPTH_LIMIT} deep")))
            }
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b'n') => self.word("null", Value::Null),
            Some(b't') => self.word("true", Value::Flag(true)),
            Some(b'f') => self.word("false", Value::Flag(false)),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Unreadable> {
        let mut entries = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Value::Object(entries.into()));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in double quotes"));
            }
            let key = self.string()?;
            self.skip_space();
            if !self.take(b':') {
                return Err(self.unexpected("a colon"));
            }
            entries.push((key, self.value(depth)?));
            self.skip_space();
            if self.take(b',') {
                continue;
            }
            if let Some(key) = repeated(&entries) {
                return Err(self.wrong(&format!("the key \"{key}\" stands twice in the object that ends")));
            }
            return if self.take(b'}') {
                Ok(Value::Object(entries.into()))
            } else {
                Err(self.unexpected("a comma or a closing brace"))
            };
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, Unreadable> {
        let mut items = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Value::List(items.into()));
        }
        loop {
            items.push(self.value(depth)?);
            self.skip_space();
            if self.take(b',') {
                continue;
            }
            return if self.take(b']') {
                Ok(Value::List(items.into()))
            } else {
                Err(self.unexpected("a comma or a closing bracket"))
            };
        }
    }

    fn string(&mut self) -> Result<Arc<str>, Unreadable> {
        let mut text = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c| matches!(c, '"' | '\\' | '\0'..='\x1f')).unwrap_or(rest.len());
            text.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text.into());
                }
                Some(b'\\') => text.push(self.escaped()?),
                Some(_) => return Err(self.wrong("a control character in a text")),
                None => return Err(self.unexpected("the end of a text")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Unreadable> {
        self.at += 1;
        let character = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.utf16(),
            _ => return Err(self.unexpected("an escape after the backslash")),
        };
        self.at += 1;
        Ok(character)
    }

    /// One `\u` escape, or two that make a surrogate pair.
    fn utf16(&mut self) -> Result<char, Unreadable> {
        let first = self.code_unit()?;
        let high = (0xd800..0xdc00).contains(&first);
        let second = if high && self.take(b'\\') { Some(self.code_unit()?) } else { None };
        let mut decoded = char::decode_utf16([first].into_iter().chain(second));
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(self.wrong("half a surrogate pair in a text")),
        }
    }

    fn code_unit(&mut self) -> Result<u16, Unreadable> {
        let digits = self.text.get(self.at + 1..self.at + 5).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.filter(|_| self.peek() == Some(b'u')).and_then(|hex| u16::from_str_radix(hex, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("a \\u escape without four hexadecimal digits"))?;
        self.at += 5;
        Ok(unit)
    }

    fn number(&mut self) -> Result<Value, Unreadable> {
        let start = self.at;
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            let _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        let text = &self.text[start..self.at];
        let value = decimal(text).ok_or_else(|| self.wrong("a number that no float can hold"))?;
        Ok(Value::Number(Number { text: text.into(), value }))
    }

    fn digits(&mut self) -> Result<(), Unreadable> {
        let count = self.text[self.at..].bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        self.at += count;
        Ok(())
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Unreadable> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.unexpected("a value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn skip_space(&mut self) {
        let space = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.text[self.at..].bytes().take_while(space).count();
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Consumes this character if it is the next one.
    fn take(&mut self, wanted: u8) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn unexpected(&self, expected: &str) -> Unreadable {
        if self.at < self.text.len() {
            self.wrong(&format!("expected {expected}"))
        } else {
            Unreadable::decode(format!("the answer is cut off: it ends where {expected} is expected"))
        }
    }

    fn wrong(&self, what: &str) -> Unreadable {
        Unreadable::decode(format!("{what} {}", place(self.text, self.at)))
    }
}

/// The first duplicate key.
pub(super) fn repeated(entries: &[(Arc<str>, Value)]) -> Option<&str> {
    let mut keys: Vec<&str> = entries.iter().map(|(key, _)| &**key).collect();
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
}
