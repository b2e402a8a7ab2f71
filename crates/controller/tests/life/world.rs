//! A cluster in memory, a journal on a temporary folder, and a world that goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use api::{DebugApproval, DebugPolicy, DebugSession, DebugSessionStatus};
use async_trait::async_trait;
use controller::{AddError, CallError, Cluster, Controller, DriveError, Next};
use jiff::{SignedDuration, Timestamp};
use ledger_store::{Journal, Store, keys};
use policy::Permit;
use serde_json::{Value, json};
use session::event::{Node, Reservation, Right};
use session::{Container, Event, Person, PhaseName, PodRef, Session, SessionId};
use tokio::sync::Notify;

pub(crate) const SESSION: &str = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";
pub(crate) const HANDLE: &str = "visit-0f9d2c41";

/// What the fake answers to the next `add`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Adding {
    #[default]
    Works,
    /// Admission reserved, and then somebody else refused for good.
    RefusedAfterReserving,
    /// Admission reserved, and the write met a conflict; the next one works.
    Conflict,
}

#[derive(Default)]
pub(crate) struct Objects {
    pub(crate) pod: Option<Value>,
    pub(crate) policies: Vec<DebugPolicy>,
    pub(crate) session: Option<DebugSession>,
    pub(crate) approvals: Vec<DebugApproval>,
    pub(crate) adding: Adding,
    pub(crate) dry_run_refused: Option<String>,
    pub(crate) added: usize,
    journal: Option<Journal>,
    calls: usize,
    crash_at: Option<usize>,
}

#[derive(Default)]
pub(crate) struct Fake {
    objects: Mutex<Objects>,
    crashed: Notify,
}

