//! Bodies as they come, and as Kubernetes would write them back.

use k8s_openapi::api::core::v1::{Event, Node, Pod, Secret};
use serde_json::json;

use super::*;

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn check<T: JsonSchema + Resource + 'static>(input: Value, expected: Value, unknown: &[&str]) {
    let decoded = decode_as::<T>(input).expect("decodes");
    assert_eq!(decoded.object, expected);
    assert_eq!(decoded.unknown, unknown);
}

#[test]
fn an_object_is_written_back_as_its_go_type_writes_it() {
    check::<Pod>(
        json!({"kind": "Pod", "spec": {"containers": [{"name": "a", "stdin": false, "args": [], "x": 1,
            "resources": {"limits": {"cpu": 1, "memory": "1024Ki"}}, "securityContext": {"privileged": false}}]}, "y": null}),
        json!({"kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "a",
            "resources": {"limits": {"cpu": "1", "memory": "1Mi"}}, "securityContext": {"privileged": false}}]}, "status": {}}),
        &["spec.containers[0].x", "y"],
    );
    check::<Node>(
        json!({"spec": {"unschedulable": false}}),
        json!({"metadata": {}, "spec": {}, "status": {"daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
            "nodeInfo": {"architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
                "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": ""}}}),
        &[],
    );
    check::<Event>(
        json!({"reason": "x", "eventTime": "2026-01-01T00:00:00.1Z"}),
        json!({"metadata": {}, "involvedObject": {}, "reason": "x", "source": {}, "firstTimestamp": null,
            "lastTimestamp": null, "eventTime": "2026-01-01T00:00:00.100000Z", "reportingComponent": "", "reportingInstance": ""}),
        &[],
    );
    check::<Secret>(
        json!({"data": {"a": "YQ=="}}),
        json!({"metadata": {}, "data": {"a": "YQ=="}}),
        &[],
    );
}

fn rejects(input: Value, expected: &str) {
    let error = decode_as::<Pod>(input).expect_err("rejected");
    assert_eq!(
        error.message,
        format!("Pod in version \"v1\" cannot be handled as a Pod: {expected}")
    );
}

#[test]
fn another_json_type_is_rejected_in_the_words_of_go() {
    rejects(
        json!({"spec": {"containers": [{"command": "sh"}]}}),
        "json: cannot unmarshal string into Go struct field Container.spec.containers.command of type []string",
    );
    rejects(
        json!({"spec": {"hostNetwork": "yes"}}),
        "json: cannot unmarshal string into Go struct field PodSpec.spec.hostNetwork of type bool",
    );
    rejects(
        json!({"metadata": {"labels": {"a": 1}}}),
        "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
    );
    rejects(
        json!([]),
        "json: cannot unmarshal array into Go value of type v1.Pod",
    );
    rejects(
        json!({"spec": {"containers": [{"resources": {"limits": {"cpu": "x"}}}]}}),
        "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    );
}
