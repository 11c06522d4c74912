//! What is wrong with a description or with the settings of a source, and where. Plain data.

use crate::yaml::Position;

/// What is wrong with a description, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Of the node.
    pub(crate) at: Position,
    /// Such as `services.acme.calls[0].get`.
    pub(crate) place: String,
    /// What is wrong and how to fix it.
    pub(crate) text: String,
}
