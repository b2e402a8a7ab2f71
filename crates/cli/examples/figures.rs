//! Prints how fast things are on this machine, one figure a line: `name value unit`.
//!
//! `figures EPHEMERA [RUNS]`, where `EPHEMERA` is the program to measure; needs root. `cargo xtask bench` runs
//! it in release and sets each figure beside its goal.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "measuring is reading the clock and printing"
)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use cli::stage::Stage;
use futures::{StreamExt, pin_mut};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};
use session::{Container, Injection, Mode, Person, PodRef, Request, SessionId};

/// Decisions that are timed one by one.
const DECISIONS: usize = 20_000;

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let program = PathBuf::from(args.next().context("usage: figures EPHEMERA [RUNS]")?);
    let runs = args.next().map_or(Ok(30), |runs| runs.parse())?;
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    decisions()?;
    ready(&program, "ready_bare", &["--bare"]).await?;
    ready(&program, "ready_governed", &[]).await?;
    containers(&program, runs).await
}

fn show(name: &str, unit: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| {
        times
            .get((times.len() - 1) * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let scale = if unit == "us" { 1e6 } else { 1e3 };
    for (label, value) in [("p50", at(50)), ("p99", at(99))] {
        println!("{name}_{label} {:.3} {unit}", value.as_secs_f64() * scale);
    }
}

/// `policy::evaluate` alone, on the example of the documentation.
fn decisions() -> Result<()> {
    let policy: Value = serde_saphyr::from_str(include_str!("../../../docs/examples/policy.yaml"))?;
    let pod: Value = serde_saphyr::from_str(include_str!("../../../docs/examples/pod.yaml"))?;
    let policies = [api::policy(&serde_json::from_value(policy)?)?];
    let container = Container::new(json!({
        "name": "visit-0f9d2c41", "image": "tools:1", "command": ["bash"], "stdin": true, "tty": true,
        "imagePullPolicy": "IfNotPresent", "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File", "resources": {}, "targetContainerName": "web",
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
    }))?;
    let request = request(container.clone());
    let requester = request.requester.clone();
    let mut pod = pod;
    pod["metadata"]["uid"] = "pod-1".into();
    pod["metadata"]["namespace"] = "default".into();
    let facts = policy::Facts {
        pod,
        namespace_labels: BTreeMap::new(),
        container,
        act: policy::Act::Enter {
            by: policy::By::Person(requester),
        },
        approvals: vec![],
        open_until: None,
    };
    let now = jiff::Timestamp::now();
    let decision = policy::evaluate(&policies, &request, &facts, now);
    ensure!(
        matches!(decision, policy::Decision::NeedsApproval(_)),
        "the example is not to be approved: {decision:?}"
    );
    let times = (0..DECISIONS).map(|_| {
        let start = Instant::now();
        std::hint::black_box(policy::evaluate(&policies, &request, &facts, now));
        start.elapsed()
    });
    show("decision", "us", times.collect());
    Ok(())
}

fn request(container: Container) -> Request {
    let uid = "0f9d2c41-77aa-4c1e-9b1e-1f1f1f1f1f1f";
    Request {
        session: SessionId {
            namespace: "default".into(),
            name: "web-1".into(),
            uid: uid.into(),
        },
        requester: Person {
            username: "alice".into(),
            groups: ["sre".into()].into(),
            ..Person::default()
        },
        pod: PodRef {
            namespace: "default".into(),
            name: "web".into(),
            uid: "pod-1".into(),
        },
        mode: Mode::Ephemeral,
        container,
        injection: Injection::Requester,
        reason: "web answers slowly since 14:02".into(),
        ticket: "INC-2041".into(),
        checked: vec![],
        duration: Duration::from_mins(15),
    }
}

/// From the start of the program on a new directory until it says that it is ready.
async fn ready(program: &std::path::Path, name: &str, options: &[&str]) -> Result<()> {
    let mut times = Vec::new();
    for _ in 0..5 {
        let start = Instant::now();
        let stage = Stage::raise(program.to_path_buf(), options).await?;
        times.push(start.elapsed());
        if times.len() == 5 {
            println!("{name}_resident {:.1} MB", resident(&stage)?);
        }
        stage.strike().await?;
    }
    show(name, "ms", times);
    Ok(())
}

/// Resident memory of the server, in megabytes.
fn resident(stage: &Stage) -> Result<f64> {
    let pid = stage.pid().context("the cluster has no process")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?
        .parse()?;
    Ok(kib / 1024.0)
}

/// Pods to running, ephemeral containers from the patch until a watcher sees them running.
async fn containers(program: &std::path::Path, runs: usize) -> Result<()> {
    let stage = Stage::raise(program.to_path_buf(), &["--bare"]).await?;
    let dir = stage.path("").display().to_string();
    let words = [
        "image",
        "build",
        "bench:1",
        "--data-dir",
        &dir,
        "--from-host",
        "sleep",
    ];
    let built = stage.ephemera("admin", &words).await?;
    ensure!(built.status == 0, "{}", built.stderr);
    let pods: Api<Pod> = Api::namespaced(stage.client("admin").await?, "default");
    let spec = json!({"terminationGracePeriodSeconds": 0, "containers": [
        {"name": "app", "image": "bench:1", "command": ["sleep", "100000"]},
    ]});
    let mut times = Vec::new();
    for n in 0..runs {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": format!("p{n}")}, "spec": spec}))?;
        let running =
            |pod: &Pod| pod.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
        let start = Instant::now();
        pods.create(&PostParams::default(), &pod).await?;
        until(&pods, &format!("p{n}"), running).await?;
        times.push(start.elapsed());
    }
    show("pod_to_running", "ms", times);
    let mut times = Vec::new();
    for n in 0..runs {
        times.push(add(&pods, n).await?);
    }
    show("add_to_running", "ms", times);
    stage.strike().await
}

/// Adds an ephemeral container to a Pod that is watched already.
async fn add(pods: &Api<Pod>, n: usize) -> Result<Duration> {
    let name = format!("d{n}");
    let patch = json!({"spec": {"ephemeralContainers": [{
        "name": name, "image": "bench:1", "command": ["sleep", "100000"], "targetContainerName": "app",
    }]}});
    let events = watch(pods, "p0");
    pin_mut!(events);
    events.next().await.context("the watch ended")??;
    let start = Instant::now();
    pods.patch_subresource(
        "ephemeralcontainers",
        "p0",
        &PatchParams::default(),
        &Patch::Strategic(patch),
    )
    .await?;
    while let Some(pod) = events.next().await {
        let statuses = pod?
            .status
            .and_then(|status| status.ephemeral_container_statuses);
        let mut ours = statuses
            .into_iter()
            .flatten()
            .filter(|status| status.name == name);
        if ours.any(|status| status.state.is_some_and(|state| state.running.is_some())) {
            return Ok(start.elapsed());
        }
    }
    anyhow::bail!("the watch ended")
}

async fn until(pods: &Api<Pod>, name: &str, there: impl Fn(&Pod) -> bool) -> Result<()> {
    let events = watch(pods, name);
    pin_mut!(events);
    while let Some(pod) = events.next().await {
        if there(&pod?) {
            return Ok(());
        }
    }
    anyhow::bail!("the watch ended")
}

fn watch(pods: &Api<Pod>, name: &str) -> impl futures::Stream<Item = Result<Pod, watcher::Error>> {
    let only = watcher::Config::default().fields(&format!("metadata.name={name}"));
    watcher(pods.clone(), only).touched_objects()
}
