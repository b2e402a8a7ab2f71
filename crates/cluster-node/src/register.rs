//! The Node object and its Lease (`kubelet_node_status.go`, KEP-589).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{
    DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeStatus,
    NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use crate::client::brief;
use crate::shared::Shared;

/// Version that this node reports: the kubelet whose behaviour it has.
pub const KUBELET_VERSION: &str = "v1.36.2";

const LEASE_SECONDS: i32 = 40;
const RENEWAL: Duration = Duration::from_secs(10);

/// How many Pods the node takes.
const PODS: &str = "110";

/// Registers the node: makes the object, or brings its status up to date.
pub async fn register(shared: &Shared, port: u16) -> kube::Result<()> {
    let api: Api<Node> = Api::all(shared.client.clone());
    let name = shared.facts.name.as_str();
    let status = status(shared, port);
    let labels = [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", architecture()),
    ];
    let labels: BTreeMap<String, String> = labels
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    let node = Node {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.clone()),
            ..ObjectMeta::default()
        },
        status: Some(status.clone()),
        ..Node::default()
    };
    match api.create(&PostParams::default(), &node).await {
        Ok(_) => {}
        Err(kube::Error::Api(answer)) if answer.code == 409 => {
            let patch = json!({"metadata": {"labels": labels}});
            api.patch(name, &PatchParams::default(), &Patch::Merge(patch))
                .await?;
        }
        Err(error) => return Err(error),
    }
    // A create may drop the status, as it does for other kinds.
    let patch = json!({"status": status});
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
        .map(drop)
}

/// Renews the Lease, and tells the API now and then that the node is well.
pub async fn keep_alive(shared: Arc<Shared>, port: u16) {
    let mut ticks = tokio::time::interval(RENEWAL);
    let mut renewals: u32 = 0;
    loop {
        ticks.tick().await;
        if let Err(error) = renew(&shared).await {
            tracing::warn!(error = brief(&error), "the node's lease was not renewed");
        }
        renewals = renewals.wrapping_add(1);
        // The status itself every five minutes, as a kubelet does when nothing changes.
        if renewals.is_multiple_of(30)
            && let Err(error) = register(&shared, port).await
        {
            tracing::warn!(error = brief(&error), "the node's status was not reported");
        }
    }
}

async fn renew(shared: &Shared) -> kube::Result<()> {
    let api: Api<Lease> = Api::namespaced(shared.client.clone(), "kube-node-lease");
    let name = shared.facts.name.as_str();
    let now = MicroTime(shared.now());
    let patch = json!({"spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}});
    match api
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await
    {
        Err(kube::Error::Api(answer)) if answer.code == 404 => {}
        other => return other.map(drop),
    }
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: Some(name.to_owned()),
            lease_duration_seconds: Some(LEASE_SECONDS),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }),
    };
    api.create(&PostParams::default(), &lease).await.map(drop)
}

fn status(shared: &Shared, port: u16) -> NodeStatus {
    let address = |type_: &str, address: &str| NodeAddress {
        type_: type_.to_owned(),
        address: address.to_owned(),
    };
    let amounts = BTreeMap::from([
        ("cpu".to_owned(), shared.facts.cpu.clone()),
        ("memory".to_owned(), shared.facts.memory.clone()),
        ("pods".to_owned(), Quantity(PODS.to_owned())),
    ]);
    NodeStatus {
        addresses: Some(vec![
            address("InternalIP", &shared.facts.host_ip),
            address("Hostname", &shared.facts.name),
        ]),
        capacity: Some(amounts.clone()),
        allocatable: Some(amounts),
        conditions: Some(conditions(shared)),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint {
                port: i32::from(port),
            }),
        }),
        node_info: Some(node_info(shared)),
        declared_features: Some(vec!["ExtendWebSocketsToKubelet".to_owned()]),
        ..NodeStatus::default()
    }
}

fn conditions(shared: &Shared) -> Vec<NodeCondition> {
    let now = Some(Time(shared.now()));
    let condition = |type_: &str, status: &str, reason: &str, message: &str| NodeCondition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_heartbeat_time: now.clone(),
        last_transition_time: now.clone(),
    };
    vec![
        condition(
            "MemoryPressure",
            "False",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        condition(
            "DiskPressure",
            "False",
            "KubeletHasNoDiskPressure",
            "kubelet has no disk pressure",
        ),
        condition(
            "PIDPressure",
            "False",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        condition(
            "Ready",
            "True",
            "KubeletReady",
            "kubelet is posting ready status",
        ),
    ]
}

fn node_info(shared: &Shared) -> NodeSystemInfo {
    let read = |path| {
        std::fs::read_to_string(path)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    let system = rustix::system::uname();
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: shared.runtime.version(),
        kernel_version: system.release().to_string_lossy().into_owned(),
        kubelet_version: KUBELET_VERSION.to_owned(),
        kube_proxy_version: String::new(),
        machine_id: read("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: os_image(),
        system_uuid: read("/sys/class/dmi/id/product_uuid"),
        ..NodeSystemInfo::default()
    }
}

/// `PRETTY_NAME` of `/etc/os-release`.
fn os_image() -> String {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(
        || "Linux".to_owned(),
        |name| name.trim_matches('"').to_owned(),
    )
}

/// The architecture in Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// CPUs and memory of this machine.
pub fn capacity() -> (Quantity, Quantity, i64) {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes: i64 = total
        .and_then(|text| text.trim().trim_end_matches(" kB").parse().ok())
        .unwrap_or(0);
    (
        Quantity(cpus.to_string()),
        Quantity(format!("{kibibytes}Ki")),
        kibibytes * 1024,
    )
}
