//! Whether a container's image can be used: present, pullable, forbidden to pull, no image at all
//! (`pkg/kubelet/images/image_manager.go: EnsureImageExists`).

use cluster_sandbox::runtime::{ImageStatus, normalize_reference};

use super::Worker;
use crate::events::Severity;
use crate::pod::roles::Spec;
use crate::pod::status::Waiting;

/// What a pull answers on a node that has no way to a registry.
const NO_REGISTRY: &str =
    "no registry can be reached from this node: load the image into the node's image store";

impl Worker {
    /// The image, or why the container waits.
    pub(super) async fn image(&mut self, container: &Spec) -> Result<ImageStatus, Waiting> {
        let image = container.container.image.clone().unwrap_or_default();
        let reference = normalize_reference(&image).map_err(|why| {
            let message =
                format!("Failed to apply default image tag {image:?}: couldn't parse image name {image:?}: {why}");
            self.warn(container, "InspectFailed", message.clone());
            self.not_started(container, "InvalidImageName", message)
        })?;
        let found = self
            .shared
            .images
            .status(&reference)
            .await
            .map_err(|error| {
                let message = format!("Failed to inspect image {image:?}: {error}");
                self.warn(container, "InspectFailed", message.clone());
                self.not_started(container, "ImageInspectError", message)
            })?;
        match (container.container.image_pull_policy.as_deref(), found) {
            (Some("Always"), _) | (_, None) if may_pull(container) => {
                Err(self.pull(container, &image))
            }
            (_, Some(status)) => {
                let text = format!(
                    "Container image {image:?} already present on machine and can be accessed by the pod"
                );
                self.note(container, Severity::Normal, "Pulled", text);
                Ok(status)
            }
            (_, None) => {
                let message =
                    format!("Container image {image:?} is not present with pull policy of Never");
                self.warn(container, "ErrImageNeverPull", message.clone());
                Err(self.not_started(container, "ErrImageNeverPull", message))
            }
        }
    }

    /// Fails, with back-off: there is no registry yet.
    fn pull(&mut self, container: &Spec, image: &str) -> Waiting {
        let now = self.shared.now();
        let failure = format!("failed to pull and unpack image {image:?}: {NO_REGISTRY}");
        if let Some(delay) = self.image_back_off.pending_since_last(image, now) {
            self.note(
                container,
                Severity::Normal,
                "BackOff",
                format!("Back-off pulling image {image:?}"),
            );
            self.retry_at
                .insert(container.name().to_owned(), delay.until);
            let message = format!("Back-off pulling image {image:?}: ErrImagePull: {failure}");
            return self.not_started(container, "ImagePullBackOff", message);
        }
        self.note(
            container,
            Severity::Normal,
            "Pulling",
            format!("Pulling image {image:?}"),
        );
        self.warn(
            container,
            "Failed",
            format!("Failed to pull image {image:?}: {failure}"),
        );
        self.image_back_off.next(image, now);
        self.not_started(container, "ErrImagePull", failure)
    }

    /// Says by an Event that the container was not started, and why it waits.
    fn not_started(&self, container: &Spec, reason: &str, message: String) -> Waiting {
        self.warn(container, "Failed", format!("Error: {reason}"));
        Waiting {
            reason: reason.to_owned(),
            message,
        }
    }

    pub(super) fn warn(&self, container: &Spec, reason: &'static str, message: String) {
        self.note(container, Severity::Warning, reason, message);
    }

    pub(super) fn note(
        &self,
        container: &Spec,
        severity: Severity,
        reason: &'static str,
        message: String,
    ) {
        self.shared
            .events
            .pod(&self.pod, &container.field_path, severity, reason, message);
    }
}

fn may_pull(container: &Spec) -> bool {
    container.container.image_pull_policy.as_deref() != Some("Never")
}
