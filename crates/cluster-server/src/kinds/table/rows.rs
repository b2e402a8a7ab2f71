//! A table: the printers of the kinds that are not Pods.

use jiff::Timestamp;
use serde_json::Value;

use super::age::since;
use super::{CREATED, Definition, NAME, pod};

/// How one kind is shown.
pub(super) struct Printer {
    pub(super) columns: &'static [Definition],
    pub(super) cells: fn(&Value, Timestamp) -> Vec<Value>,
}

const fn column(
    name: &'static str,
    kind: &'static str,
    description: &'static str,
    priority: i64,
) -> Definition {
    (name, kind, "", description, priority)
}

const N: Definition = ("Name", "string", "name", NAME, 0);
const AGE: Definition = column("Age", "string", CREATED, 0);
const CREATED_AT: Definition = ("Created At", "date", "", CREATED, 0);

impl Printer {
    pub(super) fn of(resource: &str) -> Self {
        match resource {
            "pods" => printer(POD, pod::cells),
            "namespaces" => printer(NAMESPACE, |o, now| {
                vec![name(o), o["status"]["phase"].clone(), age(o, now)]
            }),
            "nodes" => printer(NODE, node),
            "serviceaccounts" => printer(ACCOUNT, |o, now| {
                vec![name(o), count(&o["secrets"]), age(o, now)]
            }),
            "secrets" => printer(SECRET, |o, now| {
                vec![name(o), o["type"].clone(), count(&o["data"]), age(o, now)]
            }),
            "configmaps" => printer(CONFIG_MAP, config_map),
            "events" | "events.events.k8s.io" => printer(EVENT, event),
            "rolebindings.rbac.authorization.k8s.io"
            | "clusterrolebindings.rbac.authorization.k8s.io" => printer(BINDING, binding),
            "leases.coordination.k8s.io" => printer(LEASE, |o, now| {
                vec![name(o), o["spec"]["holderIdentity"].clone(), age(o, now)]
            }),
            "runtimeclasses.node.k8s.io" => printer(RUNTIME_CLASS, |o, now| {
                vec![name(o), o["handler"].clone(), age(o, now)]
            }),
            "priorityclasses.scheduling.k8s.io" => printer(PRIORITY_CLASS, priority_class),
            "mutatingwebhookconfigurations.admissionregistration.k8s.io"
            | "validatingwebhookconfigurations.admissionregistration.k8s.io" => {
                printer(WEBHOOK, |o, now| {
                    vec![name(o), count(&o["webhooks"]), age(o, now)]
                })
            }
            "poddisruptionbudgets.policy" => printer(BUDGET, budget),
            "networkpolicies.networking.k8s.io" => printer(NETWORK_POLICY, network_policy),
            "podtemplates" => printer(TEMPLATE, template),
            _ => printer(&[N, CREATED_AT], created_at),
        }
    }
}

const fn printer(
    columns: &'static [Definition],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
) -> Printer {
    Printer { columns, cells }
}

