//! Prints how fast the small cluster's API server is on this machine, one figure a line: `name value unit`.
//!
//! `api EPHEMERA`, where `EPHEMERA` is the program to measure; needs root. Client and server share the machine.
//! `cargo xtask bench` runs it in release and sets each figure beside its goal.
#![expect(clippy::print_stdout, reason = "measuring is printing")]

mod client;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use cli::stage::Stage;
use futures::future::try_join_all;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use client::{Connection, Server};

/// Clients at once, and how long they ask.
const CLIENTS: usize = 16;
const ASKING: Duration = Duration::from_secs(5);
/// Patches that are timed one by one, each of another Pod.
const PATCHES: usize = 500;
/// Watches of one collection, and changes that are delivered to each.
const WATCHERS: usize = 100;
const CHANGES: usize = 100;
/// The numbers of objects at which growth is measured.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

const PODS: &str = "/api/v1/namespaces/default/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::main]
async fn main() -> Result<()> {
    let program = std::env::args().nth(1).context("usage: api EPHEMERA")?;
    let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
    installed.map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    let mut stage = Stage::raise(PathBuf::from(program), &["--bare"]).await?;
    let server = Server::of(&stage.path("kubeconfig"))?;
    println!("api_resident_empty {:.1} MB", resident(&stage)?);
    reads(&server).await?;
    patches(&server).await?;
    watches(&server).await?;
    println!("api_resident_after_work {:.1} MB", resident(&stage)?);
    growth(&stage, &server).await?;
    stage.interrupt().await?;
    let start = Instant::now();
    stage.start().await?;
    show("api_ready_10000", "ms", vec![start.elapsed()]);
    println!("api_resident_10000_again {:.1} MB", resident(&stage)?);
    stage.strike().await
}

/// Median and 99th percentile.
fn show(name: &str, unit: &str, mut times: Vec<Duration>) {
    times.sort();
    for share in [50, 99] {
        let time = times
            .get((times.len() - 1) * share / 100)
            .copied()
            .unwrap_or_default();
        println!("{name}_p{share} {:.3} {unit}", time.as_secs_f64() * 1e3);
    }
}

/// Resident memory of `up`, in megabytes.
fn resident(stage: &Stage) -> Result<f64> {
    let pid = stage.pid().context("the cluster has no process")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?;
    Ok(kib.parse::<f64>()? / 1024.0)
}

/// A Pod that no node takes.
fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "bench"}}, "spec": {
        "schedulerName": "nobody",
        "containers": [{"name": "app", "image": "registry.example/app:1", "command": ["sleep", "100000"]}],
    }})
}

/// One Pod read by many.
async fn reads(server: &Server) -> Result<()> {
    let path = format!("{PODS}/read");
    server.connect().await?.create(PODS, &pod("read")).await?;
    let start = Instant::now();
    let clients =
        (0..CLIENTS).map(|_| tokio::spawn(reader(server.clone(), path.clone(), start + ASKING)));
    let mut times = Vec::new();
    for client in try_join_all(clients).await? {
        times.extend(client?);
    }
    let rate = f64::from(u32::try_from(times.len())?) / start.elapsed().as_secs_f64();
    println!("api_get_rate {rate:.0} /s");
    show("api_get", "ms", times);
    Ok(())
}

async fn reader(server: Server, path: String, end: Instant) -> Result<Vec<Duration>> {
    let mut connection = server.connect().await?;
    let mut times = Vec::new();
    while Instant::now() < end {
        times.push(connection.get(&path).await?);
    }
    Ok(times)
}

/// An ephemeral container added to one Pod after the other.
async fn patches(server: &Server) -> Result<()> {
    let mut connection = server.connect().await?;
    let mut times = Vec::new();
    for n in 0..PATCHES {
        let name = format!("patch-{n}");
        connection.create(PODS, &pod(&name)).await?;
        times.push(
            connection
                .patch(
                    &format!("{PODS}/{name}/ephemeralcontainers"),
                    &ephemeral("debug"),
                )
                .await?,
        );
    }
    show("api_patch", "ms", times);
    for n in 0..PATCHES {
        connection
            .timed(
                "DELETE",
                &format!("{PODS}/patch-{n}?gracePeriodSeconds=0"),
                "application/json",
                &Value::Null,
            )
            .await?;
    }
    Ok(())
}

