//! What is warned of, case by case.

use serde_json::json;

use super::*;

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn check(spec: Value, expected: &[&str]) {
    let pod = json!({"metadata": {"name": "p"}, "spec": spec});
    assert_eq!(of_pod(&pod), expected, "{spec}");
}

#[test]
fn a_variable_given_twice_is_warned_of() {
    let env = json!([{"name": "A"}, {"name": "B"}, {"name": "A", "value": "x"}, {"name": "B", "value": "$(B)c"},
        {"name": "B", "value": "$(B)"}, {"name": "B", "valueFrom": {}}]);
    let hides = |at: usize, name: &str| {
        format!(
            "spec.containers[0].env[{at}]: hides previous definition of {name:?}, which may be dropped when using apply"
        )
    };
    check(
        json!({"containers": [{"env": env}]}),
        &[&hides(2, "A"), &hides(4, "B"), &hides(5, "B")],
    );
}

#[test]
fn ports_that_overlap_are_warned_of() {
    check(
        json!({"containers": [
            {"ports": [{"containerPort": 80, "protocol": "TCP", "name": "a"}, {"containerPort": 80, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 80, "protocol": "TCP", "hostPort": 80, "name": "a"}, {"containerPort": 80, "protocol": "UDP", "hostIP": "10.0.0.1"}]},
        ]}),
        &[
            "spec.containers[0].ports[1]: duplicate port definition with spec.containers[0].ports[0]",
            "spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[0]",
            "spec.containers[1].ports[0]: overlapping port definition with spec.containers[0].ports[1]",
            "spec.containers[1].ports[1]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:UDP HostIP:10.0.0.1}",
            "spec.containers[1].ports[0]: duplicate port name \"a\" with spec.containers[0].ports[0], services and probes that select ports by name will use spec.containers[0].ports[0]",
        ],
    );
}

#[test]
fn volumes_that_overlap_or_are_gone_are_warned_of() {
    check(
        json!({"volumes": [
            {"name": "g", "gitRepo": {"repository": "r"}},
            {"name": "c", "configMap": {"name": "m", "items": [{"key": "a", "path": "x"}, {"key": "b", "path": "x/y/"}]}},
            {"name": "p", "projected": {"sources": [{}, {"serviceAccountToken": {"path": "t"}},
                {"secret": {"name": "s", "items": [{"key": "a", "path": "t"}]}}]}},
        ]}),
        &[
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
            "volume \"c\" (ConfigMap \"m\"): overlapping paths: \"x/y\" with \"x\"",
            "volume \"p\" (Projected) has no sources provided",
            "volume \"p\" (Projected): overlapping paths: \"t\" (Secret \"s\") with \"t\" (ServiceAccountToken)",
        ],
    );
}

#[test]
fn other_oddities_are_warned_of() {
    check(
        json!({
            "nodeSelector": {"beta.kubernetes.io/os": "linux"},
            "hostAliases": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.1"}, {"ip": "FD00::1"}],
            "imagePullSecrets": [{}],
            "terminationGracePeriodSeconds": -1,
            "topologySpreadConstraints": [{"topologyKey": "zone"}],
            "containers": [{"resources": {"limits": {"memory": "128m"}}}],
        }),
        &[
            "spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use \"kubernetes.io/os\" instead",
            "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
            "spec.hostAliases[1].ip: duplicate ip \"10.0.0.1\"",
            "spec.imagePullSecrets[0].name: invalid empty name \"\"",
            "spec.containers[0].resources.limits[memory]: fractional byte value \"128m\" is invalid, must be an integer",
            "spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
            "spec.hostAliases[2].ip: IPv6 address \"FD00::1\" should be in RFC 5952 canonical format (\"fd00::1\")",
        ],
    );
    let dotted = json!({"metadata": {"name": "a.b"}, "spec": {}});
    assert_eq!(
        of_pod(&dotted),
        [
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]"
        ]
    );
}
