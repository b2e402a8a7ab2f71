//! A table: the printers of the kinds that are not Pods.

use jiff::Timestamp;
use serde_json::Value;

use super::age::since;
use super::columns::{
    ACCOUNT, API_SERVICE, BINDING, BUDGET, CLUSTER_BINDING, CONFIG_MAP, CREATED_AT, EVENT, LEASE,
    N, NAMESPACE, NETWORK_POLICY, NODE, POD, PRIORITY_CLASS, RUNTIME_CLASS, SECRET, SERVICE, SLICE,
    TEMPLATE,
};
use super::{Definition, admission, pod};

/// How one kind is shown.
pub(super) struct Printer {
    pub(super) columns: &'static [Definition],
    pub(super) cells: fn(&Value, Timestamp) -> Vec<Value>,
}

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
            "rolebindings.rbac.authorization.k8s.io" => printer(BINDING, binding),
            "clusterrolebindings.rbac.authorization.k8s.io" => printer(CLUSTER_BINDING, binding),
            "leases.coordination.k8s.io" => printer(LEASE, |o, now| {
                vec![name(o), o["spec"]["holderIdentity"].clone(), age(o, now)]
            }),
            "runtimeclasses.node.k8s.io" => printer(RUNTIME_CLASS, |o, now| {
                vec![name(o), o["handler"].clone(), age(o, now)]
            }),
            "priorityclasses.scheduling.k8s.io" => printer(PRIORITY_CLASS, priority_class),
            "mutatingwebhookconfigurations.admissionregistration.k8s.io"
            | "validatingwebhookconfigurations.admissionregistration.k8s.io" => {
                printer(admission::WEBHOOK, admission::webhooks)
            }
            "validatingadmissionpolicies.admissionregistration.k8s.io" => {
                printer(admission::POLICY, admission::policy)
            }
            "validatingadmissionpolicybindings.admissionregistration.k8s.io" => {
                printer(admission::POLICY_BINDING, admission::policy_binding)
            }
            "poddisruptionbudgets.policy" => printer(BUDGET, budget),
            "networkpolicies.networking.k8s.io" => printer(NETWORK_POLICY, network_policy),
            "services" => printer(SERVICE, service),
            "endpointslices.discovery.k8s.io" => printer(SLICE, slice),
            "apiservices.apiregistration.k8s.io" => printer(API_SERVICE, api_service),
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

pub(super) fn name(object: &Value) -> Value {
    object["metadata"]["name"].clone()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(&object["metadata"]["creationTimestamp"], now)
}

fn created_at(object: &Value, _: Timestamp) -> Vec<Value> {
    vec![
        name(object),
        object["metadata"]["creationTimestamp"].clone(),
    ]
}

pub(super) fn count(value: &Value) -> Value {
    let count = value
        .as_array()
        .map(Vec::len)
        .or_else(|| value.as_object().map(serde_json::Map::len));
    count.unwrap_or(0).into()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn or(value: &Value, absent: &str) -> String {
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

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let spec = &object["spec"];
    let external = or(&spec["externalName"], "<none>");
    let ports: Vec<String> = items(&spec["ports"])
        .iter()
        .map(|port| format!("{}/{}", port["port"], or(&port["protocol"], "")))
        .collect();
    vec![
        name(object),
        spec["type"].clone(),
        or(&spec["clusterIP"], "<none>").into(),
        external.into(),
        or_none(&ports).into(),
        age(object, now),
        labels(&spec["selector"]).into(),
    ]
}

fn slice(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = items(&object["ports"])
        .iter()
        .map(|port| {
            port["port"]
                .as_u64()
                .map_or_else(|| "*".to_owned(), |n| n.to_string())
        })
        .collect();
    let endpoints: Vec<String> = items(&object["endpoints"])
        .iter()
        .flat_map(|endpoint| items(&endpoint["addresses"]))
        .map(|address| or(address, ""))
        .collect();
    let shown = match endpoints.len() {
        0 => "<unset>".to_owned(),
        1..=3 => endpoints.join(","),
        more => format!("{} + {} more...", endpoints[..3].join(","), more - 3),
    };
    let ports = if ports.is_empty() {
        "<unset>".to_owned()
    } else {
        ports.join(",")
    };
    vec![
        name(object),
        object["addressType"].clone(),
        ports.into(),
        shown.into(),
        age(object, now),
    ]
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() {
        "<none>".to_owned()
    } else {
        list.join(",")
    }
}

fn api_service(object: &Value, now: Timestamp) -> Vec<Value> {
    let service = &object["spec"]["service"];
    let reference = if service.is_object() {
        format!(
            "{}/{}",
            or(&service["namespace"], ""),
            or(&service["name"], "")
        )
    } else {
        "Local".to_owned()
    };
    let condition = items(&object["status"]["conditions"])
        .iter()
        .find(|one| one["type"] == "Available");
    let available = match condition {
        None => "Unknown".to_owned(),
        Some(one) if one["status"] == "True" => "True".to_owned(),
        Some(one) => format!("{} ({})", or(&one["status"], ""), or(&one["reason"], "")),
    };
    vec![
        name(object),
        reference.into(),
        available.into(),
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
