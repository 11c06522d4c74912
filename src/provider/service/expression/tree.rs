//! A checked expression.

use super::functions::Call;
use super::number::Operation;
use crate::provider::document::Value;
use std::cmp::Ordering;
use std::sync::Arc;

/// A part of an expression: what it yields for an input.
#[derive(Debug)]
pub(super) enum Node {
    /// `.`
    Identity,
    /// `..`
    Recurse,
    /// A value that is written out.
    Constant(Value),
    /// `$name`
    Variable(Variable),
    /// `"… \(…) …"`
    Text(Vec<Piece>),
    /// `[…]`
    List(Box<Node>),
    /// `{…}`: keys and values.
    Object(Vec<(Node, Node)>),
    /// `-…`
    Negate(Box<Node>),
    /// `… | …`
    Pipe(Box<Node>, Box<Node>),
    /// `…, …`
    Comma(Box<Node>, Box<Node>),
    /// `… // …`
    Alternative(Box<Node>, Box<Node>),
    /// `… and …`, `… or …`
    Logic(Logic, Box<Node>, Box<Node>),
    /// `… + …`
    Math(Operation, Box<Node>, Box<Node>),
    /// `… < …`
    Compare(Comparison, Box<Node>, Box<Node>),
    /// `… as $name | …`
    Bind(Box<Node>, Box<Node>),
    /// `reduce … as $name (…; …)`
    Reduce(Box<Reduce>),
    /// `try …`, `…?`
    Try(Box<Node>),
    /// `if … then … else … end`
    If(Vec<(Node, Node)>, Box<Node>),
    /// `… .a[0]`
    Path(Box<Node>, Vec<Step>),
    /// `select(…)`
    Call(Call, Vec<Node>),
}

/// A fold.
#[derive(Debug)]
pub(super) struct Reduce {
    pub(super) source: Node,
    pub(super) start: Node,
    pub(super) update: Node,
    /// By how many levels an update can nest the state deeper.
    pub(super) deeper: usize,
}

/// A variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Variable {
    Answer,
    Headers,
    Status,
    Parameters,
    /// Named with `as`: how many names were given after it.
    Named(usize),
}

/// A piece of a text.
#[derive(Debug)]
pub(super) enum Piece {
    Fixed(Arc<str>),
    Node(Node),
}

/// A step of a path.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    /// With `?`.
    pub(super) optional: bool,
}

/// Where a step goes.
#[derive(Debug)]
pub(super) enum StepKind {
    /// `[]`
    Each,
    /// `.key`
    Key(Arc<str>),
    /// `[…]`
    Index(Node),
    /// `[…:…]`
    Slice(Option<Node>, Option<Node>),
}

/// `and` and `or`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logic {
    And,
    Or,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Greater,
    AtLeast,
    Same,
    Other,
}

impl Comparison {
    /// Whether two values in this order pass.
    pub(super) fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::AtLeast => order.is_ge(),
            Self::Same => order.is_eq(),
            Self::Other => order.is_ne(),
        }
    }
}

impl Node {
    /// The parts of this part.
    pub(super) fn children(&self) -> Vec<&Self> {
        match self {
            Self::Identity | Self::Recurse | Self::Constant(_) | Self::Variable(_) => Vec::new(),
            Self::Text(pieces) => {
                pieces.iter().filter_map(|piece| if let Piece::Node(node) = piece { Some(node) } else { None }).collect()
            }
            Self::List(inner) | Self::Negate(inner) | Self::Try(inner) => vec![inner],
            Self::Object(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Pipe(left, right)
            | Self::Comma(left, right)
            | Self::Alternative(left, right)
            | Self::Logic(_, left, right)
            | Self::Math(_, left, right)
            | Self::Compare(_, left, right)
            | Self::Bind(left, right) => vec![left, right],
            Self::Reduce(reduce) => vec![&reduce.source, &reduce.start, &reduce.update],
            Self::If(branches, otherwise) => {
                branches.iter().flat_map(|(when, then)| [when, then]).chain([&**otherwise]).collect()
            }
            Self::Path(base, steps) => [&**base].into_iter().chain(steps.iter().flat_map(Step::children)).collect(),
            Self::Call(_, arguments) => arguments.iter().collect(),
        }
    }
}

impl Step {
    pub(super) fn children(&self) -> Vec<&Node> {
        match &self.kind {
            StepKind::Each | StepKind::Key(_) => Vec::new(),
            StepKind::Index(index) => vec![index],
            StepKind::Slice(from, to) => from.iter().chain(to).collect(),
        }
    }
}
