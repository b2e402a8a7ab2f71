//! What is written of requests, as `/var/log/audit.log` shows it.

mod streams;
mod webhook;

use std::path::Path;
use std::time::Duration;

use cluster_server::audit::{AuditConfig, LogConfig};
use serde_json::{Value, json};

use crate::client::{Cluster, Wanted};
use crate::{CONFIG_MAPS, PODS, config_map, pod};

const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

/// A cluster that writes what `rules` say.
struct Audited {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Audited {
    async fn start(rules: Value) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = Cluster::start_with(Some(AuditConfig {
            policy_file: policy(folder.path(), &rules),
            log: Some(LogConfig::new(folder.path().join("audit.log"))),
            webhook: None,
        }))
        .await;
        Self { cluster, folder }
    }

    /// The events of the request with this `Audit-ID`, in their order.
    fn events(&self, id: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("audit.log")).expect("a log");
        let events = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON"));
        events.filter(|event| event["auditID"] == id).collect()
    }

    /// Sends a request; its events, when the answer is there.
    async fn ask(&self, wanted: Wanted) -> Vec<Value> {
        let id = uuid::Uuid::new_v4().to_string();
        let response = self.cluster.send(&wanted.header("Audit-ID", &id)).await;
        assert_eq!(response.headers()["audit-id"], id.as_str());
        self.events(&id)
    }

    /// The one event at ResponseComplete.
    async fn complete(&self, wanted: Wanted) -> Value {
        let mut events = self.ask(wanted).await;
        let last = events.pop().expect("an event");
        assert_eq!(last["stage"], "ResponseComplete", "{last}");
        last
    }

    async fn stop(self) {
        self.cluster.stop().await;
    }
}

fn policy(folder: &Path, rules: &Value) -> std::path::PathBuf {
    let path = folder.join("policy.json");
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules});
    let file = std::fs::File::create(&path).expect("a file");
    serde_json::to_writer(file, &policy).expect("written");
    path
}

fn metadata() -> Value {
    json!([{"level": "Metadata"}])
}

