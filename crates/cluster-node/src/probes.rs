//! Probes of running containers: startup, readiness and liveness, by command, TCP or HTTP
//! (`pkg/kubelet/prober`). A probe of a kind that is not known here fails, and says so.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cluster_sandbox::runtime::StreamOptions;
use k8s_openapi::api::core::v1::{Container, HTTPGetAction, Pod, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::events::Severity;
use crate::pod::roles::Spec;
use crate::shared::Shared;

/// The most of a probe's output that an Event tells (`maxProbeMessageLength`).
const MESSAGE: usize = 1024;

/// What probes say of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The startup probe has succeeded, or there is none.
    pub started: bool,
    /// The readiness probe succeeds, or there is none.
    pub ready: bool,
    /// Which probe says that the container is to be killed: `liveness` or `startup`.
    pub kill: Option<&'static str>,
}

/// The container that is probed.
#[derive(Clone)]
struct Subject {
    shared: Arc<Shared>,
    pod: Arc<Pod>,
    container: Spec,
    id: String,
    pid: u32,
    ip: Option<IpAddr>,
    verdict: Arc<Mutex<Verdict>>,
    wake: Arc<Notify>,
}

/// The probes of one running container; they end when it is dropped.
pub struct Probes {
    verdict: Arc<Mutex<Verdict>>,
    _tasks: JoinSet<()>,
}

/// Where the probed container is.
pub struct Place {
    /// Container id.
    pub id: String,
    /// Process id on the node.
    pub pid: u32,
    /// The Pod's address.
    pub ip: Option<IpAddr>,
}

impl Probes {
    /// Starts the probes of `container`; `None` if it has none.
    pub fn start(
        shared: Arc<Shared>,
        pod: &Pod,
        container: &Spec,
        place: Place,
        wake: Arc<Notify>,
    ) -> Option<Self> {
        let Container {
            startup_probe,
            readiness_probe,
            liveness_probe,
            ..
        } = container.container.clone();
        if startup_probe.is_none() && readiness_probe.is_none() && liveness_probe.is_none() {
            return None;
        }
        let first = Verdict {
            started: startup_probe.is_none(),
            ready: readiness_probe.is_none(),
            kill: None,
        };
        let verdict = Arc::new(Mutex::new(first));
        let subject = Subject {
            shared,
            pod: Arc::new(pod.clone()),
            container: container.clone(),
            id: place.id,
            pid: place.pid,
            ip: place.ip,
            verdict: verdict.clone(),
            wake,
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            if let Some(probe) = startup_probe {
                subject.startup(&probe).await;
            }
            tokio::join!(
                subject.readiness(readiness_probe),
                subject.liveness(liveness_probe)
            );
        });
        Some(Self {
            verdict,
            _tasks: tasks,
        })
    }

    /// What they say now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

fn seconds(value: Option<i32>, default: u64) -> Duration {
    Duration::from_secs(value.and_then(|n| u64::try_from(n).ok()).unwrap_or(default))
}

fn threshold(value: Option<i32>, default: u32) -> u32 {
    value
        .and_then(|n| u32::try_from(n).ok())
        .filter(|&n| n > 0)
        .unwrap_or(default)
}

impl Subject {
    fn change(&self, change: impl FnOnce(&mut Verdict)) {
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let before = verdict.clone();
        change(&mut verdict);
        if *verdict != before {
            self.wake.notify_one();
        }
    }

    async fn startup(&self, probe: &Probe) {
        tokio::time::sleep(seconds(probe.initial_delay_seconds, 0)).await;
        let mut failures = 0;
        while !self.once("Startup", probe).await {
            failures += 1;
            if failures >= threshold(probe.failure_threshold, 3) {
                self.change(|verdict| verdict.kill = Some("startup"));
                return std::future::pending().await;
            }
            tokio::time::sleep(seconds(probe.period_seconds, 10)).await;
        }
        self.change(|verdict| verdict.started = true);
    }

    async fn readiness(&self, probe: Option<Probe>) {
        let Some(probe) = probe else { return };
        tokio::time::sleep(seconds(probe.initial_delay_seconds, 0)).await;
        let (mut successes, mut failures) = (0, 0);
        loop {
            if self.once("Readiness", &probe).await {
                (successes, failures) = (successes + 1, 0);
                if successes >= threshold(probe.success_threshold, 1) {
                    self.change(|verdict| verdict.ready = true);
                }
            } else {
                (successes, failures) = (0, failures + 1);
                if failures >= threshold(probe.failure_threshold, 3) {
                    self.change(|verdict| verdict.ready = false);
                }
            }
            tokio::time::sleep(seconds(probe.period_seconds, 10)).await;
        }
    }

    async fn liveness(&self, probe: Option<Probe>) {
        let Some(probe) = probe else { return };
        tokio::time::sleep(seconds(probe.initial_delay_seconds, 0)).await;
        let mut failures = 0;
        loop {
            failures = if self.once("Liveness", &probe).await {
                0
            } else {
                failures + 1
            };
            if failures >= threshold(probe.failure_threshold, 3) {
                self.change(|verdict| verdict.kill = Some("liveness"));
                return std::future::pending().await;
            }
            tokio::time::sleep(seconds(probe.period_seconds, 10)).await;
        }
    }

