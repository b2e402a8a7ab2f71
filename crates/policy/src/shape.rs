//! What no policy can allow yet: every field of the container that no rule covers and that is not at its
//! default. A field that Kubernetes adds tomorrow is refused until somebody has thought about it.

use serde_json::{Value, json};

use crate::exposure::items;
use crate::judge::Judge;

/// Covered by a rule, or free: what it says is in the approval, and it reaches nothing by itself.
const CONTAINER: [&str; 15] = [
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "name",
    "securityContext",
    "stdin",
    "stdinOnce",
    "targetContainerName",
    "terminationMessagePolicy",
    "tty",
    "volumeMounts",
    "workingDir",
];
const SECURITY_CONTEXT: [&str; 7] = [
    "allowPrivilegeEscalation",
    "capabilities",
    "privileged",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
];

/// Notes every field that nothing covers.
pub(crate) fn hold(judge: &mut Judge<'_>, container: &Value) {
    let defaults = [
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
    ];
    only(judge, "container", container, &CONTAINER, &defaults);
    let context = &container["securityContext"];
    let runtime_default = json!({"type": "RuntimeDefault"});
    let defaults = [
        ("appArmorProfile", runtime_default.clone()),
        ("procMount", json!("Default")),
        ("seccompProfile", runtime_default),
    ];
    let path = "container.securityContext";
    only(judge, path, context, &SECURITY_CONTEXT, &defaults);
    let path = "container.securityContext.capabilities";
    only(judge, path, &context["capabilities"], &["add", "drop"], &[]);
    environment(judge, container);
    for (index, mount) in items(&container["volumeMounts"]).enumerate() {
        let path = format!("container.volumeMounts[{index}]");
        let defaults = [
            ("mountPropagation", json!("None")),
            ("recursiveReadOnly", json!("Disabled")),
        ];
        let free = ["mountPath", "name", "readOnly"];
        only(judge, &path, mount, &free, &defaults);
    }
}

fn environment(judge: &mut Judge<'_>, container: &Value) {
    for (index, variable) in items(&container["env"]).enumerate() {
        let path = format!("container.env[{index}]");
        let free = ["name", "value", "valueFrom"];
        only(judge, &path, variable, &free, &[]);
        let path = format!("{path}.valueFrom");
        let from = &variable["valueFrom"];
        only(judge, &path, from, &["secretKeyRef"], &[]);
        let path = format!("{path}.secretKeyRef");
        let free = ["key", "name", "optional"];
        only(judge, &path, &from["secretKeyRef"], &free, &[]);
    }
    for (index, source) in items(&container["envFrom"]).enumerate() {
        let path = format!("container.envFrom[{index}]");
        let free = ["prefix", "secretRef"];
        only(judge, &path, source, &free, &[]);
        let path = format!("{path}.secretRef");
        only(
            judge,
            &path,
            &source["secretRef"],
            &["name", "optional"],
            &[],
        );
    }
}

/// Every field of `object` is one of `free`, absent, or has its default.
fn only(
    judge: &mut Judge<'_>,
    path: &str,
    object: &Value,
    free: &[&str],
    defaults: &[(&str, Value)],
) {
    let fields = match object {
        Value::Null => return,
        Value::Object(fields) => fields,
        other => {
            judge.refuse(path, other.to_string(), "an object");
            return;
        }
    };
    for (field, value) in fields {
        let default = defaults.iter().find(|(name, _)| name == field);
        let default = default.map(|(_, value)| value);
        if value.is_null() || free.contains(&field.as_str()) || default == Some(value) {
            continue;
        }
        let accepted = default.map_or_else(
            || "its absence: no rule covers it".into(),
            |default| format!("its absence or {default}"),
        );
        judge.refuse(&format!("{path}.{field}"), value.to_string(), accepted);
    }
}
