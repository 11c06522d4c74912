//! What the benchmarks measure. Nothing else may use it.

use super::expression::{self, Meter, Scope};
use crate::provider::document::{self, Value};

/// A compiled expression.
#[derive(Debug)]
pub struct Expression(expression::Expression);

/// A document.
#[derive(Debug)]
pub struct Document(document::Document);

impl Expression {
    /// Compiles a text; `None` if it has a mistake.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        expression::Expression::parse(text).ok().map(Self)
    }
}

impl Document {
    /// Reads a body; `None` if it is no document.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        document::Document::read(body).ok().map(Self)
    }

    /// Evaluates the last expressions over each result of the first, as the readings of a list do. The number of all results; `None` if
    /// one fails.
    #[must_use]
    pub fn evaluate(&self, each: &Expression, inner: &[Expression]) -> Option<usize> {
        let (answer, none) = (self.0.root(), Value::Null);
        let scope = Scope { answer, headers: &none, status: &none, parameters: &none };
        let mut meter = Meter::new();
        let items = each.0.outputs(answer, &scope, &mut meter, usize::MAX).ok()?;
        let mut results = items.len();
        for item in &items {
            for expression in inner {
                results += expression.0.outputs(item, &scope, &mut meter, 1).ok()?.len();
            }
        }
        Some(results)
    }
}

/// Reads and compiles every description of the catalogue, and returns how many there are.
#[must_use]
pub fn compile_catalogue() -> usize {
    super::catalogue::names().filter(|name| super::catalogue::compiles(name)).count()
}
