//! ValidatingAdmissionPolicies about visits to Pods: a debug container is added, somebody connects, a Pod is deleted.
//! All over HTTPS, with the whole answer.

use cluster_server::audit::{AuditConfig, LogConfig};
use serde_json::{Value, json};

use super::wire::{Answer, Client};
use super::{Cluster, pod};

const GROUP: &str = "admissionregistration.k8s.io";
const PODS: &str = "/api/v1/namespaces/n/pods";
const DENIED: &str =
    "ValidatingAdmissionPolicy 'visits' with binding 'everywhere' denied request: ";
const FAILED: &str =
    "Validation failed for ValidatingAdmissionPolicy 'visits' with binding 'everywhere': ";

/// A policy `visits` about one operation on one resource, bound by `everywhere`.
async fn bind(
    cluster: &Cluster,
    (operation, resource): (&str, &str),
    validations: Value,
    actions: &[&str],
) {
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": [resource]});
    let policy = json!({"metadata": {"name": "visits"},
        "spec": {"matchConstraints": {"resourceRules": [rule]}, "validations": validations}});
    let binding = json!({"metadata": {"name": "everywhere"},
        "spec": {"policyName": "visits", "validationActions": actions}});
    for (plural, object) in [
        ("validatingadmissionpolicies", policy),
        ("validatingadmissionpolicybindings", binding),
    ] {
        let created = cluster.create(GROUP, "v1", plural, "", object).await;
        created.expect("stored");
    }
}

/// The rules about debug containers: what they may be called, and what they may not do.
fn debug_rules() -> Value {
    let added = "object.spec.ephemeralContainers.filter(c, !has(oldObject.spec.ephemeralContainers) || \
        !oldObject.spec.ephemeralContainers.exists(o, o.name == c.name))";
    let name = format!("{added}.all(c, !c.name.startsWith('root-'))");
    let capability = "object.spec.ephemeralContainers.all(c, !('SYS_ADMIN' in c.?securityContext.capabilities.add.orValue([])))";
    json!([
        {"expression": name, "message": "no debug container may be called root-*"},
        {"expression": capability, "reason": "Forbidden",
            "messageExpression": "request.userInfo.username + ' may not add SYS_ADMIN'"},
    ])
}

fn debugger(name: &str, capability: &str) -> Value {
    let security = json!({"capabilities": {"add": [capability]}});
    let container = json!({"name": name, "image": "busybox:1", "securityContext": security});
    json!({"spec": {"ephemeralContainers": [container]}})
}

async fn debug(cluster: &Cluster, container: &Value) -> Answer {
    let client =
        Client::admin(cluster).header("content-type", "application/strategic-merge-patch+json");
    let path = format!("{PODS}/web/ephemeralcontainers");
    client.send("PATCH", &path, Some(container)).await
}

/// The whole `Status` of a refusal of the Pod `web`.
fn refusal(code: u16, reason: &str, why: &str) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("pods \"web\" is forbidden: {DENIED}{why}"), "reason": reason,
        "details": {"name": "web", "kind": "pods", "causes": [{"message": format!("{DENIED}{why}")}]}, "code": code,
    })
}

fn check(answer: &Answer, code: u16, reason: &str, why: &str) {
    assert_eq!(answer.json(), refusal(code, reason, why));
    assert_eq!(answer.code, code);
}

#[tokio::test]
async fn a_policy_refuses_a_debug_container_by_its_name_or_by_what_it_may_do() {
    let cluster = Cluster::start().await;
    cluster.create_pod("web").await.expect("a pod");
    bind(
        &cluster,
        ("UPDATE", "pods/ephemeralcontainers"),
        debug_rules(),
        &["Deny"],
    )
    .await;
    let answer = debug(&cluster, &debugger("root-1", "SYS_PTRACE")).await;
    check(
        &answer,
        422,
        "Invalid",
        "no debug container may be called root-*",
    );
    let answer = debug(&cluster, &debugger("d1", "SYS_ADMIN")).await;
    check(&answer, 403, "Forbidden", "admin may not add SYS_ADMIN");
    let answer = debug(&cluster, &debugger("root-2", "SYS_ADMIN")).await;
    check(
        &answer,
        422,
        "Invalid",
        "no debug container may be called root-*",
    );
    let stored = Client::admin(&cluster).get(&format!("{PODS}/web")).await;
    assert!(stored.json()["spec"].get("ephemeralContainers").is_none());

    let answer = debug(&cluster, &debugger("d1", "SYS_PTRACE")).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    // The rule is not about the Pod itself.
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    let client = Client::admin(&cluster).header("content-type", "application/merge-patch+json");
    let answer = client
        .send("PATCH", &format!("{PODS}/web"), Some(&patch))
        .await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    cluster.stop().await;
}

