//! From one watch of this node's Pods to a worker for each.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use cluster_sandbox::runtime::ContainerEvent;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::runtime::watcher::{self, Event};
use tokio::sync::{Notify, broadcast, watch};
use tokio_util::task::TaskTracker;

use crate::shared::Shared;
use crate::worker::{Wanted, Worker};

/// What the dispatcher holds of a worker.
struct Handle {
    wanted: watch::Sender<Wanted>,
    task: tokio::task::JoinHandle<()>,
}

/// Workers by Pod UID.
pub struct Dispatcher {
    shared: Arc<Shared>,
    workers: HashMap<String, Handle>,
    tasks: TaskTracker,
    /// Pods of the listing that is under way.
    listed: Option<HashSet<String>>,
}

impl Dispatcher {
    /// One that starts its workers in `tasks`.
    pub fn new(shared: Arc<Shared>, tasks: TaskTracker) -> Self {
        Self {
            shared,
            workers: HashMap::new(),
            tasks,
            listed: None,
        }
    }

    /// Runs for as long as the node does.
    pub async fn run(mut self) {
        let api: Api<Pod> = Api::all(self.shared.client.clone());
        let config =
            watcher::Config::default().fields(&format!("spec.nodeName={}", self.shared.facts.name));
        let mut pods = std::pin::pin!(kube::runtime::WatchStreamExt::default_backoff(
            watcher::watcher(api, config)
        ));
        let mut containers = self.shared.runtime.events();
        loop {
            tokio::select! {
                event = pods.try_next() => match event {
                    Ok(Some(event)) => self.pod(event).await,
                    Ok(None) => return,
                    // The watch starts over by itself, with back-off.
                    Err(error) => tracing::warn!(%error, "the watch of Pods was interrupted"),
                },
                event = containers.recv() => self.container(event),
            }
        }
    }

    fn container(&self, event: Result<ContainerEvent, broadcast::error::RecvError>) {
        match event {
            Ok(event) => self.shared.wake(&event.sandbox),
            Err(_) => self.shared.wake_all(),
        }
    }

    async fn pod(&mut self, event: Event<Pod>) {
        match event {
            Event::Init => self.listed = Some(HashSet::new()),
            Event::InitApply(pod) => {
                if let (Some(listed), Some(uid)) = (&mut self.listed, &pod.metadata.uid) {
                    listed.insert(uid.clone());
                }
                self.apply(pod);
            }
            Event::InitDone => {
                if let Some(listed) = self.listed.take() {
                    self.drop_unlisted(&listed).await;
                }
            }
            Event::Apply(pod) => self.apply(pod),
            Event::Delete(pod) => self.gone(pod),
        }
    }

    fn apply(&mut self, pod: Pod) {
        self.workers.retain(|_, handle| !handle.task.is_finished());
        let Some(uid) = pod.metadata.uid.clone() else {
            return;
        };
        let wanted = Wanted {
            pod: Arc::new(pod),
            gone: false,
        };
        match self.workers.get(&uid) {
            Some(handle) => {
                handle.wanted.send_modify(|old| old.pod = wanted.pod);
            }
            None => self.start(uid, wanted),
        }
    }

    fn start(&mut self, uid: String, wanted: Wanted) {
        let (sender, receiver) = watch::channel(wanted);
        let worker = Worker::new(self.shared.clone(), receiver, Arc::new(Notify::new()));
        let task = self.tasks.spawn(worker.run());
        self.workers.insert(
            uid,
            Handle {
                wanted: sender,
                task,
            },
        );
    }

    fn gone(&mut self, pod: Pod) {
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        if let Some(handle) = self.workers.get(&uid) {
            let pod = Arc::new(pod);
            handle
                .wanted
                .send_modify(|old| *old = Wanted { pod, gone: true });
        }
    }

    /// Pods that are not in the API any more: those with a worker, and those that only the runtime remembers.
    async fn drop_unlisted(&mut self, listed: &HashSet<String>) {
        for (_, handle) in self
            .workers
            .iter()
            .filter(|(uid, _)| !listed.contains(*uid))
        {
            handle.wanted.send_modify(|old| old.gone = true);
        }
        let sandboxes = match self.shared.runtime.sandboxes().await {
            Ok(sandboxes) => sandboxes,
            Err(error) => return tracing::warn!(%error, "the runtime does not list its sandboxes"),
        };
        for sandbox in sandboxes {
            let uid = sandbox.config.uid.clone();
            if listed.contains(&uid) || self.workers.contains_key(&uid) {
                continue;
            }
            let mut pod = Pod::default();
            pod.metadata.name = Some(sandbox.config.name);
            pod.metadata.namespace = Some(sandbox.config.namespace);
            pod.metadata.uid = Some(uid.clone());
            self.start(
                uid,
                Wanted {
                    pod: Arc::new(pod),
                    gone: true,
                },
            );
        }
        self.drop_directories(listed).await;
    }

    /// Directories of Pods that nobody remembers: what a crash in the middle of a removal leaves.
    async fn drop_directories(&self, listed: &HashSet<String>) {
        let known: BTreeSet<String> = listed.iter().chain(self.workers.keys()).cloned().collect();
        let pods = self.shared.pods_directory();
        let removed = tokio::task::spawn_blocking(move || {
            crate::volumes::directory::remove_others(&pods, &known)
        });
        if let Ok(Err(error)) = removed.await {
            tracing::warn!(%error, "a directory of a Pod that is gone was not removed");
        }
    }
}
