//! Pods as clients send them: what is refused in which words, what is added, what is warned of, and what may change
//! later.

use cluster_server::api::{Context, Patch, PatchType};
use serde_json::{Value, json};

use super::{Cluster, pod};

/// A Pod with these fields in its spec.
fn with(name: &str, fields: &Value) -> Value {
    let mut pod = pod(name);
    for (field, value) in fields.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    pod
}

/// The one container of a Pod, with these fields.
fn container(fields: &Value) -> Value {
    let mut container = json!({"name": "app", "image": "registry.example/app:1"});
    for (field, value) in fields.as_object().into_iter().flatten() {
        container[field] = value.clone();
    }
    json!({ "containers": [container] })
}

/// Each of these is refused with just this.
async fn refuses(cluster: &Cluster, cases: Vec<(Value, String)>) {
    for (fields, expected) in cases {
        let refused = cluster
            .create("", "v1", "pods", "n", with("p", &fields))
            .await;
        let error = refused.expect_err("a refusal");
        assert_eq!((error.code, error.reason), (422, "Invalid"), "{fields}");
        let text = format!("Pod \"p\" is invalid: {expected}");
        assert_eq!(error.message, text, "{fields}");
    }
}

#[tokio::test]
async fn a_container_is_refused_field_by_field_in_kubernetes_words() {
    let cluster = Cluster::start().await;
    let app = "spec.containers[0]";
    let cases = vec![
        (
            container(
                &json!({"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}}]}),
            ),
            format!("{app}.env[0].valueFrom.configMapKeyRef.key: Required value"),
        ),
        (
            container(&json!({"resources": {"requests": {"foo": "1"}}})),
            format!(
                "[{app}.resources.requests[foo]: Invalid value: \"foo\": must be a standard resource type or fully qualified, {app}.resources.requests[foo]: Invalid value: \"foo\": must be a standard resource for containers]"
            ),
        ),
        (
            container(&json!({"resources": {"requests": {"example.com/gpu": "1"}}})),
            format!(
                "{app}.resources.limits: Required value: Limit must be set for non overcommitable resources"
            ),
        ),
        (
            container(&json!({"resources": {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}})),
            format!(
                "[{app}.resources.limits[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi, {app}.resources.requests[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not positive integer multiple of hugepages-2Mi]"
            ),
        ),
        (
            container(
                &json!({"restartPolicyRules": [{"action": "Stop", "exitCodes": {"operator": "In", "values": [1]}}]}),
            ),
            format!(
                "[{app}.restartPolicy: Required value: must specify restartPolicy when restart rules are used, {app}.restartPolicyRules[0].action: Unsupported value: \"Stop\": supported values: \"Restart\", \"RestartAllContainers\"]"
            ),
        ),
        (
            container(&json!({"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}})),
            format!(
                "{app}.lifecycle.preStop.sleep: Invalid value: 31: must be non-negative and less than terminationGracePeriodSeconds (30)"
            ),
        ),
        (
            container(
                &json!({"readinessProbe": {"exec": {"command": ["x"]}, "terminationGracePeriodSeconds": 3}}),
            ),
            format!(
                "{app}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 3: must not be set for readinessProbes"
            ),
        ),
    ];
    refuses(&cluster, cases).await;
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_is_refused_field_by_field_in_kubernetes_words() {
    let cluster = Cluster::start().await;
    let cases = vec![        (
            json!({"hostNetwork": true, "securityContext": {"sysctls": [{"name": "net.core.somaxconn", "value": "1"}]}}),
            "spec.securityContext.sysctls[0].name: Invalid value: \"net.core.somaxconn\": may not be specified when 'hostNetwork' is true".to_owned(),
        ),
        (
            json!({"dnsPolicy": "None"}),
            "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None".to_owned(),
        ),
        (
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}}),
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term".to_owned(),
        ),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}]}),
            "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero".to_owned(),
        ),
        (
            json!({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "p"}}]}),
            "spec.volumes[0].nfs.path: Invalid value: \"p\": must be an absolute path".to_owned(),
        ),
        (
            json!({"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}]}),
            "spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value".to_owned(),
        ),
        (
            json!({"hostAliases": [{"ip": "010.0.0.1"}]}),
            "spec.hostAliases[0].ip: Invalid value: \"010.0.0.1\": must not have leading 0s".to_owned(),
        ),
        (
            json!({"schedulingGates": [{"name": "a/b"}], "nodeName": "x"}),
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared".to_owned(),
        ),
        (
            json!({"os": {"name": "windows"}, "securityContext": {"seLinuxChangePolicy": "Recursive", "runAsUser": 1}}),
            "[spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod, spec.securityContext.seLinuxChangePolicy: Forbidden: cannot be set for a windows pod]".to_owned(),
        ),
    ];
    refuses(&cluster, cases).await;
    cluster.stop().await;
}

