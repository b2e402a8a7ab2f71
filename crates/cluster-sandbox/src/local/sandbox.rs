//! Pod sandboxes: namespaces, address, shared memory, and the end of all of them.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::mount::{MountFlags, mount};

use super::record::SandboxRecord;
use super::{Inner, Sandbox, blocking, create, failed, guard, life};
use crate::durable::{self, Sync};
use crate::namespaces::{self, Wanted};
use crate::protocol::file;
use crate::runtime::{RuntimeError, SandboxConfig, SandboxStatus};
use crate::{cgroups, clock, network, overlay};

/// A new identifier: 64 hexadecimal digits.
pub(super) fn new_id() -> Result<String, RuntimeError> {
    use std::io::Read as _;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .map_err(failed("make an id"))?;
    Ok(hex::encode(bytes))
}

pub(super) async fn run(
    inner: &Arc<Inner>,
    config: SandboxConfig,
) -> Result<SandboxStatus, RuntimeError> {
    let (record, found) = claim(inner, config).await?;
    if let Some(status) = found {
        return Ok(status);
    }
    let id = record.id.clone();
    let (folder, cluster) = (inner.sandbox_folder(&id), inner.cluster_folder());
    let own = record.clone();
    let mut made = blocking(move || make(&folder, &cluster, &own)).await;
    if made.is_ok() && record.config.share_process_namespace {
        made = hold_processes(inner, &id).await;
    }
    if let Err(error) = made {
        // What was made goes again; if that fails too, the record stays for the next attempt.
        let cleared = remove(inner, &id).await;
        return Err(match cleared {
            Ok(()) => error,
            Err(second) => RuntimeError::Failed {
                step: "make the sandbox",
                message: format!("{error}; and then: {second}"),
            },
        });
    }
    let mut sandboxes = guard(&inner.sandboxes);
    let sandbox = sandboxes
        .get_mut(&id)
        .ok_or_else(|| RuntimeError::NotFound(format!("sandbox {id}")))?;
    sandbox.ready = true;
    Ok(sandbox.status())
}

/// Takes an identifier and an address for a Pod, or finds the sandbox that it has.
async fn claim(
    inner: &Arc<Inner>,
    config: SandboxConfig,
) -> Result<(SandboxRecord, Option<SandboxStatus>), RuntimeError> {
    let _one = inner.making.lock().await;
    let known = guard(&inner.sandboxes)
        .values()
        .find(|sandbox| sandbox.record.config.uid == config.uid && sandbox.ready)
        .map(|sandbox| (sandbox.record.clone(), sandbox.status()));
    if let Some((record, status)) = known {
        return Ok((record, Some(status)));
    }
    let ip = if config.host_network {
        None
    } else {
        let free = network::free_address(&inner.addresses());
        Some(IpAddr::V4(free.ok_or_else(|| {
            RuntimeError::Refused("no Pod address is free".to_owned())
        })?))
    };
    let record = SandboxRecord {
        id: new_id()?,
        config,
        ip,
        created_at: clock::now(),
        stopped: false,
        pause: None,
    };
    if record.ip.is_some() {
        // Under the lock: there is one network, whoever comes first.
        let cluster = inner.cluster_folder();
        blocking(move || {
            network::ensure_cluster(&cluster).map_err(failed("make the cluster's network"))
        })
        .await?;
    }
    let folder = inner.sandbox_folder(&record.id);
    std::fs::create_dir_all(folder.join("ns")).map_err(failed("make the sandbox's folder"))?;
    durable::write_json(&folder.join(file::RECORD), &record, Sync::Process)
        .map_err(failed("record the sandbox"))?;
    guard(&inner.sandboxes).insert(
        record.id.clone(),
        Sandbox {
            record: record.clone(),
            ready: false,
        },
    );
    Ok((record, None))
}

