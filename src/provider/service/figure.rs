//! Figures and labels of readings by description.

use crate::domain::Quantity;
use crate::provider::document::Value;
use rust_decimal::Decimal;

/// How a figure is written.
#[derive(Debug, Default)]
pub(crate) struct FigureFormat {
    pub(crate) number: Option<NumberFormat>,
    pub(crate) base: Base,
    pub(crate) unlimited: Vec<Value>,
}

/// How a number is written in a text.
#[derive(Debug)]
pub(crate) struct NumberFormat {
    pub(crate) decimal: Option<char>,
    pub(crate) group: Option<char>,
    pub(crate) unit: Option<Box<str>>,
}

/// The base of a number.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    #[default]
    Ten,
    Sixteen,
}

impl FigureFormat {
    pub(crate) fn read(&self, _: &Value, _: Decimal) -> Result<Quantity, String> {
        Err(String::new())
    }
}

pub(crate) fn scale(_: &Value) -> Result<Decimal, String> {
    Err(String::new())
}

pub(crate) fn label(_: &Value) -> Result<String, String> {
    Err(String::new())
}

pub(crate) fn cut(text: &str) -> String {
    text.chars().take(200).collect()
}
