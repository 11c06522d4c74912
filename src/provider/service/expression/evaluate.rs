//! The evaluator: pushes each result of an expression to whoever wants it.
//!
//! A part of an expression is on the stack once at most, since there are no definitions. The stack is therefore bounded by the length of
//! an expression, and the [`Meter`] bounds the rest. No message holds a value of the answer.

use super::Scope;
use super::access;
use super::meter::{Flow, Meter, Stop};
use super::number::{self, Operation};
use super::order;
use super::tree::{Comparison, Logic, Node, Piece, Reduce, Step, StepKind, Variable};
use super::values::{self, holds};
use crate::provider::document::Value;
use std::cell::Cell;
use std::sync::Arc;

/// How deep the state of `reduce` may nest.
const DEPTH: usize = 160;
/// How much deeper it may get between two checks.
const UNCHECKED: usize = 64;

/// An evaluation of an expression.
pub(super) struct Run<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) meter: &'a Meter,
    /// How many consumers that stop early there have been.
    pub(super) waiting: Cell<usize>,
}

/// Who wants results.
pub(super) type Emit<'e> = &'e mut dyn FnMut(&Value) -> Flow;

/// What a part is evaluated with.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) input: &'a Value,
    names: Option<&'a Name<'a>>,
}

/// A value that is named with `as`, and the names before it.
struct Name<'a> {
    value: &'a Value,
    before: Option<&'a Name<'a>>,
}

impl<'a> At<'a> {
    /// At the input of the whole expression.
    pub(super) const fn start(input: &'a Value) -> Self {
        Self { input, names: None }
    }

    /// With another input.
    pub(super) const fn with<'b>(self, input: &'b Value) -> At<'b>
    where
        'a: 'b,
    {
        At { input, names: self.names }
    }
}

