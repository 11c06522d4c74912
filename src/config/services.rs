//! The services of the file, and the sources that use services: read from the tree of the file, so that every mistake has its place.

use crate::nearest::nearest;
use crate::provider::service::{self, Description, Example, Mistake, catalogue};
use crate::provider::{BUILT_IN, Settings};
use crate::yaml::{Entry, Node, Position};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A service that the file describes.
pub struct OwnService {
    /// Its position in the file.
    pub(crate) at: Position,
    /// The compiled description.
    pub(crate) description: Arc<Description>,
    /// Its examples, each with its position and place.
    pub(crate) examples: Vec<(Position, String, Example)>,
    /// Whether it replaces a service of the catalogue.
    pub(crate) replaces: bool,
}

/// The services of the file and their settings.
#[derive(Default)]
pub(super) struct Services {
    /// The services that the file describes, in its order.
    pub(super) own: Vec<OwnService>,
    /// The settings of the sources that use services, by the index of the source.
    pub(super) settings: BTreeMap<usize, Settings>,
}

/// Reads the services of the file, and the settings of the sources that use services, by the index of the source. `with_examples` also
/// runs the examples of the services.
///
/// # Errors
/// Every mistake, in the order of the file.
pub(super) fn read(tree: &Node, used: &[(usize, String)], with_examples: bool) -> Result<Services, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    // A service with mistakes stays known, so that its sources are not reported too.
    let (own, broken) = read_all(tree, with_examples, &mut mistakes);
    let mut settings = BTreeMap::new();
    for (index, name) in used.iter().filter(|(_, name)| !broken.contains(&name.as_str())) {
        match source(tree, *index, name, &own) {
            Ok(read) => {
                settings.insert(*index, Settings::Service(read));
            }
            Err(found) => mistakes.extend(found),
        }
    }
    mistakes.sort_by_key(|mistake| mistake.at);
    if mistakes.is_empty() { Ok(Services { own, settings }) } else { Err(mistakes) }
}

/// The services of the file, and the names of those with mistakes.
fn read_all<'t>(tree: &'t Node, with_examples: bool, mistakes: &mut Vec<Mistake>) -> (Vec<OwnService>, Vec<&'t str>) {
    let (mut own, mut broken) = (Vec::new(), Vec::new());
    let Some(services) = tree.get("services") else { return (own, broken) };
    let Some(entries) = services.entries() else {
        let text = format!("is {}; write a map of names and descriptions, or drop it", services.described());
        mistakes.push(Mistake { at: tree.position("services"), place: "services".to_owned(), text });
        return (own, broken);
    };
    for entry in entries {
        match read_own(entry) {
            Ok(service) => {
                if with_examples {
                    mistakes.extend(service::failing(&service.description, &service.examples));
                }
                own.push(service);
            }
            Err(found) => {
                broken.push(entry.key.as_str());
                mistakes.extend(found);
            }
        }
    }
    (own, broken)
}

fn read_own(entry: &Entry) -> Result<OwnService, Vec<Mistake>> {
    let name = entry.key.as_str();
    let place = format!("services.{name}");
    let service::Read { description, examples, replaces, mut mistakes } = service::read(name, &entry.value, entry.at, &place);
    let mut note = |text: String| mistakes.push(Mistake { at: entry.at, place: place.clone(), text });
    let in_catalogue = catalogue::text(name).is_some();
    if BUILT_IN.iter().any(|built_in| built_in.name == name) {
        note(format!("{name} is a provider that is built in and cannot be replaced; choose another name"));
    } else if in_catalogue && !replaces {
        note(format!("the catalogue has a service {name}; choose another name, or say replaces: built-in"));
    } else if replaces && !in_catalogue {
        note(format!("the catalogue has no service {name} to replace; drop replaces"));
    }
    match description {
        Some(description) if mistakes.is_empty() => Ok(OwnService { at: entry.at, description, examples, replaces }),
        _ => Err(mistakes),
    }
}

fn source(tree: &Node, index: usize, name: &str, own: &[OwnService]) -> Result<service::Settings, Vec<Mistake>> {
    let place = format!("sources[{index}].provider.{name}");
    let at = tree.position(&place);
    let wrong = |text: String| vec![Mistake { at, place: format!("sources[{index}].provider"), text }];
    let description = match own.iter().find(|service| *service.description.name == *name) {
        Some(service) => service.description.clone(),
        None => match catalogue::service(name) {
            Some(read) => {
                read.map_err(|mistake| wrong(format!("the service {name} of the catalogue is broken: {}", mistake.text)))?
            }
            None => return Err(wrong(unknown(name, own))),
        },
    };
    let provider = tree.get("sources").and_then(Node::items).and_then(|sources| sources.get(index)?.get("provider")?.get(name));
    let provider = provider.ok_or_else(|| wrong("cannot be found in the file".to_owned()))?;
    service::Settings::read(description, provider, at, &place)
}

/// That no provider has this name. A name that is no word is not quoted: it could be a secret.
fn unknown(name: &str, own: &[OwnService]) -> String {
    let own = own.iter().map(|service| &*service.description.name);
    let mut known: Vec<&str> = own.collect();
    known.extend(BUILT_IN.iter().map(|built_in| built_in.name));
    for name in catalogue::names() {
        known.push(name);
    }
    let named = if service::is_name(name) { format!("there is no provider {name}") } else { "unknown name".to_owned() };
    match nearest(name, known) {
        Some(meant) => format!("{named}; did you mean {meant}?"),
        None => format!("{named}; `balance-exporter services` lists those that there are, or describe it under services"),
    }
}
