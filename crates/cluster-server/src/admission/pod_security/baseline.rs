//! The checks of level `baseline`: known privilege escalations are refused. Each is told for which version it is made.

use serde_json::Value;

use super::Violation;
use super::view::{PodView, containers, distinct, plural, quoted, setters};

const ALLOWED_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
/// Types that a Pod may ask of SELinux, with the version that first allowed each.
const SELINUX_TYPES: [(&str, u32); 5] = [
    ("", 0),
    ("container_t", 0),
    ("container_init_t", 0),
    ("container_kvm_t", 0),
    ("container_engine_t", 31),
];
/// Kernel parameters that are safe to set, likewise.
const SYSCTLS: [(&str, u32); 12] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
];

fn is_allowed(table: &[(&str, u32)], name: &str, version: u32) -> bool {
    table
        .iter()
        .any(|(known, since)| *known == name && *since <= version)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn app_armor(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let bad = |context: &Value| {
        let kind = &context["appArmorProfile"]["type"];
        !kind.is_null() && kind != "RuntimeDefault" && kind != "Localhost"
    };
    let own = &pod.spec["securityContext"];
    let names = pod.containers_where(|container| bad(&container["securityContext"]));
    let contexts = pod
        .containers
        .iter()
        .map(|container| &container["securityContext"])
        .chain([own]);
    let values = contexts
        .filter(|context| bad(context))
        .map(|context| text(&context["appArmorProfile"]["type"]).to_owned());
    let mut values = distinct(values.collect());
    let mut who: Vec<String> = setters(bad(own), &names).into_iter().collect();
    let annotations = pod.metadata["annotations"].as_object();
    let mut annotated: Vec<String> = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
        .filter(|(_, value)| {
            let profile = text(value);
            !matches!(profile, "" | "runtime/default") && !profile.starts_with("localhost/")
        })
        .map(|(key, value)| format!("{key}={:?}", text(value)))
        .collect();
    if !annotated.is_empty() {
        annotated.sort();
        who.push(plural("annotation", "annotations", annotated.len()).to_owned());
        values.extend(annotated);
    }
    (!who.is_empty()).then(|| {
        let reason = plural(
            "forbidden AppArmor profile",
            "forbidden AppArmor profiles",
            values.len(),
        );
        let detail = format!(
            "{} must not set AppArmor profile type to {}",
            who.join(" and "),
            quoted(&values)
        );
        Violation::new(reason, detail)
    })
}

pub(super) fn capabilities(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let added = |container: &Value| -> Vec<String> {
        let list = items(&container["securityContext"]["capabilities"]["add"]);
        list.map(|one| text(one).to_owned())
            .filter(|one| !ALLOWED_CAPABILITIES.contains(&one.as_str()))
            .collect()
    };
    let names = pod.containers_where(|container| !added(container).is_empty());
    let values = distinct(
        pod.containers
            .iter()
            .flat_map(|container| added(container))
            .collect(),
    );
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} must not include {} in securityContext.capabilities.add",
            containers(&names),
            quoted(&values)
        );
        Violation::new("non-default capabilities", detail)
    })
}

pub(super) fn host_namespaces(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let set = ["hostNetwork", "hostPID", "hostIPC"]
        .iter()
        .filter(|field| pod.spec[**field] == true);
    let set: Vec<String> = set.map(|field| format!("{field}=true")).collect();
    (!set.is_empty()).then(|| Violation::new("host namespaces", set.join(", ")))
}

pub(super) fn host_path(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let volumes = items(&pod.spec["volumes"]).filter(|volume| !volume["hostPath"].is_null());
    let names: Vec<&str> = volumes.map(|volume| text(&volume["name"])).collect();
    (!names.is_empty()).then(|| {
        Violation::new(
            "hostPath volumes",
            format!(
                "{} {}",
                plural("volume", "volumes", names.len()),
                quoted(&names)
            ),
        )
    })
}

pub(super) fn host_ports(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let ports = |container: &Value| -> Vec<i64> {
        items(&container["ports"])
            .filter_map(|port| port["hostPort"].as_i64())
            .filter(|&port| port != 0)
            .collect()
    };
    let names = pod.containers_where(|container| !ports(container).is_empty());
    let used = distinct(
        pod.containers
            .iter()
            .flat_map(|one| ports(one))
            .map(|port| port.to_string())
            .collect(),
    );
    (!names.is_empty()).then(|| {
        let verb = plural("uses", "use", names.len());
        let noun = plural("hostPort", "hostPorts", used.len());
        Violation::new(
            "hostPort",
            format!("{} {verb} {noun} {}", containers(&names), used.join(", ")),
        )
    })
}

pub(super) fn probe_hosts(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let hosts = |container: &Value| -> Vec<String> {
        let probes =
            ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| &container[probe]);
        let hooks = ["postStart", "preStop"].map(|hook| &container["lifecycle"][hook]);
        let handlers = probes.into_iter().chain(hooks);
        let named = handlers.flat_map(|one| [&one["httpGet"]["host"], &one["tcpSocket"]["host"]]);
        named
            .map(|host| text(host).to_owned())
            .filter(|host| !host.is_empty())
            .collect()
    };
    let mut names = pod.containers_where(|container| !hosts(container).is_empty());
    names.sort_unstable();
    names.dedup();
    let used = distinct(pod.containers.iter().flat_map(|one| hosts(one)).collect());
    (!names.is_empty()).then(|| {
        let verb = plural("uses", "use", names.len());
        let noun = plural(
            "probe or lifecycle host",
            "probe or lifecycle hosts",
            used.len(),
        );
        Violation::new(
            "probe or lifecycle host",
            format!("{} {verb} {noun} {}", containers(&names), quoted(&used)),
        )
    })
}

