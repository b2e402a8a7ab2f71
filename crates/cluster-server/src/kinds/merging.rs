//! What Kubernetes' Go types say about merging and their OpenAPI schema in `k8s-openapi` does not: which lists are maps or
//! sets, which maps and structs are one value, and how strategic merge patches see each list.
//!
//! The one table for server-side apply, strategic merge patches and OpenAPI. Each entry is `Type.field`, by the type's
//! name in `k8s.io/api`. What is not listed is the rule: lists are atomic and replaced, structs and maps are granular.
//! Source: the markers `listType`, `listMapKey`, `mapType`, `structType` and the tags `patchStrategy`, `patchMergeKey` of
//! `k8s.io/api`, `k8s.io/apimachinery`, `k8s.io/apiextensions-apiserver` and `k8s.io/kube-aggregator`.

/// What a strategic merge patch does with a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patch {
    /// The patch's list takes its place; maps are merged.
    Replace,
    /// The patch's map takes its place.
    Whole,
    /// A set of scalars.
    Set,
    /// Elements are merged by this key.
    ByKey(&'static str),
    /// Elements are merged by this key, and `$retainKeys` says which of their fields stay.
    Retaining(&'static str),
}

impl Patch {
    /// The key by which elements are merged.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::ByKey(key) | Self::Retaining(key) => Some(key),
            Self::Replace | Self::Whole | Self::Set => None,
        }
    }
}

/// What owns what: the shape of a list, map or struct to server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One value, owned as a whole.
    Atomic,
    /// Each field has its owners.
    Granular,
    /// A list of scalars, each once.
    Set,
    /// A list whose elements are told apart by these fields.
    Map(&'static [&'static str]),
}

/// How one field is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Merging {
    field: &'static str,
    /// To a strategic merge patch.
    pub patch: Patch,
    /// To server-side apply.
    pub topology: Topology,
}

const fn row(field: &'static str, patch: Patch, topology: Topology) -> Merging {
    Merging {
        field,
        patch,
        topology,
    }
}

