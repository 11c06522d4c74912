//! The settings of a source of a service: from the YAML below its name to values for every parameter.

use super::description::{Address, Call, Description, Parameter};
use super::fill;
use super::mistake::Mistake;
use super::poll::Service;
use super::values::{Given, Values};
use crate::nearest::nearest;
use crate::problem::Problem;
use crate::provider::settings::{Build, Endpoint};
use crate::secret::{Secret, SecretRef};
use crate::yaml::{Kind, Node, Position};
use std::sync::Arc;

/// The most texts of a list parameter.
const LIST_LIMIT: usize = 100;

/// A service and what a source states for its parameters. Secrets are still references.
#[derive(Debug)]
pub struct Settings {
    pub(crate) description: Arc<Description>,
    /// In the order of the parameters.
    stated: Vec<Stated>,
}

/// What a source states for one parameter.
#[derive(Debug)]
enum Stated {
    Texts(Vec<String>),
    Secrets(Vec<SecretRef>),
}

impl Settings {
    /// Reads the parameters at `node`, whose place in the file is `place`.
    ///
    /// # Errors
    /// Every mistake. No message quotes a value.
    pub(crate) fn read(description: Arc<Description>, node: &Node, at: Position, place: &str) -> Result<Self, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut wrong = |at: Position, key: &str, text: String| {
            let place = if key.is_empty() { place.to_owned() } else { format!("{place}.{key}") };
            mistakes.push(Mistake { at, place, text });
        };
        let nothing = [];
        let entries = match node.entries() {
            Some(entries) => entries,
            None if node.is_null() => &nothing,
            None => {
                wrong(at, "", format!("is {}; write a map of its parameters", node.described()));
                return Err(mistakes);
            }
        };
        let known: Vec<&str> = description.parameters.iter().map(|parameter| &*parameter.name).collect();
        for entry in entries.iter().filter(|entry| !known.contains(&&*entry.key)) {
            // Anything but a word can be a key and its value without a space between, `token:hunter2`.
            let is_word = entry.key.len() <= 32 && entry.key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let meant = nearest(&entry.key, known.iter().copied()).map(|meant| format!("did you mean {meant}?"));
            let meant = meant.unwrap_or_else(|| format!("the parameters are {}", known.join(", ")));
            let key = if is_word { entry.key.as_str() } else { "" };
            wrong(entry.at, key, format!("is not a parameter of {}; {meant}", description.name));
        }
        let mut stated = Vec::new();
        for parameter in &description.parameters {
            let entry = entries.iter().find(|entry| entry.key == *parameter.name);
            let value = entry.map(|entry| &entry.value).filter(|value| !value.is_null());
            match (value, &parameter.default) {
                (None, Some(default)) => stated.push(Stated::Texts(vec![default.to_string()])),
                (None, None) => {
                    wrong(entry.map_or(at, |entry| entry.at), &parameter.name, "is missing; add it".to_owned());
                }
                (Some(value), _) => match one(parameter, value) {
                    Ok(read) => stated.push(read),
                    Err(text) => wrong(value.at, &parameter.name, text),
                },
            }
        }
        if mistakes.is_empty() { Ok(Self { description, stated }) } else { Err(mistakes) }
    }

    /// The name of the service.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.description.name
    }

    /// Resolves the secrets and makes the provider.
    ///
    /// # Errors
    /// The first problem, with its place below the service's name.
    pub(crate) fn build(&self, build: &mut Build) -> Result<Service, Problem> {
        let description = &self.description;
        let mut values = Vec::new();
        for (parameter, stated) in description.parameters.iter().zip(&self.stated) {
            values.push(resolved(parameter, stated, build)?);
        }
        let values = Values(values);
        self.addresses(&values, build)?;
        self.identify(&values, build);
        build.secrets.extend(Service::encoded_secrets(description, &values));
        fill::check(description, &values).map_err(|(parameter, text)| {
            let name = parameter.and_then(|index| description.parameters.get(index)).map_or("", |parameter| &*parameter.name);
            Problem::at(name, text)
        })?;
        build.account_of = Some((description.fingerprint.clone(), values.clone()));
        Ok(Service::new(description.clone(), values))
    }

    /// Checks every parameter that a URL begins with.
    fn addresses(&self, values: &Values, build: &mut Build) -> Result<(), Problem> {
        let session = self.description.session.iter().flat_map(|session| &session.calls);
        for Call { url: Address { base, .. }, .. } in session.chain(&self.description.calls) {
            let Some(index) = *base else { continue };
            for text in values.texts(index) {
                let name = &*self.description.parameters[index].name;
                let endpoint = Endpoint::parse(text.expose()).map_err(|what| Problem::at(name, what))?;
                build.cleartext |= endpoint.is_cleartext();
                if build.url.is_none() {
                    build.url = Some(endpoint.url().clone());
                }
            }
        }
        Ok(())
    }

    /// What selects the account: the parameters that are not secret, and the secret ones only where every other one has a default.
    fn identify(&self, values: &Values, build: &mut Build) {
        let parameters = || self.description.parameters.iter().enumerate();
        let names_account = |parameter: &Parameter| !parameter.secret && parameter.default.is_none() && &*parameter.name != "url";
        let named = parameters().any(|(_, parameter)| names_account(parameter));
        for (index, parameter) in parameters() {
            for text in values.texts(index) {
                let is_url = &*parameter.name == "url";
                match Endpoint::parse(text.expose()) {
                    // A key in the path may change.
                    Ok(endpoint) if is_url && parameter.secret => {
                        build.identify(&parameter.name, endpoint.url().host_str().unwrap_or_default());
                    }
                    Ok(endpoint) if is_url => build.identify(&parameter.name, &endpoint.account_part()),
                    _ if parameter.secret && named => {}
                    _ => build.identify(&parameter.name, text.expose()),
                }
            }
        }
    }
}

