//! What all Pods' workers and the node's server use together.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use cluster_sandbox::runtime::{Images, Runtime};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use tokio::sync::Notify;

use crate::Clock;
use crate::events::Recorder;
use crate::objects::Objects;
use crate::pod::fields::NodeFacts;

/// The node's ports and its view of its Pods.
pub struct Shared {
    /// To the API server.
    pub client: kube::Client,
    /// Containers.
    pub runtime: Arc<dyn Runtime>,
    /// Images.
    pub images: Arc<dyn Images>,
    /// ConfigMaps, Secrets, tokens.
    pub objects: Objects,
    /// Events.
    pub events: Recorder,
    /// This node.
    pub facts: NodeFacts,
    /// Bytes of memory.
    pub memory: i64,
    /// Scheme of container ids.
    pub scheme: String,
    /// Where the node keeps its files.
    pub data_dir: PathBuf,
    /// The time.
    pub clock: Clock,
    /// Pods by namespace and name, for the node's server.
    pub views: Mutex<HashMap<(String, String), View>>,
    /// Who waits for news of which sandbox.
    pub listeners: Mutex<HashMap<String, Arc<Notify>>>,
}

/// A Pod as the node sees it.
#[derive(Clone)]
pub struct View {
    /// Its spec.
    pub pod: Arc<Pod>,
    /// Its status now.
    pub status: Arc<PodStatus>,
}

fn key(pod: &Pod) -> (String, String) {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    (text(&pod.metadata.namespace), text(&pod.metadata.name))
}

/// A poisoned lock still holds whole values: each change is one insert or remove.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// The present time.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Directory of a Pod's volumes and files.
    pub fn pod_directory(&self, uid: &str) -> PathBuf {
        self.pods_directory().join(uid)
    }

    /// Where the directories of all Pods are.
    pub fn pods_directory(&self) -> PathBuf {
        self.data_dir.join("kubelet")
    }

    /// Directory of a Pod's logs.
    pub fn log_directory(&self, pod: &Pod) -> PathBuf {
        let (namespace, name) = key(pod);
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        self.data_dir
            .join("logs")
            .join(format!("{namespace}_{name}_{uid}"))
    }

    /// Wakes `wake` when a container of the sandbox changes.
    pub fn listen(&self, sandbox: &str, wake: Arc<Notify>) {
        locked(&self.listeners).insert(sandbox.to_owned(), wake);
    }

    /// The end of that.
    pub fn unlisten(&self, sandbox: &str) {
        locked(&self.listeners).remove(sandbox);
    }

    /// Wakes who listens to the sandbox.
    pub fn wake(&self, sandbox: &str) {
        if let Some(wake) = locked(&self.listeners).get(sandbox) {
            wake.notify_one();
        }
    }

    /// Wakes everybody: news were missed.
    pub fn wake_all(&self) {
        locked(&self.listeners)
            .values()
            .for_each(|wake| wake.notify_one());
    }

    /// Shows the node's server a Pod and its status.
    pub fn show(&self, pod: &Pod, status: &PodStatus) {
        let view = View {
            pod: Arc::new(pod.clone()),
            status: Arc::new(status.clone()),
        };
        locked(&self.views).insert(key(pod), view);
    }

    /// The Pod is gone; a later one of the same name stays.
    pub fn forget(&self, pod: &Pod) {
        let mut views = locked(&self.views);
        if views
            .get(&key(pod))
            .is_some_and(|view| view.pod.metadata.uid == pod.metadata.uid)
        {
            views.remove(&key(pod));
        }
    }

    /// A Pod by name.
    pub fn view(&self, namespace: &str, name: &str) -> Option<View> {
        locked(&self.views)
            .get(&(namespace.to_owned(), name.to_owned()))
            .cloned()
    }
}
