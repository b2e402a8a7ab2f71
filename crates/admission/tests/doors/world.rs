//! A cluster in memory, a journal on a temporary folder, and people.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use admission::{Answer, Cluster, Gate, ReadError, Review};
use api::{DebugApproval, DebugPolicy, DebugSession};
use async_trait::async_trait;
use jiff::Timestamp;
use ledger_store::{Journal, Store, keys};
use policy::{Act, By, Decision, Facts};
use serde_json::{Value, json};
use session::event::{Commit, Grant, Surroundings};
use session::{Container, Event, Session};

use crate::disk::Breaking;

pub(crate) const CONTROLLER: &str = "system:serviceaccount:ephemera-system:ephemera-controller";
pub(crate) const SESSION: &str = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";
pub(crate) const HANDLE: &str = "visit-0f9d2c41";

#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) pod: Option<Value>,
    pub(crate) policies: Vec<DebugPolicy>,
    pub(crate) session: Option<DebugSession>,
    pub(crate) approvals: Vec<DebugApproval>,
    /// Every read fails.
    pub(crate) away: bool,
}

#[derive(Default)]
pub(crate) struct Fake(Mutex<Objects>);

impl Fake {
    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock().unwrap()
    }

    fn read<T>(&self, read: impl FnOnce(&Objects) -> T) -> Result<T, ReadError> {
        let objects = self.objects();
        if objects.away {
            return Err(ReadError {
                what: "the cluster".into(),
                source: "it is away".into(),
            });
        }
        Ok(read(&objects))
    }
}

#[async_trait]
impl Cluster for Fake {
    async fn pod(&self, _: &str, name: &str) -> Result<Option<Value>, ReadError> {
        self.read(|o| o.pod.clone().filter(|pod| pod["metadata"]["name"] == name))
    }

    async fn namespace_labels(
        &self,
        _: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ReadError> {
        self.read(|_| Some(BTreeMap::from([("team".into(), "payments".into())])))
    }

    async fn policies(&self) -> Result<Vec<DebugPolicy>, ReadError> {
        self.read(|o| o.policies.clone())
    }

    async fn session(&self, _: &str, name: &str) -> Result<Option<DebugSession>, ReadError> {
        self.read(|o| {
            let found = o.session.clone();
            found.filter(|s| s.metadata.name.as_deref() == Some(name))
        })
    }

    async fn approvals(&self, _: &str) -> Result<Vec<DebugApproval>, ReadError> {
        self.read(|o| o.approvals.clone())
    }
}

pub(crate) struct World {
    pub(crate) cluster: Arc<Fake>,
    pub(crate) journal: Journal,
    pub(crate) gate: Gate,
    pub(crate) clock: Arc<Mutex<Timestamp>>,
    pub(crate) disk: Arc<Breaking>,
    _folder: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let signer = keys::create_or_load(folder.path(), "ephemera.dev/log/test").unwrap();
        let disk = Arc::new(Breaking::new(folder.path()));
        let store = Store::on_disk(disk.clone(), signer).unwrap();
        let clock = Arc::new(Mutex::new("2026-11-22T10:40:00Z".parse().unwrap()));
        let time = Arc::clone(&clock);
        let now = Arc::new(move || *time.lock().unwrap());
        let journal = Journal::open(store, "test", now).await.unwrap();
        let cluster = Arc::new(Fake::default());
        let gate = Gate::new(cluster.clone(), journal.clone(), CONTROLLER);
        let world = Self {
            cluster,
            journal,
            gate,
            clock,
            disk,
            _folder: folder,
        };
        world.cluster.objects().pod = Some(recorded("ephemeralcontainers")["oldObject"].clone());
        world.cluster.objects().policies = vec![policy(&json!({}))];
        world
    }

    pub(crate) fn later(&self, seconds: i64) {
        *self.clock.lock().unwrap() += jiff::SignedDuration::from_secs(seconds);
    }

    /// Somebody creates a session; as an API server would do it, stamp first.
    pub(crate) async fn ask(&self, who: &str, injection: &str) -> Answer {
        self.create("debugsessions", who, ask(injection)).await
    }

