//! Expressions: a subset of jq that selects from an answer and calculates with it.
//!
//! [`syntax`] reads a text with the lexer and the parser of jaq, and [`lower`] checks its tree and makes our own. [`evaluate`] follows it,
//! and the [`Meter`] pays for every step, so that no answer makes an expression run long, fill the memory or overflow the stack. Nothing
//! here reads a clock or knows where a value goes.
//!
//! What is different from jq, on purpose:
//! - Numbers are decimals and exact to 28 digits; a result that needs more is an error. Numbers that are only passed on keep their digits.
//! - `null + 1`, `null | length` and `[null] | join(".")` are errors, so that a renamed field looks neither like a figure nor like an
//!   empty list.
//! - `- * /` take numbers only, and `ltrimstr` takes texts only.
//! - `tonumber` takes what JSON calls a number, so neither `nan` nor `1e999`.
//! - An update of `reduce` yields exactly one result. `as` names one value and takes nothing apart.
//! - Nothing can catch that the work is too much.

mod access;
mod analyse;
mod call;
mod evaluate;
mod functions;
mod lower;
mod meter;
mod mistakes;
mod number;
mod order;
mod syntax;
#[cfg(test)]
mod tests;
mod tree;
mod values;

use crate::provider::document::Value;
use evaluate::{At, Run};
use meter::Stop;
use std::cell::Cell;
use tree::Node;

pub(crate) use functions::functions;
pub(crate) use meter::Meter;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    text: Box<str>,
    tree: Node,
    ends_in_literal: bool,
    swallows_errors: bool,
    is_single: bool,
}

/// Why a text is not an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    /// The byte of the text where reading stopped.
    pub(crate) at: usize,
    /// The problem and how to fix it.
    pub(crate) message: String,
}

/// The variables of an expression.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// `$answer`: the whole answer.
    pub(crate) answer: &'a Value,
    /// `$headers`: an object.
    pub(crate) headers: &'a Value,
    /// `$status`: a number.
    pub(crate) status: &'a Value,
    /// `$parameters`: an object without secrets.
    pub(crate) parameters: &'a Value,
}

/// Why an expression has no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Names kinds of values, and never a value of the answer.
    pub(crate) message: String,
}

impl Expression {
    /// Compiles a text.
    ///
    /// # Errors
    /// The first mistake.
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        let tree = syntax::parse(text)?;
        Ok(Self {
            text: text.into(),
            ends_in_literal: analyse::ends_in_literal(&tree),
            swallows_errors: analyse::swallows_errors(&tree),
            is_single: analyse::is_single(&tree),
            tree,
        })
    }

    /// The expression as it is written.
    pub(crate) const fn text(&self) -> &str {
        &self.text
    }

    /// Whether a result can be a value that is written in the expression or given as a parameter instead of one of the answer. `.a // 0`
    /// and what is calculated with it is one; the operand of `.a / 100` is none.
    pub(crate) const fn ends_in_literal(&self) -> bool {
        self.ends_in_literal
    }

    /// Whether an error can become nothing: `?`, `try` and `// empty`.
    pub(crate) const fn swallows_errors(&self) -> bool {
        self.swallows_errors
    }

    /// Whether there is never more than one result.
    pub(crate) const fn is_single(&self) -> bool {
        self.is_single
    }

    /// The results for an input.
    ///
    /// # Errors
    /// The first error, or that there are more than `most` results, or that the work is too much.
    pub(crate) fn outputs(&self, input: &Value, scope: &Scope<'_>, meter: &mut Meter, most: usize) -> Result<Vec<Value>, Fault> {
        let run = Run { scope, meter, waiting: Cell::new(0) };
        let mut outputs = Vec::new();
        let flow = run.run(&self.tree, At::start(input), &mut |value| {
            if outputs.len() == most {
                let results = if most == 1 { "result" } else { "results" };
                return Err(Stop::Refused(format!("yields more than {most} {results}")));
            }
            run.meter.build(size_of::<Value>())?;
            outputs.push(value.clone());
            Ok(())
        });
        match flow {
            Ok(()) => Ok(outputs),
            Err(Stop::Failed(message) | Stop::Refused(message)) => Err(Fault { message }),
            // Whoever makes these catches them.
            Err(Stop::Enough(_) | Stop::Consumer) => Err(Fault { message: "an evaluation that ended early".to_owned() }),
        }
    }
}
