//! The governance beside a real API server, over HTTPS: nobody starts containers here, the test tells the
//! Pod's status as a kubelet does.

#![expect(clippy::unwrap_used, reason = "a failed step of a test is its failure")]

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use cluster_server::clock::Clock;
use cluster_server::{Config, Server};
use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};
use server::governance::Access;
use server::{Governance, GovernanceConfig};

const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const OURS: &str = "/apis/ephemera.dev/v1alpha1";
const PODS: &str = "/api/v1/namespaces/default/pods";

struct World {
    server: Server,
    governance: Option<Governance>,
    folder: tempfile::TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(Config {
            data_dir: folder.path().to_owned(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            bare: false,
            clock: Clock::system(),
            audit: None,
        });
        let mut world = Self {
            server: server.await.unwrap(),
            governance: None,
            folder,
        };
        world.govern().await;
        world
    }

    async fn govern(&mut self) {
        let clock = Clock::system();
        let config = GovernanceConfig::beside(
            &self.server.url(),
            self.server.ca_pem(),
            self.server.admin_token(),
            self.folder.path(),
            Arc::new(move || clock.now()),
        );
        self.governance = Some(Governance::start(config).await.unwrap());
    }

    async fn stop(mut self) {
        if let Some(governance) = self.governance.take() {
            governance.stop().await;
        }
        self.server.stop().await;
    }

    async fn call(
        &self,
        who: &str,
        method: Method,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> (u16, Value) {
        let token = token(self.folder.path(), who);
        let access = Access::token(&self.server.url(), self.server.ca_pem(), &token);
        let client: Client = access.client().unwrap();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into_bytes()
            })
            .unwrap();
        match client.request::<Value>(request).await {
            Ok(value) => (200, value),
            Err(kube::Error::Api(status)) => (status.code, json!(status.message)),
            Err(error) => panic!("{path}: {error}"),
        }
    }

    async fn post(&self, who: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call(who, Method::POST, path, "application/json", body)
            .await
    }

    async fn get(&self, path: &str) -> Value {
        self.call("admin", Method::GET, path, "application/json", &Value::Null)
            .await
            .1
    }

    async fn add(&self, who: &str, container: &Value) -> (u16, Value) {
        let path = format!("{PODS}/agent/ephemeralcontainers");
        let body = json!({"spec": {"ephemeralContainers": [container]}});
        self.call(who, Method::PATCH, &path, STRATEGIC, &body).await
    }

    /// Waits until a session is in this phase, asking as any client does.
    async fn until(&self, name: &str, phase: &str) -> Value {
        let path = format!("{OURS}/namespaces/default/debugsessions/{name}");
        let waiting = async {
            loop {
                let session = self.get(&path).await;
                if session["status"]["phase"] == phase {
                    return session;
                }
                tokio::task::yield_now().await;
            }
        };
        let waited = tokio::time::timeout(std::time::Duration::from_secs(20), waiting).await;
        let Ok(session) = waited else {
            panic!("not {phase}: {:#}", self.get(&path).await)
        };
        session
    }

    async fn approve(&self, who: &str, session: &Value) -> (u16, Value) {
        let body = json!({
            "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugApproval",
            "metadata": {"generateName": "yes-"},
            "spec": {
                "session": session["metadata"]["name"],
                "sessionUid": session["metadata"]["uid"],
                "specHash": session["status"]["specHash"],
                "verdict": "Approve",
            },
        });
        self.post(
            who,
            &format!("{OURS}/namespaces/default/debugapprovals"),
            &body,
        )
        .await
    }

    /// What the kubelet tells of the visit's container.
    async fn tell(&self, handle: &str, state: &Value) {
        let status = json!({"status": {"phase": "Running", "ephemeralContainerStatuses": [{
            "name": handle, "image": "busybox:1", "imageID": "sha256:abc", "containerID": "c://1",
            "ready": false, "restartCount": 0, "state": state,
        }]}});
        let path = format!("{PODS}/agent/status");
        let (code, answer) = self
            .call("admin", Method::PATCH, &path, MERGE, &status)
            .await;
        assert_eq!(code, 200, "{answer}");
    }
}

fn token(data_dir: &Path, who: &str) -> String {
    let text = std::fs::read_to_string(data_dir.join("users.json")).unwrap();
    let users: Value = serde_json::from_str(&text).unwrap();
    users[who].as_str().unwrap().to_owned()
}

fn container() -> Value {
    json!({"name": "debugger-x", "image": "busybox:1", "targetContainerName": "app", "command": ["sh"]})
}

fn ask(name: &str, injection: &str) -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugSession",
        "metadata": {"name": name},
        "spec": {
            "pod": {"name": "agent"}, "container": container(), "injection": injection,
            "reason": "the agent hangs", "ticket": "INC-7", "durationSeconds": 600,
        },
    })
}

fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-22T10:41:00Z"}})
}

fn terminated() -> Value {
    json!({"terminated": {
        "exitCode": 3, "reason": "Error", "startedAt": "2026-11-22T10:41:00Z",
        "finishedAt": "2026-11-22T10:42:00Z", "containerID": "c://1",
    }})
}

async fn prepared() -> World {
    let world = World::new().await;
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "agent"},
        "spec": {"containers": [{"name": "app", "image": "app:1"}], "automountServiceAccountToken": false},
    });
    let (code, answer) = world.post("admin", PODS, &pod).await;
    assert_eq!(code, 200, "{answer}");
    let policy = json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy", "metadata": {"name": "on-call"},
        "spec": {
            "match": {"namespaceSelector": {}, "podSelector": {}, "subjects": {"groups": ["sre"]}},
            "container": {"images": ["busybox:*"], "requireDigest": false, "targets": ["*"], "user": "Any",
                "allowPrivilegeEscalation": true},
            "approval": {"quorum": [{"group": "approvers"}]},
        },
    });
    let (code, answer) = world
        .post("admin", &format!("{OURS}/debugpolicies"), &policy)
        .await;
    assert_eq!(code, 200, "{answer}");
    world
}

