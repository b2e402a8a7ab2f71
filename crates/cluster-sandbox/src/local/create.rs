//! From a container's configuration to its folder: root file system, bundle, plan, record.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use super::record::{ContainerRecord, SandboxRecord};
use super::sandbox::new_id;
use super::{Container, Inner, blocking, failed, guard, image_error};
use crate::bundle::{self, Parts};
use crate::capabilities;
use crate::durable::{self, Sync};
use crate::identity::{self, User};
use crate::images::Runnable;
use crate::protocol::{Identity, Plan, ProcessMark, Workload, file};
use crate::runtime::{
    ContainerConfig, ContainerId, ContainerState, PidMode, Resources, RuntimeError, Seccomp,
    Security,
};
use crate::{clock, namespaces, overlay, process, seccomp};

const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub(super) async fn create(
    inner: &Arc<Inner>,
    sandbox: &str,
    config: ContainerConfig,
) -> Result<ContainerId, RuntimeError> {
    make(inner, sandbox, config, Workload::Command).await
}

/// The container that is the first process of a Pod's PID namespace. It has an empty root, no right and nothing open.
pub(super) async fn create_pause(
    inner: &Arc<Inner>,
    sandbox: &str,
) -> Result<ContainerId, RuntimeError> {
    let config = ContainerConfig {
        name: "pause".to_owned(),
        attempt: 0,
        image: String::new(),
        command: vec!["pause".to_owned()],
        args: Vec::new(),
        working_dir: "/".to_owned(),
        env: Vec::new(),
        mounts: Vec::new(),
        security: Security {
            run_as_user: Some(65535),
            run_as_group: Some(65535),
            supplemental_groups: Vec::new(),
            privileged: false,
            no_new_privileges: true,
            add_capabilities: Vec::new(),
            drop_capabilities: vec!["ALL".to_owned()],
            read_only_root: true,
            seccomp: Seccomp::RuntimeDefault,
            unmasked_proc: false,
        },
        resources: Resources {
            oom_score_adj: -998,
            ..Resources::default()
        },
        pid: PidMode::Container,
        stdin: false,
        stdin_once: false,
        tty: false,
        log_path: PathBuf::new(),
        labels: std::collections::BTreeMap::new(),
    };
    make(inner, sandbox, config, Workload::Pause).await
}

async fn make(
    inner: &Arc<Inner>,
    sandbox: &str,
    config: ContainerConfig,
    workload: Workload,
) -> Result<ContainerId, RuntimeError> {
    let record = match guard(&inner.sandboxes).get(sandbox) {
        Some(found) if !found.record.stopped => found.record.clone(),
        Some(_) => {
            return Err(RuntimeError::Refused(format!(
                "sandbox {sandbox} is not running"
            )));
        }
        None => return Err(RuntimeError::NotFound(format!("sandbox {sandbox}"))),
    };
    let id = new_id()?;
    let (own, own_id) = (inner.clone(), id.clone());
    let container = blocking(move || {
        let folder = own.container_folder(&own_id);
        let made = prepare(&own, &own_id, &record, config, workload);
        if made.is_err() {
            let _ = clear(&folder);
        }
        made
    })
    .await?;
    let (state, _) = watch::channel(ContainerState::Created);
    guard(&inner.containers).insert(
        id.clone(),
        Container {
            record: container,
            state,
            started: None,
            helper: None,
        },
    );
    Ok(id)
}

/// Unmounts and removes a container's folder. Idempotent.
pub(super) fn clear(folder: &Path) -> std::io::Result<()> {
    overlay::unmount_all(&folder.join(file::ROOTFS))?;
    durable::remove_tree(folder)
}