fn resolved(parameter: &Parameter, stated: &Stated, build: &mut Build) -> Result<Given, Problem> {
    let mut texts = Vec::new();
    match stated {
        Stated::Texts(plain) => texts.extend(plain.iter().cloned().map(Secret::new)),
        Stated::Secrets(references) => {
            for (i, reference) in references.iter().enumerate() {
                let key = if parameter.list { format!("{}[{i}]", parameter.name) } else { parameter.name.to_string() };
                texts.push(build.secret(&key, reference)?);
            }
        }
    }
    Ok(match texts.pop() {
        Some(only) if !parameter.list => Given::One(only),
        last => {
            texts.extend(last);
            Given::List(texts)
        }
    })
}

/// The value of one parameter.
fn one(parameter: &Parameter, value: &Node) -> Result<Stated, String> {
    let items = match (parameter.list, value.items()) {
        (true, Some(items)) if (1..=LIST_LIMIT).contains(&items.len()) => items,
        (true, Some(_)) => return Err(format!("lists 1 to {LIST_LIMIT} texts")),
        (true, None) => return Err("is a list; write [FIRST, SECOND]".to_owned()),
        (false, Some(_)) => return Err("is one text and no list".to_owned()),
        (false, None) => std::slice::from_ref(value),
    };
    if parameter.secret {
        return items.iter().map(secret).collect::<Result<_, _>>().map(Stated::Secrets);
    }
    let text = |item: &Node| match item.text() {
        Some(text) if !text.trim().is_empty() => Ok(text.to_owned()),
        Some(_) if parameter.default.is_some() => Ok(String::new()),
        Some(_) => Err("must not be empty; write the value".to_owned()),
        None => Err(format!("is {}; write a text", item.described())),
    };
    let texts: Vec<String> = items.iter().map(text).collect::<Result<_, _>>()?;
    let mut sorted: Vec<&String> = texts.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err("lists a text twice; drop one".to_owned());
    }
    Ok(Stated::Texts(texts))
}

/// A secret in one of its four forms. Messages quote nothing: the wrong key could be the secret.
fn secret(node: &Node) -> Result<SecretRef, String> {
    const FORMS: &str = "a secret is {file: PATH}, {env: NAME}, {credential: NAME} or a text";
    match &node.kind {
        Kind::Quoted(text) if text.is_empty() => Err("the secret is empty; put the credential there".to_owned()),
        Kind::Plain(text) if serde_json::from_str::<serde_json::Value>(text).is_ok() => {
            Err("a secret that looks like a number or a flag must stand in quotes".to_owned())
        }
        Kind::Plain(text) | Kind::Quoted(text) => Ok(SecretRef::Plain(Secret::new(text.clone()))),
        Kind::Map(entries) => match entries.as_slice() {
            [entry] => {
                let place = entry.value.text().filter(|place| !place.trim().is_empty());
                let place = place.map(str::to_owned).ok_or("must not be empty; write the path or the name")?;
                match entry.key.as_str() {
                    "file" => Ok(SecretRef::File(place.into())),
                    "env" => Ok(SecretRef::Env(place)),
                    "credential" => Ok(SecretRef::Credential(place)),
                    _ => Err(FORMS.to_owned()),
                }
            }
            _ => Err(FORMS.to_owned()),
        },
        Kind::List(_) => Err(FORMS.to_owned()),
    }
}
