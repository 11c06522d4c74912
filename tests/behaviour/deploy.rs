//! The shipped configurations are valid.

use crate::support::{Configured, binary, repository, text};
use serde::Deserialize;
use serde_json::Value;

/// What `check` prints for a configuration whose credentials exist.
fn checked(configuration: &str) -> String {
    let configured = Configured::new(configuration);
    for name in ["ads-password", "sms-token"] {
        std::fs::write(configured.directory.path().join(name), "a secret\n").expect("a file");
    }
    let mut command = binary();
    command.env("CREDENTIALS_DIRECTORY", configured.directory.path());
    let output = command.args(["check", "--config.file", configured.path()]).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    text(&output.stdout).trim_end().replace(configured.path(), "file")
}

#[test]
fn the_packaged_configuration_is_valid_as_shipped_and_with_its_example() {
    let packaged = std::fs::read_to_string(repository("deploy/debian/exporter.yaml")).expect("the file");
    assert_eq!(checked(&packaged), "file: good, 0 sources");
    let (before, example) = packaged.split_once("sources: []\n").expect("no sources");
    let lines: Vec<&str> = example.lines().skip(2).map(|line| line.trim_start_matches('#')).collect();
    let example = lines.join("\n");
    assert_eq!(checked(&format!("{before}{example}")), "file: good, 2 sources");
}

#[test]
fn the_manifest_runs_this_version_with_a_valid_configuration() {
    let container = container("balance-exporter.yaml", "Deployment");
    assert_eq!(container["args"], serde_json::json!(["--storage.path=/var/lib/balance-exporter"]));
}

#[test]
fn the_sharded_manifest_has_a_shard_for_each_replica() {
    let container = container("balance-exporter-sharded.yaml", "StatefulSet");
    assert_eq!(container["args"], serde_json::json!(["--storage.path=/var/lib/balance-exporter", "--shard=$(POD_INDEX)/3"]));
    assert_eq!(container["env"][0]["valueFrom"]["fieldRef"]["fieldPath"], "metadata.labels['apps.kubernetes.io/pod-index']");
    let set = &objects("balance-exporter-sharded.yaml")[1]["spec"];
    assert_eq!((&set["replicas"], &set["serviceName"]), (&3.into(), &"balance-exporter".into()));
    assert_eq!(set["volumeClaimTemplates"][0]["metadata"]["name"], container["volumeMounts"][2]["name"]);
}

fn objects(manifest: &str) -> Vec<Value> {
    let manifest = std::fs::read_to_string(repository(&format!("deploy/kubernetes/{manifest}"))).expect("the file");
    serde_yaml::Deserializer::from_str(&manifest).map(|object| Value::deserialize(object).expect("an object")).collect()
}

/// The container of a manifest with a configuration, a controller of this kind and a service.
fn container(manifest: &str, controller: &str) -> Value {
    let objects = objects(manifest);
    let kinds: Vec<_> = objects.iter().map(|object| object["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["ConfigMap", controller, "Service"]);
    let configuration = objects[0]["data"]["exporter.yaml"].as_str().expect("a configuration");
    assert_eq!(checked(configuration), "file: good, 1 source");
    let container = &objects[1]["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], concat!("balance-exporter:", env!("CARGO_PKG_VERSION")));
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/-/healthy");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/-/ready");
    container.clone()
}
