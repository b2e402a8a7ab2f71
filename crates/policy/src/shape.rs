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
    typed(judge, container);
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

/// What rules read is of the type in which they read it: in another type they would see nothing there.
fn typed(judge: &mut Judge<'_>, container: &Value) {
    let context = &container["securityContext"];
    let mut refuse = |path: String, value: &Value, accepted: &str| {
        judge.refuse(&path, value.to_string(), accepted);
    };
    for field in ["args", "command", "env", "envFrom", "volumeMounts"] {
        let value = &container[field];
        if !(value.is_null() || value.is_array()) {
            refuse(format!("container.{field}"), value, "a list");
        }
    }
    for list in ["add", "drop"] {
        let value = &context["capabilities"][list];
        let names = value
            .as_array()
            .is_some_and(|l| l.iter().all(Value::is_string));
        if !(value.is_null() || names) {
            let path = format!("container.securityContext.capabilities.{list}");
            refuse(path, value, "a list of names");
        }
    }
    let target = &container["targetContainerName"];
    if !(target.is_null() || target.is_string()) {
        refuse("container.targetContainerName".into(), target, "a name");
    }
    let tty = &container["tty"];
    if !(tty.is_null() || tty.is_boolean()) {
        refuse("container.tty".into(), tty, "true or false");
    }
    for (field, value) in context.as_object().into_iter().flatten() {
        let path = format!("container.securityContext.{field}");
        match field.as_str() {
            "runAsUser" | "runAsGroup" if !(value.is_null() || value.is_i64()) => {
                refuse(path, value, "a number");
            }
            "privileged" | "allowPrivilegeEscalation" | "runAsNonRoot"
                if !(value.is_null() || value.is_boolean()) =>
            {
                refuse(path, value, "true or false");
            }
            _ => {}
        }
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
