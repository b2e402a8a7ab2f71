//! Security contexts of containers and of the Pod.

use serde_json::Value;

use super::super::internal;
use super::{descending_path, in_range, list, text};
use crate::field::{FieldError, Path};

const PROFILES: [&str; 3] = ["Localhost", "RuntimeDefault", "Unconfined"];
const MAX_ID: i64 = 2_147_483_647;

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
    match (kind, local) {
        ("", _) => vec![FieldError::required(
            &path.child("type"),
            "type is required when seccompProfile is set",
        )],
        ("Localhost", None | Some("")) => {
            vec![FieldError::required(
                &field,
                "must be set when seccomp type is Localhost",
            )]
        }
        ("Localhost", Some(local)) => descending_path(&field, local),
        ("RuntimeDefault" | "Unconfined", Some(_)) => {
            let printed = internal::compact("Profile", profile);
            vec![FieldError::invalid(
                &field,
                printed,
                "can only be set when seccomp type is Localhost",
            )]
        }
        ("RuntimeDefault" | "Unconfined", None) => Vec::new(),
        (other, _) => vec![FieldError::not_supported(
            &path.child("type"),
            other,
            &PROFILES,
        )],
    }
}

fn app_armor(profile: &Value, path: &Path) -> Vec<FieldError> {
    if !profile.is_object() {
        return Vec::new();
    }
    let field = path.child("localhostProfile");
    let needed = "must be set when AppArmor type is Localhost";
    match (text(profile, "type"), profile["localhostProfile"].as_str()) {
        ("", _) => vec![FieldError::required(
            &path.child("type"),
            "type is required when appArmorProfile is set",
        )],
        ("Localhost", Some(local)) if local.trim() != local => {
            vec![FieldError::invalid(
                &field,
                local,
                "must not be padded with whitespace",
            )]
        }
        ("Localhost", None | Some("")) => vec![FieldError::required(&field, needed)],
        ("Localhost", Some(_)) | ("RuntimeDefault" | "Unconfined", None) => Vec::new(),
        ("RuntimeDefault" | "Unconfined", Some(local)) => {
            vec![FieldError::invalid(
                &field,
                local,
                "can only be set when AppArmor type is Localhost",
            )]
        }
        (other, _) => vec![FieldError::not_supported(
            &path.child("type"),
            other,
            &PROFILES,
        )],
    }
}

/// The faults of a Pod's `securityContext` (`ValidatePodSecurityContext`).
pub(super) fn pod(spec: &Value, path: &Path) -> Vec<FieldError> {
    let context = &spec["securityContext"];
    let mut out = Vec::new();
    for field in ["fsGroup", "runAsUser", "runAsGroup"] {
        out.extend(in_range(
            &path.child(field),
            context[field].as_i64(),
            0,
            MAX_ID,
        ));
    }
    for (at, group) in list(&context["supplementalGroups"]).iter().enumerate() {
        out.extend(in_range(
            &path.child("supplementalGroups").index(at),
            group.as_i64(),
            0,
            MAX_ID,
        ));
    }
    for (field, supported) in [
        ("fsGroupChangePolicy", ["Always", "OnRootMismatch"]),
        ("supplementalGroupsPolicy", ["Merge", "Strict"]),
        ("seLinuxChangePolicy", ["MountOption", "Recursive"]),
    ] {
        if let Some(value) = context[field]
            .as_str()
            .filter(|value| !supported.contains(value))
        {
            out.push(FieldError::not_supported(
                &path.child(field),
                value,
                &supported,
            ));
        }
    }
    out.extend(sysctls(spec, &path.child("sysctls")));
    out.extend(seccomp(
        &context["seccompProfile"],
        &path.child("seccompProfile"),
    ));
    out.extend(app_armor(
        &context["appArmorProfile"],
        &path.child("appArmorProfile"),
    ));
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        let detail = "ShareProcessNamespace and HostPID cannot both be enabled";
        out.push(FieldError::invalid(
            &path.child("shareProcessNamespace"),
            true,
            detail,
        ));
    }
    out
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
        seen.push(name);
    }
    out
}
