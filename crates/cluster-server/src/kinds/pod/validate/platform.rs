//! What the Pod's operating system and its namespaces rule out.

use serde_json::Value;

use super::{list, text};
use crate::field::{FieldError, Path};

/// What a Windows Pod's containers may not set.
const LINUX_ONLY: &[&str] = &[
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
];
/// What a Windows Pod itself may not set, in the order in which it is looked at; what stands in its security context is
/// marked.
const LINUX_ONLY_OF_POD: &[(&str, bool)] = &[
    ("appArmorProfile", true),
    ("seLinuxOptions", true),
    ("hostUsers", false),
    ("hostPID", false),
    ("hostIPC", false),
    ("seccompProfile", true),
    ("fsGroup", true),
    ("fsGroupChangePolicy", true),
    ("sysctls", true),
    ("shareProcessNamespace", false),
    ("runAsUser", true),
    ("runAsGroup", true),
    ("supplementalGroups", true),
    ("supplementalGroupsPolicy", true),
    ("seLinuxChangePolicy", true),
];

/// All containers with their paths, in the order of `VisitContainersWithPath`.
pub(in crate::kinds::pod) fn each_container<'a>(
    spec: &'a Value,
    path: &Path,
) -> Vec<(&'a Value, Path)> {
    let mut out = Vec::new();
    for kind in ["initContainers", "containers", "ephemeralContainers"] {
        for (at, container) in list(&spec[kind]).iter().enumerate() {
            out.push((container, path.child(kind).index(at)));
        }
    }
    out
}

/// The faults of HostProcess containers (`validateWindowsHostProcessPod`).
pub(super) fn host_process(spec: &Value, path: &Path) -> Vec<FieldError> {
    let of = |value: &Value| value["securityContext"]["windowsOptions"]["hostProcess"].as_bool();
    let pod = of(spec);
    let mut out = Vec::new();
    let (mut all, mut with) = (0, 0);
    for (container, path) in each_container(spec, path) {
        all += 1;
        let own = of(container);
        if let (Some(pod), Some(own)) = (pod, own)
            && pod != own
        {
            let detail =
                format!("pod hostProcess value must be identical if both are specified, was {pod}");
            out.push(FieldError::invalid(
                &path.child("securityContext.windowsOptions.hostProcess"),
                own,
                detail,
            ));
        }
        with += usize::from(own.or(pod).unwrap_or(false));
    }
    if with > 0 {
        if with != all {
            let detail = "If pod contains any hostProcess containers then all containers must be HostProcess containers";
            out.push(FieldError::invalid(path, "", detail));
        }
        if spec["hostNetwork"] != true {
            let detail = "hostNetwork must be true if pod contains any hostProcess containers";
            out.push(FieldError::invalid(
                &path.child("hostNetwork"),
                false,
                detail,
            ));
        }
    }
    out
}

/// What a user namespace of the Pod's own rules out (`validateHostUsers`).
pub(super) fn host_users(spec: &Value, path: &Path) -> Vec<FieldError> {
    if spec["hostUsers"] != false {
        return Vec::new();
    }
    let detail = "when `hostUsers` is false";
    let mut out = Vec::new();
    for (field, shown) in [
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ] {
        if spec[field] == true {
            out.push(FieldError::forbidden(&path.child(shown), detail));
        }
    }
    for (container, path) in each_container(spec, path) {
        if !list(&container["volumeDevices"]).is_empty() {
            out.push(FieldError::forbidden(&path.child("volumeDevices"), detail));
        }
    }
    out
}

/// The faults of fields that the Pod's operating system does not have (`validateOS`, `validateLinux`, `validateWindows`).
pub(super) fn os(spec: &Value, path: &Path) -> Vec<FieldError> {
    if !spec["os"].is_object() {
        return Vec::new();
    }
    match text(&spec["os"], "name") {
        "" => vec![FieldError::required(
            &path.child("os").child("name"),
            "cannot be empty",
        )],
        "linux" => linux(spec, path),
        "windows" => windows(spec, path),
        other => vec![FieldError::not_supported(
            &path.child("os"),
            other,
            &["linux", "windows"],
        )],
    }
}

fn linux(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut check = |context: &Value, path: Path| {
        if context["windowsOptions"].is_object() {
            let field = path.child("windowsOptions");
            out.push(FieldError::forbidden(
                &field,
                "windows options cannot be set for a linux pod",
            ));
        }
    };
    check(&spec["securityContext"], path.child("securityContext"));
    for (container, path) in each_container(spec, path) {
        check(&container["securityContext"], path.child("securityContext"));
    }
    out
}

fn windows(spec: &Value, path: &Path) -> Vec<FieldError> {
    const DETAIL: &str = "cannot be set for a windows pod";
    let mut out = Vec::new();
    let context = path.child("securityContext");
    for (field, in_context) in LINUX_ONLY_OF_POD {
        let (holder, path) = if *in_context {
            (&spec["securityContext"], &context)
        } else {
            (spec, path)
        };
        // These two are no pointers: false is as good as absent.
        let unset = matches!(*field, "hostPID" | "hostIPC") && holder[*field] == false;
        if !holder[*field].is_null() && !unset {
            out.push(FieldError::forbidden(&path.child(field), DETAIL));
        }
    }
    for (container, path) in each_container(spec, path) {
        let path = path.child("securityContext");
        for field in LINUX_ONLY {
            if !container["securityContext"][*field].is_null() {
                out.push(FieldError::forbidden(&path.child(field), DETAIL));
            }
        }
    }
    out
}
