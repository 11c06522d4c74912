//! The services that are built in: one table of names and texts, which the build makes from the folder `catalogue/`. Nothing else names
//! one of them.
//!
//! A description is read when a source or a command uses it, once in the life of the process.

use super::description::Description;
use super::mistake::Mistake;
use super::read::read;
use crate::yaml::{Malformed, Node, Position};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

include!(concat!(env!("OUT_DIR"), "/catalogue.rs"));

/// The descriptions that were read so far, by name.
static READ: LazyLock<Mutex<BTreeMap<&'static str, Arc<Description>>>> = LazyLock::new(Mutex::default);

/// The names, in order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE.iter().map(|(name, _)| *name)
}

/// The file of a service.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    CATALOGUE.binary_search_by(|(known, _)| (*known).cmp(name)).ok().map(|i| CATALOGUE[i].1)
}

/// The compiled description of a service; `None` if the catalogue has no such name.
///
/// # Errors
/// The first mistake of the file. A test reads every file, so that no released program has one.
pub(crate) fn service(name: &str) -> Option<Result<Arc<Description>, Mistake>> {
    let i = CATALOGUE.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    let (name, text) = CATALOGUE[i];
    let mut known = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(description) = known.get(name) {
        return Some(Ok(description.clone()));
    }
    let description = file(name, text).and_then(|mut file| {
        let mistake =
            || Mistake { at: Position { line: 1, column: 1 }, place: name.to_owned(), text: "cannot be read".to_owned() };
        file.description.take().ok_or_else(|| file.mistakes.into_iter().next().unwrap_or_else(mistake))
    });
    Some(description.inspect(|description| {
        known.insert(name, description.clone());
    }))
}

/// Whether the file of a service is good. It is compiled anew.
pub(super) fn compiles(name: &str) -> bool {
    text(name).is_some_and(|text| file(name, text).is_ok_and(|file| file.description.is_some()))
}

/// Reads a file that holds one description: a map whose only key is the name.
///
/// # Errors
/// Why it is no such file. Mistakes in the description are in the result.
pub(crate) fn file(wanted: &str, text: &str) -> Result<super::Read, Mistake> {
    let (name, node, at) = only_description(text)?;
    if name != wanted {
        let text = format!("the file describes {name}; name the file and its key alike");
        return Err(Mistake { at, place: name, text });
    }
    Ok(read(&name, &node, at, &name))
}

/// The name and the node of the only description in a text.
///
/// # Errors
/// Why there is no such description.
pub(crate) fn only_description(text: &str) -> Result<(String, Node, Position), Mistake> {
    let start = Position { line: 1, column: 1 };
    let tree = Node::parse(text).map_err(|Malformed { at, text }| Mistake { at, place: String::new(), text })?;
    match tree.entries() {
        Some([entry]) if entry.value.entries().is_some() => Ok((entry.key.clone(), entry.value.clone(), entry.at)),
        _ => {
            let text = "is no description; write one name and below it its title, documentation, parameters and calls".to_owned();
            Err(Mistake { at: start, place: String::new(), text })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::service::example::{Example, Expected};
    use crate::provider::service::read::read_example;
    use std::path::Path;

    /// The files of a folder below `catalogue/tests`, sorted by name.
    fn cases(name: &str) -> Vec<(String, String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/tests").join(name);
        let files = folder.read_dir().into_iter().flatten().map(|entry| entry.expect("an entry").path());
        let mut files: Vec<_> = files.collect();
        files.sort();
        files.iter().map(|file| (file.display().to_string(), std::fs::read_to_string(file).expect("a file"))).collect()
    }

    /// The examples of a service, and every mistake of its files.
    fn checked(name: &'static str) -> (Vec<Example>, Vec<String>) {
        let shown = |file: &str, mistake: &Mistake| {
            format!("{file}:{}:{}: {}: {}", mistake.at.line, mistake.at.column, mistake.place, mistake.text)
        };
        let path = format!("catalogue/{name}.yaml");
        let read = match file(name, text(name).expect("listed")) {
            Ok(read) => read,
            Err(mistake) => return (Vec::new(), vec![shown(&path, &mistake)]),
        };
        let Some(description) = read.description else {
            return (Vec::new(), read.mistakes.iter().map(|mistake| shown(&path, mistake)).collect());
        };
        let (mut examples, mut wrong) = (Vec::new(), Vec::new());
        for (path, text) in cases(name) {
            let read = Node::parse(&text).map_err(|Malformed { at, text }| vec![Mistake { at, place: String::new(), text }]);
            match read.and_then(|node| read_example(&node, &description.parameters)) {
                Ok(example) => {
                    wrong.extend(example.run(&description).err().map(|what| format!("{path}: {what}")));
                    examples.push(example);
                }
                Err(mistakes) => wrong.extend(mistakes.iter().map(|mistake| shown(&path, mistake))),
            }
        }
        (examples, wrong)
    }

    #[test]
    fn every_file_reads_its_documented_answers() {
        let wrong: Vec<String> = names().flat_map(|name| checked(name).1).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_file_has_a_good_answer_and_a_failure() {
        for name in names() {
            let (examples, _) = checked(name);
            let good = examples.iter().filter(|example| matches!(example.expected, Expected::Readings(_))).count();
            assert!(good > 0 && examples.len() > good, "{name}: {good} good answers, {} failures", examples.len() - good);
        }
    }

    #[test]
    fn every_folder_of_tests_belongs_to_a_service() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogue/tests");
        for entry in folder.read_dir().expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
            assert!(text(&name).is_some(), "catalogue/tests/{name} has no catalogue/{name}.yaml");
        }
    }
}
