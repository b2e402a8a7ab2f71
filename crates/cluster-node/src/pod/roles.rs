//! The containers of a Pod as one list: init containers, sidecars, regular and ephemeral ones.

use k8s_openapi::api::core::v1::{Container, EphemeralContainer, Pod, PodSpec};

/// What a container is in its Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Runs to its end before the next one.
    Init,
    /// An init container with `restartPolicy: Always` (KEP-753): starts in order and stays.
    Sidecar,
    /// One of `spec.containers`.
    Regular,
    /// One of `spec.ephemeralContainers` (KEP-277): started once, never again.
    Ephemeral,
}

/// A container of a Pod's spec.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// What it is.
    pub role: Role,
    /// Its fields; an ephemeral container's without the target.
    pub container: Container,
    /// `targetContainerName`, if it has one.
    pub target: Option<String>,
    /// Its place in the spec, as the object reference of its Events has it: `spec.containers{app}`.
    pub field_path: String,
}

impl Spec {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.container.name
    }

    fn new(role: Role, list: &str, container: Container, target: Option<String>) -> Self {
        let field_path = format!("spec.{list}{{{}}}", container.name);
        Self {
            role,
            container,
            target,
            field_path,
        }
    }
}

/// The Pod's spec; an empty one for a Pod without (the API has none such).
pub fn spec(pod: &Pod) -> std::borrow::Cow<'_, PodSpec> {
    pod.spec.as_ref().map_or_else(
        || std::borrow::Cow::Owned(PodSpec::default()),
        std::borrow::Cow::Borrowed,
    )
}

/// All containers: init containers in order, regular ones in order, ephemeral ones in order.
pub fn containers(pod: &Pod) -> Vec<Spec> {
    let spec = spec(pod);
    let init = spec.init_containers.iter().flatten().map(|container| {
        let sidecar = container.restart_policy.as_deref() == Some("Always");
        let role = if sidecar { Role::Sidecar } else { Role::Init };
        Spec::new(role, "initContainers", container.clone(), None)
    });
    let regular = spec
        .containers
        .iter()
        .map(|c| Spec::new(Role::Regular, "containers", c.clone(), None));
    let ephemeral = spec.ephemeral_containers.iter().flatten().map(|c| {
        let target = c
            .target_container_name
            .clone()
            .filter(|name| !name.is_empty());
        Spec::new(
            Role::Ephemeral,
            "ephemeralContainers",
            as_container(c),
            target,
        )
    });
    init.chain(regular).chain(ephemeral).collect()
}

/// `EphemeralContainerCommon`, field by field.
fn as_container(c: &EphemeralContainer) -> Container {
    Container {
        args: c.args.clone(),
        command: c.command.clone(),
        env: c.env.clone(),
        env_from: c.env_from.clone(),
        image: c.image.clone(),
        image_pull_policy: c.image_pull_policy.clone(),
        name: c.name.clone(),
        security_context: c.security_context.clone(),
        stdin: c.stdin,
        stdin_once: c.stdin_once,
        termination_message_path: c.termination_message_path.clone(),
        termination_message_policy: c.termination_message_policy.clone(),
        tty: c.tty,
        volume_devices: c.volume_devices.clone(),
        volume_mounts: c.volume_mounts.clone(),
        working_dir: c.working_dir.clone(),
        ..Container::default()
    }
}
