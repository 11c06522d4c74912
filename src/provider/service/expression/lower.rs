//! Checks the tree of jaq's parser and makes ours of it: only what an expression may do has a place there.

use super::SyntaxError;
use super::analyse;
use super::functions;
use super::mistakes;
use super::number::{self, Operation};
use super::syntax::offset;
use super::tree::{Comparison, Logic, Node, Piece, Reduce, Step, StepKind, Variable};
use crate::nearest::nearest;
use crate::provider::document::{Number, Value, decimal};
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::ops::{Cmp, Math};
use jaq_core::path::{Opt, Part};
use std::sync::Arc;

/// The most parts inside each other.
const DEPTH: usize = 100;
const VARIABLES: [&str; 4] = ["$answer", "$headers", "$status", "$parameters"];

type Made<T = Node> = Result<T, SyntaxError>;

/// Makes a tree.
pub(super) struct Lower<'s> {
    text: &'s str,
    /// What `as` has named, with the dollar sign.
    names: Vec<&'s str>,
}

impl<'s> Lower<'s> {
    pub(super) const fn new(text: &'s str) -> Self {
        Self { text, names: Vec::new() }
    }

    /// Makes a part that is so deep in others.
    pub(super) fn node(&mut self, term: &Term<&'s str>, depth: usize) -> Made {
        if depth > DEPTH {
            return Err(SyntaxError::new(0, format!("more than {DEPTH} parts inside each other; split the expression")));
        }
        let depth = depth + 1;
        match term {
            Term::Id => Ok(Node::Identity),
            Term::Recurse => Ok(Node::Recurse),
            Term::Num(digits) => self.number(digits),
            Term::Str(None, parts) => self.text(parts, depth),
            Term::Arr(None) => Ok(Node::Constant(Value::List([].into()))),
            Term::Arr(Some(inner)) => Ok(Node::List(self.boxed(inner, depth)?)),
            Term::Obj(entries) => self.object(entries, depth),
            Term::Neg(inner) => self.negative(inner, depth),
            Term::BinOp(left, operator, right) => self.binary(left, operator, right, depth),
            Term::Fold("reduce", source, pattern, arguments) => self.reduce(source, pattern, arguments, depth),
            Term::TryCatch(inner, None) => Ok(Node::Try(self.boxed(inner, depth)?)),
            Term::IfThenElse(branches, otherwise) => self.branches(branches, otherwise.as_deref(), depth),
            Term::Call(name, arguments) => self.call(name, arguments, depth),
            Term::Var(name) => self.variable(name),
            Term::Path(base, path) => {
                let base = self.boxed(base, depth)?;
                let steps = path.0.iter().map(|(part, optional)| self.step(part, *optional, depth));
                Ok(Node::Path(base, steps.collect::<Made<_>>()?))
            }
            // These are refused by their words before; this is what remains if a new jaq writes one in another way.
            Term::Str(Some(name), _) | Term::Label(name, _) | Term::Break(name) | Term::Fold(name, ..) => {
                Err(self.wrong(name, "this is not available in an expression"))
            }
            Term::TryCatch(_, Some(_)) | Term::Def(..) => {
                Err(SyntaxError::new(0, "`catch` and `def` are not available in an expression"))
            }
        }
    }

    fn boxed(&mut self, term: &Term<&'s str>, depth: usize) -> Made<Box<Node>> {
        self.node(term, depth).map(Box::new)
    }

    fn wrong(&self, part: &str, message: impl Into<String>) -> SyntaxError {
        SyntaxError::new(offset(self.text, part), message)
    }

    /// jq reads `007` as 7; JSON has no such number.
    fn number(&self, digits: &'s str) -> Made {
        let significant = digits.trim_start_matches('0');
        let starts = significant.starts_with(|c: char| c.is_ascii_digit());
        let text: Arc<str> = if starts { significant.into() } else { format!("0{significant}").into() };
        let value = decimal(&text).ok_or_else(|| self.wrong(digits, "no number may be so large or so small"))?;
        Ok(Node::Constant(Value::Number(Number { text, value })))
    }

