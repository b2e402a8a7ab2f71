//! The ports of `admission` and `controller`, over HTTPS. Nothing is cached.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use admission::ReadError;
use api::{DebugApproval, DebugPolicy, DebugSession, DebugSessionStatus};
use async_trait::async_trait;
use controller::{AddError, CallError};
use futures::future;
use http::Method;
use kube::Client;
use policy::Permit;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use session::event::{Node, Right};
use session::{Container, Person, PodRef, SessionId};

use super::call::{JSON, JSON_PATCH, STRATEGIC_MERGE, get, is_name, send};

/// How long a live read may take: a webhook's answer is waited for five seconds.
const READ_WITHIN: Duration = Duration::from_secs(4);

/// How long a write may take: the API server's own webhooks take part of it.
const WRITTEN_WITHIN: Duration = Duration::from_secs(30);

const OURS: &str = "/apis/ephemera.dev/v1alpha1";

/// The rights that a record tells of the person who asked.
const RIGHTS: [(&str, &str); 8] = [
    ("get", "pods"),
    ("get", "pods/log"),
    ("create", "pods/exec"),
    ("create", "pods/attach"),
    ("patch", "pods/ephemeralcontainers"),
    ("update", "pods/ephemeralcontainers"),
    ("get", "secrets"),
    ("list", "secrets"),
];

/// A cluster, called as one account.
pub(crate) struct Live {
    client: Client,
}

