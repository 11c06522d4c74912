//! The functions that evaluate their arguments themselves.

use super::access;
use super::evaluate::{At, Emit, Run};
use super::functions::{Call, Sorted};
use super::meter::{Flow, Stop};
use super::order;
use super::tree::Node;
use super::values::{self, holds};
use crate::provider::document::{Number, Value};
use std::cmp::Ordering;

impl Run<'_> {
    /// Pushes each result of a function.
    pub(super) fn call(&self, call: Call, arguments: &[Node], at: At<'_>, emit: Emit<'_>) -> Flow {
        match (call, arguments) {
            (Call::Empty, _) => Ok(()),
            (Call::Select, [condition]) => {
                self.run(condition, at, &mut |value| if holds(value) { emit(at.input) } else { Ok(()) })
            }
            (Call::Values, _) => {
                if matches!(at.input, Value::Null) {
                    Ok(())
                } else {
                    emit(at.input)
                }
            }
            (Call::Map, [each]) => self.map(each, at, emit),
            (Call::First, [inner]) => self.first(inner, at, emit),
            (Call::First, _) => self.at_index("0", 0.0, at, emit),
            (Call::Last, [inner]) => self.last(inner, at, emit),
            (Call::Last, _) => self.at_index("-1", -1.0, at, emit),
            (Call::Length, _) => emit(&values::length(self.meter, at.input)?),
            (Call::Any, arguments) => self.some(true, arguments, at, emit),
            (Call::All, arguments) => self.some(false, arguments, at, emit),
            (Call::Sorted(sorted), arguments) => self.sorted(sorted, arguments.first(), at, emit),
            (Call::Value(make) | Call::About(make), _) => emit(&make(self.meter, at.input)?),
            (Call::Value2(make) | Call::About2(make), [argument]) => {
                self.run(argument, at, &mut |argument| emit(&make(self.meter, at.input, argument)?))
            }
            // Only `flatten` may have no argument; it then goes all the way.
            (Call::Value2(make) | Call::About2(make), _) => emit(&make(self.meter, at.input, &number("1000", 1000.0))?),
            (Call::Select | Call::Map, _) => Err(Stop::Failed("a function without its argument".to_owned())),
        }
    }

    fn map(&self, each: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut made = Vec::new();
        for item in access::items(at.input)? {
            made.extend(self.collect(each, at.with(item))?);
        }
        emit(&Value::List(made.into()))
    }

    fn at_index(&self, text: &str, index: f64, at: At<'_>, emit: Emit<'_>) -> Flow {
        let found = access::index(self.meter, at.input, &number(text, index))?;
        emit(found.unwrap_or(&Value::Null))
    }

    fn first(&self, inner: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut first = None;
        self.until(|enough| {
            self.run(inner, at, &mut |value| {
                first = Some(value.clone());
                Err(enough())
            })
        })?;
        first.map_or(Ok(()), |first| emit(&first))
    }

    fn last(&self, inner: &Node, at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut last = None;
        self.run(inner, at, &mut |value| {
            last = Some(value.clone());
            Ok(())
        })?;
        last.map_or(Ok(()), |last| emit(&last))
    }

    /// `any` looks for a true result, `all` for a false one.
    fn some(&self, wanted: bool, arguments: &[Node], at: At<'_>, emit: Emit<'_>) -> Flow {
        let mut found = false;
        self.until(|enough| {
            let mut look = |value: &Value| {
                found = holds(value) == wanted;
                if found { Err(enough()) } else { Ok(()) }
            };
            if let [source, condition] = arguments {
                return self.run(source, at, &mut |item| self.run(condition, at.with(item), &mut look));
            }
            access::items(at.input)?.try_for_each(|item| {
                self.meter.visit()?;
                match arguments.first() {
                    None => look(item),
                    Some(condition) => self.run(condition, at.with(item), &mut look),
                }
            })
        })?;
        emit(&Value::Flag(found == wanted))
    }

    /// Evaluates until its consumer has enough.
    fn until(&self, evaluate: impl FnOnce(&dyn Fn() -> Stop) -> Flow) -> Flow {
        let number = self.waiting.get();
        self.waiting.set(number + 1);
        match evaluate(&|| Stop::Enough(number)) {
            Err(Stop::Enough(found)) if found == number => Ok(()),
            flow => flow,
        }
    }

    fn sorted(&self, sorted: Sorted, by: Option<&Node>, at: At<'_>, emit: Emit<'_>) -> Flow {
        let Value::List(items) = at.input else {
            return Err(Stop::Failed(format!("only a list has an order; this is {}", at.input.kind())));
        };
        let mut keyed = Vec::new();
        for item in &**items {
            self.meter.build(size_of::<(Vec<Value>, Value)>())?;
            let key = by.map_or_else(|| Ok(vec![item.clone()]), |by| self.collect(by, at.with(item)))?;
            keyed.push((key, item.clone()));
        }
        let compare = |(left, _): &(Vec<Value>, _), (right, _): &(Vec<Value>, _)| order::lists(self.meter, left, right);
        match sorted {
            Sorted::Least => self.extreme(keyed, Ordering::Less, emit),
            Sorted::Greatest => self.extreme(keyed, Ordering::Greater, emit),
            Sorted::Sort => emit(&Value::List(order::sort(keyed, &compare)?.into_iter().map(|(_, item)| item).collect())),
            Sorted::Unique | Sorted::Groups => {
                let groups = self.groups(order::sort(keyed, &compare)?)?;
                let list = |mut group: Vec<Value>| match sorted {
                    Sorted::Unique => group.swap_remove(0),
                    _ => Value::List(group.into()),
                };
                emit(&Value::List(groups.into_iter().map(list).collect()))
            }
        }
    }

    /// Of equal elements, `min_by` takes the first and `max_by` the last, as in jq.
    fn extreme(&self, keyed: Vec<(Vec<Value>, Value)>, wanted: Ordering, emit: Emit<'_>) -> Flow {
        let mut best: Option<(Vec<Value>, Value)> = None;
        for (key, item) in keyed {
            let better = match &best {
                None => true,
                Some((best, _)) => {
                    let order = order::lists(self.meter, &key, best)?;
                    order == wanted || (order.is_eq() && wanted.is_gt())
                }
            };
            if better {
                best = Some((key, item));
            }
        }
        emit(&best.map_or(Value::Null, |(_, item)| item))
    }

    /// Sorted elements in groups of equal ones, none of them empty.
    fn groups(&self, sorted: Vec<(Vec<Value>, Value)>) -> Flow<Vec<Vec<Value>>> {
        let mut groups: Vec<Vec<Value>> = Vec::new();
        let mut last: Option<Vec<Value>> = None;
        for (key, item) in sorted {
            let same = match &last {
                None => false,
                Some(last) => order::lists(self.meter, last, &key)?.is_eq(),
            };
            match groups.last_mut() {
                Some(group) if same => group.push(item),
                _ => {
                    self.meter.build(size_of::<Vec<Value>>())?;
                    groups.push(vec![item]);
                }
            }
            last = Some(key);
        }
        Ok(groups)
    }
}

fn number(text: &str, value: f64) -> Value {
    Value::Number(Number { text: text.into(), value })
}
