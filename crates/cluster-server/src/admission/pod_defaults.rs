//! What admission adds to every Pod: priority, tolerations of node trouble, and what its RuntimeClass says.

use serde_json::{Value, json};

use super::{Operation, Request};
use crate::error::ApiError;
use crate::store::Store;

const TOLERATED: [&str; 2] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
];
const TOLERATION_SECONDS: i64 = 300;

pub(super) fn admit(store: &Store, request: &mut Request) -> Result<(), ApiError> {
    let written = matches!(request.operation, Operation::Create | Operation::Update);
    if !written || !request.is_core("pods", "") {
        return Ok(());
    }
    let Some(mut pod) = request.object.take() else {
        return Ok(());
    };
    let outcome = amend(store, request, &mut pod["spec"]);
    request.object = Some(pod);
    outcome
}

fn amend(store: &Store, request: &Request, spec: &mut Value) -> Result<(), ApiError> {
    if request.operation == Operation::Create {
        prioritize(store, request, spec)?;
    } else if let Some(old) = &request.old_object {
        // Clients that do not know the fields leave them out of updates.
        for key in ["priority", "preemptionPolicy"] {
            if spec[key].is_null() && !old["spec"][key].is_null() {
                spec[key] = old["spec"][key].clone();
            }
        }
    }
    tolerate(spec);
    if request.operation == Operation::Create {
        follow_runtime_class(store, request, spec)?;
    }
    Ok(())
}

/// What a Pod takes beyond its containers is said by its RuntimeClass alone.
pub(super) fn validate(store: &Store, request: &Request) -> Result<(), ApiError> {
    let Some(pod) = &request.object else {
        return Ok(());
    };
    if request.operation != Operation::Create || !request.is_core("pods", "") {
        return Ok(());
    }
    let (spec, overhead) = (&pod["spec"], &pod["spec"]["overhead"]);
    let class = spec["runtimeClassName"]
        .as_str()
        .and_then(|name| store.get("runtimeclasses.node.k8s.io", "", name));
    let defined = class
        .as_ref()
        .map(|class| &class.value["overhead"]["podFixed"])
        .filter(|fixed| !fixed.is_null());
    match defined {
        Some(fixed) if fixed != overhead => Err(request.forbidden(
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        )),
        None if overhead.as_object().is_some_and(|held| !held.is_empty()) => {
            Err(request.forbidden(
                "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
            ))
        }
        _ => Ok(()),
    }
}

fn prioritize(store: &Store, request: &Request, spec: &mut Value) -> Result<(), ApiError> {
    let named = spec["priorityClassName"]
        .as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned);
    let (name, class) = match named {
        Some(name) => {
            let class = priority_class(store, &name).ok_or_else(|| {
                request.forbidden(&format!("no PriorityClass with name {name} was found"))
            })?;
            (Some(name), class)
        }
        None => default_class(store),
    };
    let value = class["value"].as_i64().unwrap_or(0);
    if let Some(given) = spec["priority"].as_i64().filter(|&given| given != value) {
        return Err(request.forbidden(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller computed {value} from the given PriorityClass name"
        )));
    }
    let policy = class["preemptionPolicy"]
        .as_str()
        .unwrap_or("PreemptLowerPriority");
    if let Some(given) = spec["preemptionPolicy"]
        .as_str()
        .filter(|&given| given != policy)
    {
        return Err(request.forbidden(&format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        )));
    }
    if let Some(name) = name {
        spec["priorityClassName"] = name.into();
    }
    spec["priority"] = value.into();
    spec["preemptionPolicy"] = policy.into();
    Ok(())
}

fn priority_class(store: &Store, name: &str) -> Option<Value> {
    match name {
        "system-cluster-critical" => Some(json!({"value": 2_000_000_000})),
        "system-node-critical" => Some(json!({"value": 2_000_001_000})),
        _ => store
            .get("priorityclasses.scheduling.k8s.io", "", name)
            .map(|class| class.value.clone()),
    }
}

/// Of several global defaults the lowest counts.
fn default_class(store: &Store) -> (Option<String>, Value) {
    let classes = store.list("priorityclasses.scheduling.k8s.io", None).0;
    let defaults = classes
        .iter()
        .filter(|class| class.value["globalDefault"] == true);
    let lowest = defaults.min_by_key(|class| class.value["value"].as_i64().unwrap_or(0));
    lowest.map_or((None, json!({"value": 0})), |class| {
        (
            class.value["metadata"]["name"].as_str().map(str::to_owned),
            class.value.clone(),
        )
    })
}

fn tolerate(spec: &mut Value) {
    for key in TOLERATED {
        let there = spec["tolerations"].as_array().into_iter().flatten();
        let text = |toleration: &Value, field: &str| {
            toleration[field].as_str().unwrap_or_default().to_owned()
        };
        let tolerated = there.into_iter().any(|one| {
            let (own, effect) = (text(one, "key"), text(one, "effect"));
            (own.is_empty() || own == key) && (effect.is_empty() || effect == "NoExecute")
        });
        if tolerated {
            continue;
        }
        let added = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECONDS});
        match spec["tolerations"].as_array_mut() {
            Some(list) => list.push(added),
            None => spec["tolerations"] = vec![added].into(),
        }
    }
}

fn follow_runtime_class(
    store: &Store,
    request: &Request,
    spec: &mut Value,
) -> Result<(), ApiError> {
    let Some(name) = spec["runtimeClassName"]
        .as_str()
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
    else {
        return Ok(());
    };
    let class = store
        .get("runtimeclasses.node.k8s.io", "", &name)
        .ok_or_else(|| {
            request.forbidden(&format!("pod rejected: RuntimeClass {name:?} not found"))
        })?;
    let overhead = &class.value["overhead"]["podFixed"];
    if !overhead.is_null() {
        if !spec["overhead"].is_null() && spec["overhead"] != *overhead {
            return Err(request.forbidden(
                "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
            ));
        }
        spec["overhead"] = overhead.clone();
    }
    for (key, value) in class.value["scheduling"]["nodeSelector"]
        .as_object()
        .into_iter()
        .flatten()
    {
        if !spec["nodeSelector"][key].is_null() && spec["nodeSelector"][key] != *value {
            let (wanted, own) = (
                value.as_str().unwrap_or_default(),
                spec["nodeSelector"][key].as_str().unwrap_or_default(),
            );
            let why = format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {wanted}; pod.spec.nodeSelector[{key}] = {own}"
            );
            return Err(request.forbidden(&why));
        }
        spec["nodeSelector"][key] = value.clone();
    }
    for toleration in class.value["scheduling"]["tolerations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        match spec["tolerations"].as_array_mut() {
            Some(list) if list.contains(toleration) => {}
            Some(list) => list.push(toleration.clone()),
            None => spec["tolerations"] = vec![toleration.clone()].into(),
        }
    }
    Ok(())
}
