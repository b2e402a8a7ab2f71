//! The configuration of one container for the runtime (`generateContainerConfig`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cluster_sandbox::runtime::{ContainerConfig, ContainerId, Mount, PidMode, Resources, Security};
use k8s_openapi::api::core::v1::{Pod, VolumeMount};

use super::env::expanded;
use super::expand::expand;
use super::roles::{Spec, spec};

/// What was found out before: image, environment, security context, paths.
pub struct Inputs<'a> {
    /// The Pod.
    pub pod: &'a Pod,
    /// The container.
    pub container: &'a Spec,
    /// How often it was made before.
    pub attempt: u32,
    /// Image id.
    pub image: String,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Security context.
    pub security: Security,
    /// Limits.
    pub resources: Resources,
    /// The target's container, if one is named and was found.
    pub target: Option<ContainerId>,
    /// Path of each volume on the node.
    pub volumes: &'a BTreeMap<String, PathBuf>,
    /// Files that every container of the Pod gets: path in the container and on the node.
    pub files: &'a [(PathBuf, PathBuf)],
    /// Where the container writes its termination message, on the node.
    pub termination_log: PathBuf,
}

/// Why there is no configuration; the container waits with `CreateContainerConfigError`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A mount of a volume that the Pod does not have.
    #[error("cannot find volume {volume:?} to mount into container {container:?}")]
    NoVolume {
        /// The volume's name.
        volume: String,
        /// The container.
        container: String,
    },
    /// A sub path that leaves its volume, or cannot be made.
    #[error(
        "failed to prepare subPath for volumeMount {mount:?} of container {container:?}: {why}"
    )]
    SubPath {
        /// The mounted volume.
        mount: String,
        /// The container.
        container: String,
        /// Why.
        why: String,
    },
    /// A setting that this node does not have.
    #[error("{0}")]
    Unsupported(String),
}

/// Label under which the Pod's UID is kept.
pub const POD_UID_LABEL: &str = "io.kubernetes.pod.uid";

/// Path of a container's log below its Pod's log directory.
pub fn log_path(container: &str, attempt: u32) -> PathBuf {
    Path::new(container).join(format!("{attempt}.log"))
}

/// The configuration.
pub fn config(inputs: Inputs<'_>) -> Result<ContainerConfig, ConfigError> {
    let mounts = mounts(&inputs)?;
    let container = &inputs.container.container;
    Ok(ContainerConfig {
        name: container.name.clone(),
        attempt: inputs.attempt,
        image: inputs.image,
        command: expanded(container.command.as_ref(), &inputs.env),
        args: expanded(container.args.as_ref(), &inputs.env),
        working_dir: container.working_dir.clone().unwrap_or_default(),
        env: inputs.env,
        mounts,
        security: inputs.security,
        resources: inputs.resources,
        pid: pid_mode(inputs.pod, inputs.target),
        stdin: container.stdin.unwrap_or(false),
        stdin_once: container.stdin_once.unwrap_or(false),
        tty: container.tty.unwrap_or(false),
        log_path: log_path(&container.name, inputs.attempt),
        labels: labels(inputs.pod, &container.name),
    })
}

/// A target counts only where containers have PID namespaces of their own (EC-K-32).
fn pid_mode(pod: &Pod, target: Option<ContainerId>) -> PidMode {
    let spec = spec(pod);
    match target {
        _ if spec.host_pid == Some(true) => PidMode::Node,
        _ if spec.share_process_namespace == Some(true) => PidMode::Pod,
        Some(target) => PidMode::Target(target),
        None => PidMode::Container,
    }
}

fn labels(pod: &Pod, container: &str) -> BTreeMap<String, String> {
    let meta = &pod.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    BTreeMap::from([
        ("io.kubernetes.pod.name".to_owned(), text(&meta.name)),
        (
            "io.kubernetes.pod.namespace".to_owned(),
            text(&meta.namespace),
        ),
        (POD_UID_LABEL.to_owned(), text(&meta.uid)),
        (
            "io.kubernetes.container.name".to_owned(),
            container.to_owned(),
        ),
    ])
}

