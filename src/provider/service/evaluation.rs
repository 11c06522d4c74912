//! One response under evaluation: its variables, its meter, and how its failures are worded.

use super::description::{Call, Description};
use super::expression::{Expression, Fault, Meter, Scope};
use super::fill::Slots;
use super::lines::{Lines, shown};
use super::values::Values;
use crate::domain::{Failure, Reason};
use crate::provider::document::Value;
use crate::secret::Secret;
use crate::transport::Response;
use std::sync::Arc;

/// A description with the values of one source. Shared by the evaluations of its polls.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) description: Arc<Description>,
    pub(super) values: Values,
    /// `$parameters`.
    pub(super) parameters: Value,
}

/// Which call of a description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Session(usize),
    Main(usize),
}

impl Compiled {
    /// The call; none for an index that the description lacks.
    pub(super) fn call(&self, which: Which) -> Option<&Call> {
        match which {
            Which::Session(i) => self.description.session.as_ref()?.calls.get(i),
            Which::Main(i) => self.description.calls.get(i),
        }
    }
}

impl Which {
    /// As messages show it.
    pub(super) fn place(self) -> String {
        match self {
            Self::Session(i) => format!("session.calls[{i}]"),
            Self::Main(i) => format!("calls[{i}]"),
        }
    }
}

/// A response to evaluate.
pub(super) struct Job {
    pub(super) compiled: Arc<Compiled>,
    pub(super) which: Which,
    pub(super) response: Response,
    /// By number of the name.
    pub(super) kept: Vec<Vec<Secret>>,
    pub(super) element: Option<Secret>,
    /// How many more readings the poll may have.
    pub(super) room: usize,
    /// Whether to explain each step.
    pub(super) explains: bool,
}

/// The evaluation of one response. All its expressions share one meter.
pub(super) struct Evaluation<'a> {
    pub(super) job: &'a Job,
    pub(super) call: &'a Call,
    pub(super) scope: Scope<'a>,
    pub(super) meter: Meter,
    pub(super) lines: Lines,
}

impl Evaluation<'_> {
    /// The failure of this answer, with its `Retry-After`.
    pub(super) fn failure(&self, reason: Reason, detail: impl Into<String>) -> Failure {
        self.job.response.failure(reason, detail)
    }

    /// An unreadable or incomplete answer. `place` is below the call, which is named where there are several.
    pub(super) fn decode(&self, place: &str, detail: &str) -> Failure {
        let only = matches!(self.job.which, Which::Main(_)) && self.job.compiled.description.calls.len() == 1;
        let place = if only { place.to_owned() } else { format!("{}.{place}", self.job.which.place()) };
        let colon = if detail.starts_with('`') { "" } else { ":" };
        self.failure(Reason::Decode, format!("{place}{colon} {detail}"))
    }

    pub(super) fn slots(&self) -> Slots<'_> {
        Slots { values: &self.job.compiled.values, kept: &self.job.kept, session: None, element: self.job.element.as_ref() }
    }

    /// The only output of an expression.
    ///
    /// # Errors
    /// What is wrong, without the expression.
    pub(super) fn one(&mut self, expression: &Expression, input: &Value) -> Result<Value, String> {
        let mut outputs = self.outputs(expression, input, 2).map_err(|fault| fault.message)?;
        match outputs.len() {
            1 => Ok(outputs.remove(0)),
            0 => Err("yields nothing where one value is wanted".to_owned()),
            _ => Err("yields two values or more where one is wanted".to_owned()),
        }
    }

    /// All outputs of an expression.
    pub(super) fn outputs(&mut self, expression: &Expression, input: &Value, most: usize) -> Result<Vec<Value>, Fault> {
        expression.outputs(input, &self.scope, &mut self.meter, most)
    }
}

/// What is wrong with the result of an expression.
pub(super) fn said(expression: &Expression, what: &str) -> String {
    format!("`{}` {what}", shown(expression.text()))
}
