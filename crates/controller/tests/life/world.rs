//! A journal on a temporary folder, and a world that goes on.

use std::sync::{Arc, Mutex};

use api::{DebugApproval, DebugPolicy, DebugSession};
use controller::{Controller, DriveError, Next};
use jiff::{SignedDuration, Timestamp};
use ledger_store::{Journal, Store, keys};
use serde_json::{Value, json};
use session::event::Reservation;
use session::{Event, Person, PhaseName, Session};

use crate::fake::Fake;

pub(crate) const SESSION: &str = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";
pub(crate) const HANDLE: &str = "visit-0f9d2c41";

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
        Self::asked_with(ask(injection)).await
    }

    /// This was asked, and stored.
    pub(crate) async fn asked_with(object: Value) -> Self {
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
        let object: DebugSession = from(object);
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

pub(crate) fn ask(injection: &str) -> Value {
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