const POD: &[Definition] = &[
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
const NAMESPACE: &[Definition] = &[
    N,
    column("Status", "string", "The status of the namespace", 0),
    AGE,
];
const NODE: &[Definition] = &[
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
const ACCOUNT: &[Definition] = &[
    N,
    column(
        "Secrets",
        "string",
        "Secrets is a list of the secrets in the same namespace that pods running using this ServiceAccount are allowed to use.",
        0,
    ),
    AGE,
];
const SECRET: &[Definition] = &[
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
const CONFIG_MAP: &[Definition] = &[
    N,
    column("Data", "string", "Data contains the configuration data.", 0),
    AGE,
];
const EVENT: &[Definition] = &[
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
const BINDING: &[Definition] = &[
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
const LEASE: &[Definition] = &[
    N,
    column(
        "Holder",
        "string",
        "holderIdentity contains the identity of the holder of a current lease.",
        0,
    ),
    AGE,
];
const RUNTIME_CLASS: &[Definition] = &[
    N,
    column(
        "Handler",
        "string",
        "handler specifies the underlying runtime and configuration that the CRI implementation will use to handle pods of this class.",
        0,
    ),
    AGE,
];
const PRIORITY_CLASS: &[Definition] = &[
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
const WEBHOOK: &[Definition] = &[
    N,
    column(
        "Webhooks",
        "integer",
        "Webhooks indicates the number of webhooks registered in this configuration",
        0,
    ),
    AGE,
];
const BUDGET: &[Definition] = &[
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
const NETWORK_POLICY: &[Definition] = &[
    N,
    column(
        "Pod-Selector",
        "string",
        "Selects the pods to which this NetworkPolicy object applies.",
        0,
    ),
    AGE,
];
const TEMPLATE: &[Definition] = &[
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

fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

fn age(object: &Value, now: Timestamp) -> Value {
    since(&object["metadata"]["creationTimestamp"], now)
}

fn created_at(object: &Value, _: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        object["metadata"]["creationTimestamp"].clone(),
    ]
}

fn count(value: &Value) -> Value {
    let count = value
        .as_array()
        .map(Vec::len)
        .or_else(|| value.as_object().map(serde_json::Map::len));
    count.unwrap_or(0).into()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn or(value: &Value, absent: &str) -> String {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .unwrap_or(absent)
        .to_owned()
}

fn config_map(object: &Value, now: Timestamp) -> Vec<Value> {
    let keys = |field: &str| object[field].as_object().map_or(0, serde_json::Map::len);
    vec![
        name(object),
        (keys("data") + keys("binaryData")).into(),
        age(object, now),
    ]
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let (status, info) = (&object["status"], &object["status"]["nodeInfo"]);
    let mut state: Vec<&str> = match items(&status["conditions"])
        .iter()
        .find(|c| c["type"] == "Ready")
    {
        Some(ready) if ready["status"] == "True" => vec!["Ready"],
        Some(_) => vec!["NotReady"],
        None => vec!["Unknown"],
    };
    if object["spec"]["unschedulable"] == true {
        state.push("SchedulingDisabled");
    }
    let labels = object["metadata"]["labels"].as_object();
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/")
    {
        Some(role) => Some(role.to_owned()),
        None if key == "kubernetes.io/role" => value.as_str().map(str::to_owned),
        None => None,
    };
    let mut roles: Vec<String> = labels.into_iter().flatten().filter_map(role).collect();
    roles.sort();
    let address = |kind: &str| {
        let found = items(&status["addresses"])
            .iter()
            .find(|a| a["type"] == kind);
        found.map_or_else(|| "<none>".to_owned(), |a| or(&a["address"], "<none>"))
    };
    vec![
        name(object),
        state.join(",").into(),
        if roles.is_empty() {
            "<none>".into()
        } else {
            roles.join(",").into()
        },
        age(object, now),
        info["kubeletVersion"].clone(),
        address("InternalIP").into(),
        address("ExternalIP").into(),
        or(&info["osImage"], "<unknown>").into(),
        or(&info["kernelVersion"], "<unknown>").into(),
        or(&info["containerRuntimeVersion"], "<unknown>").into(),
    ]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let first_of = |fields: &[&str]| {
        fields
            .iter()
            .map(|f| &object[*f])
            .find(|v| !v.is_null())
            .cloned()
            .unwrap_or_default()
    };
    let about = if object["regarding"].is_object() {
        &object["regarding"]
    } else {
        &object["involvedObject"]
    };
    let first = first_of(&["firstTimestamp", "eventTime", "deprecatedFirstTimestamp"]);
    let series = &object["series"]["lastObservedTime"];
    let last = if series.is_null() {
        first_of(&["lastTimestamp", "deprecatedLastTimestamp", "eventTime"])
    } else {
        series.clone()
    };
    let count = object["series"]["count"]
        .as_i64()
        .or(object["count"].as_i64())
        .unwrap_or(1);
    let component = or(
        &object["source"]["component"],
        &or(&object["reportingComponent"], ""),
    );
    let source = match object["source"]["host"].as_str() {
        Some(host) if !host.is_empty() => format!("{component}, {host}"),
        _ => component,
    };
    vec![
        since(&last, now),
        object["type"].clone(),
        object["reason"].clone(),
        format!(
            "{}/{}",
            or(&about["kind"], "").to_lowercase(),
            or(&about["name"], "")
        )
        .into(),
        or(&about["fieldPath"], "").into(),
        source.into(),
        or(&first_of(&["message", "note"]), "").trim().into(),
        since(&first, now),
        count.into(),
        name(object),
    ]
}

fn binding(object: &Value, now: Timestamp) -> Vec<Value> {
    let subjects = |kind: &str| {
        let of_kind = items(&object["subjects"])
            .iter()
            .filter(|s| s["kind"] == kind);
        let names = of_kind.map(|s| match s["namespace"].as_str() {
            Some(namespace) if kind == "ServiceAccount" => {
                format!("{namespace}/{}", or(&s["name"], ""))
            }
            _ => or(&s["name"], ""),
        });
        Value::from(names.collect::<Vec<_>>().join(", "))
    };
    let role = &object["roleRef"];
    vec![
        name(object),
        format!("{}/{}", or(&role["kind"], ""), or(&role["name"], "")).into(),
        age(object, now),
        subjects("User"),
        subjects("Group"),
        subjects("ServiceAccount"),
    ]
}

fn priority_class(object: &Value, now: Timestamp) -> Vec<Value> {
    let default = object["globalDefault"].as_bool().unwrap_or(false);
    let policy = or(&object["preemptionPolicy"], "PreemptLowerPriority");
    vec![
        name(object),
        object["value"].clone(),
        default.into(),
        age(object, now),
        policy.into(),
    ]
}

fn budget(object: &Value, now: Timestamp) -> Vec<Value> {
    let amount = |value: &Value| match value {
        Value::Null => "N/A".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let (spec, status) = (&object["spec"], &object["status"]);
    vec![
        name(object),
        amount(&spec["minAvailable"]).into(),
        amount(&spec["maxUnavailable"]).into(),
        status["disruptionsAllowed"].as_i64().unwrap_or(0).into(),
        age(object, now),
    ]
}

fn network_policy(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        labels(&object["spec"]["podSelector"]["matchLabels"]).into(),
        age(object, now),
    ]
}

fn template(object: &Value, _: Timestamp) -> Vec<Value> {
    let containers = items(&object["template"]["spec"]["containers"]);
    let join = |field: &str| {
        Value::from(
            containers
                .iter()
                .map(|c| or(&c[field], ""))
                .collect::<Vec<_>>()
                .join(","),
        )
    };
    vec![
        name(object),
        join("name"),
        join("image"),
        labels(&object["template"]["metadata"]["labels"]).into(),
    ]
}

fn labels(map: &Value) -> String {
    let mut pairs: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", or(v, "")))
        .collect();
    pairs.sort();
    if pairs.is_empty() {
        "<none>".to_owned()
    } else {
        pairs.join(",")
    }
}
