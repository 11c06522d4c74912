//! What can be said about the results of an expression without an answer.

use super::functions::Call;
use super::tree::{Node, Piece, Reduce, Step, StepKind, Variable};
use crate::provider::document::Value;

/// Where results come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// There are none, or they hold nothing.
    Nothing,
    /// From the answer, perhaps calculated with values that are written out.
    Answer,
    /// Written out, or a parameter.
    Written,
    /// Written out, or from the answer: a missing field would not be noticed.
    Either,
}

impl Origin {
    /// Of a part that yields the results of one or the other.
    const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, origin) | (origin, Self::Nothing) => origin,
            (Self::Answer, Self::Answer) => Self::Answer,
            (Self::Written, Self::Written) => Self::Written,
            _ => Self::Either,
        }
    }

    /// Of a result that is calculated from both.
    const fn with(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, origin) | (origin, Self::Nothing) => origin,
            (Self::Either, _) | (_, Self::Either) => Self::Either,
            (Self::Written, Self::Written) => Self::Written,
            _ => Self::Answer,
        }
    }
}

/// Whether a result can be written in the expression instead of coming from the answer.
pub(super) fn ends_in_literal(tree: &Node) -> bool {
    matches!(origin(tree, Origin::Answer, &mut Vec::new()), Origin::Written | Origin::Either) || counts_nothing(tree)
}

/// Whether a length may be that of an empty list which the expression itself has put in the place of a missing one.
fn counts_nothing(tree: &Node) -> bool {
    let length = |node: &Node| matches!(node, Node::Call(Call::Length, _));
    let empty = |node: &Node| match node {
        Node::Try(_) => true,
        Node::Path(_, steps) => steps.iter().any(|step| step.optional),
        Node::Alternative(_, right) => matches!(origin(right, Origin::Answer, &mut Vec::new()), Origin::Nothing),
        _ => false,
    };
    contains(tree, &length) && contains(tree, &empty)
}

fn contains(tree: &Node, wanted: &impl Fn(&Node) -> bool) -> bool {
    wanted(tree) || tree.children().into_iter().any(|child| contains(child, wanted))
}

/// Where the results of a part come from, if its input comes from there. `names` holds the origins of what `as` has named.
fn origin(node: &Node, input: Origin, names: &mut Vec<Origin>) -> Origin {
    let mut of = |node: &Node| origin(node, input, names);
    match node {
        Node::Identity | Node::Recurse => input,
        Node::Constant(Value::List(items)) if items.is_empty() => Origin::Nothing,
        Node::Constant(Value::Object(entries)) if entries.is_empty() => Origin::Nothing,
        Node::Constant(_) | Node::Variable(Variable::Parameters) => Origin::Written,
        Node::Variable(Variable::Named(after)) => {
            names.len().checked_sub(after + 1).and_then(|at| names.get(at)).copied().unwrap_or(Origin::Either)
        }
        Node::Variable(_) | Node::Logic(..) | Node::Compare(..) => Origin::Answer,
        Node::Text(pieces) => pieces.iter().fold(Origin::Nothing, |made, piece| {
            made.with(if let Piece::Node(node) = piece { of(node) } else { Origin::Written })
        }),
        Node::List(inner) | Node::Negate(inner) | Node::Try(inner) => of(inner),
        Node::Object(entries) => entries.iter().fold(Origin::Nothing, |made, (_, value)| made.or(of(value))),
        Node::Pipe(left, right) => {
            let input = of(left);
            origin(right, input, names)
        }
        Node::Comma(left, right) | Node::Alternative(left, right) => of(left).or(of(right)),
        Node::Math(_, left, right) => of(left).with(of(right)),
        Node::Bind(source, body) => {
            let source = of(source);
            named(source, names, |names| origin(body, input, names))
        }
        Node::Reduce(reduce) => reduced(reduce, input, names),
        Node::If(branches, otherwise) => branches.iter().fold(of(otherwise), |made, (_, then)| made.or(of(then))),
        Node::Path(base, _) => of(base),
        Node::Call(call, arguments) => called(*call, arguments, input, names),
    }
}

fn named(source: Origin, names: &mut Vec<Origin>, body: impl FnOnce(&mut Vec<Origin>) -> Origin) -> Origin {
    names.push(source);
    let origin = body(names);
    names.pop();
    origin
}

/// The state at the start is a result too, if there is nothing to fold.
fn reduced(reduce: &Reduce, input: Origin, names: &mut Vec<Origin>) -> Origin {
    let source = origin(&reduce.source, input, names);
    let start = origin(&reduce.start, input, names);
    // One update is enough: where a second one would tell something new, the start and the first one already differ.
    start.or(named(source, names, |names| origin(&reduce.update, start, names)))
}

fn called(call: Call, arguments: &[Node], input: Origin, names: &mut Vec<Origin>) -> Origin {
    match (call, arguments) {
        (Call::Empty, _) => Origin::Nothing,
        (Call::First | Call::Last | Call::Map, [inner]) => origin(inner, input, names),
        (Call::Any | Call::All | Call::About(_) | Call::About2(_), _) => Origin::Answer,
        _ => input,
    }
}

/// Whether an error can become nothing.
pub(super) fn swallows_errors(tree: &Node) -> bool {
    contains(tree, &|node| match node {
        Node::Try(_) => true,
        Node::Alternative(_, right) => matches!(**right, Node::Call(Call::Empty, _)),
        Node::Path(_, steps) => steps.iter().any(|step| step.optional),
        _ => false,
    })
}

/// Whether there is never more than one result.
pub(super) fn is_single(tree: &Node) -> bool {
    match tree {
        Node::Recurse | Node::Comma(..) => false,
        Node::List(_) | Node::Call(Call::First | Call::Last | Call::Any | Call::All | Call::Map | Call::Sorted(_), _) => true,
        // An update yields one state.
        Node::Reduce(reduce) => is_single(&reduce.start),
        Node::Path(base, steps) => is_single(base) && steps.iter().all(single_step),
        _ => tree.children().into_iter().all(is_single),
    }
}

fn single_step(step: &Step) -> bool {
    !matches!(step.kind, StepKind::Each) && step.children().into_iter().all(is_single)
}

/// By how many levels a part can nest a value deeper.
pub(super) fn deeper(node: &Node) -> usize {
    let here = matches!(node, Node::List(_) | Node::Object(_) | Node::Call(..));
    usize::from(here) + node.children().into_iter().map(deeper).sum::<usize>()
}
