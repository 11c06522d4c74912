//! Sets the revision that the program reports (`BALANCE_EXPORTER_REVISION`, or the current git commit, or `unknown`) and its target. Makes
//! the table of the services in `catalogue/`.

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    println!("cargo::rerun-if-env-changed=BALANCE_EXPORTER_REVISION");
    let given = std::env::var("BALANCE_EXPORTER_REVISION").ok();
    let revision = given.or_else(from_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BALANCE_EXPORTER_REVISION={revision}");
    println!("cargo::rustc-env=BALANCE_EXPORTER_TARGET={}", std::env::var("TARGET")?);
    catalogue()
}

fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()))?
}

/// Writes the names and texts of `catalogue/*.yaml`, sorted by name.
fn catalogue() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=catalogue");
    let root = std::env::var("CARGO_MANIFEST_DIR")?;
    let entries = Path::new(&root).join("catalogue").read_dir()?.collect::<Result<Vec<_>, _>>()?;
    let mut files: Vec<_> = entries.iter().map(fs::DirEntry::path).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort_by(|a, b| a.file_stem().cmp(&b.file_stem()));
    let mut table = String::from("/// Names and files, sorted by name.\nconst CATALOGUE: &[(&str, &str)] = &[\n");
    for path in files {
        println!("cargo::rerun-if-changed={}", path.display());
        let name = path.file_stem().and_then(|name| name.to_str()).ok_or("a file in catalogue has a name that is no text")?;
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.display().to_string())?;
    }
    table.push_str("];\n");
    fs::write(Path::new(&std::env::var("OUT_DIR")?).join("catalogue.rs"), table)?;
    Ok(())
}
