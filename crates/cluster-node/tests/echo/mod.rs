//! A runtime with one running container, in which every command is an echo.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use cluster_node::Clock;
use cluster_node::events::Recorder;
use cluster_node::objects::Objects;
use cluster_node::pod::config::POD_UID_LABEL;
use cluster_node::pod::fields::NodeFacts;
use cluster_node::shared::Shared;
use cluster_sandbox::runtime::{
    ContainerConfig, ContainerEvent, ContainerId, ContainerState, ContainerStatus, ImageStatus,
    Images, PidMode, Resources, Runtime, RuntimeError, SandboxConfig, SandboxStatus, Seccomp,
    Security, StreamOptions, Streams,
};
use futures::FutureExt as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::broadcast;

struct Echo;

fn nothing<T>() -> Result<T, RuntimeError> {
    Err(RuntimeError::Refused(
        "the echo does nothing else".to_owned(),
    ))
}

#[async_trait]
impl Runtime for Echo {
    fn version(&self) -> String {
        "echo://1".to_owned()
    }
    async fn run_sandbox(&self, _config: SandboxConfig) -> Result<SandboxStatus, RuntimeError> {
        nothing()
    }
    async fn stop_sandbox(&self, _id: &str) -> Result<(), RuntimeError> {
        nothing()
    }
    async fn remove_sandbox(&self, _id: &str) -> Result<(), RuntimeError> {
        nothing()
    }
    async fn sandboxes(&self) -> Result<Vec<SandboxStatus>, RuntimeError> {
        Ok(Vec::new())
    }
    async fn create_container(
        &self,
        _sandbox: &str,
        _config: ContainerConfig,
    ) -> Result<ContainerId, RuntimeError> {
        nothing()
    }
    async fn start_container(&self, _id: &str) -> Result<(), RuntimeError> {
        nothing()
    }
    async fn stop_container(&self, _id: &str, _grace: Duration) -> Result<(), RuntimeError> {
        nothing()
    }
    async fn remove_container(&self, _id: &str) -> Result<(), RuntimeError> {
        nothing()
    }
    async fn containers(&self) -> Result<Vec<ContainerStatus>, RuntimeError> {
        Ok(vec![container()])
    }
    async fn container(&self, _id: &str) -> Result<ContainerStatus, RuntimeError> {
        Ok(container())
    }
    fn events(&self) -> broadcast::Receiver<ContainerEvent> {
        broadcast::channel(1).1
    }

    /// Writes back what it reads, until the end or a `q`; the exit code is how many bytes that were.
    async fn exec(
        &self,
        _id: &str,
        _command: Vec<String>,
        _options: StreamOptions,
    ) -> Result<Streams, RuntimeError> {
        let (near, far) = tokio::io::duplex(64);
        let (stdout, stdin) = tokio::io::split(near);
        let (mut input, mut output) = tokio::io::split(far);
        let exit = tokio::spawn(async move {
            let (mut count, mut byte) = (0, [0]);
            while input.read(&mut byte).await.is_ok_and(|read| read > 0) {
                output.write_all(&byte).await.unwrap();
                count += 1;
                if byte == *b"q" {
                    break;
                }
            }
            output.shutdown().await.unwrap();
            count
        });
        Ok(Streams {
            stdin: Some(Box::new(Half(stdin))),
            stdout: Some(Box::new(stdout)),
            stderr: None,
            resize: None,
            exit: exit.map(|count| Ok(count.unwrap())).boxed(),
        })
    }
    async fn attach(&self, _id: &str, _options: StreamOptions) -> Result<Streams, RuntimeError> {
        nothing()
    }
}

/// The writing half of a duplex, closed when it is dropped.
struct Half(tokio::io::WriteHalf<tokio::io::DuplexStream>);

impl tokio::io::AsyncWrite for Half {
    fn poll_write(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        std::pin::Pin::new(&mut self.0).poll_write(cx, bytes)
    }
    fn poll_flush(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::pin::Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        // Closing a duplex never waits.
        let _ = self.0.shutdown().now_or_never();
    }
}

#[async_trait]
impl Images for Echo {
    async fn status(&self, _reference: &str) -> Result<Option<ImageStatus>, RuntimeError> {
        Ok(None)
    }
    async fn list(&self) -> Result<Vec<ImageStatus>, RuntimeError> {
        Ok(Vec::new())
    }
}

fn container() -> ContainerStatus {
    let security = Security {
        run_as_user: None,
        run_as_group: None,
        supplemental_groups: Vec::new(),
        privileged: false,
        no_new_privileges: false,
        add_capabilities: Vec::new(),
        drop_capabilities: Vec::new(),
        read_only_root: false,
        seccomp: Seccomp::Unconfined,
        unmasked_proc: false,
    };
    ContainerStatus {
        id: "c".to_owned(),
        sandbox: "s".to_owned(),
        config: ContainerConfig {
            name: "app".to_owned(),
            attempt: 0,
            image: "x".to_owned(),
            command: Vec::new(),
            args: Vec::new(),
            working_dir: String::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            security,
            resources: Resources::default(),
            pid: PidMode::Container,
            stdin: false,
            stdin_once: false,
            tty: false,
            log_path: "app/0.log".into(),
            labels: BTreeMap::from([(POD_UID_LABEL.to_owned(), "u".to_owned())]),
        },
        image_ref: "x".to_owned(),
        image_id: "x".to_owned(),
        pid: None,
        created_at: Timestamp::UNIX_EPOCH,
        state: ContainerState::Running {
            started_at: Timestamp::UNIX_EPOCH,
        },
    }
}

/// A node with the Pod `ns/p`, whose container `app` runs; there is no API server behind it.
pub(crate) fn shared() -> Shared {
    let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let client = kube::Client::try_from(config).unwrap();
    let clock: Clock = Arc::new(|| Timestamp::UNIX_EPOCH);
    let shared = Shared {
        runtime: Arc::new(Echo),
        images: Arc::new(Echo),
        objects: Objects::new(client.clone()),
        events: Recorder::start(client.clone(), "n".to_owned(), clock.clone()),
        client,
        facts: NodeFacts {
            name: "n".to_owned(),
            host_ip: "127.0.0.1".to_owned(),
            cpu: Quantity("1".to_owned()),
            memory: Quantity("1Gi".to_owned()),
        },
        memory: 1 << 30,
        scheme: "echo".to_owned(),
        data_dir: "/nowhere".into(),
        clock,
        views: Mutex::new(HashMap::new()),
        listeners: Mutex::new(HashMap::new()),
    };
    let pod = json!({"metadata": {"name": "p", "namespace": "ns", "uid": "u"},
        "spec": {"containers": [{"name": "app"}]}});
    let status = json!({"phase": "Running"});
    shared.show(
        &serde_json::from_value(pod).unwrap(),
        &serde_json::from_value(status).unwrap(),
    );
    shared
}
