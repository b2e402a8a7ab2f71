//! A Pod's row (`printPod`).

use jiff::Timestamp;
use serde_json::Value;

use super::age::{human, since};

/// What the containers of a Pod add up to.
#[derive(Default)]
struct Tally {
    ready: usize,
    all: Restarts,
    /// Those of init containers that go on beside the others: they alone count once the Pod is through with the rest.
    sidecars: Restarts,
}

#[derive(Default, Clone, Copy)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

pub(super) fn cells(pod: &Value, now: Timestamp) -> Vec<Value> {
    let (status, spec) = (&pod["status"], &pod["spec"]);
    let mut reason = text(&status["reason"])
        .or_else(|| text(&status["phase"]))
        .unwrap_or_default();
    if condition(pod, "PodScheduled").is_some_and(|c| c["reason"] == "SchedulingGated") {
        "SchedulingGated".clone_into(&mut reason);
    }
    let mut tally = Tally::default();
    let initializing = init_reason(pod, &mut tally);
    if let Some(found) = &initializing {
        reason.clone_from(found);
    }
    if initializing.is_none()
        || condition(pod, "Initialized").is_some_and(|c| c["status"] == "True")
    {
        main_reason(pod, &mut reason, &mut tally);
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        let phase = status["phase"].as_str().unwrap_or_default();
        if status["reason"] == "NodeLost" {
            "Unknown".clone_into(&mut reason);
        } else if !matches!(phase, "Succeeded" | "Failed") {
            "Terminating".clone_into(&mut reason);
        }
    }
    let total = list(&spec["containers"]).len()
        + list(&spec["initContainers"])
            .iter()
            .filter(|c| c["restartPolicy"] == "Always")
            .count();
    let restarts = match tally.all {
        Restarts {
            count,
            last: Some(at),
        } if count > 0 => {
            let ago = human(now.duration_since(at).as_secs());
            format!("{count} ({ago} ago)")
        }
        Restarts { count, .. } => count.to_string(),
    };
    let or_none = |value: &Value| text(value).unwrap_or_else(|| "<none>".to_owned());
    let ip = status["podIPs"]
        .get(0)
        .map_or_else(|| or_none(&status["podIP"]), |ip| or_none(&ip["ip"]));
    vec![
        pod["metadata"]["name"].clone(),
        format!("{}/{total}", tally.ready).into(),
        reason.into(),
        restarts.into(),
        since(&pod["metadata"]["creationTimestamp"], now),
        ip.into(),
        or_none(&spec["nodeName"]).into(),
        or_none(&status["nominatedNodeName"]).into(),
        readiness_gates(pod).into(),
    ]
}

fn readiness_gates(pod: &Value) -> String {
    let gates = list(&pod["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let holds = |gate: &&Value| {
        condition(pod, gate["conditionType"].as_str().unwrap_or_default())
            .is_some_and(|c| c["status"] == "True")
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}

/// What keeps the init containers, if they are not through.
fn init_reason(pod: &Value, tally: &mut Tally) -> Option<String> {
    let specs = list(&pod["spec"]["initContainers"]);
    let sidecar = |name: &Value| {
        specs
            .iter()
            .any(|c| c["name"] == *name && c["restartPolicy"] == "Always")
    };
    for (at, container) in list(&pod["status"]["initContainerStatuses"])
        .iter()
        .enumerate()
    {
        tally.all.add(container);
        let state = &container["state"];
        let is_sidecar = sidecar(&container["name"]);
        if is_sidecar {
            tally.sidecars.add(container);
        }
        if state["terminated"].is_object() && state["terminated"]["exitCode"] == 0 {
            continue;
        }
        if is_sidecar && container["started"] == true {
            tally.ready += usize::from(container["ready"] == true);
            continue;
        }
        let waiting =
            text(&state["waiting"]["reason"]).filter(|reason| reason != "PodInitializing");
        return Some(if state["terminated"].is_object() {
            format!("Init:{}", ended(&state["terminated"]))
        } else if let Some(reason) = waiting {
            format!("Init:{reason}")
        } else {
            format!("Init:{at}/{}", specs.len())
        });
    }
    None
}

fn main_reason(pod: &Value, reason: &mut String, tally: &mut Tally) {
    let mut running = false;
    tally.all = tally.sidecars;
    for container in list(&pod["status"]["containerStatuses"]).iter().rev() {
        tally.all.add(container);
        let state = &container["state"];
        if let Some(waiting) = text(&state["waiting"]["reason"]) {
            *reason = waiting;
        } else if state["terminated"].is_object() {
            *reason = ended(&state["terminated"]);
        } else if container["ready"] == true && state["running"].is_object() {
            running = true;
            tally.ready += 1;
        }
    }
    if reason == "Completed" && running {
        let ready = condition(pod, "Ready").is_some_and(|c| c["status"] == "True");
        if ready { "Running" } else { "NotReady" }.clone_into(reason);
    }
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count += container["restartCount"].as_i64().unwrap_or(0);
        let ended = container["lastState"]["terminated"]["finishedAt"]
            .as_str()
            .and_then(|t| t.parse().ok());
        self.last = self.last.max(ended);
    }
}

fn ended(terminated: &Value) -> String {
    text(&terminated["reason"]).unwrap_or_else(|| match terminated["signal"].as_i64() {
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", terminated["exitCode"]),
    })
}

fn condition<'a>(pod: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&pod["status"]["conditions"])
        .iter()
        .find(|c| c["type"] == kind)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Ready, status and restarts of a Pod with one init container, one sidecar and one container.
    fn check(init: &Value, main: &Value, expected: [&str; 3]) {
        let pod = json!({
            "metadata": {"name": "p"},
            "spec": {
                "initContainers": [{"name": "i"}, {"name": "s", "restartPolicy": "Always"}],
                "containers": [{"name": "c"}],
            },
            "status": {"phase": "Pending", "initContainerStatuses": init, "containerStatuses": main},
        });
        let now = "2026-01-01T00:01:00Z".parse().expect("a time");
        let cells = cells(&pod, now);
        assert_eq!(cells[1..4], expected.map(Value::from), "{pod}");
    }

    #[test]
    fn a_pod_is_told_by_what_keeps_it() {
        let done = json!({"terminated": {"exitCode": 0, "reason": "Completed"}});
        let failed = json!({"terminated": {"exitCode": 3}});
        let running = json!({"running": {}});
        let last = json!({"terminated": {"finishedAt": "2026-01-01T00:00:00Z"}});
        let init = |state: &Value, restarts: i64| {
            json!([
                {"name": "i", "state": state, "restartCount": restarts},
                {"name": "s", "state": running, "started": true, "ready": true, "restartCount": 1, "lastState": last},
            ])
        };
        let main = |state: &Value| json!([{"name": "c", "state": state, "ready": true, "restartCount": 0}]);
        check(
            &init(&failed, 2),
            &json!(null),
            ["0/2", "Init:ExitCode:3", "2"],
        );
        check(&init(&running, 0), &json!(null), ["0/2", "Init:0/2", "0"]);
        check(
            &init(&done, 5),
            &main(&running),
            ["2/2", "Pending", "1 (60s ago)"],
        );
        check(
            &init(&done, 5),
            &main(&failed),
            ["1/2", "ExitCode:3", "1 (60s ago)"],
        );
        let waiting = json!({"waiting": {"reason": "ErrImagePull"}});
        check(
            &init(&done, 0),
            &main(&waiting),
            ["1/2", "ErrImagePull", "1 (60s ago)"],
        );
    }
}