impl Run<'_> {
    /// Pushes each result of a part.
    pub(super) fn run(&self, node: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        self.meter.step()?;
        match node {
            Node::Identity => emit(at.input),
            Node::Recurse => self.recurse(at.input, emit),
            Node::Constant(value) => emit(value),
            Node::Variable(variable) => self.variable(*variable, at, emit),
            Node::Text(pieces) => self.text(pieces, &mut Vec::new(), at, emit),
            Node::List(inner) => self.list(inner, at, emit),
            Node::Object(entries) => self.object(entries, &mut Vec::new(), at, emit),
            Node::Negate(inner) => self.negate(inner, at, emit),
            Node::Pipe(left, right) => self.run(left, at, &mut |value| self.run(right, at.with(value), emit)),
            Node::Comma(left, right) => {
                self.run(left, at, emit)?;
                self.run(right, at, emit)
            }
            Node::Alternative(left, right) => self.alternative(left, right, at, emit),
            Node::Logic(logic, left, right) => self.logic(*logic, left, right, at, emit),
            Node::Math(operation, left, right) => self.math(*operation, left, right, at, emit),
            Node::Compare(comparison, left, right) => self.compare(*comparison, left, right, at, emit),
            Node::Bind(source, body) => self.bind(source, body, at, emit),
            Node::Reduce(reduce) => self.reduce(reduce, at, emit),
            Node::Try(body) => self.attempt(body, at, emit),
            Node::If(branches, otherwise) => self.branch(branches, otherwise, at, emit),
            Node::Path(base, steps) => self.run(base, at, &mut |value| self.walk(steps, value, at, emit)),
            Node::Call(call, arguments) => self.call(*call, arguments, at, emit),
        }
    }

    /// All results of a part as a list.
    pub(super) fn collect(&self, node: &Node, at: At<'_>) -> Flow<Vec<Value>> {
        let mut found = Vec::new();
        self.run(node, at, &mut |value| {
            self.meter.build(size_of::<Value>())?;
            found.push(value.clone());
            Ok(())
        })?;
        Ok(found)
    }

    fn variable(&self, variable: Variable, at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut name = at.names;
        match variable {
            Variable::Answer => emit(self.scope.answer),
            Variable::Headers => emit(self.scope.headers),
            Variable::Status => emit(self.scope.status),
            Variable::Parameters => emit(self.scope.parameters),
            Variable::Named(after) => {
                for _ in 0..after {
                    name = name.and_then(|name| name.before);
                }
                name.map_or_else(|| Err(Stop::Failed("a variable without a value".to_owned())), |name| emit(name.value))
            }
        }
    }

    /// The value and everything in it, outer values first. Answers nest deeper than expressions, so the stack is on the heap.
    fn recurse(&self, value: &Value, emit: Emit<'_>) -> Flow {
        emit(value)?;
        let mut open: Vec<_> = access::items(value).into_iter().collect();
        while let Some(items) = open.last_mut() {
            let Some(item) = items.next() else {
                open.pop();
                continue;
            };
            self.meter.step()?;
            emit(item)?;
            open.extend(access::items(item));
        }
        Ok(())
    }

    /// The last piece changes slowest, as in jq. `after` holds the pieces after these, the last one first.
    fn text(&self, pieces: &[Piece], after: &mut Vec<Arc<str>>, at: At<'_>, emit: Emit<'_>) -> Flow {
        match pieces.split_last() {
            None => {
                self.meter.build(after.iter().map(|piece| piece.len()).sum())?;
                let text: String = after.iter().rev().map(|piece| &**piece).collect();
                emit(&Value::Text(text.into()))
            }
            Some((Piece::Fixed(fixed), before)) => {
                after.push(fixed.clone());
                let flow = self.text(before, after, at, emit);
                after.pop();
                flow
            }
            Some((Piece::Node(node), before)) => self.run(node, at, &mut |value| {
                after.push(values::as_text(self.meter, value)?);
                let flow = self.text(before, after, at, emit);
                after.pop();
                flow
            }),
        }
    }

    fn list(&self, inner: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let items = self.collect(inner, at)?;
        emit(&Value::List(items.into()))
    }

    /// The last entry changes fastest, as in jq.
    fn object(&self, entries: &[(Node, Node)], made: &mut Vec<(Arc<str>, Value)>, at: At<'_>, emit: Emit<'_>) -> Flow {
        let Some(((key, value), rest)) = entries.split_first() else {
            self.meter.build(made.len() * size_of::<(Arc<str>, Value)>())?;
            return emit(&Value::Object(unique(made)));
        };
        self.run(key, at, &mut |key| {
            let Value::Text(key) = key else {
                return Err(Stop::Failed(format!("a key of an object is a text; this is {}", key.kind())));
            };
            self.run(value, at, &mut |value| {
                made.push((key.clone(), value.clone()));
                let flow = self.object(rest, made, at, emit);
                made.pop();
                flow
            })
        })
    }

    fn negate(&self, inner: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        self.run(inner, at, &mut |value| {
            let Value::Number(number) = value else { return Err(values::wrong("`-`", "a number", value)) };
            self.meter.build(number.text.len())?;
            emit(&Value::Number(number::negate(number)))
        })
    }

    fn alternative(&self, left: &Node, right: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut found = false;
        self.run(left, at, &mut |value| {
            if !holds(value) {
                return Ok(());
            }
            found = true;
            emit(value)
        })?;
        if found { Ok(()) } else { self.run(right, at, emit) }
    }

    fn logic(&self, logic: Logic, left: &Node, right: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let decisive = logic == Logic::Or;
        self.run(left, at, &mut |left| {
            if holds(left) == decisive {
                return emit(&Value::Flag(decisive));
            }
            self.run(right, at, &mut |right| emit(&Value::Flag(holds(right))))
        })
    }

    /// The right side changes slowest, as in jq.
    fn math(&self, operation: Operation, left: &Node, right: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        self.run(right, at, &mut |right| {
            self.run(left, at, &mut |left| {
                let result = match operation {
                    Operation::Add => values::plus(self.meter, left, right)?,
                    _ => values::math(self.meter, operation, left, right)?,
                };
                emit(&result)
            })
        })
    }

    /// The right side changes slowest, as in jq.
    fn compare(&self, comparison: Comparison, left: &Node, right: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        self.run(right, at, &mut |right| {
            self.run(left, at, &mut |left| {
                let order = order::compare(self.meter, left, right)?;
                emit(&Value::Flag(comparison.holds(order)))
            })
        })
    }

    fn bind(&self, source: &Node, body: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        self.run(source, at, &mut |value| {
            let name = Name { value, before: at.names };
            self.run(body, At { input: at.input, names: Some(&name) }, emit)
        })
    }

    /// An update yields exactly one state. jq and jaq disagree about more and fewer.
    fn reduce(&self, reduce: &Reduce, at: At<'_>, emit: Emit<'_>) -> Flow {
        let Reduce { source, start, update, deeper } = reduce;
        self.run(start, at, &mut |start| {
            let (mut state, mut unchecked) = (start.clone(), 0);
            self.run(source, at, &mut |value| {
                let name = Name { value, before: at.names };
                state = self.update(update, At { input: &state, names: Some(&name) })?;
                unchecked += deeper;
                if unchecked >= UNCHECKED {
                    unchecked = 0;
                    self.check_depth(&state, DEPTH)?;
                }
                Ok(())
            })?;
            if *deeper > 0 {
                self.check_depth(&state, DEPTH)?;
            }
            emit(&state)
        })
    }

    fn update(&self, update: &Node, at: At<'_>) -> Flow<Value> {
        let mut next = None;
        self.run(update, at, &mut |value| match next.replace(value.clone()) {
            None => Ok(()),
            Some(_) => Err(Stop::Failed("the update of reduce yields more than one result".to_owned())),
        })?;
        next.ok_or_else(|| Stop::Failed("the update of reduce yields no result".to_owned()))
    }

    /// Values are compared, written and dropped by recursion, so their depth is bounded.
    fn check_depth(&self, value: &Value, left: usize) -> Flow {
        self.meter.visit()?;
        let Ok(mut items) = access::items(value) else { return Ok(()) };
        if left == 0 {
            return Err(Stop::Failed(format!("the state of reduce nests more than {DEPTH} deep")));
        }
        items.try_for_each(|item| self.check_depth(item, left - 1))
    }

    /// Yields nothing where the part fails. A failure of whoever takes the results is not the part's.
    fn attempt(&self, body: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut consumer = None;
        let flow = self.run(body, at, &mut |value| {
            emit(value).map_err(|stop| {
                consumer = Some(stop);
                Stop::Consumer
            })
        });
        match (consumer, flow) {
            (Some(stop), _) => Err(stop),
            (None, Err(Stop::Failed(_))) => Ok(()),
            (None, flow) => flow,
        }
    }

    fn branch(&self, branches: &[(Node, Node)], otherwise: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let Some(((condition, then), rest)) = branches.split_first() else { return self.run(otherwise, at, emit) };
        self.run(condition, at, &mut |value| {
            if holds(value) { self.run(then, at, emit) } else { self.branch(rest, otherwise, at, emit) }
        })
    }

    /// The steps of a path from a value on. Indexes are evaluated at the input of the whole path.
    fn walk(&self, steps: &[Step], value: &Value, at: At<'_>, emit: Emit<'_>) -> Flow {
        let Some((step, rest)) = steps.split_first() else { return emit(value) };
        let found = |found: Flow<Option<&Value>>, emit: Emit<'_>| match found {
            Err(Stop::Failed(_)) if step.optional => Ok(()),
            found => self.walk(rest, found?.unwrap_or(&Value::Null), at, emit),
        };
        self.meter.step()?;
        match &step.kind {
            StepKind::Each => match access::items(value) {
                Err(Stop::Failed(_)) if step.optional => Ok(()),
                items => items?.try_for_each(|item| {
                    self.meter.visit()?;
                    self.walk(rest, item, at, emit)
                }),
            },
            StepKind::Key(key) => found(access::key(self.meter, value, key), emit),
            StepKind::Index(index) => self.run(index, at, &mut |index| found(access::index(self.meter, value, index), emit)),
            StepKind::Slice(from, to) => self.bound(from.as_ref(), at, &mut |from| {
                self.bound(to.as_ref(), at, &mut |to| match access::slice(self.meter, value, from, to) {
                    Err(Stop::Failed(_)) if step.optional => Ok(()),
                    part => self.walk(rest, &part?, at, emit),
                })
            }),
        }
    }

    fn bound(&self, bound: Option<&Node>, at: At<'_>, take: &mut dyn FnMut(Option<&Value>) -> Flow) -> Flow {
        match bound {
            None => take(None),
            Some(bound) => self.run(bound, at, &mut |value| take(Some(value))),
        }
    }
}

/// A key that is written twice has the value of the last one.
fn unique(made: &[(Arc<str>, Value)]) -> Arc<[(Arc<str>, Value)]> {
    let mut entries: Vec<(Arc<str>, Value)> = Vec::with_capacity(made.len());
    for (key, value) in made {
        match entries.iter_mut().find(|(found, _)| found == key) {
            Some((_, old)) => *old = value.clone(),
            None => entries.push((key.clone(), value.clone())),
        }
    }
    entries.into()
}
