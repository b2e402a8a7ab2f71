//! Security contexts of containers and of the Pod.

use serde_json::Value;

use super::super::internal;
use super::{descending_path, in_range, list, text, windows};
use crate::field::{Fault, FieldError, Path};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const MAX_ID: i64 = 2_147_483_647;
/// The longest path, without its end.
const MAX_PROFILE: usize = 4095;

/// The faults of a container's `securityContext` (`ValidateSecurityContext`).
pub(super) fn container(context: &Value, host_users: bool, path: &Path) -> Vec<FieldError> {
    if !context.is_object() {
        return Vec::new();
    }
    let mut out = Vec::new();
    for field in ["runAsUser", "runAsGroup"] {
        out.extend(in_range(
            &path.child(field),
            context[field].as_i64(),
            0,
            MAX_ID,
        ));
    }
    if let Some(mount) = context["procMount"].as_str() {
        let field = path.child("procMount");
        if !["Default", "Unmasked"].contains(&mount) {
            out.push(FieldError::not_supported(
                &field,
                mount,
                &["Default", "Unmasked"],
            ));
        } else if host_users && mount == "Unmasked" {
            out.push(FieldError::invalid(
                &field,
                mount,
                "`hostUsers` must be false to use `Unmasked`",
            ));
        }
    }
    out.extend(seccomp(
        &context["seccompProfile"],
        &path.child("seccompProfile"),
    ));
    if context["allowPrivilegeEscalation"] == false {
        let printed = || internal::compact("SecurityContext", context);
        if context["privileged"] == true {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
            out.push(FieldError::invalid(path, printed(), detail));
        }
        if list(&context["capabilities"]["add"])
            .iter()
            .any(|capability| capability == "CAP_SYS_ADMIN")
        {
            let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
            out.push(FieldError::invalid(path, printed(), detail));
        }
    }
    out.extend(windows::options(
        &context["windowsOptions"],
        &path.child("windowsOptions"),
    ));
    out.extend(app_armor(
        &context["appArmorProfile"],
        &path.child("appArmorProfile"),
    ));
    out
}

fn seccomp(profile: &Value, path: &Path) -> Vec<FieldError> {
    if !profile.is_object() {
        return Vec::new();
    }
    let (kind, field) = (text(profile, "type"), path.child("localhostProfile"));
    let local = profile["localhostProfile"].as_str();
    let mut out = Vec::new();
    if kind.is_empty() {
        let detail = "type is required when seccompProfile is set";
        out.push(FieldError::required(&path.child("type"), detail));
    } else if !PROFILES.contains(&kind) {
        out.push(FieldError::not_supported(
            &path.child("type"),
            kind,
            &PROFILES,
        ));
    }
    match (kind, local) {
        ("Localhost", None) => {
            let detail = "must be set when seccomp type is Localhost";
            out.push(FieldError::required(&field, detail));
        }
        ("Localhost", Some(local)) => out.extend(descending_path(&field, local)),
        (_, Some(_)) => {
            let printed = internal::compact("Profile", profile);
            let detail = "can only be set when seccomp type is Localhost";
            out.push(FieldError::invalid(&field, printed, detail));
        }
        (_, None) => {}
    }
    out
}

fn app_armor(profile: &Value, path: &Path) -> Vec<FieldError> {
    if !profile.is_object() {
        return Vec::new();
    }
    let field = path.child("localhostProfile");
    let mut out = Vec::new();
    match (text(profile, "type"), profile["localhostProfile"].as_str()) {
        ("Localhost", local) => {
            let local = local.unwrap_or_default();
            if local.trim() != local {
                let detail = "must not be padded with whitespace";
                out.push(FieldError::invalid(&field, local, detail));
            } else if local.is_empty() {
                let detail = "must be set when AppArmor type is Localhost";
                out.push(FieldError::required(&field, detail));
            }
            if local.len() > MAX_PROFILE {
                out.push(FieldError::new(&field, Fault::TooLong(MAX_PROFILE), ""));
            }
        }
        ("RuntimeDefault" | "Unconfined", Some(local)) => {
            let detail = "can only be set when AppArmor type is Localhost";
            out.push(FieldError::invalid(&field, local, detail));
        }
        ("RuntimeDefault" | "Unconfined", None) => {}
        ("", _) => {
            let detail = "type is required when appArmorProfile is set";
            out.push(FieldError::required(&path.child("type"), detail));
        }
        (other, _) => out.push(FieldError::not_supported(
            &path.child("type"),
            other,
            &PROFILES,
        )),
    }
    out
}