impl Fake {
    pub(crate) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    /// One step of a call. At the chosen one the process dies: nothing after it happens.
    async fn step(&self) {
        let dies = {
            let mut objects = self.objects();
            objects.calls += 1;
            objects.crash_at == Some(objects.calls)
        };
        if dies {
            self.crashed.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Cluster for Fake {
    async fn pod(&self, _: &str, _: &str) -> Result<Option<Value>, CallError> {
        self.step().await;
        Ok(self.objects().pod.clone())
    }

    async fn namespace_labels(
        &self,
        _: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError> {
        self.step().await;
        Ok(Some(BTreeMap::new()))
    }

    async fn policies(&self) -> Result<Vec<DebugPolicy>, CallError> {
        Ok(self.objects().policies.clone())
    }

    async fn session(&self, _: &str, _: &str) -> Result<Option<DebugSession>, CallError> {
        self.step().await;
        Ok(self.objects().session.clone())
    }

    async fn approvals(&self, _: &str) -> Result<Vec<DebugApproval>, CallError> {
        Ok(self.objects().approvals.clone())
    }

    async fn dry_run(&self, _: &PodRef, container: &Container) -> Result<Value, AddError> {
        self.step().await;
        let objects = self.objects();
        if let Some(why) = &objects.dry_run_refused {
            return Err(AddError::Refused(why.clone()));
        }
        let mut pod = objects.pod.clone().ok_or(AddError::Gone)?;
        let mut container = container.raw().clone();
        // The API server's defaults.
        container["terminationMessagePath"] = "/dev/termination-log".into();
        pod["spec"]["ephemeralContainers"] = json!([container]);
        Ok(pod)
    }

    /// As an API server with our webhook does it: nothing new → nothing asked; reserved; stored.
    async fn add(&self, pod: &PodRef, permit: &Permit) -> Result<Value, AddError> {
        self.step().await;
        let (journal, adding, there) = {
            let mut objects = self.objects();
            let there = !objects.pod.as_ref().ok_or(AddError::Gone)?["spec"]["ephemeralContainers"]
                .is_null();
            (
                objects.journal.clone().unwrap(),
                std::mem::take(&mut objects.adding),
                there,
            )
        };
        if !there {
            let reservation = Reservation {
                spec_hash: permit.spec_hash(),
                by: person("controller"),
                container: permit.container().name().to_owned(),
                pod_uid: pod.uid.clone(),
            };
            // A retry is reserved already.
            let _ = journal.record(SESSION, Event::Reserved(reservation)).await;
            drop(journal);
            self.step().await;
            match adding {
                Adding::Works => {}
                Adding::RefusedAfterReserving => {
                    return Err(AddError::Refused("another webhook said no".into()));
                }
                Adding::Conflict => {
                    return Err(AddError::Unavailable(CallError {
                        what: "adding".into(),
                        source: "conflict".into(),
                    }));
                }
            }
            let mut objects = self.objects();
            objects.added += 1;
            let pod = objects.pod.as_mut().unwrap();
            pod["spec"]["ephemeralContainers"] = json!([permit.container().raw()]);
        }
        self.step().await;
        Ok(self.objects().pod.clone().unwrap())
    }

    async fn project(&self, _: &SessionId, status: &DebugSessionStatus) -> Result<(), CallError> {
        self.step().await;
        self.objects().session.as_mut().unwrap().status = Some(status.clone());
        Ok(())
    }

    async fn rights(&self, _: &Person, _: &PodRef) -> Result<Vec<Right>, CallError> {
        Ok(vec![Right {
            verb: "get".into(),
            resource: "pods/log".into(),
            allowed: true,
            reason: String::new(),
        }])
    }

    async fn version(&self) -> Result<String, CallError> {
        Ok("v1.36.2".into())
    }

    async fn node(&self, name: &str) -> Result<Option<Node>, CallError> {
        self.step().await;
        Ok(Some(Node {
            name: name.into(),
            kubelet: "v1.36.2".into(),
            ..Node::default()
        }))
    }
}

pub(crate) struct World {
    pub(crate) cluster: Arc<Fake>,
    pub(crate) journal: Journal,
    pub(crate) controller: Arc<Controller>,
    pub(crate) clock: Arc<Mutex<Timestamp>>,
    folder: tempfile::TempDir,
}

impl World {
    /// Asked, and stored.
    pub(crate) async fn asked(injection: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start: Timestamp = "2026-11-22T10:40:00Z".parse().unwrap();
        let clock = Arc::new(Mutex::new(start));
        let cluster = Arc::new(Fake::default());
        let journal = open(&folder, &clock).await;
        let controller = Arc::new(Controller::new(cluster.clone(), journal.clone()));
        let world = Self {
            cluster,
            journal,
            controller,
            clock,
            folder,
        };
        let object: DebugSession = from(ask(injection));
        let request = api::request(&object).unwrap();
        {
            let mut objects = world.cluster.objects();
            objects.journal = Some(world.journal.clone());
            objects.pod = Some(pod());
            objects.policies = vec![policy(&json!({}))];
            objects.session = Some(object);
        }
        world.record(Event::Requested(request)).await;
        world
    }

    pub(crate) async fn drive(&self) -> Result<Next, DriveError> {
        self.controller.drive(SESSION).await
    }

    /// Drives on; `None` if the process died on the way.
    pub(crate) async fn drive_or_die(&self) -> Option<Result<Next, DriveError>> {
        tokio::select! {
            biased;
            () = self.cluster.crashed.notified() => None,
            driven = self.drive() => Some(driven),
        }
    }

    pub(crate) fn die_at(&self, call: usize) {
        self.cluster.objects().crash_at = Some(call);
    }

    /// A new process on the same folder, in the same cluster.
    pub(crate) async fn restart(self) -> Self {
        let Self {
            cluster,
            journal,
            controller,
            clock,
            folder,
        } = self;
        cluster.objects().journal = None;
        cluster.objects().crash_at = None;
        drop((journal, controller));
        let journal = open(&folder, &clock).await;
        let controller = Arc::new(Controller::new(cluster.clone(), journal.clone()));
        cluster.objects().journal = Some(journal.clone());
        Self {
            cluster,
            journal,
            controller,
            clock,
            folder,
        }
    }

    pub(crate) async fn record(&self, event: Event) {
        self.journal.record(SESSION, event).await.unwrap();
    }

    pub(crate) fn session(&self) -> Session {
        self.journal.session(SESSION).unwrap()
    }

    pub(crate) fn phase(&self) -> PhaseName {
        self.session().phase.name()
    }

    pub(crate) fn later(&self, seconds: i64) {
        *self.clock.lock().unwrap() += SignedDuration::from_secs(seconds);
    }

    /// A verdict, as admission records it and the API server stores it.
    pub(crate) async fn judge(&self, who: &str, verdict: &str) {
        let hash = self.session().phase.terms().unwrap().spec_hash.to_string();
        let mut object: DebugApproval = from(json!({
            "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugApproval",
            "metadata": {"name": "a1", "namespace": "default", "uid": "approval-uid"},
            "spec": {"session": "s1", "sessionUid": SESSION, "specHash": hash, "verdict": verdict},
        }));
        object.spec.approver = Some(api::Stamp::from(&person(who)));
        let approval = api::approval(&object, self.journal.now()).unwrap();
        self.record(Event::Judged(approval)).await;
        self.cluster.objects().approvals = vec![object];
    }

    /// Puts the container into the Pod as its requester does, through admission.
    pub(crate) async fn reserve(&self) {
        let session = self.session();
        let terms = session.phase.terms().unwrap();
        let reservation = Reservation {
            spec_hash: terms.spec_hash,
            by: person("alice"),
            container: HANDLE.into(),
            pod_uid: "pod-uid".into(),
        };
        self.record(Event::Reserved(reservation)).await;
    }

    pub(crate) fn store_container(&self) {
        let raw = self
            .session()
            .phase
            .terms()
            .unwrap()
            .container
            .raw()
            .clone();
        self.cluster.objects().pod.as_mut().unwrap()["spec"]["ephemeralContainers"] = json!([raw]);
    }

    /// What the kubelet tells of the container.
    pub(crate) fn tell(&self, state: &Value) {
        let status = json!([{
            "name": HANDLE, "image": "busybox:1", "imageID": "sha256:abc", "containerID": "c://1",
            "state": state,
        }]);
        let mut objects = self.cluster.objects();
        objects.pod.as_mut().unwrap()["status"]["ephemeralContainerStatuses"] = status;
    }

    /// The rest of the world does its next thing.
    pub(crate) async fn goes_on(&self) {
        match self.phase() {
            PhaseName::AwaitingApproval if self.session().phase.approvals().is_empty() => {
                self.judge("bob", "Approve").await;
            }
            PhaseName::Injected => self.tell(&running()),
            PhaseName::Running => self.tell(&terminated()),
            _ => {}
        }
    }
}

async fn open(folder: &tempfile::TempDir, clock: &Arc<Mutex<Timestamp>>) -> Journal {
    // Until the process before has let go of the folder.
    let store = loop {
        let signer = keys::create_or_load(folder.path(), "ephemera.dev/log/test").unwrap();
        match Store::open(folder.path(), signer) {
            Ok(store) => break store,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let time = Arc::clone(clock);
    let now = Arc::new(move || *time.lock().unwrap());
    Journal::open(store, "test", now).await.unwrap()
}

pub(crate) fn running() -> Value {
    json!({"running": {"startedAt": "2026-11-22T10:41:00Z"}})
}

pub(crate) fn terminated() -> Value {
    json!({"terminated": {
        "exitCode": 3, "reason": "Error", "startedAt": "2026-11-22T10:41:00Z",
        "finishedAt": "2026-11-22T10:42:00Z", "containerID": "c://1",
    }})
}

pub(crate) fn person(who: &str) -> Person {
    let groups: &[&str] = match who {
        "alice" => &["sre"],
        "bob" => &["sre", "approvers"],
        _ => &[],
    };
    Person {
        username: who.into(),
        groups: groups.iter().map(ToString::to_string).collect(),
        ..Person::default()
    }
}

pub(crate) fn pod() -> Value {
    json!({
        "metadata": {"name": "agent", "namespace": "default", "uid": "pod-uid", "resourceVersion": "7"},
        "spec": {"nodeName": "n1", "containers": [{"name": "app", "image": "app:1"}]},
        "status": {"phase": "Running"},
    })
}

pub(crate) fn policy(change: &Value) -> DebugPolicy {
    let mut policy = json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy",
        "metadata": {"name": "on-call", "uid": "policy-uid", "generation": 1},
        "spec": {
            "match": {"namespaceSelector": {}, "podSelector": {}, "subjects": {"groups": ["sre"]}},
            "container": {"images": ["busybox:*"], "requireDigest": false, "targets": ["*"], "user": "Any",
                "allowPrivilegeEscalation": true},
            "approval": {"quorum": [{"group": "approvers"}]},
        },
    });
    json_patch::merge(&mut policy, change);
    from(policy)
}

fn ask(injection: &str) -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugSession",
        "metadata": {"name": "s1", "namespace": "default", "uid": SESSION},
        "spec": {
            "pod": {"name": "agent", "uid": "pod-uid"},
            "container": {"image": "busybox:1", "targetContainerName": "app", "command": ["sh"]},
            "injection": injection,
            "reason": "the agent hangs",
            "ticket": "INC-7",
            "durationSeconds": 600,
            "requester": api::Stamp::from(&person("alice")),
        },
    })
}

pub(crate) fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}
