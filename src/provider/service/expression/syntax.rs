//! Reads an expression: bounds it, has it parsed by jaq's lexer and parser, and has their tree checked.
//!
//! Both of jaq's are recursive, so everything that nests is counted first.

use super::SyntaxError;
use super::lower::Lower;
use super::mistakes;
use super::tree::Node;
use jaq_core::load::lex::{StrPart, Tok, Token};
use jaq_core::load::{Lexer, Parser};

/// The longest expression, in bytes.
const LENGTH: usize = 1_000;
/// The most brackets inside each other.
const BRACKETS: usize = 32;
/// The most words, signs and brackets of an expression.
const PARTS: usize = 400;
/// The most parts that the parser follows with another one inside: `-`, `if`, `try`, `reduce`, `as`.
const PREFIXES: usize = 32;

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text.trim().is_empty() {
        return Err(SyntaxError::new(0, "the expression is empty; `.` is the whole answer"));
    }
    if text.len() > LENGTH {
        let at = (0..=LENGTH).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        return Err(SyntaxError::new(at, format!("an expression has {LENGTH} bytes at most; this one has {}", text.len())));
    }
    brackets(text)?;
    let tokens = Lexer::new(text).lex().map_err(|errors| mistakes::lexical(text, &errors))?;
    let mut counts = Counts { text, parts: 0, prefixes: 0 };
    counts.block(&tokens)?;
    mistakes::look_for_misreadings(text, &tokens)?;
    let term = Parser::new(&tokens).parse(Parser::term).map_err(|errors| mistakes::grammatical(text, &errors))?;
    Lower::new(text).node(&term, 0)
}

/// Checks that every bracket and every quote is closed, and that not too many are inside each other.
fn brackets(text: &str) -> Result<(), SyntaxError> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if let Some((_, '"')) = open.last() {
            match character {
                '"' => drop(open.pop()),
                '\\' => {
                    if let Some((at, '(')) = characters.next() {
                        open.push((at, '('));
                    }
                }
                _ => {}
            }
        } else {
            match character {
                '"' | '(' | '[' | '{' => open.push((at, character)),
                ')' | ']' | '}' => match open.pop() {
                    Some((_, opened)) if closing(opened) == character => {}
                    Some((from, opened)) => {
                        let wanted = closing(opened);
                        let place = text[..from].chars().count() + 1;
                        let message = format!("`{character}` does not close the `{opened}` of column {place}; `{wanted}` does");
                        return Err(SyntaxError::new(at, message));
                    }
                    None => return Err(SyntaxError::new(at, format!("`{character}` closes nothing"))),
                },
                '#' => {
                    return Err(SyntaxError::new(at, "an expression has no comments; a text is written in double quotes: \"#\""));
                }
                _ => {}
            }
        }
        if open.len() > BRACKETS {
            return Err(SyntaxError::new(at, format!("more than {BRACKETS} brackets inside each other")));
        }
    }
    match open.pop() {
        None => Ok(()),
        Some((at, '"')) => Err(SyntaxError::new(at, "this quote is not closed; `\"` closes it")),
        Some((at, opened)) => {
            Err(SyntaxError::new(at, format!("this `{opened}` is not closed; `{}` closes it", closing(opened))))
        }
    }
}

const fn closing(opened: char) -> char {
    match opened {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        other => other,
    }
}

/// Counts what the parser would follow.
struct Counts<'s> {
    text: &'s str,
    parts: usize,
    prefixes: usize,
}

impl Counts<'_> {
    fn block(&mut self, tokens: &[Token<&str>]) -> Result<(), SyntaxError> {
        let mut operand = false;
        for Token(text, token) in tokens {
            self.parts += 1;
            let word = matches!(token, Tok::Word) && ["if", "elif", "try", "reduce", "as"].contains(text);
            // A minus after an operand takes two.
            self.prefixes += usize::from(word || (*text == "-" && !operand));
            let too_many =
                [(self.parts, PARTS, "words, signs and brackets"), (self.prefixes, PREFIXES, "of `- if try reduce as`")]
                    .into_iter()
                    .find(|(count, most, _)| count > most);
            if let Some((_, most, what)) = too_many {
                return Err(SyntaxError::new(offset(self.text, text), format!("an expression has {most} {what} at most")));
            }
            match token {
                Tok::Block(inner) => self.block(inner)?,
                Tok::Str(parts) => parts.iter().try_for_each(|part| match part {
                    StrPart::Term(inner) => self.block(std::slice::from_ref(inner)),
                    StrPart::Str(_) | StrPart::Char(_) => Ok(()),
                })?,
                Tok::Word | Tok::Var | Tok::Fmt | Tok::Num | Tok::Sym => {}
            }
            operand = !matches!(token, Tok::Sym) || text.starts_with('.') || *text == "?";
            operand &= !matches!(*text, "then" | "else" | "elif" | "if" | "and" | "or" | "try" | "reduce" | "as");
        }
        Ok(())
    }
}

/// Where a part of a text begins.
pub(super) fn offset(text: &str, part: &str) -> usize {
    (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

impl SyntaxError {
    pub(super) fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}
