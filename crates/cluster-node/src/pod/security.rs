//! The security context of a container with the Pod's inheritance resolved
//! (`DetermineEffectiveSecurityContext`). Nothing comes from an ephemeral container's target.

use std::path::{Path, PathBuf};

use cluster_sandbox::runtime::{Seccomp, Security};
use k8s_openapi::api::core::v1::{
    Container, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext,
};

/// Why a container may not be made (`CreateContainerConfigError`). Tried again; the Pod's spec decides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecurityError {
    /// `runAsNonRoot` and `runAsUser: 0`.
    #[error("container's runAsUser breaks non-root policy (pod: {pod:?}, container: {container})")]
    UserIsRoot {
        /// `name_namespace(uid)`.
        pod: String,
        /// Container name.
        container: String,
    },
    /// `runAsNonRoot`, and the image's user is root.
    #[error(
        "container has runAsNonRoot and image will run as root (pod: {pod:?}, container: {container})"
    )]
    ImageIsRoot {
        /// `name_namespace(uid)`.
        pod: String,
        /// Container name.
        container: String,
    },
    /// `runAsNonRoot`, and the image names its user.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root (pod: {pod:?}, container: {container})"
    )]
    ImageUserIsAName {
        /// The image's user.
        user: String,
        /// `name_namespace(uid)`.
        pod: String,
        /// Container name.
        container: String,
    },
    /// A setting that this node cannot apply; it is refused rather than left out.
    #[error("{0}")]
    Unsupported(String),
}

/// What the Pod says, what the container says, and what the image runs as.
pub struct Inputs<'a> {
    /// `name_namespace(uid)`, for messages.
    pub pod: &'a str,
    /// The Pod's spec.
    pub spec: &'a PodSpec,
    /// The container.
    pub container: &'a Container,
    /// `USER` of the image.
    pub image_user: &'a str,
    /// Where `localhostProfile`s are.
    pub seccomp_root: &'a Path,
}

/// The effective security context.
pub fn effective(inputs: &Inputs<'_>) -> Result<Security, SecurityError> {
    let pod = inputs.spec.security_context.clone().unwrap_or_default();
    let own = inputs
        .container
        .security_context
        .clone()
        .unwrap_or_default();
    let privileged = own.privileged.unwrap_or(false);
    let run_as_user = own.run_as_user.or(pod.run_as_user);
    if own.run_as_non_root.or(pod.run_as_non_root).unwrap_or(false) {
        check_non_root(inputs, run_as_user)?;
    }
    let capabilities = own.capabilities.clone().unwrap_or_default();
    Ok(Security {
        run_as_user: id(run_as_user)?,
        run_as_group: id(own.run_as_group.or(pod.run_as_group))?,
        supplemental_groups: groups(&pod)?,
        privileged,
        no_new_privileges: own.allow_privilege_escalation == Some(false),
        add_capabilities: bare(capabilities.add),
        drop_capabilities: bare(capabilities.drop),
        read_only_root: own.read_only_root_filesystem.unwrap_or(false),
        seccomp: seccomp(inputs, &pod, &own, privileged)?,
        unmasked_proc: own.proc_mount.as_deref() == Some("Unmasked"),
    })
}

fn check_non_root(inputs: &Inputs<'_>, run_as_user: Option<i64>) -> Result<(), SecurityError> {
    let (pod, container) = (inputs.pod.to_owned(), inputs.container.name.clone());
    match run_as_user {
        Some(0) => return Err(SecurityError::UserIsRoot { pod, container }),
        Some(_) => return Ok(()),
        None => {}
    }
    let user = inputs.image_user.split(':').next().unwrap_or_default();
    match user.parse::<u32>() {
        Ok(0) => Err(SecurityError::ImageIsRoot { pod, container }),
        Ok(_) => Ok(()),
        Err(_) if user.is_empty() => Err(SecurityError::ImageIsRoot { pod, container }),
        Err(_) => Err(SecurityError::ImageUserIsAName {
            user: user.to_owned(),
            pod,
            container,
        }),
    }
}

fn id(number: Option<i64>) -> Result<Option<u32>, SecurityError> {
    let out_of_range =
        |_| SecurityError::Unsupported("user and group ids are at most 4294967295".to_owned());
    number.map(u32::try_from).transpose().map_err(out_of_range)
}

fn groups(pod: &PodSecurityContext) -> Result<Vec<u32>, SecurityError> {
    let mut out = Vec::new();
    for &group in pod
        .supplemental_groups
        .iter()
        .flatten()
        .chain(pod.fs_group.iter())
    {
        if let Some(group) = id(Some(group))?.filter(|group| !out.contains(group)) {
            out.push(group);
        }
    }
    Ok(out)
}

fn bare(capabilities: Option<Vec<String>>) -> Vec<String> {
    let strip = |name: String| {
        name.strip_prefix("CAP_")
            .map(ToOwned::to_owned)
            .unwrap_or(name)
    };
    capabilities
        .unwrap_or_default()
        .into_iter()
        .map(strip)
        .collect()
}

