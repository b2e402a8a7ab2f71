//! Binds Pods that ask for the default scheduler to a node that takes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Follow;
use super::placement::obstacle;
use crate::api::{Api, Context, Target, meta};
use crate::store::Object;

/// The name by which Pods ask for this scheduler.
const NAME: &str = "default-scheduler";
const USER: &str = "system:kube-scheduler";

/// Places Pods as they come, and those that wait whenever a node changes or a Pod makes room.
pub(super) async fn run(api: Arc<Api>) {
    let mut pods = Follow::new(&api.store, "pods");
    let mut nodes = Follow::new(&api.store, "nodes");
    loop {
        tokio::select! {
            seen = pods.next() => {
                let Some(seen) = seen else { return };
                let pod = &seen.object.value;
                if !seen.gone && waits(pod) {
                    place(&api, meta(pod, "namespace"), meta(pod, "name")).await;
                } else if seen.gone && !text(&pod["spec"], "nodeName").is_empty() {
                    place_waiting(&api).await;
                }
            }
            seen = nodes.next() => {
                if seen.is_none() { return }
                place_waiting(&api).await;
            }
        }
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn waits(pod: &Value) -> bool {
    let spec = &pod["spec"];
    text(spec, "nodeName").is_empty()
        && text(spec, "schedulerName") == NAME
        && meta(pod, "deletionTimestamp").is_empty()
        && spec["schedulingGates"].as_array().is_none_or(Vec::is_empty)
        && !matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed")
}

async fn place_waiting(api: &Arc<Api>) {
    let (pods, _) = api.store.list("pods", None);
    for pod in pods.iter().filter(|pod| waits(&pod.value)) {
        place(api, meta(&pod.value, "namespace"), meta(&pod.value, "name")).await;
    }
}

async fn place(api: &Arc<Api>, namespace: &str, name: &str) {
    // Judged as it is now, not as the change said.
    let Some(pod) = api
        .store
        .get("pods", namespace, name)
        .filter(|pod| waits(&pod.value))
    else {
        return;
    };
    match choose(api, &pod.value) {
        Ok(node) => bind(api, &pod, &node).await,
        Err(why) => mark_unschedulable(api, pod, &why).await,
    }
}

/// The first node by name that takes the Pod, or why none does.
fn choose(api: &Api, pod: &Value) -> Result<String, String> {
    let (nodes, _) = api.store.list("nodes", None);
    if nodes.is_empty() {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let (all, _) = api.store.list("pods", None);
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for node in &nodes {
        let name = meta(&node.value, "name");
        let runs = |other: &&Value| {
            other["spec"]["nodeName"] == name
                && !matches!(text(&other["status"], "phase"), "Succeeded" | "Failed")
        };
        let others: Vec<&Value> = all.iter().map(|pod| &pod.value).filter(runs).collect();
        match obstacle(pod, &node.value, &others) {
            None => return Ok(name.to_owned()),
            Some(why) => *reasons.entry(why).or_default() += 1,
        }
    }
    let reasons: Vec<String> = reasons
        .into_iter()
        .map(|(why, count)| format!("{count} {why}"))
        .collect();
    let count = nodes.len();
    Err(format!(
        "0/{count} nodes are available: {}. no new claims to deallocate, preemption: 0/{count} nodes are available: {count} \
         Preemption is not helpful for scheduling.",
        reasons.join(", ")
    ))
}

async fn bind(api: &Arc<Api>, pod: &Object, node: &str) {
    let Some(resource) = api.kinds.by_key("pods") else {
        return;
    };
    let (namespace, name) = (meta(&pod.value, "namespace"), meta(&pod.value, "name"));
    let target = Target::object(&resource, namespace, name);
    let binding = json!({
        "apiVersion": "v1", "kind": "Binding", "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        "metadata": {"name": name, "namespace": namespace, "uid": meta(&pod.value, "uid")},
    });
    match api.bind(&Context::system(USER), &target, &binding).await {
        Ok(_) => {
            let message = format!("Successfully assigned {namespace}/{name} to {node}");
            record(api, &pod.value, "Normal", "Scheduled", "Binding", &message);
        }
        // It went, or somebody else bound it: the next change says.
        Err(error) => tracing::debug!(%error, namespace, name, "not bound"),
    }
}

/// Says in the Pod's status why it waits, unless it says so already.
async fn mark_unschedulable(api: &Arc<Api>, pod: Arc<Object>, why: &str) {
    let conditions = pod.value["status"]["conditions"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let said =
        |condition: &Value| condition["type"] == "PodScheduled" && condition["message"] == why;
    if conditions.iter().any(said) {
        return;
    }
    let mut new = pod.value.clone();
    let mut kept: Vec<Value> = conditions
        .into_iter()
        .filter(|condition| condition["type"] != "PodScheduled")
        .collect();
    kept.push(json!({
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
        "lastProbeTime": null, "lastTransitionTime": api.clock.now_text(),
    }));
    new["status"]["conditions"] = kept.into();
    let (namespace, name) = (meta(&pod.value, "namespace"), meta(&pod.value, "name"));
    // A conflict means a newer state, which will be looked at in its turn.
    if api
        .store
        .update("pods", namespace, name, pod.revision, new)
        .await
        .is_ok()
    {
        record(
            api,
            &pod.value,
            "Warning",
            "FailedScheduling",
            "Scheduling",
            why,
        );
    }
}

/// Leaves an Event about the Pod, beside the work: nobody waits for it.
fn record(api: &Arc<Api>, pod: &Value, kind: &str, reason: &str, action: &str, message: &str) {
    let (namespace, name) = (meta(pod, "namespace").to_owned(), meta(pod, "name"));
    let now = api.clock.now();
    let unique = format!("{name}.{:x}", now.as_nanosecond());
    let micro = now.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
    let body = json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": unique, "namespace": namespace},
        "involvedObject": {
            "apiVersion": "v1", "kind": "Pod", "name": name, "namespace": namespace, "uid": meta(pod, "uid"),
            "resourceVersion": meta(pod, "resourceVersion"),
        },
        "type": kind, "reason": reason, "action": action, "message": message, "eventTime": micro,
        "reportingComponent": NAME, "reportingInstance": NAME, "source": {},
    });
    let api = Arc::clone(api);
    tokio::spawn(async move {
        let Some(events) = api.kinds.resolve("", "v1", "events") else {
            return;
        };
        let outcome = api
            .create(
                &Context::system(USER),
                &Target::collection(&events, &namespace),
                body,
            )
            .await;
        if let Err(error) = outcome {
            tracing::debug!(%error, namespace, "no Event was left");
        }
    });
}
