//! Volumes of a Pod on this node: directories below the Pod's own, filled from the API where the kind says so.
//!
//! Asked again it brings the content up to date: ConfigMaps, Secrets and tokens follow their source.

pub mod directory;
pub mod payload;
pub mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Volume};

use crate::objects::{ObjectError, Objects};
use crate::pod::fields::NodeFacts;
use crate::pod::roles;
use payload::Payload;

/// A volume that could not be set up. The whole Pod waits, and it is tried again with back-off.
#[derive(Debug, thiserror::Error)]
#[error("MountVolume.SetUp failed for volume {volume:?} : {cause}")]
pub struct VolumeError {
    /// The volume's name.
    pub volume: String,
    /// Why.
    pub cause: VolumeFault,
}

/// Why a volume could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum VolumeFault {
    /// A ConfigMap, Secret or token could not be had.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// It names a key, field or path that does not hold.
    #[error("{0}")]
    Content(String),
    /// The node's file system refused.
    #[error("{step}: {error}")]
    Files {
        /// What was tried.
        step: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// A kind of volume that this node does not have.
    #[error(
        "volumes of this kind are not available on this node; it has configMap, downwardAPI, emptyDir, hostPath, projected and secret"
    )]
    Unsupported,
}

impl VolumeFault {
    fn files(step: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let step = step.into();
        move |error| Self::Files { step, error }
    }
}

/// A service account token and when to ask for the next one.
#[derive(Debug, Clone)]
pub struct Token {
    /// The token.
    pub token: String,
    /// When four fifths of its life are over.
    pub renew_at: Timestamp,
}

/// What setting up volumes needs.
pub struct Setup<'a> {
    /// Where ConfigMaps, Secrets and tokens come from.
    pub objects: &'a Objects,
    /// The Pod.
    pub pod: &'a Pod,
    /// Its addresses.
    pub pod_ips: &'a [String],
    /// This node.
    pub node: &'a NodeFacts,
    /// The Pod's directory on the node.
    pub directory: &'a Path,
    /// Tokens asked for before, by volume and path.
    pub tokens: &'a mut BTreeMap<(String, String), Token>,
    /// The present time.
    pub now: Timestamp,
}

impl Setup<'_> {
    /// Sets up all volumes, or brings them up to date; returns their paths.
    pub async fn run(&mut self) -> Result<BTreeMap<String, PathBuf>, VolumeError> {
        let mut paths = BTreeMap::new();
        let spec = roles::spec(self.pod).into_owned();
        for volume in spec.volumes.iter().flatten() {
            let path = self.one(volume).await;
            let path = path.map_err(|cause| VolumeError {
                volume: volume.name.clone(),
                cause,
            })?;
            paths.insert(volume.name.clone(), path);
        }
        Ok(paths)
    }

    async fn one(&mut self, volume: &Volume) -> Result<PathBuf, VolumeFault> {
        if let Some(host_path) = &volume.host_path {
            return directory::host_path(host_path);
        }
        let group = roles::spec(self.pod)
            .security_context
            .as_ref()
            .and_then(|context| context.fs_group);
        let group = group.and_then(|group| u32::try_from(group).ok());
        if let Some(empty) = &volume.empty_dir {
            return directory::empty(&self.place("empty-dir", volume), empty, group);
        }
        let (kind, payload) = self.payload(volume).await?;
        let path = self.place(kind, volume);
        // A ConfigMap's content is public to the node's disk; everything else stays in memory.
        if kind == "configmap" {
            directory::make(&path)?;
        } else {
            directory::in_memory(&path, None, "0755")?;
        }
        let target = path.clone();
        let stamp = self.now;
        let written =
            tokio::task::spawn_blocking(move || writer::write(&target, &payload, group, stamp));
        let step = || format!("failed to write {}", path.display());
        written
            .await
            .map_err(|error| VolumeFault::files(step())(error.into()))?
            .map_err(VolumeFault::files(step()))?;
        Ok(path)
    }

    fn place(&self, kind: &str, volume: &Volume) -> PathBuf {
        self.directory
            .join("volumes")
            .join(format!("kubernetes.io~{kind}"))
            .join(&volume.name)
    }

    async fn payload(&mut self, volume: &Volume) -> Result<(&'static str, Payload), VolumeFault> {
        if let Some(source) = &volume.config_map {
            return Ok(("configmap", payload::config_map(self, source).await?));
        }
        if let Some(source) = &volume.secret {
            return Ok(("secret", payload::secret(self, source).await?));
        }
        if let Some(source) = &volume.downward_api {
            return Ok(("downward-api", payload::downward(self, source)?));
        }
        if let Some(source) = &volume.projected {
            return Ok((
                "projected",
                payload::projected(self, &volume.name, source).await?,
            ));
        }
        Err(VolumeFault::Unsupported)
    }
}
