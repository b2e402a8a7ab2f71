//! The loops beside the API: namespaces, the scheduler, and what becomes of those whose owner is gone.
#![expect(clippy::expect_used, reason = "a test that cannot go on says where")]

use std::time::Duration;

use cluster_server::api::{Context, DeleteOptions, Target};
use cluster_server::clock::Clock;
use cluster_server::{Config, Server};
use serde_json::{Value, json};

struct Cluster {
    server: Server,
    _directory: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self::start_in(directory, Clock::system()).await
    }

    async fn start_in(directory: tempfile::TempDir, clock: Clock) -> Self {
        let listen = "127.0.0.1:0".parse().expect("an address");
        let data_dir = directory.path().to_owned();
        let config = Config {
            data_dir,
            listen,
            bare: true,
            clock,
            audit: None,
        };
        let server = Server::start(config).await.expect("the server starts");
        Self {
            server,
            _directory: directory,
        }
    }

    fn target(&self, key: &str, namespace: &str, name: &str) -> Target {
        let resource = self
            .server
            .api()
            .kinds
            .by_key(key)
            .expect("a kind that is served");
        Target::object(&resource, namespace, name)
    }

    async fn create(&self, key: &str, namespace: &str, object: Value) -> Value {
        let target = self.target(key, namespace, "");
        let made = self
            .server
            .api()
            .create(&Context::system("test"), &target, object)
            .await;
        made.expect("created").value.clone()
    }

    async fn delete(&self, key: &str, namespace: &str, name: &str, policy: Option<&str>) {
        let target = self.target(key, namespace, name);
        let propagation_policy = policy.map(str::to_owned);
        let grace_period_seconds = (key == "pods").then_some(0);
        let options = DeleteOptions {
            propagation_policy,
            grace_period_seconds,
            ..DeleteOptions::default()
        };
        self.server
            .api()
            .delete(&Context::system("test"), &target, &options)
            .await
            .expect("deleted");
    }

    fn get(&self, key: &str, namespace: &str, name: &str) -> Option<Value> {
        self.server
            .api()
            .store
            .get(key, namespace, name)
            .map(|object| object.value.clone())
    }

    /// Waits until the object, or its absence, is as wanted.
    async fn until(
        &self,
        key: &str,
        namespace: &str,
        name: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) {
        let store = &self.server.api().store;
        let mut watch = store.watch(key, store.revision()).expect("a watch");
        let waiting = async {
            while !wanted(self.get(key, namespace, name).as_ref()) {
                watch.next().await.expect("a change");
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), waiting).await;
        assert!(
            waited.is_ok(),
            "{key} {namespace}/{name} is {:?}",
            self.get(key, namespace, name)
        );
    }

    async fn node(&self, name: &str) {
        let ready = json!([{"type": "Ready", "status": "True"}]);
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": ready}});
        self.create("nodes", "", node).await;
    }
}

fn named(kind: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}})
}

fn pod(name: &str, spec: &Value) -> Value {
    let mut pod = named("Pod", name);
    pod["spec"] = json!({"containers": [{"name": "app", "image": "app:1"}]});
    for (field, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][field] = value.clone();
    }
    pod
}

fn condition(pod: Option<&Value>) -> Value {
    pod.map_or(Value::Null, |pod| pod["status"]["conditions"][0].clone())
}

#[tokio::test]
async fn a_namespace_has_an_account_and_the_clusters_certificate() {
    let cluster = Cluster::start().await;
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        assert!(
            cluster.get("serviceaccounts", name, "default").is_some(),
            "{name}"
        );
        assert!(
            cluster
                .get("configmaps", name, "kube-root-ca.crt")
                .is_some(),
            "{name}"
        );
    }
    cluster
        .create("namespaces", "", named("Namespace", "n"))
        .await;
    cluster
        .until("serviceaccounts", "n", "default", |found| found.is_some())
        .await;
    cluster
        .until("configmaps", "n", "kube-root-ca.crt", |map| map.is_some())
        .await;
    cluster
        .delete("serviceaccounts", "n", "default", None)
        .await;
    cluster
        .until("serviceaccounts", "n", "default", |found| found.is_some())
        .await;
    cluster.server.stop().await;
}

