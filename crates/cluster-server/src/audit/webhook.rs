//! Events by `POST`, many at once (`plugin/pkg/audit/{webhook,buffered}`).
//!
//! Whoever is asked is named by a kubeconfig. Nobody waits for the answer: what cannot be sent is tried again, each time
//! after a longer pause, then dropped; what does not fit into the buffer meanwhile is dropped too. Both are counted and
//! told of in the log.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, header};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rand::Rng;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::config::WebhookConfig;

/// A batch is tried so often (`DefaultRetryBackoffWithInitialDelay`), each pause 1.5 times the last.
const TRIES: u32 = 5;
const FACTOR: f64 = 1.5;
const JITTER: f64 = 0.2;
/// How long one try may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long what waits may take to go out when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a webhook cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The kubeconfig cannot be read.
    #[error("cannot read the kubeconfig {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: kube::config::KubeconfigError,
    },
    /// What it says cannot be used.
    #[error("cannot use the kubeconfig {path}")]
    Client {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: kube::Error,
    },
}

/// Takes events for a webhook.
#[derive(Debug)]
pub(super) struct WebhookSink {
    events: Mutex<Option<mpsc::Sender<String>>>,
    dropped: Arc<AtomicU64>,
    stopping: CancellationToken,
    sending: Mutex<Option<JoinHandle<()>>>,
}

impl WebhookSink {
    /// Reads the kubeconfig and begins to wait for events. The webhook need not be there yet.
    pub(super) fn open(config: &WebhookConfig) -> Result<Self, WebhookError> {
        let path = || config.config_file.clone();
        let read = |source| WebhookError::Read {
            path: path(),
            source,
        };
        let unusable = |source| WebhookError::Client {
            path: path(),
            source,
        };
        let file = Kubeconfig::read_from(&config.config_file).map_err(read)?;
        // Nothing is awaited there but files.
        let context = KubeConfigOptions::default();
        let loaded = kube::Config::from_custom_kubeconfig(file, &context);
        let mut client = futures::executor::block_on(loaded).map_err(read)?;
        let target = client
            .cluster_url
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string);
        client.cluster_url = origin(&client.cluster_url);
        let dropped = Arc::new(AtomicU64::new(0));
        let stopping = CancellationToken::new();
        let sender = Sender {
            client: kube::Client::try_from(client).map_err(unusable)?,
            target,
            config: config.clone(),
            stopping: stopping.clone(),
            dropped: Arc::clone(&dropped),
        };
        let (events, waiting) = mpsc::channel(config.buffer_size.max(1));
        Ok(Self {
            events: Mutex::new(Some(events)),
            dropped,
            stopping,
            sending: Mutex::new(Some(tokio::spawn(run(sender, waiting)))),
        })
    }

    /// Takes one event, if there is room.
    pub(super) fn write(&self, item: String) {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        let why = match events.as_ref().map(|events| events.try_send(item)) {
            Some(Ok(())) => return,
            Some(Err(mpsc::error::TrySendError::Full(_))) => "audit buffer queue blocked",
            _ => "audit backend shut down",
        };
        lose(&self.dropped, 1, why);
    }

    /// Sends what waits, as far as that goes in five seconds.
    pub(super) async fn stop(&self) {
        let take = |sending: &Mutex<Option<JoinHandle<()>>>| {
            sending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        };
        drop(
            self.events
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        self.stopping.cancel();
        let Some(mut sending) = take(&self.sending) else {
            return;
        };
        if tokio::time::timeout(DRAIN, &mut sending).await.is_err() {
            sending.abort();
            tracing::error!("audit events were still waiting for the webhook at the end");
        }
    }
}

fn lose(dropped: &AtomicU64, count: u64, why: &str) {
    let total = dropped.fetch_add(count, Ordering::Relaxed) + count;
    tracing::error!(
        count,
        total,
        why,
        "audit events for the webhook were dropped"
    );
}

/// The address without its path: the client would add a slash to that.
fn origin(url: &http::Uri) -> http::Uri {
    let mut parts = url.clone().into_parts();
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    http::Uri::from_parts(parts).unwrap_or_else(|_| url.clone())
}

