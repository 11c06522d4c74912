//! Expressions of descriptions.

use crate::provider::document::Value;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    text: Box<str>,
}

/// Why a text is not an expression.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// The variables.
pub(crate) struct Scope<'a> {
    pub(crate) answer: &'a Value,
    pub(crate) headers: &'a Value,
    pub(crate) status: &'a Value,
    pub(crate) parameters: &'a Value,
}

/// The steps that are left for an answer.
pub(crate) struct Meter(u64);

impl Meter {
    pub(crate) fn new() -> Self {
        Self(1_000_000)
    }
}

/// Why an expression has no result.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) message: String,
}

impl Expression {
    pub(crate) fn parse(text: &str) -> Result<Self, SyntaxError> {
        Ok(Self { text: text.into() })
    }
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
    pub(crate) fn ends_in_literal(&self) -> bool {
        false
    }
    pub(crate) fn swallows_errors(&self) -> bool {
        false
    }
    pub(crate) fn is_single(&self) -> bool {
        false
    }
    pub(crate) fn outputs(&self, input: &Value, _: &Scope<'_>, _: &mut Meter, _: usize) -> Result<Vec<Value>, Fault> {
        Ok(vec![input.clone()])
    }
}
