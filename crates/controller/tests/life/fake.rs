//! A cluster in memory, in which the process can die at every call.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use api::{DebugApproval, DebugPolicy, DebugSession, DebugSessionStatus};
use async_trait::async_trait;
use controller::{AddError, CallError, Cluster};
use ledger_store::Journal;
use policy::Permit;
use serde_json::{Value, json};
use session::event::{Node, Reservation, Right};
use session::{Container, Event, Person, PodRef, SessionId};
use tokio::sync::Notify;

use crate::world::{SESSION, person};

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
    pub(crate) journal: Option<Journal>,
    pub(crate) crash_at: Option<usize>,
    calls: usize,
}

#[derive(Default)]
pub(crate) struct Fake {
    objects: Mutex<Objects>,
    pub(crate) crashed: Notify,
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