    /// One try; a failure is told by an Event.
    async fn once(&self, kind: &str, probe: &Probe) -> bool {
        let limit = seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1));
        let tried = match tokio::time::timeout(limit, self.attempt(probe, limit)).await {
            Ok(tried) => tried,
            Err(_) => Err(format!("timed out after {}s", limit.as_secs())),
        };
        let Err(mut why) = tried else { return true };
        if let Some((end, _)) = why.char_indices().nth(MESSAGE) {
            why.truncate(end);
        }
        let message = format!("{kind} probe failed: {why}");
        let path = &self.container.field_path;
        self.shared
            .events
            .pod(&self.pod, path, Severity::Warning, "Unhealthy", message);
        false
    }

    async fn attempt(&self, probe: &Probe, limit: Duration) -> Result<(), String> {
        if let Some(exec) = &probe.exec {
            return self.command(exec.command.clone().unwrap_or_default()).await;
        }
        if let Some(tcp) = &probe.tcp_socket {
            return self
                .connect(tcp.host.as_deref(), &tcp.port, limit)
                .await
                .map(drop);
        }
        if let Some(http) = &probe.http_get {
            return self.http(http, limit).await;
        }
        Err(
            "probes other than exec, httpGet and tcpSocket are not available on this node"
                .to_owned(),
        )
    }

    async fn command(&self, command: Vec<String>) -> Result<(), String> {
        let options = StreamOptions {
            stdout: true,
            stderr: true,
            ..StreamOptions::default()
        };
        let streams = self
            .shared
            .runtime
            .exec(&self.id, command, options)
            .await
            .map_err(|error| error.to_string())?;
        let mut output = Vec::new();
        for stream in [streams.stdout, streams.stderr].into_iter().flatten() {
            let mut stream = stream.take(10 * 1024);
            stream
                .read_to_end(&mut output)
                .await
                .map_err(|error| error.to_string())?;
        }
        match streams.exit.await {
            Ok(0) => Ok(()),
            Ok(_) => Err(String::from_utf8_lossy(&output).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn port(&self, port: &IntOrString) -> Result<u16, String> {
        match port {
            IntOrString::Int(number) => {
                u16::try_from(*number).map_err(|_| format!("{number} is no port"))
            }
            IntOrString::String(name) => {
                let ports = self.container.container.ports.iter().flatten();
                let mut named = ports.filter(|port| port.name.as_deref() == Some(name));
                let found = named
                    .next()
                    .and_then(|port| u16::try_from(port.container_port).ok());
                found
                    .or_else(|| name.parse().ok())
                    .ok_or_else(|| format!("couldn't find port {name:?}"))
            }
        }
    }

    /// Connects from within the Pod's network, which the node is not part of.
    async fn connect(
        &self,
        host: Option<&str>,
        port: &IntOrString,
        limit: Duration,
    ) -> Result<tokio::net::TcpStream, String> {
        let ip = match host.filter(|host| !host.is_empty()) {
            Some(host) => host
                .parse()
                .map_err(|_| format!("host {host:?} is no address"))?,
            None => self.ip.unwrap_or(IpAddr::from([127, 0, 0, 1])),
        };
        let address = SocketAddr::new(ip, self.port(port)?);
        let pid = self.pid;
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own: entering a namespace is for the whole rest of a thread's life.
        std::thread::spawn(move || {
            let _ = tell.send(connect_within(pid, address, limit));
        });
        let stream = told
            .await
            .map_err(|_| "the probe was cut off".to_owned())?
            .map_err(|error| error.to_string())?;
        tokio::net::TcpStream::from_std(stream).map_err(|error| error.to_string())
    }

    async fn http(&self, action: &HTTPGetAction, limit: Duration) -> Result<(), String> {
        if action.scheme.as_deref() == Some("HTTPS") {
            return Err("httpGet probes over HTTPS are not available on this node".to_owned());
        }
        let mut stream = self
            .connect(action.host.as_deref(), &action.port, limit)
            .await?;
        let path = action.path.as_deref().unwrap_or("/");
        let mut headers = action.http_headers.clone().unwrap_or_default();
        let has = |name: &str| {
            headers
                .iter()
                .any(|header| header.name.eq_ignore_ascii_case(name))
        };
        let host = if has("host") {
            String::new()
        } else {
            format!(
                "Host: {}\r\n",
                self.ip
                    .map_or_else(|| "localhost".to_owned(), |ip| ip.to_string())
            )
        };
        let agent = if has("user-agent") {
            ""
        } else {
            "User-Agent: kube-probe/1.36\r\n"
        };
        headers.retain(|header| {
            !header.name.contains(['\r', '\n']) && !header.value.contains(['\r', '\n'])
        });
        let mut own = String::new();
        for header in headers {
            let _ = write!(own, "{}: {}\r\n", header.name, header.value);
        }
        let request = format!(
            "GET {path} HTTP/1.1\r\n{host}{agent}{own}Accept: */*\r\nConnection: close\r\n\r\n"
        );
        stream
            .write_all(request.as_bytes())
            .await
            .map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        stream
            .take(10 * 1024)
            .read_to_end(&mut answer)
            .await
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&answer);
        let code = text
            .split_whitespace()
            .nth(1)
            .and_then(|code| code.parse::<u16>().ok());
        match code {
            Some(200..400) => Ok(()),
            Some(code) => Err(format!("HTTP probe failed with statuscode: {code}")),
            None => Err("the answer is not HTTP".to_owned()),
        }
    }
}

fn connect_within(
    pid: u32,
    address: SocketAddr,
    limit: Duration,
) -> std::io::Result<std::net::TcpStream> {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net"))?;
    let kind = rustix::thread::LinkNameSpaceType::Network;
    rustix::thread::move_into_link_name_space(rustix::fd::AsFd::as_fd(&namespace), Some(kind))?;
    let stream = std::net::TcpStream::connect_timeout(&address, limit)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