fn keys(event: &Value) -> Vec<&str> {
    let fields = event.as_object().expect("an object");
    fields.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_request_is_told_at_its_begin_and_at_its_end() {
    let audited = Audited::start(metadata()).await;
    let path = format!("{PODS}/absent?pretty=false");
    let wanted = Wanted::new("GET", &path).header("user-agent", "kubectl/v1");
    let events = audited.ask(wanted).await;
    let [received, complete] = &events[..] else {
        panic!("two events, not {events:?}")
    };
    let mut expected = vec![
        "kind",
        "apiVersion",
        "level",
        "auditID",
        "stage",
        "requestURI",
        "verb",
        "user",
        "sourceIPs",
        "userAgent",
        "objectRef",
        "requestReceivedTimestamp",
        "stageTimestamp",
    ];
    assert_eq!(keys(received), expected);
    assert_eq!(received["stage"], "RequestReceived");
    assert_eq!(
        received["stageTimestamp"],
        received["requestReceivedTimestamp"]
    );
    expected.insert(11, "responseStatus");
    expected.push("annotations");
    assert_eq!(keys(complete), expected);
    for event in &events {
        assert_eq!(event["kind"], "Event");
        assert_eq!(event["apiVersion"], "audit.k8s.io/v1");
        assert_eq!(event["level"], "Metadata");
        assert_eq!(event["requestURI"], path);
        assert_eq!(event["verb"], "get");
        assert_eq!(event["sourceIPs"], json!(["127.0.0.1"]));
        assert_eq!(event["userAgent"], "kubectl/v1");
        let object = json!({"resource": "pods", "namespace": "default", "name": "absent", "apiVersion": "v1"});
        assert_eq!(event["objectRef"], object);
        assert_eq!(event["user"]["username"], "admin");
    }
    let status = json!({"metadata": {}, "status": "Failure", "message": "pods \"absent\" not found", "reason": "NotFound",
        "details": {"name": "absent", "kind": "pods"}, "code": 404});
    assert_eq!(complete["responseStatus"], status);
    let annotations =
        json!({"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""});
    assert_eq!(complete["annotations"], annotations);
    audited.stop().await;
}

#[tokio::test]
async fn the_object_of_a_write_is_told_by_its_body() {
    let audited = Audited::start(metadata()).await;
    let create = Wanted::new("POST", CONFIG_MAPS).body(JSON, &config_map("a").to_string());
    let events = audited.ask(create).await;
    let collection = json!({"resource": "configmaps", "namespace": "default", "apiVersion": "v1"});
    assert_eq!(events[0]["objectRef"], collection);
    let object =
        json!({"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"});
    assert_eq!(events[1]["objectRef"], object);
    assert_eq!(
        events[1]["responseStatus"],
        json!({"metadata": {}, "code": 201})
    );
    assert!(events[1].get("requestObject").is_none() && events[1].get("responseObject").is_none());

    let path = format!("{CONFIG_MAPS}/a");
    let (_, stored) = audited.cluster.json(&Wanted::new("GET", &path)).await;
    let put = Wanted::new("PUT", &path).body(JSON, &stored.to_string());
    let event = audited.complete(put).await;
    let metadata = &stored["metadata"];
    assert_eq!(event["objectRef"]["uid"], metadata["uid"]);
    assert_eq!(
        event["objectRef"]["resourceVersion"],
        metadata["resourceVersion"]
    );

    let generated = json!({"metadata": {"generateName": "g-"}}).to_string();
    let event = audited
        .complete(Wanted::new("POST", CONFIG_MAPS).body(JSON, &generated))
        .await;
    assert_eq!(event["objectRef"], collection);

    let event = audited.complete(Wanted::new("DELETE", &path)).await;
    let status = json!({"metadata": {}, "status": "Success", "code": 200,
        "details": {"name": "a", "kind": "configmaps", "uid": metadata["uid"]}});
    assert_eq!(event["responseStatus"], status);
    audited.stop().await;
}

#[tokio::test]
async fn bodies_are_written_as_far_as_the_level_goes() {
    let rules = json!([
        {"level": "Metadata", "resources": [{"resources": ["secrets"]}]},
        {"level": "Request", "verbs": ["create"]},
        {"level": "RequestResponse", "omitManagedFields": true},
    ]);
    let audited = Audited::start(rules).await;
    let pods = Wanted::new("POST", PODS).body(JSON, &pod("a").to_string());
    let event = audited.complete(pods).await;
    let spec = &event["requestObject"]["spec"];
    assert_eq!(
        spec["restartPolicy"], "Always",
        "defaulted, as Kubernetes' decoder leaves it"
    );
    assert!(event.get("responseObject").is_none());

    let patch = r#"{"metadata": {"labels": {"x":
        "y"}}}"#;
    let patch = Wanted::new("PATCH", &format!("{PODS}/a?fieldManager=m")).body(MERGE, patch);
    let event = audited.complete(patch).await;
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    assert_eq!(event["requestObject"], labels);
    assert_eq!(event["responseObject"]["kind"], "Pod");
    assert_eq!(event["responseObject"]["metadata"]["labels"]["x"], "y");
    assert!(
        event["responseObject"]["metadata"]
            .get("managedFields")
            .is_none()
    );

    let options = r#"{"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}"#;
    let delete = Wanted::new("DELETE", &format!("{PODS}/a")).body(JSON, options);
    let event = audited.complete(delete).await;
    assert_eq!(event["requestObject"]["gracePeriodSeconds"], 0);

    let event = audited
        .complete(Wanted::new("GET", &format!("{PODS}/a")))
        .await;
    assert_eq!(event["responseObject"]["reason"], "NotFound");

    let secret = json!({"metadata": {"name": "s"}, "stringData": {"k": "hunter2"}}).to_string();
    let path = "/api/v1/namespaces/default/secrets";
    for wanted in [
        Wanted::new("POST", path).body(JSON, &secret),
        Wanted::new("GET", &format!("{path}/s")),
        Wanted::new("PATCH", &format!("{path}/s"))
            .body(MERGE, r#"{"stringData": {"k": "hunter3"}}"#),
    ] {
        let event = audited.complete(wanted).await;
        assert!(!event.to_string().contains("hunter"), "{event}");
    }
    audited.stop().await;
}

#[tokio::test]
async fn a_watch_is_told_when_it_starts_and_when_it_ends() {
    let audited = Audited::start(metadata()).await;
    let path = format!("{PODS}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Da");
    let id = "watch-of-a-test";
    let wanted = Wanted::new("GET", &path).header("Audit-ID", id);
    let response = audited.cluster.send(&wanted).await;
    let stages = |events: &[Value]| {
        let stages = events.iter().map(|event| event["stage"].clone());
        stages.collect::<Vec<_>>()
    };
    let events = audited.events(id);
    assert_eq!(stages(&events), ["RequestReceived", "ResponseStarted"]);
    assert_eq!(events[1]["verb"], "watch");
    assert_eq!(events[1]["objectRef"]["name"], "a");
    assert_eq!(
        events[1]["responseStatus"],
        json!({"metadata": {}, "code": 200})
    );
    let body = http_body_util::BodyExt::collect(response.into_body()).await;
    drop(body.expect("a body that ends"));
    let events = wait_for(|| Some(audited.events(id)).filter(|events| events.len() == 3)).await;
    assert_eq!(events[2]["stage"], "ResponseComplete");
    let total = &events[2]["annotations"]["apiserver.latency.k8s.io/total"];
    assert!(
        total.as_str().is_some_and(|total| total.starts_with("1.")),
        "{total}"
    );
    audited.stop().await;
}

/// Waits until there is something.
async fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            match look() {
                Some(found) => return found,
                None => tokio::task::yield_now().await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(10), looking).await;
    found.expect("it comes within ten seconds")
}

