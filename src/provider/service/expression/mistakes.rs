//! The mistakes of an expression in words that say how to fix them.

use super::SyntaxError;
use super::functions::{self, Function, functions};
use super::syntax::offset;
use crate::nearest::nearest;
use jaq_core::load::lex::{self, StrPart, Tok, Token};
use jaq_core::load::parse::{self, TError};

const COMPARISONS: [&str; 6] = ["==", "!=", "<", "<=", ">", ">="];

/// What the lexer stopped at.
pub(super) fn lexical(text: &str, errors: &[lex::Error<&str>]) -> SyntaxError {
    let first = errors.iter().min_by_key(|(_, rest)| offset(text, rest));
    let Some((expected, rest)) = first else { return SyntaxError::new(0, "this is no expression") };
    let at = offset(text, rest);
    let found = rest.chars().next();
    let message = match (expected, found) {
        (lex::Expect::Digit, _) => "a digit is missing".to_owned(),
        (lex::Expect::Ident, _) => "a name is missing after `$`, `@` or `::`".to_owned(),
        (lex::Expect::Escape | lex::Expect::Unicode, _) => {
            r#"in a text, a backslash stands before `" \ / b f n r t`, four digits as in \u00e9, or a bracket as in \(.name)"#
                .to_owned()
        }
        (_, Some('\'' | '`' | '“' | '”' | '«' | '»' | '„')) => "a text is written in double quotes: \"text\"".to_owned(),
        (_, Some('&')) => "`and` joins two conditions".to_owned(),
        (_, Some('−' | '–' | '—')) => "a minus is written `-`".to_owned(),
        (_, Some(other)) => {
            if let Some(error) = unquoted_key(text, at) {
                return error;
            }
            if other.is_alphabetic() {
                format!("a text is written in double quotes: \"{}\"", word(rest))
            } else {
                format!("`{other}` has no meaning here")
            }
        }
        (_, None) => "the expression ends too early".to_owned(),
    };
    SyntaxError::new(at, message)
}

/// What the parser stopped at.
pub(super) fn grammatical(text: &str, errors: &[TError<'_, &str>]) -> SyntaxError {
    let place = |found: Option<&Token<&str>>| found.map_or(text.len(), |Token(part, _)| offset(text, part));
    let first = errors.iter().min_by_key(|(_, found)| place(*found));
    let Some((expected, found)) = first else { return SyntaxError::new(0, "this is no expression") };
    let at = place(*found);
    if let Some(error) = unquoted_key(text, at) {
        return error;
    }
    let wanted = match expected {
        parse::Expect::Just(word) => format!("`{word}`"),
        parse::Expect::Var | parse::Expect::Pattern => "a name such as $it".to_owned(),
        parse::Expect::ElseOrEnd => "`else` or `end`".to_owned(),
        parse::Expect::CommaOrRBrack => "`,` or `]`".to_owned(),
        parse::Expect::CommaOrRBrace => "`,` or `}`".to_owned(),
        parse::Expect::SemicolonOrRParen => "`;` or `)`".to_owned(),
        parse::Expect::Key => "a key, as in .name or .\"a name\"".to_owned(),
        parse::Expect::Nothing => "`|` or another sign".to_owned(),
        _ => "a value, as in .name, \"text\" or 1".to_owned(),
    };
    let found = match found {
        None => "the expression ends".to_owned(),
        Some(Token(")" | "]" | "}", _)) => "the bracket is closed".to_owned(),
        Some(Token("||", _)) => return SyntaxError::new(at, "`or` joins two conditions"),
        Some(Token("!", _)) => return SyntaxError::new(at, "the opposite is written `| not`: .active | not"),
        Some(Token("===" | "=>" | "<>" | "=<" | "!==" | "=!", _)) => {
            return SyntaxError::new(at, "a comparison is written `==`, `!=`, `<`, `<=`, `>` or `>=`");
        }
        Some(Token(part, Tok::Sym | Tok::Word | Tok::Var | Tok::Num | Tok::Fmt)) => format!("`{part}` follows"),
        Some(Token(_, Tok::Str(_))) => "a text follows".to_owned(),
        Some(Token(part, Tok::Block(_))) => format!("`{}` follows", part.chars().next().unwrap_or(' ')),
    };
    SyntaxError::new(at, format!("expected {wanted}, but {found}"))
}

/// A key that has to be in quotes and is not, if one stands where reading stopped.
fn unquoted_key(text: &str, at: usize) -> Option<SyntaxError> {
    let in_key = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
    let before = text[..at].trim_end_matches(in_key);
    let dot = before.strip_suffix('.')?;
    let rest = &text[before.len()..];
    let key = &rest[..rest.find(|c| !in_key(c)).unwrap_or(rest.len())];
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') && !key.starts_with(|c: char| c.is_ascii_digit());
    let number = dot.ends_with(|c: char| c.is_ascii_digit());
    if !number && !key.is_empty() && key.chars().all(|c| c.is_ascii_digit()) {
        return Some(SyntaxError::new(at, format!("a number is written 0.{key}, and a key .\"{key}\"")));
    }
    (!key.is_empty() && !plain && !number).then(|| {
        SyntaxError::new(at, format!("a key with other characters than a-z, 0-9 and _ is written in quotes: .\"{key}\""))
    })
}

fn word(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len())]
}

