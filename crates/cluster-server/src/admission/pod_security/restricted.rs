//! The checks of level `restricted`: current hardening practice. Each is told for which version it is made.

use serde_json::Value;

use super::Violation;
use super::view::{PodView, containers, distinct, plural, quoted, setters};

/// Volume sources that stay allowed.
const VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// A user namespace is no excuse here.
pub(super) fn proc_mount(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    super::baseline::proc_mount_of_any(pod)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn privilege_escalation(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    if version >= 25 && pod.is_windows() {
        return None;
    }
    let names = pod.containers_where(|container| {
        container["securityContext"]["allowPrivilegeEscalation"] != false
    });
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} must set securityContext.allowPrivilegeEscalation=false",
            containers(&names)
        );
        Violation::new("allowPrivilegeEscalation != false", detail)
    })
}

pub(super) fn capabilities(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    if version >= 25 && pod.is_windows() {
        return None;
    }
    let list = |container: &Value, field: &str| -> Vec<String> {
        let items = container["securityContext"]["capabilities"][field]
            .as_array()
            .into_iter()
            .flatten();
        items.into_iter().map(|one| text(one).to_owned()).collect()
    };
    let added = |container: &Value| -> Vec<String> {
        list(container, "add")
            .into_iter()
            .filter(|one| one != "NET_BIND_SERVICE")
            .collect()
    };
    let keeping =
        pod.containers_where(|container| !list(container, "drop").iter().any(|one| one == "ALL"));
    let adding = pod.containers_where(|container| !added(container).is_empty());
    let mut details = Vec::new();
    if !keeping.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            containers(&keeping)
        ));
    }
    if !adding.is_empty() {
        let values = distinct(pod.containers.iter().flat_map(|one| added(one)).collect());
        details.push(format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&adding),
            quoted(&values)
        ));
    }
    (!details.is_empty()).then(|| Violation::new("unrestricted capabilities", details.join("; ")))
}

pub(super) fn volumes(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let (mut names, mut kinds) = (Vec::new(), Vec::new());
    for volume in pod.spec["volumes"].as_array().into_iter().flatten() {
        let sources = volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(key, value)| *key != "name" && !value.is_null());
        let source = sources
            .map(|(key, _)| key.as_str())
            .next()
            .unwrap_or("unknown");
        if !VOLUMES.contains(&source) {
            names.push(text(&volume["name"]));
            kinds.push(source.to_owned());
        }
    }
    let kinds = distinct(kinds);
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} {} {} restricted volume {} {}",
            plural("volume", "volumes", names.len()),
            quoted(&names),
            plural("uses", "use", names.len()),
            plural("type", "types", kinds.len()),
            quoted(&kinds)
        );
        Violation::new("restricted volume types", detail)
    })
}

pub(super) fn run_as_non_root(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    const REASON: &str = "runAsNonRoot != true";
    if version >= 35 && pod.has_user_namespace() {
        return None;
    }
    let own = pod.security("runAsNonRoot");
    let refusing =
        pod.containers_where(|container| container["securityContext"]["runAsNonRoot"] == false);
    if let Some(who) = setters(*own == false, &refusing) {
        return Some(Violation::new(
            REASON,
            format!("{who} must not set securityContext.runAsNonRoot=false"),
        ));
    }
    let silent = pod.containers_where(|container| {
        container["securityContext"]["runAsNonRoot"].is_null() && *own != true
    });
    (!silent.is_empty()).then(|| {
        Violation::new(
            REASON,
            format!(
                "pod or {} must set securityContext.runAsNonRoot=true",
                containers(&silent)
            ),
        )
    })
}

pub(super) fn run_as_user(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    if version >= 35 && pod.has_user_namespace() {
        return None;
    }
    let names = pod.containers_where(|container| container["securityContext"]["runAsUser"] == 0);
    let who = setters(*pod.security("runAsUser") == 0, &names)?;
    Some(Violation::new(
        "runAsUser=0",
        format!("{who} must not set runAsUser=0"),
    ))
}

pub(super) fn seccomp(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    const REASON: &str = "seccompProfile";
    if version >= 25 && pod.is_windows() {
        return None;
    }
    let kind = |context: &Value| text(&context["seccompProfile"]["type"]).to_owned();
    let given = |context: &Value| !context["seccompProfile"].is_null();
    let good = |context: &Value| matches!(kind(context).as_str(), "RuntimeDefault" | "Localhost");
    let bad = |context: &Value| given(context) && !good(context);
    let own = &pod.spec["securityContext"];
    let names = pod.containers_where(|container| bad(&container["securityContext"]));
    if let Some(who) = setters(bad(own), &names) {
        let contexts = pod
            .containers
            .iter()
            .map(|container| &container["securityContext"])
            .chain([own]);
        let values = distinct(contexts.filter(|context| bad(context)).map(kind).collect());
        let detail = format!(
            "{who} must not set securityContext.seccompProfile.type to {}",
            quoted(&values)
        );
        return Some(Violation::new(REASON, detail));
    }
    let silent =
        pod.containers_where(|container| !given(&container["securityContext"]) && !good(own));
    (!silent.is_empty()).then(|| {
        let detail = format!(
            "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
            containers(&silent)
        );
        Violation::new(REASON, detail)
    })
}
