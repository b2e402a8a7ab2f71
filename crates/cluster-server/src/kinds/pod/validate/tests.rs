//! The rules of ephemeral containers as a table: what is in one, and what is said of it.

use serde_json::{Value, json};

use super::metadata_and_spec;

/// The faults of `fields` in an ephemeral container `dbg` of a Pod with a few volumes.
fn faults(fields: &Value, pod: &Value) -> Vec<String> {
    let mut container = json!({
        "name": "dbg", "image": "b:1", "imagePullPolicy": "IfNotPresent", "terminationMessagePolicy": "File", "resources": {},
    });
    for (field, value) in fields.as_object().into_iter().flatten() {
        container[field] = value.clone();
    }
    let regular = json!({"name": "app", "image": "b:1", "imagePullPolicy": "Always", "terminationMessagePolicy": "File"});
    let mut spec = json!({
        "containers": [regular], "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "ephemeralContainers": [container],
        "volumes": [
            {"name": "data", "emptyDir": {}}, {"name": "raw", "persistentVolumeClaim": {"claimName": "c"}},
        ],
    });
    for (field, value) in pod.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    let found = metadata_and_spec(&json!({"metadata": {}, "spec": spec}));
    found
        .iter()
        .map(|fault| {
            fault
                .to_string()
                .replace("spec.ephemeralContainers[0]", "[0]")
        })
        .collect()
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn check(fields: Value, expected: &[&str]) {
    assert_eq!(faults(&fields, &json!({})), expected, "{fields}");
}

const NEVER: &str = "Forbidden: cannot be set for an Ephemeral Container";

#[test]
fn what_an_ephemeral_container_may_not_have_is_forbidden_field_by_field() {
    for (field, value) in [
        ("ports", json!([])),
        ("lifecycle", json!({})),
        ("resources", json!({"limits": {}})),
        ("restartPolicy", json!("")),
        ("resizePolicy", json!([])),
        ("livenessProbe", json!({"grpc": {"port": 0}})),
    ] {
        check(json!({field: value}), &[&format!("[0].{field}: {NEVER}")]);
    }
    check(json!({"resources": {}}), &[]);
    check(json!({"tty": true}), &[]);
    check(
        json!({"name": "", "lifecycle": {"preStop": {}}}),
        &[
            "[0].name: Required value",
            &format!("[0].lifecycle: {NEVER}"),
        ],
    );
}

#[test]
fn names_and_targets_are_those_of_this_pod() {
    check(
        json!({"name": "app"}),
        &["[0].name: Duplicate value: \"app\""],
    );
    check(json!({"targetContainerName": "app"}), &[]);
    check(
        json!({"targetContainerName": "dbg"}),
        &["[0].targetContainerName: Not found: \"dbg\""],
    );
    check(json!({"image": ""}), &["[0].image: Required value"]);
    check(
        json!({"image": " b"}),
        &["[0].image: Invalid value: \" b\": must not have leading or trailing whitespace"],
    );
}

#[test]
fn mounts_are_judged_with_kubernetes_paths() {
    let mount = |fields: Value| {
        let mut mount = json!({"name": "data", "mountPath": "/x"});
        for (field, value) in fields.as_object().into_iter().flatten() {
            mount[field] = value.clone();
        }
        json!({"volumeMounts": [mount]})
    };
    check(
        mount(json!({"subPath": "a"})),
        &[&format!("[0].volumeMounts[0].subPath: {NEVER}")],
    );
    check(
        mount(json!({"subPath": "/a"})),
        &[
            "[0].volumeMounts.subPath: Invalid value: \"/a\": must be a relative path",
            &format!("[0].volumeMounts[0].subPath: {NEVER}"),
        ],
    );
    check(
        mount(json!({"name": "nope"})),
        &["[0].volumeMounts[0].name: Not found: \"nope\""],
    );
    check(
        mount(json!({"mountPath": ""})),
        &["[0].volumeMounts[0].mountPath: Required value"],
    );
    check(
        mount(json!({"mountPropagation": "Bidirectional"})),
        &[
            "[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers",
        ],
    );
    check(
        mount(json!({"recursiveReadOnly": "Enabled"})),
        &[
            "[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true",
        ],
    );
    check(
        json!({"volumeDevices": [{"name": "data", "devicePath": "/d"}]}),
        &[
            "[0].volumeDevices[0].name: Invalid value: \"data\": can only use volume source type of PersistentVolumeClaim or \
         Ephemeral for block mode",
        ],
    );
}

#[test]
fn variables_have_one_source() {
    let from = |value: Value| json!({"env": [{"name": "A", "valueFrom": value}]});
    check(
        from(json!({})),
        &[
            "[0].env[0].valueFrom: Invalid value: \"\": must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
         `secretKeyRef` or `fileKeyRef`",
        ],
    );
    check(
        from(json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "spec.foo"}})),
        &[
            "[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: \"spec.foo\": error converting fieldPath: field label not \
         supported: spec.foo",
        ],
    );
    check(
        from(
            json!({"resourceFieldRef": {"resource": "limits.cpu", "containerName": "nobody", "divisor": "0"}}),
        ),
        &[],
    );
    check(
        json!({"envFrom": [{}]}),
        &["[0].envFrom: Invalid value: \"\": must specify one of: `configMapRef` or `secretRef`"],
    );
}

#[test]
fn security_contexts_must_make_sense_together() {
    let context = |value: Value| json!({"securityContext": value});
    check(
        context(json!({"runAsUser": -1})),
        &[
            "[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        ],
    );
    check(
        context(json!({"procMount": "Unmasked"})),
        &[
            "[0].securityContext.procMount: Invalid value: \"Unmasked\": `hostUsers` must be false to use `Unmasked`",
        ],
    );
    check(
        context(json!({"seccompProfile": {"type": "Localhost"}})),
        &[
            "[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
        ],
    );
    let windows = context(json!({"runAsUser": 1}));
    assert_eq!(
        faults(&windows, &json!({"os": {"name": "windows"}})),
        ["[0].securityContext.runAsUser: Forbidden: cannot be set for a windows pod",]
    );
}