/// A function that is not there.
pub(super) fn unknown_function(text: &str, name: &str, arguments: usize) -> SyntaxError {
    let at = offset(text, name);
    let path_follows = text[at + name.len()..].starts_with(['.', '[']);
    let names = functions().iter().map(|function| function.name).chain(["true", "false", "null"]);
    let instead = if let Some(instead) = functions::replacement(name) {
        instead.to_owned()
    } else if path_follows && arguments == 0 {
        format!("a key of the answer is written .{name}")
    } else if let Some(near) = nearest(name, names) {
        format!("did you mean {near}?")
    } else if arguments == 0 {
        format!("a key of the answer is written .{name} and a text \"{name}\"")
    } else {
        format!("there are {}", functions().iter().map(|function| function.name).collect::<Vec<_>>().join(", "))
    };
    SyntaxError::new(at, format!("there is no function {name}; {instead}"))
}

/// A function with too few or too many arguments.
pub(super) fn wrong_arguments(function: &Function, found: usize) -> String {
    let Function { name, example, meaning, arguments, .. } = function;
    let counts: Vec<_> = arguments.iter().map(usize::to_string).collect();
    let plural = if *arguments == [1] { "argument" } else { "arguments" };
    format!("{name} takes {} {plural} and has {found}: {example} ({meaning})", counts.join(" or "))
}

/// Refuses what is not available, and what jq reads in another way than people do.
pub(super) fn look_for_misreadings(text: &str, tokens: &[Token<&str>]) -> Result<(), SyntaxError> {
    let wrong = |part: &str, message: String| Err(SyntaxError::new(offset(text, part), message));
    let mut segment = Segment::default();
    for (i, Token(part, token)) in tokens.iter().enumerate() {
        let before = i.checked_sub(1).and_then(|before| tokens.get(before));
        match token {
            Tok::Sym => {
                if let Some(message) = unavailable_sign(part) {
                    return wrong(part, message);
                }
                hyphen(text, part)?;
            }
            Tok::Word if !is_key(text, tokens, i) => {
                if let Some(message) = unavailable_word(part) {
                    return wrong(part, message.to_owned());
                }
            }
            Tok::Fmt if before.is_none_or(|Token(before, _)| *before != ".") => {
                let message = format!("formats such as {part} are not available; \"\\(.a) \\(.b)\" makes a text of values");
                return wrong(part, message);
            }
            Tok::Block(inner) => look_for_misreadings(text, inner)?,
            Tok::Str(parts) => parts.iter().try_for_each(|part| match part {
                StrPart::Term(inner) => look_for_misreadings(text, std::slice::from_ref(inner)),
                StrPart::Str(_) | StrPart::Char(_) => Ok(()),
            })?,
            Tok::Word | Tok::Fmt | Tok::Var | Tok::Num => {}
        }
        if matches!(token, Tok::Sym | Tok::Word)
            && let Some(message) = segment.misread(part)
        {
            return wrong(part, message);
        }
    }
    Ok(())
}

