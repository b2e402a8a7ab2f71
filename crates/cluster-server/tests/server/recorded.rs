//! One visit to a Pod, as it was recorded at a Kubernetes 1.36 API server: the same requests, with the same users and
//! the same answers of a webhook, must give the same admission reviews and the same audit events.
//!
//! Compared is everything but what no two clusters share: uids, revisions, times, and the name of the volume with the
//! Pod's token. Kubernetes asks webhooks anew whenever a deletion is tried again; how often is not compared.

use std::time::Duration;

use cluster_server::audit::{AuditConfig, LogConfig};
use serde_json::{Value, json};

use super::Cluster;
use super::stub::Stub;
use super::wire::Client;

const REVIEWS: &str = include_str!("../data/admission-reviews.jsonl");
const EVENTS: &str = include_str!("../data/audit-events.jsonl");

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = "/api/v1/namespaces/default/pods/rec";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const KUBECTL: &str = "kubectl/v0.0.0 (linux/amd64) kubernetes/$Format";

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines();
    lines
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

/// Replaces what no two clusters share.
fn mask(value: &mut Value) {
    const OWN: [&str; 11] = [
        "uid",
        "auditID",
        "resourceVersion",
        "time",
        "creationTimestamp",
        "deletionTimestamp",
        "lastTransitionTime",
        "startTime",
        "startedAt",
        "requestReceivedTimestamp",
        "stageTimestamp",
    ];
    match value {
        Value::Object(fields) => {
            let is_user = fields.contains_key("username");
            for (key, value) in fields {
                if value.is_string() && OWN.contains(&key.as_str()) && !(is_user && key == "uid") {
                    *value = "*".into();
                } else {
                    mask(value);
                }
                if let (Some(entries), "managedFields") = (value.as_array_mut(), key.as_str()) {
                    // Their order is that of their times.
                    entries.sort_by_key(|entry| entry["manager"].to_string());
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(mask),
        Value::String(text) if text.starts_with("kube-api-access-") => {
            *value = "kube-api-access-*".into();
        }
        _ => {}
    }
}

/// Every place where the two differ, with what is there.
fn differences(path: &str, got: &Value, expected: &Value, out: &mut Vec<String>) {
    match (got, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys = a.keys().chain(b.keys().filter(|key| !a.contains_key(*key)));
            for key in keys {
                let path = format!("{path}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => differences(&path, a, b, out),
                    (Some(a), None) => out.push(format!("{path}: {a}, which was not recorded")),
                    (None, b) => out.push(format!(
                        "{path}: missing, recorded {}",
                        b.unwrap_or(&Value::Null)
                    )),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, out);
            }
        }
        _ if got == expected => {}
        _ => out.push(format!("{path}: {got}, recorded {expected}")),
    }
}

fn check(name: &str, mut got: Value, mut expected: Value) -> Vec<String> {
    mask(&mut got);
    mask(&mut expected);
    let mut out = Vec::new();
    differences(name, &got, &expected, &mut out);
    out
}

/// The cluster with its webhook, its node and its audit log.
struct Visit {
    cluster: Cluster,
    stub: Stub,
    node: Stub,
    folder: tempfile::TempDir,
}

impl Visit {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let policy_file = folder.path().join("policy.json");
        let streams = ["ephemeralcontainers", "attach", "exec", "log"];
        let streams = streams.map(|name| format!("pods/{name}"));
        let rules = json!([
            {"level": "RequestResponse", "resources": [{"group": "", "resources": streams}]},
            {"level": "Metadata", "resources": [{"group": "", "resources": ["pods"]}]},
        ]);
        let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules});
        let file = std::fs::File::create(&policy_file).expect("a file");
        serde_json::to_writer(file, &policy).expect("written");
        let cluster = Cluster::start_with(Some(AuditConfig {
            policy_file,
            log: Some(LogConfig::new(folder.path().join("audit.log"))),
            webhook: None,
        }))
        .await;
        let node = Stub::start(&cluster.server, node_answer).await;
        let stub = Stub::start(&cluster.server, webhook_answer).await;
        let visit = Self {
            cluster,
            stub,
            node,
            folder,
        };
        visit.prepare().await;
        visit
    }

    /// The node, alice's rights, the webhook.
    async fn prepare(&self) {
        let account = "/api/v1/namespaces/default/serviceaccounts/default";
        let admin = self.client("admin");
        let there = async {
            while admin.get(account).await.code != 200 {
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), there).await;
        waited.expect("the account in time");
        let node = json!({"metadata": {"name": "n1"}, "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.node.port()}}}});
        self.create("/api/v1/nodes", node).await;
        let rules = json!([{"apiGroups": [""], "resources": ["pods/ephemeralcontainers"], "verbs": ["patch", "update"]}]);
        let role = json!({"metadata": {"name": "ec"}, "rules": rules});
        self.create(&format!("{ROLES}/roles"), role).await;
        for (name, kind, role) in [("ec", "Role", "ec"), ("al", "ClusterRole", "edit")] {
            let group = "rbac.authorization.k8s.io";
            let binding = json!({"metadata": {"name": name}, "roleRef": {"apiGroup": group, "kind": kind, "name": role},
                "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}]});
            self.create(&format!("{ROLES}/rolebindings"), binding).await;
        }
        let operations = ["CREATE", "UPDATE", "DELETE", "CONNECT"];
        let connects = [
            "pods",
            "pods/ephemeralcontainers",
            "pods/attach",
            "pods/exec",
            "pods/portforward",
        ];
        let mut hook = self.stub.hook("rec.example.com", &operations, &connects);
        hook["timeoutSeconds"] = 5.into();
        let configuration = json!({"metadata": {"name": "rec"}, "webhooks": [hook]});
        let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
        self.create(path, configuration).await;
    }

    fn client(&self, person: &str) -> Client {
        let token = self.cluster.token_of(person);
        Client::bearer(&self.cluster, &token).header("user-agent", KUBECTL)
    }

    /// The node's agent, as whom the administrator acts.
    fn kubelet(&self) -> Client {
        Client::admin(&self.cluster)
            .header(
                "user-agent",
                "kubelet/v0.0.0 (linux/amd64) kubernetes/$Format",
            )
            .header("impersonate-user", "system:node:n1")
            .header("impersonate-group", "system:nodes")
            .header("impersonate-uid", "node-uid")
    }

    async fn create(&self, path: &str, object: Value) {
        let answer = self.client("admin").post(path, &object).await;
        assert_eq!(answer.code, 201, "{path}: {}", answer.text);
    }

    /// The node's agent reports this status; what is in it already stays somebody else's.
    async fn report(&self, status: &Value) {
        let client = self.kubelet().header("content-type", STRATEGIC);
        let mut status = status.clone();
        let current = client.get(POD).await.json();
        let scheduled = |conditions: &Value| {
            let all = conditions.as_array().into_iter().flatten();
            all.into_iter()
                .position(|one| one["type"] == "PodScheduled")
        };
        let (new, old) = (&status["conditions"], &current["status"]["conditions"]);
        let (new, old) = (scheduled(new).expect("one"), scheduled(old).expect("one"));
        let time = &current["status"]["conditions"][old]["lastTransitionTime"];
        status["conditions"][new]["lastTransitionTime"] = time.clone();
        let body = json!({"status": status});
        let answer = client
            .send("PATCH", &format!("{POD}/status"), Some(&body))
            .await;
        assert_eq!(answer.code, 200, "{}", answer.text);
    }

    async fn connect(&self, method: &str, path: &str, protocol: &str) -> u16 {
        let client = self
            .client("alice")
            .header("connection", "Upgrade")
            .header("upgrade", protocol)
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-protocol", "v5.channel.k8s.io");
        let answer = client.request(method, path, None).await;
        answer.status().as_u16()
    }

    /// The event of the same stage of the same request; waits for it, as streams end later.
    async fn event_like(&self, expected: &Value) -> Value {
        let same = |event: &Value| {
            let fields = ["stage", "verb", "requestURI", "userAgent", "user"];
            let code = |event: &Value| event["responseStatus"]["code"].clone();
            fields.iter().all(|key| event[*key] == expected[*key]) && code(event) == code(expected)
        };
        let log = self.folder.path().join("audit.log");
        let looking = async {
            loop {
                let text = std::fs::read_to_string(&log).expect("a log");
                match lines(&text).into_iter().find(same) {
                    Some(event) => return event,
                    None => tokio::task::yield_now().await,
                }
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(10), looking).await;
        found.unwrap_or_else(|_| panic!("not written: {expected}"))
    }
}

fn node_answer(request: &Value) -> Value {
    let url = request["url"].as_str().unwrap_or_default();
    if url.starts_with("/containerLogs/") {
        return json!({"raw": {"status": 200, "body": "hi\n"}});
    }
    json!({"raw": {"status": 101}})
}

fn webhook_answer(request: &Value) -> Value {
    let containers = request["object"]["spec"]["ephemeralContainers"].as_array();
    let refused = containers
        .into_iter()
        .flatten()
        .any(|one| one["image"] == "deny-me");
    if !refused {
        return json!({"allowed": true, "auditAnnotations": {"session": "s-123"}});
    }
    let cause = json!({"reason": "FieldValueForbidden", "message": "x", "field": "spec.ephemeralContainers[0].image"});
    json!({"allowed": false, "status": {"code": 403, "reason": "Forbidden",
        "message": "no approved session for this pod", "details": {"causes": [cause]}}})
}

/// The object whose creation was recorded, as `kubectl apply` sent it.
fn applied(review: &Value) -> Value {
    let key = "kubectl.kubernetes.io/last-applied-configuration";
    let text = review["request"]["object"]["metadata"]["annotations"][key].clone();
    let mut pod: Value = serde_json::from_str(text.as_str().expect("text")).expect("JSON");
    pod["metadata"]["annotations"][key] = text;
    pod
}

/// The visit as it was recorded, request by request.
async fn replay(visit: &Visit, reviews: &[Value], events: &[Value]) {
    let admin = visit.client("admin");
    assert_eq!(admin.get(POD).await.code, 404);
    let path = format!("{PODS}?fieldManager=kubectl-client-side-apply&fieldValidation=Strict");
    let answer = admin.post(&path, &applied(&reviews[0])).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": "n1"});
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "rec"}, "target": target});
    visit.create(&format!("{POD}/binding"), binding).await;
    visit
        .report(&reviews[1]["request"]["oldObject"]["status"])
        .await;

    let alice = visit.client("alice");
    assert_eq!(alice.get(POD).await.code, 200);
    let patches: Vec<&Value> = events
        .iter()
        .filter_map(|event| event.get("requestObject"))
        .collect();
    let patching = visit.client("alice").header("content-type", STRATEGIC);
    let path = format!("{POD}/ephemeralcontainers");
    let answer = patching.send("PATCH", &path, Some(patches[0])).await;
    assert_eq!(answer.code, 200, "{}", answer.text);

    let watch = format!(
        "{PODS}?allowWatchBookmarks=true&fieldSelector=metadata.name%3Drec&resourceVersionMatch=NotOlderThan\
        &sendInitialEvents=true&timeout=5m11s&timeoutSeconds=311&watch=true"
    );
    assert_eq!(alice.request("GET", &watch, None).await.status(), 200);
    let attach = format!("{POD}/attach?container=d1&stderr=true&stdin=true&stdout=true");
    // kubectl tries a WebSocket, and then as it did before there were any.
    assert_eq!(visit.connect("GET", &attach, "websocket").await, 101);
    assert_eq!(visit.connect("POST", &attach, "SPDY/3.1").await, 101);
    let exec = format!("{POD}/exec?command=id&container=app&stderr=true&stdout=true");
    assert_eq!(visit.connect("GET", &exec, "websocket").await, 101);

    visit
        .report(&reviews[5]["request"]["oldObject"]["status"])
        .await;
    let answer = patching.send("PATCH", &path, Some(patches[1])).await;
    assert_eq!(answer.code, 403, "{}", answer.text);
    visit
        .connect("POST", &format!("{POD}/portforward"), "SPDY/3.1")
        .await;
    let log = format!("{POD}/log?container=app&tailLines=1");
    assert_eq!(alice.get(&log).await.text, "hi\n");

    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 1, "propagationPolicy": "Background"});
    let answer = admin.send("DELETE", POD, Some(&options)).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    visit
        .report(&reviews[8]["request"]["oldObject"]["status"])
        .await;
    let uid = &answer.json()["metadata"]["uid"];
    let options = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "preconditions": {"uid": uid}});
    let answer = visit.kubelet().send("DELETE", POD, Some(&options)).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
}

#[tokio::test]
async fn webhooks_and_the_audit_log_are_told_of_a_visit_what_they_were_told_in_the_recording() {
    let (reviews, events) = (lines(REVIEWS), lines(EVENTS));
    let visit = Visit::start().await;
    replay(&visit, &reviews, &events).await;
    let mut wrong = Vec::new();
    let asked = visit.stub.asked();
    for (at, (mut got, expected)) in asked.into_iter().zip(&reviews).enumerate() {
        let url = got["url"].take();
        if let Some(fields) = got.as_object_mut() {
            fields.remove("url");
        }
        assert_eq!(url, "/judge?timeout=5s");
        let review =
            json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": got});
        wrong.extend(check(&format!("review {at}"), review, expected.clone()));
    }
    assert!(visit.stub.asked().len() >= reviews.len());
    for expected in &events {
        let got = visit.event_like(expected).await;
        let name = format!(
            "{} {} {}",
            expected["verb"], expected["requestURI"], expected["stage"]
        );
        wrong.extend(check(&name, got, expected.clone()));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    visit.cluster.stop().await;
}