/// Whether a template's or annotation's profile holds, so that it may be taken over into a field.
pub(in crate::kinds::pod) fn is_app_armor_profile(profile: &Value) -> bool {
    app_armor(profile, &Path::default()).is_empty()
}

/// The faults of a Pod's `securityContext` (`validatePodSpecSecurityContext`).
pub(super) fn pod(spec: &Value, path: &Path) -> Vec<FieldError> {
    let context = &spec["securityContext"];
    let mut out = Vec::new();
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        let id = context[field].as_i64();
        out.extend(in_range(&path.child(field), id, 0, MAX_ID));
    }
    for (at, group) in list(&context["supplementalGroups"]).iter().enumerate() {
        let field = path.child("supplementalGroups").index(at);
        out.extend(in_range(&field, group.as_i64(), 0, MAX_ID));
    }
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        let field = path.child("shareProcessNamespace");
        out.push(FieldError::invalid(&field, true, detail));
    }
    out.extend(sysctls(spec, &path.child("sysctls")));
    let one_of = |field: &str, supported: &[&str; 2]| {
        let value = context[field].as_str();
        let unknown = value.filter(|value| !supported.contains(value));
        unknown.map(|value| FieldError::not_supported(&path.child(field), value, supported))
    };
    let policies = ["Always", "OnRootMismatch"];
    out.extend(one_of("fsGroupChangePolicy", &policies));
    let profile = &context["seccompProfile"];
    out.extend(seccomp(profile, &path.child("seccompProfile")));
    let options = &context["windowsOptions"];
    out.extend(windows::options(options, &path.child("windowsOptions")));
    let profile = &context["appArmorProfile"];
    out.extend(app_armor(profile, &path.child("appArmorProfile")));
    out.extend(one_of("supplementalGroupsPolicy", &["Merge", "Strict"]));
    let policies = ["MountOption", "Recursive"];
    out.extend(one_of("seLinuxChangePolicy", &policies));
    out
}

/// The namespace that a kernel parameter belongs to, as the field that shares the node's.
fn host_namespace(name: &str) -> Option<&'static str> {
    let name = name.replace('/', ".");
    let ipc = ["kernel.shm", "kernel.msg", "fs.mqueue."];
    if name == "kernel.sem" || ipc.iter().any(|prefix| name.starts_with(prefix)) {
        Some("hostIPC")
    } else {
        name.starts_with("net.").then_some("hostNetwork")
    }
}

fn sysctls(spec: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    for (at, sysctl) in list(&spec["securityContext"]["sysctls"]).iter().enumerate() {
        let (name, field) = (text(sysctl, "name"), path.index(at).child("name"));
        let holds = |part: &str| {
            let bytes = part.as_bytes();
            let edge =
                |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            edge(bytes.first())
                && edge(bytes.last())
                && bytes.iter().all(|c| {
                    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_')
                })
        };
        if name.is_empty() {
            out.push(FieldError::required(&field, ""));
        } else if name.len() > 253 || !name.split(['.', '/']).all(holds) {
            let detail = "must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
            out.push(FieldError::invalid(&field, name, detail));
        } else if seen.contains(&name) {
            out.push(FieldError::duplicate(&field, name));
        }
        if let Some(host) = host_namespace(name).filter(|host| spec[*host] == true) {
            let detail = format!("may not be specified when '{host}' is true");
            out.push(FieldError::invalid(&field, name, detail));
        }
        seen.push(name);
    }
    out
}