    /// Creates one of our objects as `who`: mutating, then validating, then stored.
    pub(crate) async fn create(&self, resource: &str, who: &str, mut object: Value) -> Answer {
        let review = own("CREATE", resource, who, &object, &Value::Null);
        match self.gate.stamp(&review).await {
            Answer::Allowed(yes) => patch(&mut object, yes.patch),
            refused @ Answer::Refused(_) => return refused,
        }
        let review = own("CREATE", resource, who, &object, &Value::Null);
        let answer = self.gate.objects(&review).await;
        if answer.is_allowed() {
            let mut objects = self.cluster.objects();
            match resource {
                "debugsessions" => objects.session = Some(from(object)),
                _ => objects.approvals.push(from(object)),
            }
        }
        answer
    }

    pub(crate) fn session(&self) -> Session {
        self.journal.session(SESSION).expect("a session")
    }

    /// What the controller does once somebody has asked: terms, from a dry run.
    pub(crate) async fn propose(&self) {
        let pending = match self.decide() {
            Decision::NeedsApproval(pending) => pending,
            other => panic!("{other:?}"),
        };
        let terms = pending.terms(Surroundings::default());
        self.journal
            .record(SESSION, Event::Proposed(terms))
            .await
            .unwrap();
    }

    pub(crate) async fn approve(&self, who: &str) -> Answer {
        let hash = self.session().phase.terms().unwrap().spec_hash.to_string();
        self.create("debugapprovals", who, verdict("Approve", &hash))
            .await
    }

    /// What the controller does once enough people have said yes.
    pub(crate) async fn grant(&self) {
        let grant: Grant = match self.decide() {
            Decision::Permit(permit) => permit.grant(),
            other => panic!("{other:?}"),
        };
        self.journal
            .record(SESSION, Event::Granted(grant))
            .await
            .unwrap();
    }

    /// Asked by alice, approved by bob, to be added as told.
    pub(crate) async fn approved(injection: &str) -> Self {
        let world = Self::new().await;
        let answer = world.ask("alice", injection).await;
        assert!(answer.is_allowed(), "{answer:?}");
        world.propose().await;
        let answer = world.approve("bob").await;
        assert!(answer.is_allowed(), "{answer:?}");
        world.grant().await;
        world
    }

    /// The same, with the container in the Pod.
    pub(crate) async fn visited() -> Self {
        let world = Self::approved("Requester").await;
        let answer = world.gate.visits(&adding("alice", &container())).await;
        assert!(answer.is_allowed(), "{answer:?}");
        world.store(&container());
        let commit = Commit {
            resource_version: "2".into(),
            deadline: world.session().request.deadline(world.journal.now()),
        };
        world
            .journal
            .record(SESSION, Event::Committed(commit))
            .await
            .unwrap();
        world
    }

    pub(crate) fn store(&self, container: &Value) {
        let mut objects = self.cluster.objects();
        objects.pod.as_mut().unwrap()["spec"]["ephemeralContainers"] = json!([container]);
    }

    fn decide(&self) -> Decision {
        let session = self.session();
        let policies = api::policies(&self.cluster.objects().policies).unwrap();
        let facts = Facts {
            pod: self.cluster.objects().pod.clone().unwrap(),
            namespace_labels: BTreeMap::from([("team".into(), "payments".into())]),
            container: Container::new(container()).unwrap(),
            act: Act::Enter {
                by: By::expected(&session.request),
            },
            approvals: session.phase.approvals().to_vec(),
            open_until: None,
        };
        policy::evaluate(&policies, &session.request, &facts, self.journal.now())
    }
}

pub(crate) fn policy(change: &Value) -> DebugPolicy {
    let mut policy = json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy",
        "metadata": {"name": "on-call", "uid": "policy-uid", "generation": 1},
        "spec": {
            "match": {"namespaceSelector": {}, "podSelector": {}, "subjects": {"groups": ["sre"]}},
            "container": {"images": ["docker.io/library/busybox:*"], "requireDigest": false, "targets": ["*"],
                "capabilities": ["SYS_PTRACE"], "user": "Any", "allowPrivilegeEscalation": true},
            "request": {"reason": {"minLength": 10}, "ticket": {"pattern": "INC-[0-9]+"}},
            "approval": {"quorum": [{"group": "approvers"}]},
        },
    });
    merge(&mut policy, change);
    from(policy)
}

