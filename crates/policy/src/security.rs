//! The security context that a container really runs under.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use session::Container;

/// What a container overrides and otherwise takes from its Pod (`securitycontext.DetermineEffectiveSecurityContext`
/// and, for the two profiles, the kubelet).
const INHERITED: [&str; 7] = [
    "appArmorProfile",
    "runAsGroup",
    "runAsNonRoot",
    "runAsUser",
    "seLinuxOptions",
    "seccompProfile",
    "windowsOptions",
];

/// What only the Pod says.
const OF_THE_POD: [&str; 5] = [
    "fsGroup",
    "fsGroupChangePolicy",
    "supplementalGroups",
    "supplementalGroupsPolicy",
    "sysctls",
];

/// The container's effective security context as JSON: Pod-level inheritance resolved, defaults written out.
///
/// What neither says and Kubernetes has no default for is left out: then the image or the runtime decides.
pub fn effective(pod: &Value, container: &Container) -> Value {
    let of_pod = &pod["spec"]["securityContext"];
    let own = &container.raw()["securityContext"];
    let mut context = Map::new();
    for field in INHERITED {
        if let Some(value) = said(own, field).or_else(|| said(of_pod, field)) {
            context.insert(field.into(), value.clone());
        }
    }
    for field in OF_THE_POD {
        if let Some(value) = said(of_pod, field) {
            context.insert(field.into(), value.clone());
        }
    }
    // A host process of Windows is to its node what a privileged container is (KEP-1981).
    let host_process = context.get("windowsOptions");
    let host_process = host_process.is_some_and(|options| is_true(options, "hostProcess"));
    let privileged = is_true(own, "privileged") || host_process;
    context.insert("privileged".into(), privileged.into());
    // Unset is `true` (the kubelet then sets no `no_new_privs`), and so is privileged.
    let escalation = privileged || said(own, "allowPrivilegeEscalation") != Some(&json!(false));
    context.insert("allowPrivilegeEscalation".into(), escalation.into());
    context.insert(
        "readOnlyRootFilesystem".into(),
        is_true(own, "readOnlyRootFilesystem").into(),
    );
    let proc_mount = said(own, "procMount").cloned();
    context.insert(
        "procMount".into(),
        proc_mount.unwrap_or_else(|| "Default".into()),
    );
    context.insert(
        "capabilities".into(),
        json!({"add": capabilities(container, "add"), "drop": capabilities(container, "drop")}),
    );
    for field in ["hostIPC", "hostNetwork", "hostPID", "shareProcessNamespace"] {
        context.insert(field.into(), is_true(&pod["spec"], field).into());
    }
    // Unset is `true`: root in the container is root on the node.
    let host_users = said(&pod["spec"], "hostUsers") != Some(&json!(false));
    context.insert("hostUsers".into(), host_users.into());
    context.sort_keys();
    Value::Object(context)
}

/// The capabilities a container adds or drops, in the kernel's names without `CAP_`.
pub(crate) fn capabilities(container: &Container, list: &str) -> BTreeSet<String> {
    let listed = &container.raw()["securityContext"]["capabilities"][list];
    let names = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    names
        .iter()
        .map(|name| capability(name.as_str().unwrap_or_default()))
        .collect()
}

/// One capability's name as the kernel knows it, without `CAP_`.
pub(crate) fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper.strip_prefix("CAP_").unwrap_or(&upper).to_owned()
}

/// As which user the container starts, as far as the Pod says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    /// The uid; without one the image decides.
    pub(crate) uid: Option<i64>,
    /// The group; without one the image decides.
    pub(crate) gid: Option<i64>,
    /// The kubelet refuses to start it as root.
    pub(crate) must_not_be_root: bool,
}

impl User {
    /// From an effective security context.
    pub(crate) fn of(effective: &Value) -> Self {
        Self {
            uid: effective["runAsUser"].as_i64(),
            gid: effective["runAsGroup"].as_i64(),
            must_not_be_root: effective["runAsNonRoot"] == json!(true),
        }
    }

    /// Whether it is certain not to be root.
    pub(crate) fn is_certainly_not_root(self) -> bool {
        match self.uid {
            Some(uid) => uid > 0,
            None => self.must_not_be_root,
        }
    }
}

pub(crate) fn said<'a>(object: &'a Value, field: &str) -> Option<&'a Value> {
    object.get(field).filter(|value| !value.is_null())
}

pub(crate) fn is_true(object: &Value, field: &str) -> bool {
    object.get(field) == Some(&json!(true))
}