#[tokio::test]
async fn what_stands_beside_a_pod_is_told_after_its_own_faults() {
    let cluster = Cluster::start().await;
    for (fields, expected) in [
        (
            json!({"overhead": {"cpu": "1"}}),
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            json!({"priorityClassName": "none"}),
            "no PriorityClass with name none was found",
        ),
        (
            json!({"priority": 7}),
            "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name",
        ),
    ] {
        let refused = cluster
            .create("", "v1", "pods", "n", with("p", &fields))
            .await;
        let error = refused.expect_err("a refusal");
        let text = format!("pods \"p\" is forbidden: {expected}");
        assert_eq!((error.code, error.message), (403, text), "{fields}");
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_new_pod_is_filled_in_and_its_oddities_are_warned_of() {
    let cluster = Cluster::start().await;
    let ctx = Context::system("test");
    let mut odd = with(
        "a.b",
        &json!({"hostNetwork": true, "resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}),
    );
    let port = json!({"containerPort": 80});
    odd["spec"]["containers"][0]["ports"] = json!([port, port]);
    odd["spec"]["containers"][0]["lifecycle"] = json!({"stopSignal": "SIGUSR1"});
    let key = "container.apparmor.security.beta.kubernetes.io/app";
    odd["metadata"]["annotations"] = json!({key: "unconfined"});
    // Two ports of the node cannot be one: the second container port must go elsewhere.
    odd["spec"]["containers"][0]["ports"][1]["protocol"] = "UDP".into();
    let made = cluster.create_as(&ctx, "", "v1", "pods", "n", odd).await;
    let spec = made.expect("a Pod").value["spec"].clone();
    let first = &spec["containers"][0];
    assert_eq!(first["ports"][0]["hostPort"], 80);
    assert_eq!(first["lifecycle"], Value::Null);
    assert_eq!(
        first["securityContext"]["appArmorProfile"],
        json!({"type": "Unconfined"})
    );
    assert_eq!(
        spec["resources"]["requests"],
        json!({"cpu": "2", "memory": "1Gi"})
    );
    assert_eq!(
        ctx.warnings.all(),
        [
            format!("metadata.annotations[{key}]: deprecated since v1.30; use the \"appArmorProfile\" field instead"),
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]".to_owned(),
        ]
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_gated_pod_may_be_narrowed_and_a_running_one_resized() {
    let cluster = Cluster::start().await;
    let ctx = Context::system("test");
    let gated =
        json!({"schedulingGates": [{"name": "example.com/wait"}], "nodeSelector": {"a": "b"}});
    let sized = container(&json!({"resources": {"requests": {"cpu": "1"}}}));
    for (name, fields) in [("gated", &gated), ("sized", &sized)] {
        let made = cluster
            .create("", "v1", "pods", "n", with(name, fields))
            .await;
        made.expect("a Pod");
    }
    let patch = async |name: &str, subresource: &str, patch: Value| {
        let mut target = cluster.target("", "v1", "pods", "n", name);
        subresource.clone_into(&mut target.subresource);
        let patch = Patch {
            kind: PatchType::Merge,
            bytes: patch.to_string().into(),
            repeated: None,
        };
        let done = cluster.server.api().patch(&ctx, &target, &patch).await;
        done.map(|done| done.object.value.clone())
            .map_err(|error| error.message)
    };
    let narrowed = patch("gated", "", json!({"spec": {"nodeSelector": {"c": "d"}}})).await;
    let narrowed = narrowed.expect("narrowed");
    assert_eq!(
        narrowed["spec"]["nodeSelector"],
        json!({"a": "b", "c": "d"})
    );
    assert_eq!(narrowed["metadata"]["generation"], 2);
    let widened = patch("gated", "", json!({"spec": {"nodeSelector": {"a": null}}})).await;
    let text = "Pod \"gated\" is invalid: spec.nodeSelector: Invalid value: {\"c\":\"d\"}: only additions to spec.nodeSelector are allowed (no mutations or deletions)";
    assert_eq!(widened.expect_err("a refusal"), text);

    let resources = |cpu: &str| {
        let container =
            json!({"name": "app", "image": "other", "resources": {"requests": {"cpu": cpu}}});
        json!({"spec": {"containers": [container]}})
    };
    let resized = patch("sized", "resize", resources("2"))
        .await
        .expect("resized");
    let app = &resized["spec"]["containers"][0];
    assert_eq!(app["resources"], json!({"requests": {"cpu": "2"}}));
    assert_eq!(
        app["image"], "registry.example/app:1",
        "nothing else is taken"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn the_two_system_priorities_are_there_from_the_start() {
    let cluster = Cluster::start().await;
    let (classes, _) = cluster
        .server
        .api()
        .store
        .list("priorityclasses.scheduling.k8s.io", None);
    let found: Vec<(&str, i64)> = classes
        .iter()
        .filter_map(|class| {
            let name = class.value["metadata"]["name"].as_str()?;
            Some((name, class.value["value"].as_i64()?))
        })
        .collect();
    let expected = [
        ("system-cluster-critical", 2_000_000_000),
        ("system-node-critical", 2_000_001_000),
    ];
    assert_eq!(found, expected);
}
