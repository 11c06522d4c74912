//! Sets the revision that the program reports: `BALANCE_EXPORTER_REVISION`, or the current git commit, or `unknown`. Makes the table of
//! the services in `catalogue/`.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    println!("cargo::rerun-if-env-changed=BALANCE_EXPORTER_REVISION");
    let given = std::env::var("BALANCE_EXPORTER_REVISION").ok();
    let revision = given.or_else(from_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BALANCE_EXPORTER_REVISION={revision}");
    catalogue();
}

fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()))?
}

/// Writes the names and texts of `catalogue/*.yaml`, sorted by name.
fn catalogue() {
    println!("cargo::rerun-if-changed=catalogue");
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let folder = Path::new(&root).join("catalogue").read_dir().expect("the folder catalogue");
    let files = folder.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    files.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
    let mut table = String::from("/// Names and files, sorted by name.\nconst CATALOGUE: &[(&str, &str)] = &[\n");
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a name in UTF-8");
        let _ = writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string());
    }
    table.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("catalogue.rs"), table).expect("OUT_DIR can be written");
}