/// Asked, approved by somebody else, and in the Pod.
async fn injected(world: &World) -> Value {
    let sessions = format!("{OURS}/namespaces/default/debugsessions");
    let ask = ask("s1", "Controller");
    let dry = format!("{sessions}?dryRun=All");
    let (code, shown) = world.post("alice", &dry, &ask).await;
    assert_eq!(code, 200, "{shown}");
    let annotations = &shown["metadata"]["annotations"];
    let preview = annotations["ephemera.dev/preview"].as_str().unwrap();
    assert!(preview.contains("NeedsApproval"), "{preview}");
    let (code, session) = world.post("alice", &sessions, &ask).await;
    assert_eq!(code, 200, "{session}");
    assert_eq!(session["spec"]["requester"]["username"], "alice");
    let session = world.until("s1", "AwaitingApproval").await;
    let (code, answer) = world.approve("alice", &session).await;
    assert_eq!(code, 403, "{answer}");
    let (code, answer) = world.approve("bob", &session).await;
    assert_eq!(code, 200, "{answer}");
    world.until("s1", "Injected").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_visit_goes_through_the_api_server_from_the_ask_to_the_close() {
    let mut world = prepared().await;
    for who in ["alice", "admin"] {
        let (code, answer) = world.add(who, &container()).await;
        assert_eq!(code, 403, "{answer}");
        let line = "ephemera request pod/agent -n default";
        assert!(answer.to_string().contains(line), "{answer}");
    }
    let session = injected(&world).await;
    let container = &session["status"]["container"];
    let handle = session["status"]["handle"].as_str().unwrap();
    let pod = world.get(&format!("{PODS}/agent")).await;
    assert_eq!(&pod["spec"]["ephemeralContainers"][0], container);
    assert_eq!(container["name"], handle);

    // A second use, a change of what was asked, and a session made to disappear.
    let mut again = container.clone();
    again["name"] = "visit-00000000".into();
    assert_eq!(world.add("alice", &again).await.0, 403);
    let path = format!("{OURS}/namespaces/default/debugsessions/s1");
    let change = json!({"spec": {"reason": "another"}});
    let (code, _) = world
        .call("admin", Method::PATCH, &path, MERGE, &change)
        .await;
    assert_ne!(code, 200);
    let (code, _) = world
        .call("admin", Method::DELETE, &path, MERGE, &Value::Null)
        .await;
    assert_eq!(code, 403);

    world.tell(handle, &running()).await;
    world.until("s1", "Running").await;
    // The roles end and come back: nobody enters meanwhile, and the session goes on.
    world.governance.take().unwrap().stop().await;
    let (code, answer) = world.add("alice", &self::container()).await;
    assert!(code >= 400, "{answer}");
    world.govern().await;
    world.tell(handle, &terminated()).await;
    let session = world.until("s1", "Closed").await;
    assert_eq!(session["status"]["exit"]["code"], 3);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_requester_adds_what_was_granted_and_nothing_else() {
    let world = prepared().await;
    let sessions = format!("{OURS}/namespaces/default/debugsessions");
    let (code, answer) = world
        .post("alice", &sessions, &ask("s2", "Requester"))
        .await;
    assert_eq!(code, 200, "{answer}");
    let session = world.until("s2", "AwaitingApproval").await;
    let granted = session["status"]["container"].clone();
    let (code, answer) = world.add("alice", &granted).await;
    assert_eq!(code, 403, "{answer}");
    assert!(
        answer.to_string().contains("ephemera approve s2"),
        "{answer}"
    );
    assert_eq!(world.approve("bob", &session).await.0, 200);
    world.until("s2", "Approved").await;
    let mut changed = granted.clone();
    changed["command"] = json!(["sh", "-c", "id"]);
    let (code, answer) = world.add("alice", &changed).await;
    assert_eq!(code, 403, "{answer}");
    assert!(answer.to_string().contains("command: granted"), "{answer}");
    assert_eq!(world.add("bob", &granted).await.0, 403);
    let (code, answer) = world.add("alice", &granted).await;
    assert_eq!(code, 200, "{answer}");
    world.until("s2", "Injected").await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_know_its_path_gets_no_answer_from_the_webhook() {
    let world = World::new().await;
    let address = world.governance.as_ref().unwrap().webhook();
    let ca =
        std::fs::read_to_string(world.folder.path().join("governance/webhook-ca.pem")).unwrap();
    let webhook = Access::token(&format!("https://{address}"), &ca, "none")
        .client()
        .unwrap();
    let check = async |method: &str, path: &str, expected: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.body(b"{}".to_vec()).unwrap();
        let answer = match webhook.request_text(request).await {
            Ok(text) => text,
            Err(kube::Error::Api(status)) => status.code.to_string(),
            Err(error) => panic!("{path}: {error}"),
        };
        assert_eq!(answer, expected, "{method} {path}");
    };
    check("GET", "/healthz", "ok").await;
    check("POST", "/visits", "404").await;
    check("POST", "/objects", "404").await;
    let path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/ephemera";
    let configuration = world.get(path).await;
    let url = configuration["webhooks"][0]["clientConfig"]["url"]
        .as_str()
        .unwrap();
    let path = url.strip_prefix(&format!("https://{address}")).unwrap();
    check("POST", path, "400").await;
    world.stop().await;
}