#[tokio::test]
async fn who_is_not_let_in_is_told_once() {
    let audited = Audited::start(metadata()).await;
    let stranger = Wanted::new("GET", PODS).token("nonsense");
    let events = audited.ask(stranger).await;
    let [event] = &events[..] else {
        panic!("one event, not {events:?}")
    };
    assert_eq!(event["stage"], "ResponseStarted");
    assert_eq!(event["user"], json!({}));
    let status = json!({"metadata": {}, "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401});
    assert_eq!(event["responseStatus"], status);

    let token = audited.cluster.token_of("alice");
    let event = audited
        .complete(Wanted::new("GET", PODS).token(&token))
        .await;
    let annotations =
        json!({"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""});
    assert_eq!(event["annotations"], annotations);
    assert_eq!(event["responseStatus"]["code"], 403);
    audited.stop().await;
}

#[tokio::test]
async fn who_acts_as_somebody_is_told_beside_whom() {
    let audited = Audited::start(metadata()).await;
    let wanted = Wanted::new("GET", PODS)
        .header("Impersonate-User", "alice")
        .header("Impersonate-Group", "system:masters");
    let event = audited.complete(wanted).await;
    assert_eq!(event["user"]["username"], "admin");
    let alice = json!({"username": "alice", "groups": ["system:masters", "system:authenticated"]});
    assert_eq!(event["impersonatedUser"], alice);
    audited.stop().await;
}

#[tokio::test]
async fn what_no_rule_names_is_not_written_and_stages_can_be_left_out() {
    let rules = json!([
        {"level": "None", "nonResourceURLs": ["/healthz*"]},
        {"level": "Metadata", "omitStages": ["RequestReceived"], "nonResourceURLs": ["*"]},
    ]);
    let audited = Audited::start(rules).await;
    assert!(audited.ask(Wanted::new("GET", PODS)).await.is_empty());
    assert!(audited.ask(Wanted::new("GET", "/healthz")).await.is_empty());
    let events = audited.ask(Wanted::new("GET", "/version")).await;
    assert_eq!(events.len(), 1);
    assert!(events[0].get("objectRef").is_none());
    audited.stop().await;
}

#[tokio::test]
async fn an_answer_has_an_audit_id_even_without_a_policy() {
    let cluster = Cluster::start().await;
    let response = cluster.send(&Wanted::new("GET", PODS)).await;
    let id = response.headers()["audit-id"].to_str().expect("text");
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    cluster.stop().await;
}

#[tokio::test]
async fn pod_security_tells_what_it_enforced() {
    let audited = Audited::start(metadata()).await;
    let policy =
        |event: &Value| event["annotations"]["pod-security.kubernetes.io/enforce-policy"].clone();
    let create = Wanted::new("POST", PODS).body(JSON, &pod("a").to_string());
    assert_eq!(policy(&audited.complete(create).await), "privileged:latest");

    let namespace = json!({"metadata": {"name": "strict", "labels": {
        "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/audit": "restricted"}}});
    audited
        .cluster
        .create("/api/v1/namespaces", &namespace)
        .await;
    let mut host = pod("b");
    host["spec"]["hostNetwork"] = true.into();
    let account = "/api/v1/namespaces/strict/serviceaccounts/default";
    audited.cluster.wait_for(account).await;
    let create =
        Wanted::new("POST", "/api/v1/namespaces/strict/pods").body(JSON, &host.to_string());
    let event = audited.complete(create).await;
    assert_eq!(event["responseStatus"]["code"], 403, "{event}");
    assert_eq!(policy(&event), "baseline:latest");
    let violations = &event["annotations"]["pod-security.kubernetes.io/audit-violations"];
    let head = "would violate PodSecurity \"restricted:latest\": ";
    assert!(
        violations
            .as_str()
            .is_some_and(|text| text.starts_with(head)),
        "{event}"
    );
    audited.stop().await;
}

#[tokio::test]
async fn a_server_does_not_start_with_a_policy_that_it_cannot_use() {
    let check = async |rules: Value, expected: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let config = cluster_server::Config {
            data_dir: folder.path().to_owned(),
            listen: "127.0.0.1:0".parse().expect("an address"),
            bare: true,
            clock: cluster_server::clock::Clock::system(),
            audit: Some(AuditConfig {
                policy_file: policy(folder.path(), &rules),
                log: None,
                webhook: None,
            }),
        };
        let error = cluster_server::Server::start(config).await.map(|_| ());
        let mut cause: Option<&dyn std::error::Error> =
            Some(&error.expect_err("it does not start"));
        let mut text = String::new();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        assert!(text.contains(expected), "{text}");
    };
    check(
        json!([]),
        "loading audit policy file: loaded illegal policy with 0 rules",
    )
    .await;
    check(json!([{}]), "rules[0].level: Required value").await;
}
