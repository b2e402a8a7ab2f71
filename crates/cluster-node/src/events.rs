//! Events of Pods in a kubelet's words, written by a task of their own so that no start waits for them.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::sync::mpsc;

use crate::Clock;
use crate::client::brief;

/// `Normal` or `Warning`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// As it should be.
    Normal,
    /// Somebody should look.
    Warning,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What happened to which object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fact {
    namespace: String,
    name: String,
    uid: String,
    field_path: String,
    severity: Severity,
    reason: &'static str,
    message: String,
}

/// Takes Events down. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::UnboundedSender<Fact>,
}

impl Recorder {
    /// A recorder for `node`; its task ends when the last clone of it is gone.
    pub fn start(client: kube::Client, node: String, clock: Clock) -> Self {
        let (queue, facts) = mpsc::unbounded_channel();
        tokio::spawn(
            Writer {
                client,
                node,
                clock,
                written: HashMap::new(),
            }
            .run(facts),
        );
        Self { queue }
    }

    /// An Event of a Pod; `field_path` names one of its containers, or is empty.
    pub fn pod(
        &self,
        pod: &Pod,
        field_path: &str,
        severity: Severity,
        reason: &'static str,
        message: String,
    ) {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let fact = Fact {
            namespace: text(&pod.metadata.namespace),
            name: text(&pod.metadata.name),
            uid: text(&pod.metadata.uid),
            field_path: field_path.to_owned(),
            severity,
            reason,
            message,
        };
        // The task is gone only when the node stops.
        let _ = self.queue.send(fact);
    }
}

/// The name of an Event that was written, and how often it was seen.
struct Written {
    name: String,
    count: i32,
}

struct Writer {
    client: kube::Client,
    node: String,
    clock: Clock,
    written: HashMap<Fact, Written>,
}

/// How long the first Event after a pause lets others write before it.
const YIELD: std::time::Duration = std::time::Duration::from_millis(25);

/// More Events than this are not remembered; the next one of the same text is a new object.
const REMEMBERED: usize = 4096;

impl Writer {
    async fn run(mut self, mut facts: mpsc::UnboundedReceiver<Fact>) {
        loop {
            let is_idle = facts.is_empty();
            let Some(fact) = facts.recv().await else {
                return;
            };
            if is_idle {
                // What the Event tells of is reported first: a status is waited for, an Event is not.
                tokio::time::sleep(YIELD).await;
            }
            if let Err(error) = self.write(fact).await {
                tracing::debug!(error = brief(&error), "an event was not written");
            }
        }
    }

    async fn write(&mut self, fact: Fact) -> kube::Result<()> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), &fact.namespace);
        let now = (self.clock)();
        if let Some(written) = self.written.get_mut(&fact) {
            written.count += 1;
            let patch = json!({"count": written.count, "lastTimestamp": Time(now)});
            match api
                .patch(&written.name, &PatchParams::default(), &Patch::Merge(patch))
                .await
            {
                // Events are collected after a while; then it is a new one.
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                other => return other.map(drop),
            }
        }
        let name = format!("{}.{:x}", fact.name, now.as_nanosecond());
        api.create(&PostParams::default(), &self.event(&fact, &name))
            .await?;
        if self.written.len() >= REMEMBERED {
            self.written.clear();
        }
        self.written.insert(fact, Written { name, count: 1 });
        Ok(())
    }

    fn event(&self, fact: &Fact, name: &str) -> Event {
        let now = Some(Time((self.clock)()));
        Event {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(fact.namespace.clone()),
                ..ObjectMeta::default()
            },
            involved_object: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Pod".to_owned()),
                namespace: Some(fact.namespace.clone()),
                name: Some(fact.name.clone()),
                uid: Some(fact.uid.clone()),
                field_path: Some(fact.field_path.clone()).filter(|path| !path.is_empty()),
                ..ObjectReference::default()
            },
            type_: Some(fact.severity.name().to_owned()),
            reason: Some(fact.reason.to_owned()),
            message: Some(fact.message.clone()),
            source: Some(EventSource {
                component: Some("kubelet".to_owned()),
                host: Some(self.node.clone()),
            }),
            reporting_component: Some("kubelet".to_owned()),
            reporting_instance: Some(self.node.clone()),
            first_timestamp: now.clone(),
            last_timestamp: now,
            count: Some(1),
            ..Event::default()
        }
    }
}
