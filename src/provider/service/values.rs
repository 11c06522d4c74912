//! The values that a source gives for the parameters of its service.
//!
//! All are held as secrets, so that no `Debug` shows one by accident.

use super::description::{Description, Parameter};
use crate::provider::document::Value;
use crate::secret::Secret;
use std::sync::Arc;

/// One value for each parameter, in the order of [`Description::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Values(pub(crate) Vec<Given>);

/// The value of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    /// One text.
    One(Secret),
    /// At least one.
    List(Vec<Secret>),
}

impl Values {
    /// The texts of a parameter: one, or those of its list.
    #[must_use]
    pub(crate) fn texts(&self, parameter: usize) -> &[Secret] {
        match self.0.get(parameter) {
            Some(Given::One(text)) => std::slice::from_ref(text),
            Some(Given::List(texts)) => texts,
            None => &[],
        }
    }

    /// The values of an example: the default of each parameter, or else its name; a list has one element. `given` overrides them.
    #[must_use]
    pub(crate) fn of_example(parameters: &[Parameter], given: &[(Box<str>, Vec<String>)]) -> Self {
        let value = |parameter: &Parameter| {
            let given = given.iter().find(|(name, _)| *name == parameter.name).map(|(_, texts)| texts.clone());
            let url =
                |text: &str| if parameter.name.as_ref() == "url" { format!("https://{text}.example/") } else { text.to_owned() };
            let usual = || vec![parameter.default.as_deref().map_or_else(|| url(&parameter.name), str::to_owned)];
            let mut texts = given.unwrap_or_else(usual).into_iter().map(Secret::new);
            if parameter.list {
                Given::List(texts.collect())
            } else {
                Given::One(texts.next().unwrap_or_else(|| Secret::new(String::new())))
            }
        };
        Self(parameters.iter().map(value).collect())
    }

    /// What expressions see as `$parameters`: an object of the parameters that are not secret.
    #[must_use]
    pub(crate) fn document(&self, description: &Description) -> Value {
        let text = |secret: &Secret| Value::Text(Arc::from(secret.expose()));
        let entries = description.parameters.iter().zip(&self.0).filter(|(parameter, _)| !parameter.secret);
        let entries = entries.map(|(parameter, given)| {
            let value = match given {
                Given::One(one) => text(one),
                Given::List(texts) => Value::List(texts.iter().map(text).collect()),
            };
            (Arc::from(&*parameter.name), value)
        });
        Value::Object(entries.collect())
    }
}
