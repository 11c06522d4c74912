//! Texts of a description: templates with slots, and expressions.

use super::cursor::{Cursor, Mistakes};
use crate::nearest::nearest;
use crate::provider::service::description::{Parameter, Piece, Slot, Template, TextRule};
use crate::provider::service::expression::Expression;

/// The names that a text may use in `${…}`.
pub(super) struct Names<'a> {
    pub(super) parameters: &'a [Parameter],
    /// Which parameters a text has used.
    pub(super) used: &'a mut Vec<bool>,
    /// The names that earlier calls keep, with their numbers.
    pub(super) kept: &'a [(String, usize)],
    /// Which kept names a text has used.
    pub(super) kept_used: &'a mut Vec<bool>,
    /// Whether there is a token.
    pub(super) session: bool,
    /// The list that the call is repeated for.
    pub(super) element: Option<&'a str>,
}

/// Where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A list parameter must be repeated for its elements.
    One,
    /// A list parameter that stands alone is a list, or repeats its key.
    List,
    /// Of a reading: the token of a session is not allowed.
    Label,
}

impl Names<'_> {
    fn known(&self) -> Vec<&str> {
        let mut known: Vec<&str> = self.parameters.iter().map(|parameter| &*parameter.name).collect();
        known.extend(self.kept.iter().map(|(name, _)| name.as_str()));
        if self.session {
            known.push("session");
        }
        known
    }

    fn slot(&mut self, name: &str) -> Result<Slot, String> {
        let parameter = self.parameters.iter().position(|parameter| *parameter.name == *name);
        let kept = self.kept.iter().position(|(kept, _)| kept == name);
        if let Some(index) = parameter {
            self.used[index] = true;
        }
        if let Some(index) = kept {
            self.kept_used[index] = true;
        }
        if self.element == Some(name) {
            return Ok(Slot::Element);
        }
        match (parameter, kept) {
            (Some(index), _) => Ok(Slot::Parameter(index)),
            (None, Some(index)) => Ok(Slot::Kept(self.kept[index].1)),
            _ if name == "session" && self.session => Ok(Slot::Session),
            _ => {
                let known = self.known();
                let meant = nearest(name, known.iter().copied());
                let meant = meant
                    .map_or_else(|| format!("the names here are {}", known.join(", ")), |meant| format!("did you mean {meant}?"));
                Err(format!("there is no ${{{name}}}; {meant}"))
            }
        }
    }

    fn is_list(&self, slot: Slot) -> bool {
        matches!(slot, Slot::Parameter(index) if self.parameters.get(index).is_some_and(|parameter| parameter.list))
    }
}

/// A text with slots.
pub(super) fn template(cursor: &Cursor<'_>, usage: Use, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Template> {
    let text = cursor.text(mistakes)?;
    match parse(text, usage, names) {
        Ok(template) => Some(template),
        Err(what) => mistakes.note(&cursor.clone().at_value(), what),
    }
}

/// Divides a text at its slots.
pub(super) fn parse(text: &str, usage: Use, names: &mut Names<'_>) -> Result<Template, String> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            plain.push_str(escaped);
            plain.push_str("${");
            rest = &after[2..];
            continue;
        }
        plain.push_str(before);
        let Some((name, following)) = after[2..].split_once('}') else {
            return Err("`${` has no `}`; close it, or write $${ for a plain ${".to_owned());
        };
        let slot = names.slot(name)?;
        if names.is_list(slot) {
            let alone = plain.is_empty() && pieces.is_empty() && following.is_empty();
            if usage != Use::List || !alone {
                return Err(format!("${{{name}}} is a list; repeat the call for its elements with for: {name}"));
            }
        }
        if slot == Slot::Session && usage == Use::Label {
            return Err("the token of a session cannot be a label".to_owned());
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
        }
        pieces.push(Piece::Slot(slot));
        rest = following;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.into()));
    }
    Ok(Template(pieces.into()))
}

/// Whether a text is an expression where either may stand.
pub(super) fn is_expression(text: &str) -> bool {
    text.starts_with(['.', '(', '$']) && !text.starts_with("${") && !text.starts_with("$${")
}

/// A fixed text, or an expression if it looks like one.
pub(super) fn rule(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<TextRule> {
    let text = cursor.text(mistakes)?;
    if is_expression(text) {
        return expression(cursor, names, mistakes).map(TextRule::Read);
    }
    template(cursor, Use::Label, names, mistakes).map(TextRule::Fixed)
}

/// An expression. The mark in a message stands where it is wrong.
pub(super) fn expression(cursor: &Cursor<'_>, names: &mut Names<'_>, mistakes: &mut Mistakes) -> Option<Expression> {
    let text = cursor.text(mistakes)?;
    let at = cursor.clone().at_value();
    if text.contains("${") {
        return mistakes.note(&at, "${…} cannot stand in an expression; write $parameters.NAME, which holds what is not secret");
    }
    for name in parameters_of(text) {
        match names.parameters.iter().position(|parameter| *parameter.name == *name) {
            Some(index) if names.parameters[index].secret => {
                return mistakes.note(&at, format!("$parameters.{name} is secret, and no expression sees a secret"));
            }
            Some(index) => names.used[index] = true,
            None => {
                let meant = nearest(name, names.parameters.iter().map(|parameter| &*parameter.name));
                let meant = meant.map(|meant| format!("; did you mean {meant}?")).unwrap_or_default();
                return mistakes.note(&at, format!("there is no parameter {name}{meant}"));
            }
        }
    }
    match Expression::parse(text) {
        Ok(expression) => Some(expression),
        Err(error) => {
            let (before, after) = text.split_at(error.at.min(text.len()));
            mistakes.note(&at, format!("`{before}▸{after}`: {}", error.message))
        }
    }
}

/// The parameters that an expression names.
fn parameters_of(text: &str) -> impl Iterator<Item = &str> {
    text.split("$parameters.").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        (end > 0).then(|| &rest[..end])
    })
}