pub(super) fn privileged(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let names =
        pod.containers_where(|container| container["securityContext"]["privileged"] == true);
    (!names.is_empty()).then(|| {
        Violation::new(
            "privileged",
            format!(
                "{} must not set securityContext.privileged=true",
                containers(&names)
            ),
        )
    })
}

pub(super) fn proc_mount(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    if version >= 35 && pod.has_user_namespace() {
        return None;
    }
    proc_mount_of_any(pod)
}

/// The check of `procMount` that knows no exception.
pub(super) fn proc_mount_of_any(pod: &PodView<'_>) -> Option<Violation> {
    let kind = |container: &Value| text(&container["securityContext"]["procMount"]).to_owned();
    let bad = |container: &Value| !matches!(kind(container).as_str(), "" | "Default");
    let names = pod.containers_where(bad);
    let values = distinct(
        pod.containers
            .iter()
            .filter(|one| bad(one))
            .map(|one| kind(one))
            .collect(),
    );
    (!names.is_empty()).then(|| {
        let detail = format!(
            "{} must not set securityContext.procMount to {}",
            containers(&names),
            quoted(&values)
        );
        Violation::new("procMount", detail)
    })
}

pub(super) fn selinux(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    let bad_type = |options: &Value| !is_allowed(&SELINUX_TYPES, text(&options["type"]), version);
    let bad = |options: &Value| {
        bad_type(options)
            || !text(&options["user"]).is_empty()
            || !text(&options["role"]).is_empty()
    };
    let own = pod.security("seLinuxOptions");
    let names =
        pod.containers_where(|container| bad(&container["securityContext"]["seLinuxOptions"]));
    let who = setters(bad(own), &names)?;
    let all: Vec<&Value> = std::iter::once(own)
        .chain(
            pod.containers
                .iter()
                .map(|container| &container["securityContext"]["seLinuxOptions"]),
        )
        .collect();
    let mut what = Vec::new();
    let types = distinct(
        all.iter()
            .filter(|one| bad_type(one))
            .map(|one| text(&one["type"]).to_owned())
            .collect(),
    );
    if !types.is_empty() {
        what.push(format!(
            "{} {}",
            plural("type", "types", types.len()),
            quoted(&types)
        ));
    }
    for field in ["user", "role"] {
        if all.iter().any(|options| !text(&options[field]).is_empty()) {
            what.push(format!("{field} may not be set"));
        }
    }
    let detail = format!(
        "{who} set forbidden securityContext.seLinuxOptions: {}",
        what.join("; ")
    );
    Some(Violation::new("seLinuxOptions", detail))
}

pub(super) fn seccomp(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    if version < 19 {
        return seccomp_annotations(pod);
    }
    let kind = |context: &Value| text(&context["seccompProfile"]["type"]).to_owned();
    let bad =
        |context: &Value| !matches!(kind(context).as_str(), "" | "RuntimeDefault" | "Localhost");
    let own = &pod.spec["securityContext"];
    let names = pod.containers_where(|container| bad(&container["securityContext"]));
    let who = setters(bad(own), &names)?;
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
    Some(Violation::new("seccompProfile", detail))
}

/// Before there were fields there were annotations.
fn seccomp_annotations(pod: &PodView<'_>) -> Option<Violation> {
    let allowed = |profile: &str| {
        matches!(profile, "runtime/default" | "docker/default") || profile.starts_with("localhost/")
    };
    let of_containers = pod.containers.iter().map(|container| {
        let prefix = "container.seccomp.security.alpha.kubernetes.io/";
        format!("{prefix}{}", text(&container["name"]))
    });
    let keys = std::iter::once("seccomp.security.alpha.kubernetes.io/pod".to_owned());
    let found = keys.chain(of_containers).filter_map(|key| {
        let profile = pod.metadata["annotations"][&key].as_str()?;
        (!allowed(profile)).then(|| format!("{key}={profile:?}"))
    });
    let found = distinct(found.collect());
    (!found.is_empty()).then(|| {
        let noun = plural("annotation", "annotations", found.len());
        let detail = format!("forbidden {noun} {}", found.join(", "));
        Violation::new("seccompProfile", detail)
    })
}

pub(super) fn sysctls(pod: &PodView<'_>, version: u32) -> Option<Violation> {
    let names = items(pod.security("sysctls")).map(|one| text(&one["name"]).to_owned());
    let bad: Vec<String> = names
        .filter(|name| !is_allowed(&SYSCTLS, name, version))
        .collect();
    (!bad.is_empty()).then(|| Violation::new("forbidden sysctls", bad.join(", ")))
}

pub(super) fn windows_host_process(pod: &PodView<'_>, _version: u32) -> Option<Violation> {
    let bad = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let names = pod.containers_where(|container| bad(&container["securityContext"]));
    let who = setters(bad(&pod.spec["securityContext"]), &names)?;
    Some(Violation::new(
        "hostProcess",
        format!("{who} must not set securityContext.windowsOptions.hostProcess=true"),
    ))
}
