//! Escapes that a provider may put into a text when it quotes the request: those of JSON, of URLs and of HTML.

use percent_encoding::percent_decode_str;

/// Each undoes one level of one kind of escape. An incomplete escape stays unchanged.
///
/// They are separate because a secret can itself contain what looks like an escape of another kind.
pub(super) const UNDO: [fn(&str) -> String; 3] = [percent, json, entities];

fn percent(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Undoes `\/`, `\"`, `\\` and `\uXXXX`.
fn json(text: &str) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let escaped = rest.strip_prefix('\\').and_then(|after| {
            let kind = after.chars().next()?;
            if kind == 'u' {
                let digits = after.get(1..5).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
                return Some((u16::from_str_radix(digits, 16).ok()?, &after[5..]));
            }
            let unit = match kind {
                '/' | '"' | '\\' => u16::try_from(u32::from(kind)).ok()?,
                'b' | 'f' | 'n' | 'r' | 't' => u16::from(b' '),
                _ => return None,
            };
            Some((unit, &after[1..]))
        });
        if let Some((unit, after)) = escaped {
            units.push(unit);
            rest = after;
        } else {
            units.extend_from_slice(next.encode_utf16(&mut [0; 2]));
            rest = &rest[next.len_utf8()..];
        }
    }
    String::from_utf16_lossy(&units)
}

/// Undoes the entities of the five characters that every HTML escaper writes, and numbers such as `&#039;` and `&#x27;`.
fn entities(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        plain.push_str(before);
        let entity = after.split_once(';').and_then(|(name, after)| Some((character(name)?, after)));
        if let Some((c, after)) = entity {
            plain.push(c);
            rest = after;
        } else {
            plain.push('&');
            rest = after;
        }
    }
    plain + rest
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_escape_is_undone_and_the_rest_stays() {
        let undo = |text: &str| UNDO.iter().fold(text.to_owned(), |text, undo| undo(&text));
        let cases = [
            (r"a\/b\\c", r"a/b\c"),
            (r"\u041f\u0430\ud83d\ude00", "Па😀"),
            (r"\u04 \q \", r"\u04 \q \"),
            ("p~ss%26x%", "p~ss&x%"),
            ("a&amp;b&lt;&quot;&#039;&#x27; & &nothing; &#;", "a&b<\"'' & &nothing; &#;"),
            ("plain ж", "plain ж"),
        ];
        for (escaped, plain) in cases {
            assert_eq!(undo(escaped), plain, "{escaped}");
        }
    }
}