fn make(folder: &Path, cluster: &Path, record: &SandboxRecord) -> Result<(), RuntimeError> {
    let config = &record.config;
    let pins = folder.join("ns");
    let wanted = Wanted {
        net: !config.host_network,
        ipc: !config.host_ipc,
        hostname: (!config.host_network).then(|| config.hostname.clone()),
        sysctls: config
            .sysctls
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    };
    namespaces::make(&pins, wanted).map_err(failed("make the Pod's namespaces"))?;
    if let Some(IpAddr::V4(address)) = record.ip {
        network::connect(
            &cluster.join("net"),
            &pins.join("net"),
            &record.interface(),
            address,
        )
        .map_err(failed("connect the Pod"))?;
    }
    if !config.host_ipc {
        let shm = folder.join("shm");
        std::fs::create_dir_all(&shm).map_err(failed("make the Pod's shared memory"))?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("shm", &shm, "tmpfs", flags, c"mode=1777,size=65536k")
            .map_err(failed("mount the Pod's shared memory"))?;
    }
    std::fs::create_dir_all(&config.log_directory).map_err(failed("make the Pod's log folder"))
}

/// A first process for the Pod's PID namespace.
async fn hold_processes(inner: &Arc<Inner>, id: &str) -> Result<(), RuntimeError> {
    let pause = create::create_pause(inner, id).await?;
    let record = {
        let mut sandboxes = guard(&inner.sandboxes);
        let sandbox = sandboxes
            .get_mut(id)
            .ok_or_else(|| RuntimeError::NotFound(format!("sandbox {id}")))?;
        sandbox.record.pause = Some(pause.clone());
        sandbox.record.clone()
    };
    durable::write_json(
        &inner.sandbox_folder(id).join(file::RECORD),
        &record,
        Sync::Process,
    )
    .map_err(failed("record the sandbox"))?;
    life::start(inner, &pause).await
}

pub(super) async fn stop(inner: &Arc<Inner>, id: &str) -> Result<(), RuntimeError> {
    let record = {
        let mut sandboxes = guard(&inner.sandboxes);
        let Some(sandbox) = sandboxes.get_mut(id) else {
            return Ok(());
        };
        sandbox.ready = false;
        sandbox.record.stopped = true;
        sandbox.record.clone()
    };
    durable::write_json(
        &inner.sandbox_folder(id).join(file::RECORD),
        &record,
        Sync::Process,
    )
    .map_err(failed("record the sandbox"))?;
    let containers = containers_of(inner, id);
    let ends = containers
        .iter()
        .map(|container| life::stop(inner, container, Duration::ZERO));
    futures::future::join_all(ends)
        .await
        .into_iter()
        .collect::<Result<Vec<()>, _>>()?;
    let (folder, cluster) = (inner.sandbox_folder(id), inner.cluster_folder());
    let groups = record
        .config
        .cgroup_parent
        .as_deref()
        .map(|path| inner.hierarchies.folders(path))
        .unwrap_or_default();
    blocking(move || {
        if let (Some(_), Some(cluster)) = (record.ip, namespaces::held(&cluster, "net")) {
            network::disconnect(&cluster, &record.interface())
                .map_err(failed("disconnect the Pod"))?;
        }
        namespaces::release(&folder.join("ns")).map_err(failed("release the Pod's namespaces"))?;
        overlay::unmount_all(&folder.join("shm"))
            .map_err(failed("unmount the Pod's shared memory"))?;
        cgroups::remove(&groups);
        Ok(())
    })
    .await
}

fn containers_of(inner: &Inner, sandbox: &str) -> Vec<String> {
    let containers = guard(&inner.containers);
    containers
        .iter()
        .filter(|(_, container)| container.record.sandbox == sandbox)
        .map(|(id, _)| id.clone())
        .collect()
}

pub(super) async fn remove(inner: &Arc<Inner>, id: &str) -> Result<(), RuntimeError> {
    stop(inner, id).await?;
    let containers = containers_of(inner, id);
    let ends = containers
        .iter()
        .map(|container| life::remove(inner, container));
    futures::future::join_all(ends)
        .await
        .into_iter()
        .collect::<Result<Vec<()>, _>>()?;
    let folder = inner.sandbox_folder(id);
    blocking(move || durable::remove_tree(&folder).map_err(failed("remove the sandbox's folder")))
        .await?;
    guard(&inner.sandboxes).remove(id);
    Ok(())
}