fn prepare(
    inner: &Inner,
    id: &str,
    sandbox: &SandboxRecord,
    config: ContainerConfig,
    workload: Workload,
) -> Result<ContainerRecord, RuntimeError> {
    let folder = inner.container_folder(id);
    std::fs::create_dir_all(&folder).map_err(failed("make the container's folder"))?;
    let image = image_of(inner, &config, workload)?;
    let root =
        overlay::mount_root(&folder, &image.layers).map_err(failed("make the root file system"))?;
    let user = identity::resolve(&root, &image.settings.user, &config.security)
        .map_err(|error| RuntimeError::Refused(error.to_string()))?;
    let cwd = working_folder(&config, &image);
    overlay::make_folder_inside(&root, &cwd).map_err(failed("make the working directory"))?;
    let (pid_path, target) = pid_namespace(inner, sandbox, &config.pid)?;
    let cgroup = cgroup_path(inner, sandbox, id);
    let plan = Plan {
        id: id.to_owned(),
        workload,
        command: command(&config, &image)?,
        env: environment(sandbox, &config, &image, &user),
        cwd,
        identity: identity(inner, &config, &user)?,
        tty: config.tty,
        stdin: config.stdin,
        stdin_once: config.stdin_once,
        log: (workload == Workload::Command && !config.log_path.as_os_str().is_empty())
            .then(|| sandbox.config.log_directory.join(&config.log_path)),
        cgroups: inner.hierarchies.plan(cgroup.as_deref()),
        own_pid_namespace: config.pid == PidMode::Container,
        target,
    };
    let sandbox_folder = inner.sandbox_folder(&sandbox.id);
    let shm = if sandbox.config.host_ipc {
        PathBuf::from("/dev/shm")
    } else {
        sandbox_folder.join("shm")
    };
    let parts = Parts {
        config: &config,
        command: &plan.command,
        env: &plan.env,
        cwd: &plan.cwd,
        namespaces: namespace_paths(&sandbox_folder, &config.pid, pid_path),
        shm: &shm,
        cgroup: cgroup.as_deref(),
        hierarchies: &inner.hierarchies,
    };
    let bundle = bundle::spec(&parts);
    let record = ContainerRecord {
        sandbox: sandbox.id.clone(),
        config,
        image_ref: image.image_ref,
        image_id: image.image_id,
        created_at: clock::now(),
        is_pause: workload == Workload::Pause,
    };
    // The record last: a folder without one was being made, and is cleared away.
    write(&folder, file::BUNDLE, &bundle)?;
    write(&folder, file::PLAN, &plan)?;
    write(&folder, file::RECORD, &record)?;
    Ok(record)
}

fn write<T: serde::Serialize>(folder: &Path, name: &str, value: &T) -> Result<(), RuntimeError> {
    durable::write_json(&folder.join(name), value, Sync::Process)
        .map_err(failed("record the container"))
}

fn image_of(
    inner: &Inner,
    config: &ContainerConfig,
    workload: Workload,
) -> Result<Runnable, RuntimeError> {
    match workload {
        Workload::Command => inner.images.runnable(&config.image).map_err(image_error),
        Workload::Pause => Ok(Runnable::default()),
    }
}

fn working_folder(config: &ContainerConfig, image: &Runnable) -> String {
    let chosen = [&config.working_dir, &image.settings.working_dir]
        .into_iter()
        .find(|path| !path.is_empty());
    match chosen {
        Some(path) if path.starts_with('/') => path.clone(),
        Some(path) => format!("/{path}"),
        None => "/".to_owned(),
    }
}

fn command(config: &ContainerConfig, image: &Runnable) -> Result<Vec<String>, RuntimeError> {
    let (entrypoint, cmd) = (
        image.settings.entrypoint.clone().unwrap_or_default(),
        image.settings.cmd.clone().unwrap_or_default(),
    );
    let mut command = config.command.clone();
    let mut args = config.args.clone();
    if command.is_empty() {
        command = entrypoint;
        if args.is_empty() {
            args = cmd;
        }
    }
    command.extend(args);
    if command.is_empty() {
        return Err(RuntimeError::Refused("no command specified".to_owned()));
    }
    Ok(command)
}