#[tokio::test]
async fn a_policy_that_warns_and_audits_lets_the_debug_container_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let (policy_file, log) = (folder.path().join("policy.json"), folder.path().join("log"));
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]});
    let file = std::fs::File::create(&policy_file).expect("a file");
    serde_json::to_writer(file, &policy).expect("written");
    let audit = AuditConfig {
        policy_file,
        log: Some(LogConfig::new(log.clone())),
        webhook: None,
    };
    let cluster = Cluster::start_with(Some(audit)).await;
    cluster.create_pod("web").await.expect("a pod");
    let rules = json!([{"expression": "object.spec.ephemeralContainers.size() < 1"}]);
    let actions = ["Warn", "Audit"];
    bind(
        &cluster,
        ("UPDATE", "pods/ephemeralcontainers"),
        rules,
        &actions,
    )
    .await;

    let answer = debug(&cluster, &debugger("d1", "SYS_PTRACE")).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let why = "failed expression: object.spec.ephemeralContainers.size() < 1";
    let warnings: Vec<_> = answer.headers.get_all("warning").iter().collect();
    assert_eq!(warnings, [&format!("299 - \"{FAILED}{why}\"")]);
    let text = std::fs::read_to_string(&log).expect("a log");
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let event = events
        .filter(|event| event["stage"] == "ResponseComplete")
        .find(|event| event["objectRef"]["subresource"] == "ephemeralcontainers");
    let annotations = event.expect("the event")["annotations"].clone();
    // As Go writes JSON.
    let expected = r#"[{"message":"failed expression: object.spec.ephemeralContainers.size() \u003c 1","policy":"visits","binding":"everywhere","expressionIndex":0,"validationActions":["Warn","Audit"]}]"#;
    assert_eq!(
        annotations["validation.policy.admission.k8s.io/validation_failure"],
        expected
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_policy_sees_what_somebody_connects_for() {
    let cluster = Cluster::start().await;
    cluster.create_pod("web").await.expect("a pod");
    let rules = json!([
        {"expression": "object.kind == 'PodExecOptions' && object.apiVersion == 'v1' && oldObject == null"},
        {"expression": "request.operation == 'CONNECT' && request.subResource == 'exec' && request.name == 'web' && \
            request.kind.kind == 'PodExecOptions' && request.options == null"},
        {"expression": "object.command[0] != 'sh'", "message": "no shells"},
        {"expression": "!object.?tty.orValue(false)", "message": "no terminals"},
        {"expression": "object.container == 'app'"},
    ]);
    bind(&cluster, ("CONNECT", "pods/exec"), rules, &["Deny"]).await;
    let client = Client::admin(&cluster);
    let exec = async |query: &str| client.get(&format!("{PODS}/web/exec?{query}")).await;
    let answer = exec("container=app&command=sh&command=-c&command=id&stdout=true").await;
    check(&answer, 422, "Invalid", "no shells");
    let answer = exec("container=app&command=id&tty=true").await;
    check(&answer, 422, "Invalid", "no terminals");
    let missing =
        "expression 'object.container == 'app'' resulted in error: no such key: container";
    check(&exec("command=id").await, 422, "Invalid", missing);
    // Let through, and refused for another reason: there is no node.
    let answer = exec("container=app&command=id").await;
    assert_eq!(
        (answer.code, answer.message().as_str()),
        (400, "pod web does not have a host assigned")
    );
    let answer = client.get(&format!("{PODS}/web/attach?tty=true")).await;
    assert_eq!(answer.code, 400, "{}", answer.text);
    cluster.stop().await;
}

#[tokio::test]
async fn a_policy_about_deletions_sees_what_would_be_deleted() {
    let cluster = Cluster::start().await;
    let mut kept = pod("web");
    kept["metadata"]["labels"] = json!({"keep": "yes"});
    cluster
        .create("", "v1", "pods", "n", kept)
        .await
        .expect("a pod");
    cluster.create_pod("other").await.expect("a pod");
    let rules = json!([
        {"expression": "object == null"},
        {"expression": "request.options.kind == 'DeleteOptions' && request.operation == 'DELETE'"},
        {"expression": "!has(request.subResource) && !has(request.requestSubResource)"},
        {"expression": "!('keep' in oldObject.metadata.?labels.orValue({}))",
            "messageExpression": "oldObject.metadata.name + ' is kept'", "message": "kept"},
    ]);
    bind(&cluster, ("DELETE", "pods"), rules, &["Deny"]).await;
    let client = Client::admin(&cluster);
    let answer = client.send("DELETE", &format!("{PODS}/web"), None).await;
    check(&answer, 422, "Invalid", "web is kept");
    let answer = client
        .send("DELETE", &format!("{PODS}/web?dryRun=All"), None)
        .await;
    check(&answer, 422, "Invalid", "web is kept");
    assert_eq!(client.get(&format!("{PODS}/web")).await.code, 200);
    let answer = client.send("DELETE", &format!("{PODS}/other"), None).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    cluster.stop().await;
}

#[tokio::test]
async fn a_policy_sees_who_binds_a_pod_to_a_node() {
    let cluster = Cluster::start().await;
    cluster.create_pod("web").await.expect("a pod");
    let rules = json!([{"expression": "object.kind == 'Binding' && object.target.name != 'forbidden'", "message": "not there"}]);
    bind(&cluster, ("CREATE", "pods/binding"), rules, &["Deny"]).await;
    let client = Client::admin(&cluster);
    let to = |node: &str| {
        let target = json!({"apiVersion": "v1", "kind": "Node", "name": node});
        json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "web"}, "target": target})
    };
    let path = format!("{PODS}/web/binding");
    let answer = client.post(&path, &to("forbidden")).await;
    check(&answer, 422, "Invalid", "not there");
    let answer = client.post(&path, &to("allowed")).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    cluster.stop().await;
}
