//! What a visit brings within reach.

use policy::{effective, exposure};
use serde_json::{Value, json};

use crate::setting::{Setting, setting};

fn names(setting: &Setting, kind: &str) -> Vec<String> {
    let document = exposure(&setting.facts.pod, &setting.facts.container).to_json();
    let reach = document["withinReach"].as_array().unwrap().clone();
    reach
        .iter()
        .filter(|r| r["kind"] == kind)
        .map(|r| r["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_visit_reaches_what_the_containers_of_its_pid_namespace_hold() {
    let check = |change: fn(&mut Setting), scope: &str, secrets: &[&str]| {
        let mut setting = setting();
        change(&mut setting);
        let found = exposure(&setting.facts.pod, &setting.facts.container);
        assert_eq!(found.processes.scope.as_str(), scope);
        assert_eq!(names(&setting, "Secret"), secrets);
    };
    check(|_| {}, "Target", &["db"]);
    let no_target = |s: &mut Setting| s.arrives(|c| c["targetContainerName"] = Value::Null);
    check(no_target, "Own", &[]);
    check(
        |s| s.facts.pod["spec"]["shareProcessNamespace"] = json!(true),
        "Pod",
        &["db", "side-secret"],
    );
    check(
        |s| s.facts.pod["spec"]["hostPID"] = json!(true),
        "Host",
        &["db", "side-secret"],
    );
    check(
        |s| {
            s.arrives(|c| {
                c["targetContainerName"] = Value::Null;
                c["volumeMounts"] = json!([{"name": "creds", "mountPath": "/c"}]);
            });
        },
        "Own",
        &["creds"],
    );
}

#[test]
fn tokens_of_the_service_account_are_told() {
    let setting = setting();
    assert_eq!(names(&setting, "ServiceAccountToken"), ["the API server"]);
    let found = exposure(&setting.facts.pod, &setting.facts.container);
    assert_eq!(
        found.sentences(),
        [
            "It sees the processes of container app, whose environment and files it can open where \
             they run as the same user.",
            "It runs as the image's user, and not if that is root.",
            "It shares the Pod's network: its address, its loopback and whatever listens there.",
            "Within reach: Secrets db (through the environment of container app).",
            "Within reach: tokens of service account cart for the API server (through /run/token of \
             container app).",
        ]
    );
}

#[test]
fn it_is_the_same_before_and_after_the_container_is_in_the_pod_and_whatever_the_status() {
    let mut setting = setting();
    let before = exposure(&setting.facts.pod, &setting.facts.container).digest();
    let own = setting.facts.container.raw().clone();
    setting.facts.pod["spec"]["ephemeralContainers"] = json!([own]);
    setting.facts.pod["status"] = json!({"phase": "Running"});
    let after = exposure(&setting.facts.pod, &setting.facts.container).digest();
    assert_eq!(before, after);
}

#[test]
fn the_effective_security_context_is_the_containers_over_the_pods_with_defaults_written_out() {
    let mut setting = setting();
    setting.facts.pod["spec"]["securityContext"] =
        json!({"runAsUser": 7, "runAsNonRoot": false, "fsGroup": 9});
    assert_eq!(
        effective(&setting.facts.pod, &setting.facts.container),
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"add": [], "drop": ["ALL"]},
            "fsGroup": 9,
            "hostIPC": false,
            "hostNetwork": false,
            "hostPID": false,
            "hostUsers": true,
            "privileged": false,
            "procMount": "Default",
            "readOnlyRootFilesystem": false,
            "runAsNonRoot": true,
            "runAsUser": 7,
            "seccompProfile": {"type": "RuntimeDefault"},
            "shareProcessNamespace": false,
        })
    );
}
