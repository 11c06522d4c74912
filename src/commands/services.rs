//! `services`: lists what can be polled, or prints one description with a source to copy.

use super::{Failed, print};
use crate::commands::cli::Options;
use crate::config::{Config, OwnService};
use crate::nearest::nearest;
use crate::provider::service::{Description, catalogue};
use crate::provider::{BUILT_IN, BuiltIn};
use std::fmt::Write;
use std::path::Path;

/// A row of the list.
struct Row {
    name: String,
    title: String,
    reads: String,
    from: String,
}

pub(super) fn list(options: &Options) -> Result<(), Failed> {
    let own = own(options)?;
    let mut rows: Vec<Row> = BUILT_IN.iter().map(built_in).collect();
    rows.extend(own.iter().map(|service| row(&service.description, &place(&options.config_file, service))));
    for name in catalogue::names().filter(|name| !own.iter().any(|own| *own.description.name == **name)) {
        rows.extend(catalogue::service(name).and_then(Result::ok).map(|description| row(&description, "catalogue")));
    }
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    let width = |cell: fn(&Row) -> &str| rows.iter().map(|row| cell(row).chars().count()).max().unwrap_or_default();
    let (name, title, reads) = (width(|row| &row.name), width(|row| &row.title), width(|row| &row.reads));
    let mut text = format!("{:name$}  {:title$}  {:reads$}  FROM\n", "NAME", "TITLE", "READS");
    for row in &rows {
        let _ = writeln!(text, "{:name$}  {:title$}  {:reads$}  {}", row.name, row.title, row.reads, row.from);
    }
    print(&text)
}

pub(super) fn print_one(options: &Options, name: &str) -> Result<(), Failed> {
    let own = own(options)?;
    if let Some(built_in) = BUILT_IN.iter().find(|built_in| built_in.name == name) {
        let BuiltIn { title, documentation, reads, source, .. } = built_in;
        return print(&format!(
            "# {title}\n# {documentation}\n# It reads {reads}. It is built in, and written in Rust.\n\nsources:\n  - name: {name}\n    provider:\n      {name}:\n{source}"
        ));
    }
    if let Some(service) = own.iter().find(|service| *service.description.name == *name) {
        let (description, place) = (&service.description, place(&options.config_file, service));
        return print(&format!(
            "# {}\n# {}\n# It reads {}. Described in {place}.\n\n{}",
            description.title,
            description.documentation,
            description.reads(),
            source(description)
        ));
    }
    let known = || {
        let mut names: Vec<&str> = own.iter().map(|service| &*service.description.name).collect();
        names.extend(BUILT_IN.iter().map(|built_in| built_in.name));
        names.extend(catalogue::names().map(|name| -> &str { name }));
        names
    };
    let (Some(text), Some(Ok(description))) = (catalogue::text(name), catalogue::service(name)) else {
        let meant = nearest(name, known())
            .map_or("`services` lists those that there are".to_owned(), |meant| format!("did you mean {meant}?"));
        return Err(Failed::Usage(format!("there is no service {name}; {meant}")));
    };
    print(&format!("{}\n\n# A source to copy:\n{}", text.trim_end(), source(&description)))
}

/// The services of the configuration; none where there is no such file.
fn own(options: &Options) -> Result<Vec<OwnService>, Failed> {
    if !options.config_file.exists() {
        return Ok(Vec::new());
    }
    Ok(Config::load(&options.config_file, &[])?.services)
}

fn place(file: &Path, service: &OwnService) -> String {
    let replaces = if service.replaces { ", instead of the catalogue's" } else { "" };
    format!("{}:{}{replaces}", file.display(), service.at.line)
}

fn row(description: &Description, from: &str) -> Row {
    let (name, title) = (description.name.to_string(), description.title.clone());
    Row { name, title, reads: description.reads(), from: from.to_owned() }
}

fn built_in(built_in: &BuiltIn) -> Row {
    let BuiltIn { name, title, reads, .. } = *built_in;
    Row { name: name.to_owned(), title: title.to_owned(), reads: reads.to_owned(), from: "built in".to_owned() }
}

/// A source with every parameter of the service. Optional ones are comments.
fn source(description: &Description) -> String {
    let name = &description.name;
    let mut text = format!("sources:\n  - name: {name}\n");
    if let Some(interval) = description.pace.default {
        let _ = writeln!(text, "    interval: {}", humantime::format_duration(interval));
    }
    let _ = write!(text, "    provider:\n      {name}:\n");
    for parameter in &description.parameters {
        let key = &parameter.name;
        let value = match (&parameter.default, parameter.secret, parameter.list) {
            (Some(default), ..) => {
                let _ = writeln!(text, "        # {key}: {default}");
                continue;
            }
            (None, true, false) => format!("{{file: /etc/balance-exporter/{name}-{key}}}"),
            (None, true, true) => format!("[{{file: /etc/balance-exporter/{name}-{key}-1}}]"),
            (None, false, true) => "[FIRST, SECOND]".to_owned(),
            (None, false, false) if &**key == "url" => "https://HOST/".to_owned(),
            (None, false, false) => key.to_uppercase(),
        };
        let _ = writeln!(text, "        {key}: {value}");
    }
    text
}