/// The image's variables, then the container's; each name once, the last value wins, in the order of first mention.
fn environment(
    sandbox: &SandboxRecord,
    config: &ContainerConfig,
    image: &Runnable,
    user: &User,
) -> Vec<String> {
    let mut env: Vec<(String, String)> = Vec::new();
    let mut set = |name: &str, value: &str, replace: bool| match env
        .iter_mut()
        .find(|(known, _)| known == name)
    {
        Some(entry) if replace => value.clone_into(&mut entry.1),
        Some(_) => {}
        None => env.push((name.to_owned(), value.to_owned())),
    };
    for entry in image.settings.env.iter().flatten() {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        set(name, value, true);
    }
    if !sandbox.config.host_network {
        set("HOSTNAME", &sandbox.config.hostname, true);
    }
    if config.tty {
        set("TERM", "xterm", true);
    }
    for (name, value) in &config.env {
        set(name, value, true);
    }
    let (path, value) = DEFAULT_PATH.split_once('=').unwrap_or_default();
    set(path, value, false);
    // Without it the container runtime would ask the C library, inside the image (RUNTIME A5).
    set("HOME", &user.home, false);
    env.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

fn identity(
    inner: &Inner,
    config: &ContainerConfig,
    user: &User,
) -> Result<Identity, RuntimeError> {
    let security = &config.security;
    let asked = capabilities::effective(
        security.privileged,
        &security.add_capabilities,
        &security.drop_capabilities,
    )
    .map_err(|error| RuntimeError::Refused(error.to_string()))?;
    let held = inner.held.capabilities;
    let named = security
        .add_capabilities
        .iter()
        .filter_map(|name| capabilities::bit(name))
        .fold(0, |set, bit| set | bit);
    if named & !held != 0 {
        let names = capabilities::names(named & !held).join(", ");
        return Err(RuntimeError::Refused(format!(
            "this node cannot give the capabilities {names}: it lacks them itself"
        )));
    }
    let capabilities = asked & held;
    let seccomp = match &security.seccomp {
        _ if security.privileged => Vec::new(),
        Seccomp::Unconfined => Vec::new(),
        Seccomp::RuntimeDefault => default_filters(inner, capabilities)?,
        Seccomp::Localhost(path) => seccomp::localhost(path, capabilities)
            .map_err(|error| RuntimeError::Refused(error.to_string()))?,
    };
    Ok(Identity {
        uid: user.uid,
        gid: user.gid,
        groups: user.groups.clone(),
        capabilities,
        no_new_privileges: security.no_new_privileges && !security.privileged,
        seccomp,
        oom_score_adj: config
            .resources
            .oom_score_adj
            .clamp(inner.held.oom_score_floor, 1000),
    })
}

fn default_filters(inner: &Inner, capabilities: u64) -> Result<Vec<String>, RuntimeError> {
    let mut filters = guard(&inner.filters);
    if let Some(known) = filters.get(&capabilities) {
        return Ok(known.clone());
    }
    let made = seccomp::runtime_default(capabilities)
        .map_err(|error| RuntimeError::Refused(error.to_string()))?;
    filters.insert(capabilities, made.clone());
    Ok(made)
}

fn cgroup_path(inner: &Inner, sandbox: &SandboxRecord, id: &str) -> Option<String> {
    let parent = sandbox.config.cgroup_parent.as_deref()?;
    let usable = inner.hierarchies != crate::cgroups::Hierarchies::None;
    usable.then(|| format!("/{}/{id}", parent.trim_matches('/')))
}

/// The path of the PID namespace to join, and the process that must still run then.
fn pid_namespace(
    inner: &Inner,
    sandbox: &SandboxRecord,
    mode: &PidMode,
) -> Result<(Option<PathBuf>, Option<ProcessMark>), RuntimeError> {
    let holder = match mode {
        PidMode::Container | PidMode::Node => return Ok((None, None)),
        PidMode::Pod => sandbox.pause.clone().ok_or_else(|| {
            RuntimeError::Refused("the sandbox does not share its process namespace".to_owned())
        })?,
        PidMode::Target(target) => target.clone(),
    };
    let started = guard(&inner.containers)
        .get(&holder)
        .filter(|container| container.record.sandbox == sandbox.id)
        .ok_or_else(|| RuntimeError::NotFound(format!("target container {holder} in this Pod")))?
        .started;
    let running = started.filter(|started| process::runs(started.process));
    let mark = running
        .ok_or_else(|| RuntimeError::Refused(format!("target container {holder} is not running")))?
        .process;
    Ok((
        Some(PathBuf::from(format!("/proc/{}/ns/pid", mark.pid))),
        Some(mark),
    ))
}

fn namespace_paths(
    sandbox: &Path,
    mode: &PidMode,
    pid: Option<PathBuf>,
) -> Vec<(&'static str, Option<PathBuf>)> {
    let pins = sandbox.join("ns");
    let mut namespaces = vec![("mount", None)];
    for (kind, name) in [("network", "net"), ("ipc", "ipc"), ("uts", "uts")] {
        if let Some(path) = namespaces::held(&pins, name) {
            namespaces.push((kind, Some(path)));
        }
    }
    match mode {
        PidMode::Node => {}
        PidMode::Container => namespaces.push(("pid", None)),
        PidMode::Pod | PidMode::Target(_) => namespaces.push(("pid", pid)),
    }
    namespaces
}