#[derive(Clone)]
struct Sender {
    client: kube::Client,
    target: String,
    config: WebhookConfig,
    stopping: CancellationToken,
    dropped: Arc<AtomicU64>,
}

/// Collects batches and sends them, several at a time, until nobody can add events any more.
async fn run(sender: Sender, mut waiting: mpsc::Receiver<String>) {
    let burst = sender.config.throttle_burst.max(1);
    let flights = Arc::new(Semaphore::new(burst as usize));
    let mut throttle = Throttle::new(sender.config.throttle_qps, burst);
    while let Some(batch) = collect(&sender, &mut waiting).await {
        if !sender.stopping.is_cancelled() {
            throttle.accept().await;
        }
        // Closed never: the semaphore lives here.
        let Ok(flight) = Arc::clone(&flights).acquire_owned().await else {
            break;
        };
        let sender = sender.clone();
        tokio::spawn(async move {
            sender.deliver(&batch).await;
            drop(flight);
        });
    }
    // All flights have landed when all permits are back.
    drop(flights.acquire_many(burst).await);
}

/// A batch: full, or as much as came in time. `None` when nothing will come any more.
async fn collect(sender: &Sender, waiting: &mut mpsc::Receiver<String>) -> Option<Vec<String>> {
    let mut batch = vec![waiting.recv().await?];
    let end = Instant::now() + sender.config.max_wait;
    while batch.len() < sender.config.max_size {
        let next = tokio::select! {
            next = timeout_at(end, waiting.recv()) => next,
            () = sender.stopping.cancelled() => Ok(waiting.recv().await),
        };
        match next {
            Ok(Some(event)) => batch.push(event),
            Ok(None) | Err(_) => break,
        }
    }
    Some(batch)
}

impl Sender {
    async fn deliver(&self, batch: &[String]) {
        let body = format!(
            "{{\"kind\":\"EventList\",\"apiVersion\":\"audit.k8s.io/v1\",\"metadata\":{{}},\"items\":[{}]}}\n",
            batch.join(",")
        );
        let mut pause = self.config.initial_backoff;
        for attempt in 1..=TRIES {
            let error = match tokio::time::timeout(TIMEOUT, self.post(&body)).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error,
                Err(_) => "no answer in time".to_owned(),
            };
            tracing::warn!(attempt, error, "the audit webhook did not take a batch");
            if attempt < TRIES && !self.stopping.is_cancelled() {
                tokio::select! {
                    () = tokio::time::sleep(jittered(pause)) => {}
                    () = self.stopping.cancelled() => {}
                }
                pause = pause.mul_f64(FACTOR);
            }
        }
        lose(&self.dropped, batch.len() as u64, "the webhook failed");
    }

    async fn post(&self, body: &str) -> Result<(), String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(&self.target)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, */*")
            .body(kube::client::Body::from(body.as_bytes().to_vec()))
            .map_err(|error| error.to_string())?;
        let answer = self.client.send(request).await;
        let status = answer.map_err(|error| error.to_string())?.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("the webhook answered {status}"))
        }
    }
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + rand::rng().random_range(0.0..JITTER))
}

/// A token bucket (`flowcontrol.NewTokenBucketRateLimiter`).
struct Throttle {
    per_second: f64,
    burst: f64,
    tokens: f64,
    filled: Instant,
}

impl Throttle {
    fn new(per_second: u32, burst: u32) -> Self {
        Self {
            per_second: f64::from(per_second.max(1)),
            burst: f64::from(burst),
            tokens: f64::from(burst),
            filled: Instant::now(),
        }
    }

    /// Waits until there is a token, and takes it.
    async fn accept(&mut self) {
        let now = Instant::now();
        let gained = now.duration_since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.burst) - 1.0;
        self.filled = now;
        if self.tokens < 0.0 {
            tokio::time::sleep(Duration::from_secs_f64(-self.tokens / self.per_second)).await;
        }
    }
}