fn seccomp(
    inputs: &Inputs<'_>,
    pod: &PodSecurityContext,
    own: &SecurityContext,
    privileged: bool,
) -> Result<Seccomp, SecurityError> {
    let Some(profile) = own
        .seccomp_profile
        .as_ref()
        .or(pod.seccomp_profile.as_ref())
    else {
        return Ok(Seccomp::Unconfined);
    };
    if privileged {
        return Ok(Seccomp::Unconfined);
    }
    match profile.type_.as_str() {
        "Unconfined" => Ok(Seccomp::Unconfined),
        "RuntimeDefault" => Ok(Seccomp::RuntimeDefault),
        "Localhost" => localhost(inputs.seccomp_root, profile).map(Seccomp::Localhost),
        other => Err(SecurityError::Unsupported(format!(
            "unknown seccomp profile type {other:?}"
        ))),
    }
}

fn localhost(root: &Path, profile: &SeccompProfile) -> Result<PathBuf, SecurityError> {
    let name = profile.localhost_profile.as_deref().unwrap_or_default();
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    if name.is_empty() || !Path::new(name).components().all(plain) {
        let text = "localhostProfile must name a file below the node's seccomp directory";
        return Err(SecurityError::Unsupported(text.to_owned()));
    }
    Ok(root.join(name))
}

/// The user as a container's status shows it: uid, gid and supplementary groups; `None` where the image's
/// user is a name, which only the runtime can resolve.
pub fn shown_user(security: &Security) -> Option<(i64, i64, Vec<i64>)> {
    let uid = security.run_as_user?;
    let gid = security.run_as_group.unwrap_or(0);
    let mut groups: Vec<i64> = security
        .supplemental_groups
        .iter()
        .chain([&gid])
        .copied()
        .map(i64::from)
        .collect();
    groups.sort_unstable();
    groups.dedup();
    Some((i64::from(uid), i64::from(gid), groups))
}

/// Resolves a numeric image user, so that the record says who the container runs as.
pub fn with_image_user(mut security: Security, image_user: &str) -> Security {
    if security.run_as_user.is_some() {
        return security;
    }
    let (user, group) = image_user.split_once(':').unwrap_or((image_user, ""));
    let user = if user.is_empty() { "0" } else { user };
    // A group by name, or none with a user other than root, is for the image's own files to tell.
    let group = match group {
        "" if user == "0" => Some(0),
        other => other.parse().ok(),
    };
    if let (Ok(user), Some(group)) = (user.parse(), group) {
        security.run_as_user = Some(user);
        security.run_as_group = security.run_as_group.or(Some(group));
    }
    security
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use k8s_openapi::api::core::v1::{Container, PodSpec};
    use serde_json::{Value, json};

    use super::{Inputs, Security, SecurityError, effective, with_image_user};

    fn resolve(pod: &Value, own: &Value, image_user: &str) -> Result<Security, SecurityError> {
        let spec: PodSpec =
            serde_json::from_value(json!({"containers": [], "securityContext": pod})).unwrap();
        let container: Container =
            serde_json::from_value(json!({"name": "d", "securityContext": own})).unwrap();
        let seccomp_root = Path::new("/seccomp");
        effective(&Inputs {
            pod: "p_ns(u)",
            spec: &spec,
            container: &container,
            image_user,
            seccomp_root,
        })
    }

    #[test]
    fn the_container_overrides_the_pod_field_by_field() {
        let pod =
            json!({"runAsUser": 1, "runAsGroup": 2, "supplementalGroups": [42], "fsGroup": 77});
        let security = resolve(&pod, &json!({"runAsUser": 9}), "").unwrap();
        assert_eq!(
            (security.run_as_user, security.run_as_group),
            (Some(9), Some(2))
        );
        assert_eq!(security.supplemental_groups, [42, 77]);
    }

    #[test]
    fn run_as_non_root_refuses_root_and_what_cannot_be_known() {
        let check = |own: Value, image_user, expected: Option<&str>| {
            let error = resolve(&json!({"runAsNonRoot": true}), &own, image_user)
                .err()
                .map(|e| e.to_string());
            assert_eq!(error.as_deref(), expected, "{own} {image_user}");
        };
        let root = "container has runAsNonRoot and image will run as root (pod: \"p_ns(u)\", container: d)";
        check(json!({}), "", Some(root));
        check(json!({}), "0:0", Some(root));
        check(json!({}), "1000", None);
        check(json!({"runAsUser": 7}), "", None);
        check(json!({"runAsNonRoot": false}), "", None);
        let name = "container has runAsNonRoot and image has non-numeric user (www), cannot verify user is non-root (pod: \"p_ns(u)\", container: d)";
        check(json!({}), "www", Some(name));
        let zero = "container's runAsUser breaks non-root policy (pod: \"p_ns(u)\", container: d)";
        check(json!({"runAsUser": 0}), "1000", Some(zero));
    }

    #[test]
    fn a_profile_outside_of_the_nodes_directory_is_refused() {
        let own =
            |path: &str| json!({"seccompProfile": {"type": "Localhost", "localhostProfile": path}});
        assert!(resolve(&json!({}), &own("../../etc/passwd"), "").is_err());
        assert!(resolve(&json!({}), &own("/etc/passwd"), "").is_err());
        assert!(resolve(&json!({}), &own("team/a.json"), "").is_ok());
    }

    #[test]
    fn a_numeric_image_user_is_resolved_and_a_name_is_left_to_the_runtime() {
        let check = |image_user, user, group| {
            let security = with_image_user(
                resolve(&json!({}), &json!({}), image_user).unwrap(),
                image_user,
            );
            assert_eq!(
                (security.run_as_user, security.run_as_group),
                (user, group),
                "{image_user}"
            );
        };
        check("", Some(0), Some(0));
        check("1000:100", Some(1000), Some(100));
        check("1000", None, None);
        check("www", None, None);
    }
}
