//! Fields behind feature gates that are off in Kubernetes 1.36: they are dropped silently (`DropDisabledPodFields`).

use serde_json::Value;

/// Drops them from a Pod.
pub(super) fn fields(pod: &mut Value) {
    if let Some(spec) = pod["spec"].as_object_mut() {
        // GenericWorkload.
        spec.remove("schedulingGroup");
    }
    each(pod, "/spec/volumes", |volume| {
        each(volume, "/projected/sources", |source| {
            if let Some(source) = source.as_object_mut() {
                // ClusterTrustBundleProjection, PodCertificateRequest.
                source.remove("clusterTrustBundle");
                source.remove("podCertificate");
            }
        });
    });
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        each(pod, &format!("/spec/{list}"), stop_signal);
    }
}

/// Does something to each item of a list, if it is there. (To index what is not there would create it.)
fn each(holder: &mut Value, pointer: &str, mut action: impl FnMut(&mut Value)) {
    let list = holder.pointer_mut(pointer).and_then(Value::as_array_mut);
    list.into_iter().flatten().for_each(&mut action);
}

/// `ContainerStopSignals`; a lifecycle that held nothing else goes too.
fn stop_signal(container: &mut Value) {
    let Some(container) = container.as_object_mut() else {
        return;
    };
    let lifecycle = container.get_mut("lifecycle");
    if let Some(lifecycle) = lifecycle.and_then(Value::as_object_mut)
        && lifecycle.remove("stopSignal").is_some()
        && lifecycle.is_empty()
    {
        container.remove("lifecycle");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_behind_a_closed_gate_is_dropped() {
        let mut pod = json!({"spec": {
            "schedulingGroup": {"podGroupName": "g"},
            "containers": [{"lifecycle": {"stopSignal": "SIGUSR1"}}, {"lifecycle": {"stopSignal": "SIGUSR1", "preStop": {}}}],
            "volumes": [{"projected": {"sources": [{"clusterTrustBundle": {"path": "x"}}]}}],
        }});
        fields(&mut pod);
        let expected = json!({"spec": {
            "containers": [{}, {"lifecycle": {"preStop": {}}}],
            "volumes": [{"projected": {"sources": [{}]}}],
        }});
        assert_eq!(pod, expected);
    }
}