fn ephemeral(name: &str) -> Value {
    json!({"spec": {"ephemeralContainers": [{"name": name, "image": "tools:1", "command": ["bash"], "targetContainerName": "app"}]}})
}

/// From the sending of a change until each of many watchers has read it.
async fn watches(server: &Server) -> Result<()> {
    let mut connection = server.connect().await?;
    let watched = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "watched"}, "data": {"n": ""}});
    connection.create(CONFIG_MAPS, &watched).await?;
    let (seen, mut sightings) = mpsc::unbounded_channel();
    for _ in 0..WATCHERS {
        let path = format!("{CONFIG_MAPS}?watch=true&fieldSelector=metadata.name%3Dwatched");
        let mut body = server.connect().await?.watch(&path).await?;
        let seen = seen.clone();
        tokio::spawn(async move {
            // One change, one frame: each is sent alone, and the next waits until all have seen it.
            while let Some(Ok(_)) = body.frame().await {
                if seen.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
    }
    all(&mut sightings).await?;
    let mut times = Vec::new();
    for n in 0..CHANGES {
        let patch = json!({"data": {"n": n.to_string()}});
        let start = Instant::now();
        connection
            .patch(&format!("{CONFIG_MAPS}/watched"), &patch)
            .await?;
        times.extend(
            all(&mut sightings)
                .await?
                .into_iter()
                .map(|seen| seen - start),
        );
    }
    show("api_watch", "ms", times);
    Ok(())
}

/// One sighting of each watcher.
async fn all(sightings: &mut mpsc::UnboundedReceiver<Instant>) -> Result<Vec<Instant>> {
    let mut seen = Vec::new();
    while seen.len() < WATCHERS {
        seen.push(sightings.recv().await.context("no watch is left")?);
    }
    Ok(seen)
}

/// The same questions with more and more objects.
async fn growth(stage: &Stage, server: &Server) -> Result<()> {
    let mut there = 0;
    for size in SIZES {
        let makers =
            (0..CLIENTS).map(|first| tokio::spawn(maker(server.clone(), there + first, size)));
        for maker in try_join_all(makers).await? {
            maker?;
        }
        there = size;
        let mut connection = server.connect().await?;
        let names = (0..100).map(|n| format!("object-{}", n * size / 100));
        let (mut gets, mut patches, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        for (n, name) in names.enumerate() {
            gets.push(connection.get(&format!("{CONFIG_MAPS}/{name}")).await?);
            let patch = json!({"data": {"n": n.to_string()}});
            patches.push(
                connection
                    .patch(&format!("{CONFIG_MAPS}/{name}"), &patch)
                    .await?,
            );
        }
        for _ in 0..10 {
            lists.push(whole(&mut connection).await?);
        }
        show(&format!("api_{size}_get"), "ms", gets);
        show(&format!("api_{size}_patch"), "ms", patches);
        show(&format!("api_{size}_list"), "ms", lists);
        println!("api_{size}_resident {:.1} MB", resident(stage)?);
    }
    Ok(())
}

/// A list in one answer.
async fn whole(connection: &mut Connection) -> Result<Duration> {
    connection.get(CONFIG_MAPS).await
}

async fn maker(server: Server, first: usize, end: usize) -> Result<()> {
    let mut connection = server.connect().await?;
    for n in (first..end).step_by(CLIENTS) {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("object-{n}"), "labels": {"app": "bench"}},
            "data": {"n": "", "text": "some settings, as long as such settings often are: a line or two"}});
        connection.create(CONFIG_MAPS, &object).await?;
    }
    Ok(())
}