#[tokio::test]
async fn a_namespace_goes_when_all_that_is_in_it_has_gone() {
    let cluster = Cluster::start().await;
    cluster.node("node").await;
    cluster
        .create("namespaces", "", named("Namespace", "n"))
        .await;
    cluster
        .until("serviceaccounts", "n", "default", |found| found.is_some())
        .await;
    cluster
        .create("pods", "n", pod("p", &json!({"nodeName": "node"})))
        .await;
    cluster.delete("namespaces", "", "n", None).await;
    let phase = cluster
        .get("namespaces", "", "n")
        .map(|namespace| namespace["status"]["phase"].clone());
    assert_eq!(phase, Some("Terminating".into()));
    cluster
        .until("pods", "n", "p", |pod| {
            pod.is_some_and(|pod| pod["metadata"]["deletionTimestamp"].is_string())
        })
        .await;
    assert!(
        cluster.get("namespaces", "", "n").is_some(),
        "the Pod's node has not let it go yet"
    );
    cluster.delete("pods", "n", "p", None).await;
    cluster
        .until("namespaces", "", "n", |namespace| namespace.is_none())
        .await;
    cluster.server.stop().await;
}

#[tokio::test]
async fn a_pod_is_bound_when_a_node_takes_it() {
    let cluster = Cluster::start().await;
    cluster
        .create("pods", "default", pod("early", &json!({})))
        .await;
    cluster
        .create(
            "pods",
            "default",
            pod("other", &json!({"schedulerName": "nobody"})),
        )
        .await;
    cluster
        .create(
            "pods",
            "default",
            pod("gated", &json!({"schedulingGates": [{"name": "a.b/c"}]})),
        )
        .await;
    cluster
        .until("pods", "default", "early", |pod| {
            condition(pod)["reason"] == "Unschedulable"
        })
        .await;
    cluster.node("node").await;
    let bound = |pod: Option<&Value>| pod.is_some_and(|pod| pod["spec"]["nodeName"] == "node");
    cluster.until("pods", "default", "early", bound).await;
    assert_eq!(
        condition(cluster.get("pods", "default", "early").as_ref())["status"],
        "True"
    );
    cluster
        .create(
            "pods",
            "default",
            pod("picky", &json!({"nodeSelector": {"a": "b"}})),
        )
        .await;
    cluster
        .until("pods", "default", "picky", |pod| {
            condition(pod)["status"] == "False"
        })
        .await;
    for waiting in ["other", "gated", "picky"] {
        assert!(
            !bound(cluster.get("pods", "default", waiting).as_ref()),
            "{waiting}"
        );
    }
    cluster.server.stop().await;
}

#[tokio::test]
async fn what_has_no_owner_left_goes() {
    let cluster = Cluster::start().await;
    for (policy, stays) in [
        (None, false),
        (Some("Foreground"), false),
        (Some("Orphan"), true),
    ] {
        let owner = cluster
            .create("configmaps", "default", named("ConfigMap", "owner"))
            .await;
        let mut dependent = named("ConfigMap", "dependent");
        dependent["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "blockOwnerDeletion": true,
        }]);
        cluster.create("configmaps", "default", dependent).await;
        cluster
            .delete("configmaps", "default", "owner", policy)
            .await;
        cluster
            .until("configmaps", "default", "owner", |owner| owner.is_none())
            .await;
        if stays {
            let free = |left: Option<&Value>| {
                left.is_some_and(|left| left["metadata"].get("ownerReferences").is_none())
            };
            cluster
                .until("configmaps", "default", "dependent", free)
                .await;
        } else {
            cluster
                .until("configmaps", "default", "dependent", |dependent| {
                    dependent.is_none()
                })
                .await;
        }
    }
    cluster.server.stop().await;
}

#[tokio::test]
async fn an_event_goes_an_hour_after_it_was_last_written() {
    let cluster = Cluster::start().await;
    let event = |name: &str| {
        json!({"metadata": {"name": name, "namespace": "default"}, "reason": "Tested", "type": "Normal",
            "involvedObject": {"kind": "Pod", "namespace": "default", "name": "p"}})
    };
    let mut fresh = event("fresh");
    let soon = jiff::SignedDuration::from_hours(3);
    fresh["lastTimestamp"] = (Clock::system().now() + soon)
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
        .into();
    cluster.create("events", "default", event("old")).await;
    cluster.create("events", "default", fresh).await;
    let Cluster {
        server,
        _directory: directory,
    } = cluster;
    server.stop().await;
    let later = Clock::new(|| Clock::system().now() + jiff::SignedDuration::from_hours(2));
    let cluster = Cluster::start_in(directory, later).await;
    cluster
        .until("events", "default", "old", |found| found.is_none())
        .await;
    assert!(cluster.get("events", "default", "fresh").is_some());
}
