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
const SECURITY_CONTEXT: [&str; 12] = [
    "allowPrivilegeEscalation",
    "appArmorProfile",
    "capabilities",
    "privileged",
    "procMount",
    "readOnlyRootFilesystem",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "windowsOptions",
];

/// What of the parts of a security context a rule covers. Of Windows: who it runs as, and as what (KEP-1981).
const CONTEXT_PARTS: [(&str, &[&str]); 5] = [
    ("appArmorProfile", &["localhostProfile", "type"]),
    ("capabilities", &["add", "drop"]),
    ("seLinuxOptions", &["level", "role", "type", "user"]),
    ("seccompProfile", &["localhostProfile", "type"]),
    ("windowsOptions", &["hostProcess", "runAsUserName"]),
];

/// Notes every field that nothing covers.
pub(crate) fn hold(judge: &mut Judge<'_>, container: &Value) {
    let defaults = [
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
    ];
    only(judge, "container", container, &CONTAINER, &defaults);
    let context = &container["securityContext"];
    only(
        judge,
        "container.securityContext",
        context,
        &SECURITY_CONTEXT,
        &[],
    );
    for (field, free) in CONTEXT_PARTS {
        let path = format!("container.securityContext.{field}");
        only(judge, &path, &context[field], free, &[]);
    }
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
    for field in ["stdin", "tty"] {
        let value = &container[field];
        if !(value.is_null() || value.is_boolean()) {
            refuse(format!("container.{field}"), value, "true or false");
        }
    }
    for (field, value) in context.as_object().into_iter().flatten() {
        let path = format!("container.securityContext.{field}");
        match field.as_str() {
            "runAsUser" | "runAsGroup" if !(value.is_null() || value.is_i64()) => {
                refuse(path, value, "a number");
            }
            "privileged"
            | "allowPrivilegeEscalation"
            | "runAsNonRoot"
            | "readOnlyRootFilesystem"
                if !(value.is_null() || value.is_boolean()) =>
            {
                refuse(path, value, "true or false");
            }
            "procMount" if !(value.is_null() || value.is_string()) => {
                refuse(path, value, "a name");
            }
            _ => {}
        }
    }
}

fn environment(judge: &mut Judge<'_>, container: &Value) {
    // The Pod's own fields and a container's resources reach nothing that is not in the Pod.
    let sources: [(&str, &[&str]); 4] = [
        ("configMapKeyRef", &["key", "name", "optional"]),
        ("fieldRef", &["apiVersion", "fieldPath"]),
        (
            "resourceFieldRef",
            &["containerName", "divisor", "resource"],
        ),
        ("secretKeyRef", &["key", "name", "optional"]),
    ];
    for (index, variable) in items(&container["env"]).enumerate() {
        let path = format!("container.env[{index}]");
        only(judge, &path, variable, &["name", "value", "valueFrom"], &[]);
        let path = format!("{path}.valueFrom");
        let from = &variable["valueFrom"];
        only(judge, &path, from, &sources.map(|(name, _)| name), &[]);
        for (name, free) in sources {
            only(judge, &format!("{path}.{name}"), &from[name], free, &[]);
        }
    }
    for (index, source) in items(&container["envFrom"]).enumerate() {
        let path = format!("container.envFrom[{index}]");
        let free = ["configMapRef", "prefix", "secretRef"];
        only(judge, &path, source, &free, &[]);
        for name in ["configMapRef", "secretRef"] {
            let path = format!("{path}.{name}");
            only(judge, &path, &source[name], &["name", "optional"], &[]);
        }
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