#[rustfmt::skip]
const FIELDS: &[Merging] = &[
    row("APIServiceStatus.conditions", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("Container.env", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("Container.ports", Patch::ByKey("containerPort"), Topology::Map(&["containerPort", "protocol"])),
    row("Container.volumeDevices", Patch::ByKey("devicePath"), Topology::Map(&["devicePath"])),
    row("Container.volumeMounts", Patch::ByKey("mountPath"), Topology::Map(&["mountPath"])),
    row("ContainerRestartRuleOnExitCodes.values", Patch::Replace, Topology::Set),
    row("ContainerStatus.allocatedResourcesStatus", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("ContainerStatus.volumeMounts", Patch::ByKey("mountPath"), Topology::Map(&["mountPath"])),
    row("CustomResourceDefinitionStatus.conditions", Patch::Replace, Topology::Map(&["type"])),
    row("Endpoint.addresses", Patch::Replace, Topology::Set),
    row("EphemeralContainer.env", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("EphemeralContainer.ports", Patch::ByKey("containerPort"), Topology::Map(&["containerPort", "protocol"])),
    row("EphemeralContainer.volumeDevices", Patch::ByKey("devicePath"), Topology::Map(&["devicePath"])),
    row("EphemeralContainer.volumeMounts", Patch::ByKey("mountPath"), Topology::Map(&["mountPath"])),
    row("JSONSchemaProps.x-kubernetes-validations", Patch::ByKey("rule"), Topology::Map(&["rule"])),
    row("MutatingAdmissionPolicySpec.matchConditions", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("MutatingWebhook.matchConditions", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("MutatingWebhookConfiguration.webhooks", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("NamespaceStatus.conditions", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("NodeAllocatableResourceClaimStatus.containers", Patch::Replace, Topology::Set),
    row("NodeAllocatableResourceClaimStatus.mapping", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("NodeAllocatableResourceClaimStatus.overhead", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("NodePodPreemptionPolicy.disableResizePreemption", Patch::Replace, Topology::Set),
    row("NodeSpec.podCIDRs", Patch::Set, Topology::Set),
    row("NodeStatus.addresses", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("NodeStatus.conditions", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("ObjectMeta.finalizers", Patch::Set, Topology::Set),
    row("ObjectMeta.ownerReferences", Patch::ByKey("uid"), Topology::Map(&["uid"])),
    row("PodDisruptionBudgetSpec.selector", Patch::Whole, Topology::Atomic),
    row("PodDisruptionBudgetStatus.conditions", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("PodSpec.containers", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("PodSpec.ephemeralContainers", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("PodSpec.evictionResponders", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("PodSpec.hostAliases", Patch::ByKey("ip"), Topology::Map(&["ip"])),
    row("PodSpec.imagePullSecrets", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("PodSpec.initContainers", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("PodSpec.nodeSelector", Patch::Replace, Topology::Atomic),
    row("PodSpec.resourceClaims", Patch::Retaining("name"), Topology::Map(&["name"])),
    row("PodSpec.schedulingGates", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("PodSpec.topologySpreadConstraints", Patch::ByKey("topologyKey"), Topology::Map(&["topologyKey", "whenUnsatisfiable"])),
    row("PodSpec.volumes", Patch::Retaining("name"), Topology::Map(&["name"])),
    row("PodStatus.conditions", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("PodStatus.hostIPs", Patch::ByKey("ip"), Topology::Atomic),
    row("PodStatus.nodeAllocatableResourceClaimStatuses", Patch::ByKey("resourceClaimName"), Topology::Map(&["resourceClaimName"])),
    row("PodStatus.podIPs", Patch::ByKey("ip"), Topology::Map(&["ip"])),
    row("PodStatus.resourceClaimStatuses", Patch::Retaining("name"), Topology::Map(&["name"])),
    row("PodStatus.volumeHealth", Patch::Replace, Topology::Map(&["name"])),
    row("PodVolumeHealth.healthConditions", Patch::ByKey("status"), Topology::Map(&["status", "reason"])),
    row("ResourceRequirements.claims", Patch::Replace, Topology::Map(&["name"])),
    row("ResourceStatus.resources", Patch::Replace, Topology::Map(&["resourceID"])),
    row("Scheduling.nodeSelector", Patch::Replace, Topology::Atomic),
    row("ServiceAccount.secrets", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("ServiceSpec.ports", Patch::ByKey("port"), Topology::Map(&["port", "protocol"])),
    row("ServiceSpec.selector", Patch::Replace, Topology::Atomic),
    row("ServiceStatus.conditions", Patch::ByKey("type"), Topology::Map(&["type"])),
    row("ValidatingAdmissionPolicyBindingSpec.validationActions", Patch::Replace, Topology::Set),
    row("ValidatingAdmissionPolicySpec.matchConditions", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("ValidatingAdmissionPolicySpec.variables", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("ValidatingAdmissionPolicyStatus.conditions", Patch::Replace, Topology::Map(&["type"])),
    row("ValidatingWebhook.matchConditions", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("ValidatingWebhookConfiguration.webhooks", Patch::ByKey("name"), Topology::Map(&["name"])),
    row("VolumeHealthStatus.healthConditions", Patch::ByKey("status"), Topology::Map(&["status", "reason"])),
    row("VolumeMount.bindMountOptions", Patch::Replace, Topology::Set),
];

/// Structs that are one value wherever they occur (`structType=atomic`).
const ATOMIC: &[&str] = &[
    "ConfigMapKeySelector",
    "EndpointPort",
    "EvictionResponder",
    "FileKeySelector",
    "LabelSelector",
    "LocalObjectReference",
    "MatchResources",
    "NamedRuleWithOperations",
    "NodeSelector",
    "NodeSelectorTerm",
    "ObjectFieldSelector",
    "ObjectReference",
    "OwnerReference",
    "ParamKind",
    "ParamRef",
    "ResourceFieldSelector",
    "RoleRef",
    "SecretKeySelector",
    "SecretReference",
    "ServiceBackendPort",
    "Subject",
    "TypedLocalObjectReference",
    "Variable",
];

/// How the field `field` of the Go type `owner` is merged, where it is not the rule.
pub fn of_field(owner: &str, field: &str) -> Option<Merging> {
    let key = |row: &Merging| row.field.split_once('.').unwrap_or_default();
    FIELDS
        .binary_search_by(|row| key(row).cmp(&(owner, field)))
        .ok()
        .map(|at| FIELDS[at])
}

/// Whether the Go type `name` is one value.
pub fn is_atomic(name: &str) -> bool {
    ATOMIC.binary_search(&name).is_ok()
}

/// The value that a key of a list's elements has where it is not given (`default=` of `k8s.io/api`).
pub fn key_default(owner: &str, key: &str) -> Option<&'static str> {
    (matches!(owner, "ContainerPort" | "ServicePort") && key == "protocol").then_some("TCP")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        let keys: Vec<_> = FIELDS.iter().map(|row| row.field.split_once('.')).collect();
        assert!(keys.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ATOMIC.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn fields_are_found_by_their_type() {
        let ports = of_field("Container", "ports").expect("is listed");
        assert_eq!(ports.patch.key(), Some("containerPort"));
        assert_eq!(
            ports.topology,
            Topology::Map(&["containerPort", "protocol"])
        );
        assert_eq!(of_field("Container", "command"), None);
        assert_eq!(of_field("NetworkPolicyIngressRule", "ports"), None);
    }
}
