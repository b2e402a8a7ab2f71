//! What a policy says of the container's confinement, with what it inherits from its Pod.

use serde_json::Value;
use session::Container;

use crate::judge::Judge;
use crate::security::{is_true, said};
use crate::{ConfinementRules, Glob};

/// SELinux types that Pod Security's `baseline` lets anybody have, beside none.
const COMMON_TYPES: [&str; 4] = [
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

/// Holds the effective security context against one policy's rules.
pub(crate) fn hold(
    judge: &mut Judge<'_>,
    rules: &ConfinementRules,
    pod: &Value,
    container: &Container,
    effective: &Value,
) {
    profile(
        judge,
        "container.seccompProfiles",
        &effective["seccompProfile"],
        &rules.seccomp_profiles,
    );
    profile(
        judge,
        "container.appArmorProfiles",
        &effective["appArmorProfile"],
        &rules.app_armor_profiles,
    );
    selinux(judge, rules, pod, container, effective);
    if effective["procMount"] != "Default" && !rules.unmasked_proc {
        judge.refuse(
            "container.unmaskedProc",
            format!("procMount {}", effective["procMount"]),
            "Default, or a policy that says `unmaskedProc: true`",
        );
    }
    if rules.read_only_root_filesystem && !is_true(effective, "readOnlyRootFilesystem") {
        judge.refuse(
            "container.requireReadOnlyRootFilesystem",
            "a root filesystem that can be written",
            "readOnlyRootFilesystem: true",
        );
    }
}

/// `RuntimeDefault` and none said are free; another must be named.
fn profile(judge: &mut Judge<'_>, field: &str, profile: &Value, named: &[Glob]) {
    let name = match (profile["type"].as_str(), said(profile, "localhostProfile")) {
        (None, None) if profile.is_null() => return,
        (Some("RuntimeDefault"), None) => return,
        (Some("Localhost"), Some(Value::String(path))) => format!("Localhost/{path}"),
        (Some(other), None) => other.to_owned(),
        _ => profile.to_string(),
    };
    if !named.iter().any(|p| p.matches(&name)) {
        judge.refuse(field, name, one_of("RuntimeDefault", named));
    }
}

/// A type that the cluster's own rules for everybody do not know must be named; user and role are the Pod's.
fn selinux(
    judge: &mut Judge<'_>,
    rules: &ConfinementRules,
    pod: &Value,
    container: &Container,
    effective: &Value,
) {
    let options = &effective["seLinuxOptions"];
    let kind = options["type"].as_str().unwrap_or_default();
    let common = kind.is_empty() || COMMON_TYPES.contains(&kind);
    if !common && !rules.selinux_types.iter().any(|p| p.matches(kind)) {
        let accepted = one_of(&COMMON_TYPES.join(", "), &rules.selinux_types);
        judge.refuse("container.seLinuxTypes", kind, accepted);
    }
    let own = &container.raw()["securityContext"]["seLinuxOptions"];
    let of_pod = &pod["spec"]["securityContext"]["seLinuxOptions"];
    for field in ["level", "role", "user"] {
        if let Some(value) = said(own, field)
            && value != &of_pod[field]
        {
            judge.refuse(
                &format!("container.securityContext.seLinuxOptions.{field}"),
                value.to_string(),
                "what the Pod says, or nothing",
            );
        }
    }
}

fn one_of(free: &str, named: &[Glob]) -> String {
    let names = named.iter().map(Glob::as_str);
    let all: Vec<&str> = std::iter::once(free).chain(names).collect();
    all.join(", ")
}
