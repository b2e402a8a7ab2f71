//! The checks of level `baseline`: known privilege escalations are refused.

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
const SELINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_wmem",
];

/// All violations, in Kubernetes' order. Where `restricted` has a stricter check of the same thing, the looser one is
/// only made if `alone`.
pub(super) fn check(pod: &PodView<'_>, alone: bool) -> Vec<Violation> {
    let checks = [
        app_armor(pod),
        alone.then(|| capabilities(pod)).flatten(),
        host_namespaces(pod),
        alone.then(|| host_path(pod)).flatten(),
        host_ports(pod),
        probe_hosts(pod),
        privileged(pod),
        proc_mount(pod),
        selinux(pod),
        alone.then(|| seccomp(pod)).flatten(),
        sysctls(pod),
        windows_host_process(pod),
    ];
    checks.into_iter().flatten().collect()
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn app_armor(pod: &PodView<'_>) -> Option<Violation> {
    let bad = |context: &Value| {
        let kind = &context["appArmorProfile"]["type"];
        !kind.is_null() && kind != "RuntimeDefault" && kind != "Localhost"
    };
    let mut found = Vec::new();
    let names = pod.containers_where(|container| bad(&container["securityContext"]));
    let pod_context = &pod.spec["securityContext"];
    if let Some(who) = setters(bad(pod_context), &names) {
        let contexts = pod
            .containers
            .iter()
            .map(|container| &container["securityContext"])
            .chain([pod_context]);
        let values = contexts
            .filter(|context| bad(context))
            .map(|context| text(&context["appArmorProfile"]["type"]).to_owned());
        found.push(format!(
            "{who} must not set AppArmor profile type to {}",
            quoted(&distinct(values.collect()))
        ));
    }
    let annotations = pod.metadata["annotations"]
        .as_object()
        .into_iter()
        .flatten();
    let mut annotated: Vec<String> = annotations
        .filter(|(key, _)| key.starts_with("container.apparmor.security.beta.kubernetes.io/"))
        .filter(|(_, value)| {
            let profile = text(value);
            !(profile.is_empty()
                || profile == "runtime/default"
                || profile.starts_with("localhost/"))
        })
        .map(|(key, value)| format!("{key}={:?}", text(value)))
        .collect();
    annotated.sort();
    found.extend(annotated);
    let reason = plural(
        "forbidden AppArmor profile",
        "forbidden AppArmor profiles",
        found.len(),
    );
    (!found.is_empty()).then(|| Violation::new(reason, found.join(", ")))
}

fn capabilities(pod: &PodView<'_>) -> Option<Violation> {
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

fn host_namespaces(pod: &PodView<'_>) -> Option<Violation> {
    let set = ["hostNetwork", "hostPID", "hostIPC"]
        .iter()
        .filter(|field| pod.spec[**field] == true);
    let set: Vec<String> = set.map(|field| format!("{field}=true")).collect();
    (!set.is_empty()).then(|| Violation::new("host namespaces", set.join(", ")))
}

fn host_path(pod: &PodView<'_>) -> Option<Violation> {
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

fn host_ports(pod: &PodView<'_>) -> Option<Violation> {
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

fn probe_hosts(pod: &PodView<'_>) -> Option<Violation> {
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
    let names = pod.containers_where(|container| !hosts(container).is_empty());
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

fn privileged(pod: &PodView<'_>) -> Option<Violation> {
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

fn proc_mount(pod: &PodView<'_>) -> Option<Violation> {
    if pod.has_user_namespace() {
        return None;
    }
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

fn selinux(pod: &PodView<'_>) -> Option<Violation> {
    let bad_type = |options: &Value| !SELINUX_TYPES.contains(&text(&options["type"]));
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

fn seccomp(pod: &PodView<'_>) -> Option<Violation> {
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

fn sysctls(pod: &PodView<'_>) -> Option<Violation> {
    let names = items(pod.security("sysctls")).map(|one| text(&one["name"]).to_owned());
    let bad: Vec<String> = names
        .filter(|name| !SYSCTLS.contains(&name.as_str()))
        .collect();
    (!bad.is_empty()).then(|| Violation::new("forbidden sysctls", bad.join(", ")))
}

fn windows_host_process(pod: &PodView<'_>) -> Option<Violation> {
    let bad = |context: &Value| context["windowsOptions"]["hostProcess"] == true;
    let names = pod.containers_where(|container| bad(&container["securityContext"]));
    let who = setters(bad(&pod.spec["securityContext"]), &names)?;
    Some(Violation::new(
        "hostProcess",
        format!("{who} must not set securityContext.windowsOptions.hostProcess=true"),
    ))
}