    fn negative(&mut self, inner: &Term<&'s str>, depth: usize) -> Made {
        Ok(match self.node(inner, depth)? {
            Node::Constant(Value::Number(number)) => Node::Constant(Value::Number(number::negate(&number))),
            inner => Node::Negate(Box::new(inner)),
        })
    }

    fn text(&mut self, parts: &[StrPart<&'s str, Term<&'s str>>], depth: usize) -> Made {
        let mut pieces = Vec::new();
        let mut fixed = String::new();
        for part in parts {
            match part {
                StrPart::Str(text) => fixed.push_str(text),
                StrPart::Char(character) => fixed.push(*character),
                StrPart::Term(term) => {
                    pieces.push(Piece::Fixed(std::mem::take(&mut fixed).into()));
                    pieces.push(Piece::Node(self.node(term, depth)?));
                }
            }
        }
        if pieces.is_empty() {
            return Ok(Node::Constant(Value::Text(fixed.into())));
        }
        pieces.push(Piece::Fixed(fixed.into()));
        Ok(Node::Text(pieces))
    }

    fn object(&mut self, entries: &[(Term<&'s str>, Option<Term<&'s str>>)], depth: usize) -> Made {
        if entries.is_empty() {
            return Ok(Node::Constant(Value::Object([].into())));
        }
        let entry = |(key, value): &(Term<&'s str>, Option<Term<&'s str>>)| match (key, value) {
            (Term::Var(name), None) => {
                let value = self.variable(name)?;
                Ok((Node::Constant(Value::Text(name[1..].into())), value))
            }
            (key, Some(value)) => Ok((self.node(key, depth)?, self.node(value, depth)?)),
            (key, None) => {
                let step = Step { kind: self.key(key, depth)?, optional: false };
                Ok((self.node(key, depth)?, Node::Path(Box::new(Node::Identity), vec![step])))
            }
        };
        Ok(Node::Object(entries.iter().map(entry).collect::<Made<_>>()?))
    }

    fn key(&mut self, key: &Term<&'s str>, depth: usize) -> Made<StepKind> {
        Ok(match self.node(key, depth)? {
            Node::Constant(Value::Text(name)) => StepKind::Key(name),
            index => StepKind::Index(index),
        })
    }

    fn step(&mut self, part: &Part<Term<&'s str>>, optional: Opt, depth: usize) -> Made<Step> {
        let kind = match part {
            Part::Index(index) => self.key(index, depth)?,
            Part::Range(None, None) => StepKind::Each,
            Part::Range(from, to) => {
                let mut bound = |bound: &Option<Term<&'s str>>| bound.as_ref().map(|bound| self.node(bound, depth)).transpose();
                StepKind::Slice(bound(from)?, bound(to)?)
            }
        };
        Ok(Step { kind, optional: matches!(optional, Opt::Optional) })
    }

