//! tests/run cleans up after itself.

use crate::support::{repository, text};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

fn script(path: &Path, lines: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{lines}\n")).expect("a script");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
}

/// On a machine where every package is missing and none can be installed.
#[test]
fn an_installation_that_fails_leaves_no_policy_behind() {
    let directory = tempfile::tempdir().expect("a directory");
    let bin = directory.path().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    for program in ["cat", "chmod", "dirname", "env", "grep", "id", "rm", "tee"] {
        let usual = ["/usr/bin", "/bin"].map(|place| Path::new(place).join(program));
        symlink(usual.iter().find(|path| path.exists()).expect(program), bin.join(program)).expect("a link");
    }
    script(&bin.join("sudo"), "exec \"$@\"");
    script(&bin.join("apt-get"), "cat \"$POLICY_RC_D\"; echo apt-get \"$@\"; exit 100");
    let policy = directory.path().join("policy-rc.d");
    let mut run = Command::new("/bin/bash");
    run.arg(repository("tests/run")).env_clear().env("PATH", &bin).env("POLICY_RC_D", &policy);
    let output = run.output().expect("bash runs");
    let output_text = text(&output.stdout);
    assert_eq!(output.status.code(), Some(100), "{output_text}{}", text(&output.stderr));
    assert!(output_text.ends_with("#!/bin/sh\nexit 101\napt-get update -q\n"), "{output_text}");
    assert!(!policy.exists(), "the policy is left behind");

    // A policy that existed before stays.
    std::fs::write(&policy, "#!/bin/sh\nexit 0\n").expect("a file");
    assert_eq!(run.output().expect("bash runs").status.code(), Some(100));
    assert!(policy.exists());
}