/// The signs of one level between `|`, `,` and keywords.
#[derive(Default)]
struct Segment {
    comparison: Option<String>,
    alternative: bool,
    logic: bool,
    calculated: bool,
}

impl Segment {
    /// Why people misread this sign after those before it.
    fn misread(&mut self, sign: &str) -> Option<String> {
        let brackets =
            |what: &str| Some(format!("`//` binds weaker than `{what}`; brackets say what is meant: (.a // .b) {what} …"));
        match sign {
            "|" | "," | ";" | ":" | "if" | "then" | "elif" | "else" | "try" | "reduce" => *self = Self::default(),
            _ if COMPARISONS.contains(&sign) => {
                if self.comparison.is_some() {
                    return Some("a comparison has two sides; `and` joins two comparisons: .a > 1 and .a < 10".to_owned());
                }
                if self.alternative {
                    return brackets(sign);
                }
                self.comparison = Some(sign.to_owned());
            }
            "and" | "or" => {
                if self.alternative {
                    return brackets(sign);
                }
                self.comparison = None;
                self.logic = true;
            }
            "//" => {
                if let Some(comparison) = &self.comparison {
                    return brackets(comparison);
                }
                if self.logic {
                    return brackets("and");
                }
                self.alternative = true;
            }
            // jq and jaq disagree about what is named.
            "as" if self.calculated || self.alternative || self.logic || self.comparison.is_some() => {
                return Some("brackets say what `as` gives a name to: (.a + .b) as $it | …".to_owned());
            }
            "+" | "-" | "*" | "/" => self.calculated = true,
            _ => {}
        }
        None
    }
}

/// `.my-key` is a subtraction for jq, even if a function of this name exists.
fn hyphen(text: &str, part: &str) -> Result<(), SyntaxError> {
    let at = offset(text, part) + part.len();
    let named = part.starts_with('.') && part.len() > 1 && part != "..";
    let mut rest = text[at..].chars();
    let glued = rest.next() == Some('-') && rest.next().is_some_and(|c| c.is_alphabetic() || c == '_');
    if !named || !glued {
        return Ok(());
    }
    let end = text[at..].find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(text.len() - at);
    let key = format!("{}{}", &part[1..], &text[at..at + end]);
    let message = format!("a key with a hyphen is written in quotes: .\"{key}\"; a subtraction has spaces around its minus");
    Err(SyntaxError::new(at, message))
}

/// Whether a word is a key of an object: `{label: 1, def}`.
fn is_key(text: &str, tokens: &[Token<&str>], at: usize) -> bool {
    let Some(Token(first, _)) = tokens.first() else { return false };
    let in_object = text[..offset(text, first)].trim_end().ends_with('{');
    let starts = at == 0 || matches!(tokens[at - 1], Token(",", _));
    in_object && starts && matches!(tokens.get(at + 1), Some(Token(":" | "," | "}", _)))
}

fn unavailable_sign(sign: &str) -> Option<String> {
    Some(match sign {
        "=" => "an expression cannot change the answer; a comparison is written `==`".to_owned(),
        "|=" | "+=" | "-=" | "*=" | "/=" | "%=" | "//=" => {
            format!("`{sign}` is not available: an expression cannot change the answer; {{name: .value}} makes new values")
        }
        "%" => "`%` is not available; `+ - * /` are".to_owned(),
        _ => return None,
    })
}

fn unavailable_word(word: &str) -> Option<&'static str> {
    Some(match word {
        "def" => "`def` is not available; `… as $name | …` gives a name to a value",
        "foreach" => {
            "`foreach` is not available; reduce .list[] as $it (0; . + $it.sum) folds a list, and map(…) changes its elements"
        }
        "label" | "break" => "`label` and `break` are not available; first(…) takes the first result",
        "catch" => "`catch` is not available; (try …) // .other gives another value where a part fails",
        "import" | "include" | "module" => "an expression cannot load anything",
        _ => return None,
    })
}
