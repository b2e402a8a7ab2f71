//! Events by `POST`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use cluster_server::audit::{AuditConfig, WebhookConfig};
use serde_json::{Value, json};

use super::{metadata, policy, wait_for};
use crate::PODS;
use crate::client::{Cluster, Wanted};

/// Somebody who takes events on loopback.
struct Receiver {
    url: String,
    lists: Arc<Mutex<Vec<Value>>>,
    refused: Arc<AtomicUsize>,
    serving: tokio::task::JoinHandle<()>,
}

impl Receiver {
    /// Refuses the first `refuse` lists.
    async fn start(refuse: usize) -> Self {
        let lists = Arc::<Mutex<Vec<Value>>>::default();
        let refused = Arc::<AtomicUsize>::default();
        let (kept, count) = (Arc::clone(&lists), Arc::clone(&refused));
        let take = move |headers: HeaderMap, body: String| async move {
            if headers["authorization"] != "Bearer secret" {
                return StatusCode::UNAUTHORIZED;
            }
            if count.load(Ordering::SeqCst) < refuse {
                count.fetch_add(1, Ordering::SeqCst);
                return StatusCode::SERVICE_UNAVAILABLE;
            }
            let list = serde_json::from_str(&body).expect("JSON");
            kept.lock().expect("no panic").push(list);
            StatusCode::OK
        };
        let router = Router::new().route("/sink/audit", post(take));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port");
        let url = format!(
            "http://{}/sink/audit",
            listener.local_addr().expect("an address")
        );
        let serving = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            url,
            lists,
            refused,
            serving,
        }
    }

    /// A cluster that sends here.
    async fn cluster(&self, folder: &tempfile::TempDir, change: WebhookChange) -> Cluster {
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "sink", "cluster": {"server": self.url}}],
            "users": [{"name": "u", "user": {"token": "secret"}}],
            "contexts": [{"name": "c", "context": {"cluster": "sink", "user": "u"}}],
        });
        let config_file = folder.path().join("webhook.kubeconfig");
        let file = std::fs::File::create(&config_file).expect("a file");
        serde_json::to_writer(file, &kubeconfig).expect("written");
        let webhook = WebhookConfig {
            max_wait: Duration::from_millis(20),
            initial_backoff: Duration::from_millis(10),
            ..WebhookConfig::new(config_file)
        };
        Cluster::start_with(Some(AuditConfig {
            policy_file: policy(folder.path(), &metadata()),
            log: None,
            webhook: Some(change(webhook)),
        }))
        .await
    }

    fn lists(&self) -> Vec<Value> {
        self.lists.lock().expect("no panic").clone()
    }

    /// The events with this `Audit-ID` of all lists.
    fn events(&self, id: &str) -> Vec<Value> {
        let lists = self.lists();
        let items = lists
            .iter()
            .flat_map(|list| list["items"].as_array().expect("items"));
        items
            .filter(|item| item["auditID"] == id)
            .cloned()
            .collect()
    }
}

type WebhookChange = fn(WebhookConfig) -> WebhookConfig;

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test]
async fn events_come_in_lists() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start(0).await;
    let small = |webhook| WebhookConfig {
        max_size: 3,
        ..webhook
    };
    let cluster = receiver.cluster(&folder, small).await;
    for number in 0..10 {
        let wanted = Wanted::new("GET", PODS).header("Audit-ID", &format!("a{number}"));
        cluster.send(&wanted).await;
    }
    let all = |number: usize| receiver.events(&format!("a{number}")).len() == 2;
    wait_for(|| (0..10).all(all).then_some(())).await;
    for list in receiver.lists() {
        assert_eq!(list["kind"], "EventList");
        assert_eq!(list["apiVersion"], "audit.k8s.io/v1");
        let items = list["items"].as_array().expect("items");
        assert!((1..=3).contains(&items.len()), "{}", items.len());
        assert!(items.iter().all(|item| item.get("kind").is_none()));
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_list_that_was_not_taken_is_sent_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start(3).await;
    let cluster = receiver.cluster(&folder, |webhook| webhook).await;
    let wanted = Wanted::new("GET", PODS).header("Audit-ID", "again");
    cluster.send(&wanted).await;
    wait_for(|| (receiver.events("again").len() == 2).then_some(())).await;
    assert_eq!(receiver.refused.load(Ordering::SeqCst), 3);
    cluster.stop().await;
}

#[tokio::test]
async fn what_waits_is_sent_before_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start(0).await;
    let slow = |webhook| WebhookConfig {
        max_wait: Duration::from_hours(1),
        ..webhook
    };
    let cluster = receiver.cluster(&folder, slow).await;
    let wanted = Wanted::new("GET", PODS).header("Audit-ID", "late");
    cluster.send(&wanted).await;
    assert!(receiver.events("late").is_empty());
    cluster.stop().await;
    assert_eq!(receiver.events("late").len(), 2);
}

#[tokio::test]
async fn nobody_waits_for_a_webhook_that_does_not_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let receiver = Receiver::start(usize::MAX).await;
    let tiny = |webhook| WebhookConfig {
        buffer_size: 1,
        initial_backoff: Duration::from_hours(1),
        ..webhook
    };
    let cluster = receiver.cluster(&folder, tiny).await;
    for _ in 0..100 {
        assert_eq!(cluster.send(&Wanted::new("GET", PODS)).await.status(), 200);
    }
    cluster.stop().await;
}