    fn binary(&mut self, left: &Term<&'s str>, operator: &BinaryOp<&'s str>, right: &Term<&'s str>, depth: usize) -> Made {
        let left = self.boxed(left, depth)?;
        if let BinaryOp::Pipe(Some(pattern)) = operator {
            let body = self.named(pattern, |lower| lower.boxed(right, depth))?;
            return Ok(Node::Bind(left, body));
        }
        let right = self.boxed(right, depth)?;
        Ok(match operator {
            BinaryOp::Pipe(_) => Node::Pipe(left, right),
            BinaryOp::Comma => Node::Comma(left, right),
            BinaryOp::Alt => Node::Alternative(left, right),
            BinaryOp::Or => Node::Logic(Logic::Or, left, right),
            BinaryOp::And => Node::Logic(Logic::And, left, right),
            BinaryOp::Math(Math::Add) => Node::Math(Operation::Add, left, right),
            BinaryOp::Math(Math::Sub) => Node::Math(Operation::Subtract, left, right),
            BinaryOp::Math(Math::Mul) => Node::Math(Operation::Multiply, left, right),
            BinaryOp::Math(Math::Div) => Node::Math(Operation::Divide, left, right),
            BinaryOp::Cmp(comparison) => Node::Compare(compared(*comparison), left, right),
            // Refused by their signs before.
            BinaryOp::Math(Math::Rem) | BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                return Err(SyntaxError::new(0, "an expression cannot change the answer"));
            }
        })
    }

    /// Evaluates with one more name.
    fn named<T>(&mut self, pattern: &Pattern<&'s str>, body: impl FnOnce(&mut Self) -> Made<T>) -> Made<T> {
        let Pattern::Var(name) = pattern else {
            let part = pattern_part(pattern).unwrap_or(self.text);
            return Err(self.wrong(part, "`as` gives a name to one value: . as $it | $it.a"));
        };
        self.names.push(name);
        let made = body(self);
        self.names.pop();
        made
    }

    fn reduce(&mut self, source: &Term<&'s str>, pattern: &Pattern<&'s str>, arguments: &[Term<&'s str>], depth: usize) -> Made {
        let [start, update] = arguments else {
            let part = pattern_part(pattern).unwrap_or(self.text);
            return Err(self.wrong(part, "reduce is written so: reduce .list[] as $it (0; . + $it.sum)"));
        };
        let (source, start) = (self.node(source, depth)?, self.node(start, depth)?);
        let update = self.named(pattern, |lower| lower.node(update, depth))?;
        let deeper = analyse::deeper(&update);
        Ok(Node::Reduce(Box::new(Reduce { source, start, update, deeper })))
    }

    fn branches(&mut self, branches: &[(Term<&'s str>, Term<&'s str>)], otherwise: Option<&Term<&'s str>>, depth: usize) -> Made {
        let made = branches.iter().map(|(when, then)| Ok((self.node(when, depth)?, self.node(then, depth)?)));
        let made = made.collect::<Made<Vec<_>>>()?;
        let otherwise = otherwise.map_or(Ok(Node::Identity), |otherwise| self.node(otherwise, depth))?;
        Ok(Node::If(made, Box::new(otherwise)))
    }

    fn call(&mut self, name: &'s str, arguments: &[Term<&'s str>], depth: usize) -> Made {
        if let Some(value) = functions::constant(name) {
            return match arguments {
                [] => Ok(Node::Constant(value)),
                _ => Err(self.wrong(name, format!("{name} takes no arguments"))),
            };
        }
        let Some(function) = functions::named(name) else {
            return Err(mistakes::unknown_function(self.text, name, arguments.len()));
        };
        if !function.arguments.contains(&arguments.len()) {
            return Err(self.wrong(name, mistakes::wrong_arguments(function, arguments.len())));
        }
        let arguments = arguments.iter().map(|argument| self.node(argument, depth));
        Ok(Node::Call(function.call, arguments.collect::<Made<_>>()?))
    }

    fn variable(&self, name: &'s str) -> Made {
        if let Some(after) = self.names.iter().rev().position(|known| *known == name) {
            return Ok(Node::Variable(Variable::Named(after)));
        }
        Ok(Node::Variable(match name {
            "$answer" => Variable::Answer,
            "$headers" => Variable::Headers,
            "$status" => Variable::Status,
            "$parameters" => Variable::Parameters,
            _ => {
                let known = VARIABLES.into_iter().chain(self.names.iter().copied());
                let meant = nearest(name, known).map_or_else(
                    || format!("there are {}; a key that begins with a dollar sign is written .\"{name}\"", VARIABLES.join(", ")),
                    |near| format!("did you mean {near}?"),
                );
                return Err(self.wrong(name, format!("there is no variable {name}; {meant}")));
            }
        }))
    }
}

/// A part of the text that a pattern is made of.
fn pattern_part<'s>(pattern: &Pattern<&'s str>) -> Option<&'s str> {
    match pattern {
        Pattern::Var(name) => Some(name),
        Pattern::Arr(patterns) => patterns.first().and_then(pattern_part),
        Pattern::Obj(entries) => entries.first().and_then(|(_, pattern)| pattern_part(pattern)),
    }
}

const fn compared(comparison: Cmp) -> Comparison {
    match comparison {
        Cmp::Lt => Comparison::Less,
        Cmp::Le => Comparison::AtMost,
        Cmp::Gt => Comparison::Greater,
        Cmp::Ge => Comparison::AtLeast,
        Cmp::Eq => Comparison::Same,
        Cmp::Ne => Comparison::Other,
    }
}