pub(crate) fn ask(injection: &str) -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugSession",
        "metadata": {"name": "s1", "namespace": "default", "uid": SESSION},
        "spec": {
            "pod": {"name": "rec"},
            "container": container(),
            "injection": injection,
            "reason": "the agent hangs since noon",
            "ticket": "INC-7",
            "durationSeconds": 600,
        },
    })
}

pub(crate) fn verdict(verdict: &str, hash: &str) -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugApproval",
        "metadata": {"name": "a1", "namespace": "default", "uid": "approval-uid"},
        "spec": {"session": "s1", "sessionUid": SESSION, "specHash": hash, "verdict": verdict},
    })
}

/// The container of the recorded review, under the visit's handle.
pub(crate) fn container() -> Value {
    let mut container =
        recorded("ephemeralcontainers")["object"]["spec"]["ephemeralContainers"][0].clone();
    container["name"] = HANDLE.into();
    container
}

fn user(who: &str) -> Value {
    let groups = match who {
        "alice" => json!(["sre", "system:authenticated"]),
        "bob" => json!(["sre", "approvers", "system:authenticated"]),
        "admin" => json!(["system:masters", "system:authenticated"]),
        _ => json!(["system:authenticated"]),
    };
    json!({"username": who, "uid": format!("{who}-uid"), "groups": groups})
}

/// The `request` of a recorded review.
pub(crate) fn recorded(name: &str) -> Value {
    let text = match name {
        "ephemeralcontainers" => include_str!("../data/ephemeralcontainers.json"),
        "attach" => include_str!("../data/attach.json"),
        _ => include_str!("../data/exec.json"),
    };
    let review: Value = serde_json::from_str(text).unwrap();
    review["request"].clone()
}

pub(crate) fn review(request: &Value) -> Review {
    let body = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request,
    });
    Review::parse(body.to_string().as_bytes()).unwrap()
}

/// The recorded review of an added container, sent by `who`, with this container instead.
pub(crate) fn adding(who: &str, container: &Value) -> Review {
    review(&adding_many(who, std::slice::from_ref(container)))
}

pub(crate) fn adding_many(who: &str, containers: &[Value]) -> Value {
    let mut request = recorded("ephemeralcontainers");
    request["userInfo"] = user(who);
    request["object"]["spec"]["ephemeralContainers"] = containers.into();
    request
}

/// The recorded review of an attach or exec, sent by `who`, into this container.
pub(crate) fn joining(door: &str, who: &str, container: &str) -> Review {
    let mut request = recorded(door);
    request["userInfo"] = user(who);
    request["object"]["container"] = container.into();
    review(&request)
}

/// A review of one of our own objects.
pub(crate) fn own(operation: &str, path: &str, who: &str, object: &Value, old: &Value) -> Review {
    own_dry(operation, path, who, object, old, false)
}

pub(crate) fn own_dry(
    operation: &str,
    path: &str,
    who: &str,
    object: &Value,
    old: &Value,
    dry_run: bool,
) -> Review {
    let (resource, sub) = path.split_once('/').unwrap_or((path, ""));
    review(&json!({
        "uid": "review-uid",
        "resource": {"group": "ephemera.dev", "version": "v1alpha1", "resource": resource},
        "subResource": sub,
        "name": "s1", "namespace": "default", "operation": operation,
        "userInfo": user(who), "object": object, "oldObject": old, "dryRun": dry_run,
    }))
}

pub(crate) fn patch(object: &mut Value, operations: Vec<Value>) {
    let operations: json_patch::Patch = from(Value::from(operations));
    json_patch::patch(object, &operations).unwrap();
}

/// JSON merge patch (RFC 7386).
pub(crate) fn merge(object: &mut Value, change: &Value) {
    json_patch::merge(object, change);
}

pub(crate) fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The refusal's text, or an empty one for a yes.
pub(crate) fn said(answer: &Answer) -> &str {
    match answer {
        Answer::Allowed(_) => "",
        Answer::Refused(no) => &no.message,
    }
}
