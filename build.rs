//! Sets the revision that the program reports: `BALANCE_EXPORTER_REVISION`, or the current git commit, or `unknown`.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/logs/HEAD");
    println!("cargo::rerun-if-env-changed=BALANCE_EXPORTER_REVISION");
    let given = std::env::var("BALANCE_EXPORTER_REVISION").ok();
    let revision = given.or_else(from_git).unwrap_or_else(|| "unknown".to_owned());
    println!("cargo::rustc-env=BALANCE_EXPORTER_REVISION={revision}");
}

fn from_git() -> Option<String> {
    let output = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned()))?
}
