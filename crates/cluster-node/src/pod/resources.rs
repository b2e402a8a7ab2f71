//! Requests and limits as the numbers of a cgroup, and the OOM score of a QoS class
//! (`pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`).

use cluster_sandbox::runtime::Resources;
use k8s_openapi::api::core::v1::{Container, Pod};

use super::quantity::{milli, value};
use super::roles::Role;

/// Period of the CPU quota, in microseconds.
const PERIOD: i64 = 100_000;

/// The least `cpu.shares` that the kernel takes.
const LEAST_SHARES: i64 = 2;

/// The Pod's QoS class, as the API server stored it when the Pod was made.
pub fn qos_class(pod: &Pod) -> &str {
    pod.status
        .as_ref()
        .and_then(|status| status.qos_class.as_deref())
        .unwrap_or("BestEffort")
}

/// The Pod's cgroup, relative to each controller's root.
pub fn cgroup_parent(pod: &Pod) -> String {
    let uid = pod.metadata.uid.as_deref().unwrap_or_default();
    match qos_class(pod) {
        "Guaranteed" => format!("kubepods/pod{uid}"),
        class => format!("kubepods/{}/pod{uid}", class.to_lowercase()),
    }
}

/// Shares, quota, memory limit and OOM score of a container. Ephemeral containers have none of their own.
pub fn of_container(pod: &Pod, role: Role, container: &Container, node_memory: i64) -> Resources {
    let amounts = container
        .resources
        .clone()
        .filter(|_| role != Role::Ephemeral)
        .unwrap_or_default();
    let (limits, requests) = (
        amounts.limits.unwrap_or_default(),
        amounts.requests.unwrap_or_default(),
    );
    let limit_cpu = limits.get("cpu").and_then(milli).unwrap_or(0);
    let request_cpu = requests.get("cpu").and_then(milli).unwrap_or(limit_cpu);
    let memory_limit = limits
        .get("memory")
        .and_then(value)
        .filter(|&bytes| bytes > 0);
    let memory_request = requests
        .get("memory")
        .and_then(value)
        .or(memory_limit)
        .unwrap_or(0);
    Resources {
        cpu_shares: u64::try_from((request_cpu * 1024 / 1000).max(LEAST_SHARES)).unwrap_or(2),
        cpu_quota: (limit_cpu > 0).then(|| (limit_cpu * PERIOD / 1000).max(1000)),
        memory_limit,
        oom_score_adj: oom_score(qos_class(pod), memory_request, node_memory),
    }
}

fn oom_score(qos_class: &str, memory_request: i64, node_memory: i64) -> i32 {
    match qos_class {
        "Guaranteed" => -997,
        "BestEffort" => 1000,
        _ => {
            let score = 1000 - 1000 * i128::from(memory_request) / i128::from(node_memory.max(1));
            i32::try_from(score.clamp(3, 999)).unwrap_or(999)
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, Pod};
    use serde_json::{Value, json};

    use super::{Role, of_container, oom_score};

    #[test]
    fn requests_and_limits_become_shares_and_quota() {
        let check = |role, resources: Value, expected| {
            let container: Container =
                serde_json::from_value(json!({"name": "c", "resources": resources})).unwrap();
            let got = of_container(&Pod::default(), role, &container, 1 << 30);
            assert_eq!(
                (got.cpu_shares, got.cpu_quota, got.memory_limit),
                expected,
                "{resources}"
            );
        };
        check(Role::Regular, json!({}), (2, None, None));
        check(
            Role::Regular,
            json!({"requests": {"cpu": "250m"}}),
            (256, None, None),
        );
        check(
            Role::Regular,
            json!({"limits": {"cpu": "1", "memory": "64Mi"}}),
            (1024, Some(100_000), Some(67_108_864)),
        );
        check(
            Role::Ephemeral,
            json!({"limits": {"cpu": "1"}}),
            (2, None, None),
        );
    }

    #[test]
    fn the_oom_score_follows_the_class() {
        assert_eq!(oom_score("Guaranteed", 0, 1 << 30), -997);
        assert_eq!(oom_score("BestEffort", 0, 1 << 30), 1000);
        assert_eq!(oom_score("Burstable", 0, 1 << 30), 999);
        assert_eq!(oom_score("Burstable", 1 << 29, 1 << 30), 500);
        assert_eq!(oom_score("Burstable", 1 << 30, 1 << 30), 3);
    }
}