fn mounts(inputs: &Inputs<'_>) -> Result<Vec<Mount>, ConfigError> {
    let container = &inputs.container.container;
    let mut out = Vec::new();
    for mount in container.volume_mounts.iter().flatten() {
        out.push(volume_mount(inputs, mount)?);
    }
    let mounted = |path: &Path| {
        container
            .volume_mounts
            .iter()
            .flatten()
            .any(|mount| Path::new(&mount.mount_path) == path)
    };
    for (container_path, host_path) in inputs.files.iter().filter(|(path, _)| !mounted(path)) {
        out.push(own_file(host_path, container_path));
    }
    if let Some(path) = container
        .termination_message_path
        .as_deref()
        .filter(|path| !path.is_empty())
    {
        out.push(own_file(&inputs.termination_log, Path::new(path)));
    }
    // A mount below another one comes after it.
    out.sort_by_key(|mount| mount.container_path.components().count());
    Ok(out)
}

fn own_file(host_path: &Path, container_path: &Path) -> Mount {
    Mount {
        host_path: host_path.to_owned(),
        container_path: container_path.to_owned(),
        read_only: false,
        host_to_container: false,
    }
}

fn volume_mount(inputs: &Inputs<'_>, mount: &VolumeMount) -> Result<Mount, ConfigError> {
    let container = inputs.container.name().to_owned();
    let Some(volume) = inputs.volumes.get(&mount.name) else {
        return Err(ConfigError::NoVolume {
            volume: mount.name.clone(),
            container,
        });
    };
    let propagation = mount.mount_propagation.as_deref().unwrap_or("None");
    if propagation == "Bidirectional" {
        let text = format!(
            "mount propagation Bidirectional of volume {:?} is not available on this node",
            mount.name
        );
        return Err(ConfigError::Unsupported(text));
    }
    if mount.recursive_read_only.as_deref() == Some("Enabled") {
        let text = format!(
            "recursive read-only mount of volume {:?} is not available on this node",
            mount.name
        );
        return Err(ConfigError::Unsupported(text));
    }
    let lookup = |name: &str| {
        inputs
            .env
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    let sub_path = match (&mount.sub_path_expr, &mount.sub_path) {
        (Some(expression), _) if !expression.is_empty() => expand(expression, lookup),
        (_, Some(path)) => path.clone(),
        _ => String::new(),
    };
    let host_path = within(volume, &sub_path).map_err(|why| ConfigError::SubPath {
        mount: mount.name.clone(),
        container,
        why,
    })?;
    Ok(Mount {
        host_path,
        container_path: Path::new("/").join(&mount.mount_path),
        read_only: mount.read_only.unwrap_or(false)
            || is_filled_by_the_api(inputs.pod, &mount.name),
        host_to_container: propagation == "HostToContainer",
    })
}

/// Volumes whose content is the API's are never writable, whatever the mount says.
fn is_filled_by_the_api(pod: &Pod, name: &str) -> bool {
    let spec = spec(pod);
    let volume = spec
        .volumes
        .iter()
        .flatten()
        .find(|volume| volume.name == name);
    volume.is_some_and(|volume| {
        volume.config_map.is_some()
            || volume.secret.is_some()
            || volume.projected.is_some()
            || volume.downward_api.is_some()
    })
}

/// `volume/sub_path`, made if it is not there; refused if a link leads out of the volume.
fn within(volume: &Path, sub_path: &str) -> Result<PathBuf, String> {
    if sub_path.is_empty() {
        return Ok(volume.to_owned());
    }
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    if !Path::new(sub_path).components().all(plain) {
        return Err(format!("{sub_path:?} is not a path below the volume"));
    }
    let path = volume.join(sub_path);
    if !path.exists() {
        std::fs::create_dir_all(&path).map_err(|error| error.to_string())?;
    }
    let (root, real) = match (volume.canonicalize(), path.canonicalize()) {
        (Ok(root), Ok(real)) => (root, real),
        (Err(error), _) | (_, Err(error)) => return Err(error.to_string()),
    };
    if real.starts_with(&root) {
        Ok(real)
    } else {
        Err(format!("{sub_path:?} leads out of the volume"))
    }
}
