//! Which checks a level has, by version (`policy/registry.go`).

use super::policy::{Level, LevelVersion, Version};
use super::view::PodView;
use super::{Violation, baseline, restricted};

/// The release of the newest change to a check: later versions and the latest mean this.
const NEWEST: u32 = 35;

/// One check. It is told the version that it is made for.
struct Check {
    /// The first version that has it.
    since: u32,
    /// The first version in which a stricter check of the level `restricted` takes its place.
    overridden: Option<u32>,
    run: fn(&PodView<'_>, u32) -> Option<Violation>,
}

const fn check(since: u32, run: fn(&PodView<'_>, u32) -> Option<Violation>) -> Check {
    Check {
        since,
        overridden: None,
        run,
    }
}

const fn until(overridden: u32, run: fn(&PodView<'_>, u32) -> Option<Violation>) -> Check {
    Check {
        since: 0,
        overridden: Some(overridden),
        run,
    }
}

/// The checks of `baseline`, in the order of Kubernetes' identifiers.
const BASELINE: [Check; 12] = [
    check(0, baseline::app_armor),
    until(22, baseline::capabilities),
    check(0, baseline::host_namespaces),
    until(0, baseline::host_path),
    check(0, baseline::host_ports),
    check(34, baseline::probe_hosts),
    check(0, baseline::privileged),
    until(35, baseline::proc_mount),
    check(0, baseline::selinux),
    until(19, baseline::seccomp),
    check(0, baseline::sysctls),
    check(0, baseline::windows_host_process),
];
/// What `restricted` has besides.
const RESTRICTED: [Check; 7] = [
    check(8, restricted::privilege_escalation),
    check(22, restricted::capabilities),
    check(35, restricted::proc_mount),
    check(0, restricted::volumes),
    check(0, restricted::run_as_non_root),
    check(23, restricted::run_as_user),
    check(19, restricted::seccomp),
];

/// All violations of a policy, in Kubernetes' order.
pub(super) fn evaluate(policy: LevelVersion, pod: &PodView<'_>) -> Vec<Violation> {
    let version = match policy.version {
        Version::Minor(minor) => minor.min(NEWEST),
        Version::Latest => NEWEST,
    };
    let strict = policy.level == Level::Restricted;
    let applies = |check: &&Check| {
        let replaced = strict && check.overridden.is_some_and(|since| since <= version);
        check.since <= version && !replaced
    };
    let (baseline, restricted): (&[Check], &[Check]) = match policy.level {
        Level::Privileged => (&[], &[]),
        Level::Baseline => (&BASELINE, &[]),
        Level::Restricted => (&BASELINE, &RESTRICTED),
    };
    let checks = baseline.iter().chain(restricted).filter(applies);
    checks
        .filter_map(|check| (check.run)(pod, version))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "literals read better without a borrow"
    )]
    fn check(level: Level, version: u32, pod: Value, expected: &[&str]) {
        let policy = LevelVersion {
            level,
            version: Version::Minor(version),
        };
        let found = evaluate(policy, &PodView::new(&pod));
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(told, expected, "{policy} {pod}");
    }

    #[test]
    fn a_version_has_the_checks_of_its_time() {
        use Level::{Baseline, Restricted};
        let sysctl =
            |name: &str| json!({"spec": {"securityContext": {"sysctls": [{"name": name}]}}});
        let reserved = sysctl("net.ipv4.ip_local_reserved_ports");
        let told = "forbidden sysctls (net.ipv4.ip_local_reserved_ports)";
        check(Baseline, 26, reserved.clone(), &[told]);
        check(Baseline, 27, reserved, &[]);
        check(
            Baseline,
            31,
            sysctl("net.ipv4.tcp_rmem"),
            &["forbidden sysctls (net.ipv4.tcp_rmem)"],
        );
        check(Baseline, 32, sysctl("net.ipv4.tcp_rmem"), &[]);

        let probed = json!({"spec": {"containers": [{"name": "a", "livenessProbe": {"httpGet": {"host": "h"}}}]}});
        check(Baseline, 33, probed.clone(), &[]);
        let told = "probe or lifecycle host (container \"a\" uses probe or lifecycle host \"h\")";
        check(Baseline, 34, probed, &[told]);

        let unconfined = json!({"metadata": {"annotations": {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}},
            "spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}});
        let old = "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")";
        check(Baseline, 18, unconfined.clone(), &[old]);
        let new = "seccompProfile (pod must not set securityContext.seccompProfile.type to \"Unconfined\")";
        check(Baseline, 19, unconfined, &[new]);

        let engine = json!({"spec": {"securityContext": {"seLinuxOptions": {"type": "container_engine_t"}}}});
        let told = "seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type \"container_engine_t\")";
        check(Baseline, 30, engine.clone(), &[told]);
        check(Baseline, 31, engine, &[]);

        let bare = json!({"spec": {"containers": [{"name": "a"}]}});
        let root = "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)";
        check(Restricted, 7, bare.clone(), &[root]);
        let escalates = "allowPrivilegeEscalation != false (container \"a\" must set securityContext.allowPrivilegeEscalation=false)";
        check(Restricted, 18, bare.clone(), &[escalates, root]);
        let seccomp = "seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
        check(Restricted, 21, bare.clone(), &[escalates, root, seccomp]);
        let drops = "unrestricted capabilities (container \"a\" must set securityContext.capabilities.drop=[\"ALL\"])";
        check(Restricted, 22, bare, &[escalates, drops, root, seccomp]);
    }

    #[test]
    fn a_user_namespace_is_trusted_since_it_was() {
        use Level::{Baseline, Restricted};
        let unmasked = json!({"spec": {"hostUsers": false, "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "a", "securityContext": {"procMount": "Unmasked", "runAsUser": 0,
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}});
        let told =
            "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")";
        check(Baseline, 34, unmasked.clone(), &[told]);
        check(Baseline, 35, unmasked.clone(), &[]);
        check(Restricted, 35, unmasked.clone(), &[told]);
        let root = "runAsNonRoot != true (pod or container \"a\" must set securityContext.runAsNonRoot=true)";
        check(
            Restricted,
            34,
            unmasked,
            &[
                told,
                root,
                "runAsUser=0 (container \"a\" must not set runAsUser=0)",
            ],
        );
    }

    #[test]
    fn a_windows_pod_is_spared_what_it_cannot_set_since_it_can_say_so() {
        let windows = json!({"spec": {"os": {"name": "windows"}, "containers": [{"name": "a",
            "securityContext": {"runAsNonRoot": true, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}]}});
        let told = "seccompProfile (pod or container \"a\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
        check(Level::Restricted, 24, windows.clone(), &[told]);
        check(Level::Restricted, 25, windows, &[]);
    }
}
