//! The column definitions of the built-in kinds.

use super::{CREATED, Definition, NAME};

const fn column(
    name: &'static str,
    kind: &'static str,
    description: &'static str,
    priority: i64,
) -> Definition {
    (name, kind, "", description, priority)
}

pub(super) const N: Definition = ("Name", "string", "name", NAME, 0);
pub(super) const AGE: Definition = column("Age", "string", CREATED, 0);
pub(super) const CREATED_AT: Definition = ("Created At", "date", "", CREATED, 0);

pub(super) const POD: &[Definition] = &[
    N,
    column(
        "Ready",
        "string",
        "The aggregate readiness state of this pod for accepting traffic.",
        0,
    ),
    column(
        "Status",
        "string",
        "The aggregate status of the containers in this pod.",
        0,
    ),
    column(
        "Restarts",
        "string",
        "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
        0,
    ),
    AGE,
    column(
        "IP",
        "string",
        "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.",
        1,
    ),
    column(
        "Node",
        "string",
        "NodeName indicates in which node this pod is scheduled.",
        1,
    ),
    column(
        "Nominated Node",
        "string",
        "nominatedNodeName is set only when this pod preempts other pods on the node.",
        1,
    ),
    column(
        "Readiness Gates",
        "string",
        "If specified, all readiness gates will be evaluated for pod readiness.",
        1,
    ),
];
pub(super) const NAMESPACE: &[Definition] = &[
    N,
    column("Status", "string", "The status of the namespace", 0),
    AGE,
];
pub(super) const NODE: &[Definition] = &[
    N,
    column("Status", "string", "The status of the node", 0),
    column("Roles", "string", "The roles of the node", 0),
    AGE,
    column(
        "Version",
        "string",
        "Kubelet Version reported by the node.",
        0,
    ),
    column(
        "Internal-IP",
        "string",
        "List of addresses reachable to the node.",
        1,
    ),
    column(
        "External-IP",
        "string",
        "List of addresses reachable to the node.",
        1,
    ),
    column(
        "OS-Image",
        "string",
        "OS Image reported by the node from /etc/os-release (e.g. Debian GNU/Linux 7 (wheezy)).",
        1,
    ),
    column(
        "Kernel-Version",
        "string",
        "Kernel Version reported by the node from 'uname -r' (e.g. 3.16.0-0.bpo.4-amd64).",
        1,
    ),
    column(
        "Container-Runtime",
        "string",
        "ContainerRuntime Version reported by the node through runtime remote API (e.g. containerd://1.4.2).",
        1,
    ),
];
pub(super) const ACCOUNT: &[Definition] = &[
    N,
    column(
        "Secrets",
        "string",
        "Secrets is a list of the secrets in the same namespace that pods running using this ServiceAccount are allowed to use.",
        0,
    ),
    AGE,
];
pub(super) const SECRET: &[Definition] = &[
    N,
    column(
        "Type",
        "string",
        "Used to facilitate programmatic handling of secret data.",
        0,
    ),
    column("Data", "string", "Data contains the secret data.", 0),
    AGE,
];
pub(super) const CONFIG_MAP: &[Definition] = &[
    N,
    column("Data", "string", "Data contains the configuration data.", 0),
    AGE,
];
pub(super) const EVENT: &[Definition] = &[
    column(
        "Last Seen",
        "string",
        "The time at which the most recent occurrence of this event was recorded.",
        0,
    ),
    column(
        "Type",
        "string",
        "Type of this event (Normal, Warning), new types could be added in the future",
        0,
    ),
    column(
        "Reason",
        "string",
        "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
        0,
    ),
    column(
        "Object",
        "string",
        "The object that this event is about.",
        0,
    ),
    column(
        "Subobject",
        "string",
        "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement.",
        1,
    ),
    column("Source", "string", "The component reporting this event.", 1),
    column(
        "Message",
        "string",
        "A human-readable description of the status of this operation.",
        0,
    ),
    column(
        "First Seen",
        "string",
        "The time at which the event was first recorded.",
        1,
    ),
    column(
        "Count",
        "string",
        "The number of times this event has occurred.",
        1,
    ),
    ("Name", "string", "name", NAME, 1),
];
pub(super) const BINDING: &[Definition] = &[
    N,
    column(
        "Role",
        "string",
        "RoleRef contains information that points to the role being used",
        0,
    ),
    AGE,
    column("Users", "string", "Users in the roleBinding", 1),
    column("Groups", "string", "Groups in the roleBinding", 1),
    column(
        "ServiceAccounts",
        "string",
        "ServiceAccounts in the roleBinding",
        1,
    ),
];
pub(super) const LEASE: &[Definition] = &[
    N,
    column(
        "Holder",
        "string",
        "holderIdentity contains the identity of the holder of a current lease.",
        0,
    ),
    AGE,
];
pub(super) const RUNTIME_CLASS: &[Definition] = &[
    N,
    column(
        "Handler",
        "string",
        "handler specifies the underlying runtime and configuration that the CRI implementation will use to handle pods of this class.",
        0,
    ),
    AGE,
];
pub(super) const PRIORITY_CLASS: &[Definition] = &[
    N,
    column(
        "Value",
        "integer",
        "value represents the integer value of this priority class.",
        0,
    ),
    column(
        "Global-Default",
        "boolean",
        "globalDefault specifies whether this PriorityClass should be considered as the default priority.",
        0,
    ),
    AGE,
    column(
        "PreemptionPolicy",
        "string",
        "preemptionPolicy is the Policy for preempting pods with lower priority.",
        0,
    ),
];
pub(super) const WEBHOOK: &[Definition] = &[
    N,
    column(
        "Webhooks",
        "integer",
        "Webhooks indicates the number of webhooks registered in this configuration",
        0,
    ),
    AGE,
];
pub(super) const BUDGET: &[Definition] = &[
    N,
    column(
        "Min Available",
        "string",
        "The minimum number of pods that must be available.",
        0,
    ),
    column(
        "Max Unavailable",
        "string",
        "The maximum number of pods that may be unavailable.",
        0,
    ),
    column(
        "Allowed Disruptions",
        "integer",
        "Calculated number of pods that may be disrupted at this time.",
        0,
    ),
    AGE,
];
pub(super) const NETWORK_POLICY: &[Definition] = &[
    N,
    column(
        "Pod-Selector",
        "string",
        "Selects the pods to which this NetworkPolicy object applies.",
        0,
    ),
    AGE,
];
pub(super) const SERVICE: &[Definition] = &[
    N,
    column(
        "Type",
        "string",
        "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for load-balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual construction of an Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the clusterIP. \"LoadBalancer\" builds on NodePort and creates an external load-balancer (if supported in the current cloud) which routes to the same endpoints as the clusterIP. \"ExternalName\" aliases this service to the specified externalName. Several other fields do not apply to ExternalName services. More info: https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types",
        0,
    ),
    column(
        "Cluster-IP",
        "string",
        "The IP address of the service, \"None\" for one without.",
        0,
    ),
    column(
        "External-IP",
        "string",
        "The name that an ExternalName service stands for.",
        0,
    ),
    column(
        "Port(s)",
        "string",
        "The list of ports that are exposed by this service. More info: https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies",
        0,
    ),
    AGE,
    column(
        "Selector",
        "string",
        "Route service traffic to pods with label keys and values matching this selector. If empty or not present, the service is assumed to have an external process managing its endpoints, which Kubernetes will not modify. Only applies to types ClusterIP, NodePort, and LoadBalancer. Ignored if type is ExternalName. More info: https://kubernetes.io/docs/concepts/services-networking/service/",
        1,
    ),
];
pub(super) const SLICE: &[Definition] = &[
    N,
    column(
        "AddressType",
        "string",
        "addressType specifies the type of address carried by this EndpointSlice. All addresses in this slice must be the same type. This field is immutable after creation. The following address types are currently supported: * IPv4: Represents an IPv4 Address. * IPv6: Represents an IPv6 Address. * FQDN: Represents a Fully Qualified Domain Name.",
        0,
    ),
    column(
        "Ports",
        "string",
        "ports specifies the list of network ports exposed by each endpoint in this slice. Each port must have a unique name. When ports is empty, it indicates that there are no defined ports. When a port is defined with a nil port value, it indicates \"all ports\". Each slice may include a maximum of 100 ports.",
        0,
    ),
    column(
        "Endpoints",
        "string",
        "endpoints is a list of unique endpoints in this slice. Each slice may include a maximum of 1000 endpoints.",
        0,
    ),
    AGE,
];
pub(super) const API_SERVICE: &[Definition] = &[
    N,
    column(
        "Service",
        "string",
        "The reference to the service that hosts this API endpoint.",
        0,
    ),
    column(
        "Available",
        "string",
        "Whether this service is available.",
        0,
    ),
    AGE,
];
pub(super) const TEMPLATE: &[Definition] = &[
    N,
    column(
        "Containers",
        "string",
        "Names of each container in the template.",
        0,
    ),
    column(
        "Images",
        "string",
        "Images referenced by each container in the template.",
        0,
    ),
    column(
        "Pod Labels",
        "string",
        "The labels for the pod template.",
        0,
    ),
];