/// A call that told nothing.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error(transparent)]
    Call(#[from] kube::Error),
    #[error("the API server did not answer in time")]
    TooLate(#[from] tokio::time::error::Elapsed),
    #[error("{0:?} is no name of an object")]
    NoName(String),
    #[error("there is none")]
    Missing,
    #[error("it is not understood")]
    Json(#[from] serde_json::Error),
}

impl Live {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Unknown> {
        Ok(tokio::time::timeout(READ_WITHIN, get(&self.client, path)).await??)
    }

    async fn object<T: DeserializeOwned>(
        &self,
        collection: &str,
        name: &str,
    ) -> Result<Option<T>, Unknown> {
        if !is_name(name) {
            return Err(Unknown::NoName(name.to_owned()));
        }
        self.read(&format!("{collection}/{name}")).await
    }

    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Value>, Unknown> {
        self.object(&in_namespace("/api/v1", namespace, "pods")?, name)
            .await
    }

    async fn namespace_labels(
        &self,
        name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, Unknown> {
        let found: Option<Value> = self.object("/api/v1/namespaces", name).await?;
        let Some(found) = found else { return Ok(None) };
        match found["metadata"].get("labels") {
            None | Some(Value::Null) => Ok(Some(BTreeMap::new())),
            Some(labels) => Ok(Some(serde_json::from_value(labels.clone())?)),
        }
    }

    /// All or none: a policy that is not understood may be the one that says no.
    async fn policies(&self) -> Result<Vec<DebugPolicy>, Unknown> {
        let items = self.items(&format!("{OURS}/debugpolicies")).await?;
        Ok(items
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>()?)
    }

    async fn session(&self, namespace: &str, name: &str) -> Result<Option<DebugSession>, Unknown> {
        self.object(&in_namespace(OURS, namespace, "debugsessions")?, name)
            .await
    }

    /// Those that are understood: another says yes to nothing.
    async fn approvals(&self, namespace: &str) -> Result<Vec<DebugApproval>, Unknown> {
        let items = self
            .items(&in_namespace(OURS, namespace, "debugapprovals")?)
            .await?;
        Ok(items
            .into_iter()
            .filter_map(|item| serde_json::from_value(item).ok())
            .collect())
    }

    async fn items(&self, path: &str) -> Result<Vec<Value>, Unknown> {
        let list: Option<Value> = self.read(path).await?;
        match list.ok_or(Unknown::Missing)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => Err(Unknown::Missing),
        }
    }

    async fn write(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> Result<Value, Unknown> {
        let sent = send(&self.client, method, path, content_type, Some(body));
        Ok(tokio::time::timeout(WRITTEN_WITHIN, sent).await??)
    }

    async fn patch_pod(
        &self,
        pod: &PodRef,
        container: &Container,
        query: &str,
    ) -> Result<Value, AddError> {
        let patched = async {
            let pods = in_namespace("/api/v1", &pod.namespace, "pods")?;
            if !is_name(&pod.name) {
                return Err(Unknown::NoName(pod.name.clone()));
            }
            let path = format!(
                "{pods}/{}/ephemeralcontainers?fieldManager=ephemera{query}",
                pod.name
            );
            let body = json!({"spec": {"ephemeralContainers": [container.raw()]}});
            self.write(Method::PATCH, &path, STRATEGIC_MERGE, &body)
                .await
        };
        patched.await.map_err(not_added)
    }

    async fn may(
        &self,
        person: &Person,
        pod: &PodRef,
        verb: &str,
        resource: &str,
    ) -> Result<Right, Unknown> {
        let (plural, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let name = if plural == "pods" {
            pod.name.as_str()
        } else {
            ""
        };
        let body = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": person.username,
                "uid": person.uid,
                "groups": person.groups,
                "extra": person.extra,
                "resourceAttributes": {
                    "namespace": pod.namespace,
                    "verb": verb,
                    "version": "v1",
                    "resource": plural,
                    "subresource": subresource,
                    "name": name,
                },
            },
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer = self.write(Method::POST, path, JSON, &body).await?;
        Ok(Right {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            allowed: answer["status"]["allowed"] == Value::Bool(true),
            reason: answer["status"]["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

/// Whether the API server said no for good, and in which words.
fn not_added(error: Unknown) -> AddError {
    if let Unknown::Call(kube::Error::Api(status)) = &error {
        match status.code {
            404 => return AddError::Gone,
            // Who we are, a conflict, too many requests: another time it may be otherwise.
            401 | 408 | 409 | 429 => {}
            400..=499 => return AddError::Refused(status.message.clone()),
            _ => {}
        }
    }
    AddError::Unavailable(CallError {
        what: "adding the container to the Pod".into(),
        source: Box::new(error),
    })
}

fn in_namespace(api: &str, namespace: &str, plural: &str) -> Result<String, Unknown> {
    if !is_name(namespace) {
        return Err(Unknown::NoName(namespace.to_owned()));
    }
    Ok(format!("{api}/namespaces/{namespace}/{plural}"))
}

fn unread(what: impl Into<String>) -> impl FnOnce(Unknown) -> ReadError {
    let what = what.into();
    move |error| ReadError {
        what,
        source: boxed(error),
    }
}

fn uncalled(what: impl Into<String>) -> impl FnOnce(Unknown) -> CallError {
    let what = what.into();
    move |error| CallError {
        what,
        source: boxed(error),
    }
}

fn boxed(error: Unknown) -> Box<dyn Error + Send + Sync> {
    Box::new(error)
}

#[async_trait]
impl admission::Cluster for Live {
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Value>, ReadError> {
        self.pod(namespace, name)
            .await
            .map_err(unread(format!("Pod {name}")))
    }

    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, ReadError> {
        let read = self.namespace_labels(namespace).await;
        read.map_err(unread(format!("namespace {namespace}")))
    }

    async fn policies(&self) -> Result<Vec<DebugPolicy>, ReadError> {
        self.policies()
            .await
            .map_err(unread("the list of DebugPolicies"))
    }

    async fn session(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DebugSession>, ReadError> {
        self.session(namespace, name)
            .await
            .map_err(unread(format!("DebugSession {name}")))
    }

    async fn approvals(&self, namespace: &str) -> Result<Vec<DebugApproval>, ReadError> {
        self.approvals(namespace)
            .await
            .map_err(unread("the list of DebugApprovals"))
    }
}

#[async_trait]
impl controller::Cluster for Live {
    async fn pod(&self, namespace: &str, name: &str) -> Result<Option<Value>, CallError> {
        self.pod(namespace, name)
            .await
            .map_err(uncalled(format!("reading Pod {name}")))
    }

    async fn namespace_labels(
        &self,
        namespace: &str,
    ) -> Result<Option<BTreeMap<String, String>>, CallError> {
        let read = self.namespace_labels(namespace).await;
        read.map_err(uncalled(format!("reading namespace {namespace}")))
    }

    async fn policies(&self) -> Result<Vec<DebugPolicy>, CallError> {
        self.policies()
            .await
            .map_err(uncalled("listing DebugPolicies"))
    }

    async fn session(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<DebugSession>, CallError> {
        let read = self.session(namespace, name).await;
        read.map_err(uncalled(format!("reading DebugSession {name}")))
    }

    async fn approvals(&self, namespace: &str) -> Result<Vec<DebugApproval>, CallError> {
        self.approvals(namespace)
            .await
            .map_err(uncalled("listing DebugApprovals"))
    }

    async fn dry_run(&self, pod: &PodRef, container: &Container) -> Result<Value, AddError> {
        self.patch_pod(pod, container, "&dryRun=All").await
    }

    async fn add(&self, pod: &PodRef, permit: &Permit) -> Result<Value, AddError> {
        self.patch_pod(pod, permit.container(), "").await
    }

    async fn project(
        &self,
        session: &SessionId,
        status: &DebugSessionStatus,
    ) -> Result<(), CallError> {
        let written = async {
            let path = in_namespace(OURS, &session.namespace, "debugsessions")?;
            let path = format!("{path}/{}/status", session.name);
            // The whole status, in one call, and of this very object.
            let patch = json!([
                {"op": "test", "path": "/metadata/uid", "value": session.uid},
                {"op": "add", "path": "/status", "value": serde_json::to_value(status)?},
            ]);
            self.write(Method::PATCH, &path, JSON_PATCH, &patch).await
        };
        let written = written
            .await
            .map_err(uncalled(format!("writing the status of {}", session.name)));
        written.map(|_| ())
    }

    async fn rights(&self, person: &Person, pod: &PodRef) -> Result<Vec<Right>, CallError> {
        let asked = RIGHTS.map(|(verb, resource)| self.may(person, pod, verb, resource));
        let answers = future::try_join_all(asked).await;
        answers.map_err(uncalled("asking for the requester's rights"))
    }

    async fn version(&self) -> Result<String, CallError> {
        let found: Result<Option<Value>, Unknown> = self.read("/version").await;
        let found = found.map_err(uncalled("reading the cluster's version"))?;
        let version = found.as_ref().and_then(|v| v["gitVersion"].as_str());
        Ok(version.unwrap_or_default().to_owned())
    }

    async fn node(&self, name: &str) -> Result<Option<Node>, CallError> {
        let found: Result<Option<Value>, Unknown> = self.object("/api/v1/nodes", name).await;
        let found = found.map_err(uncalled(format!("reading node {name}")))?;
        Ok(found.map(|node| {
            let info = |field: &str| {
                let text = node["status"]["nodeInfo"][field].as_str();
                text.unwrap_or_default().to_owned()
            };
            Node {
                name: name.to_owned(),
                kubelet: info("kubeletVersion"),
                runtime: info("containerRuntimeVersion"),
                kernel: info("kernelVersion"),
            }
        }))
    }
}
