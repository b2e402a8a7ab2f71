//! Who a write's fields belong to: [`crate::managed`] as the verbs use it.

use std::sync::Arc;

use serde_json::Value;

use super::{Api, Context, Target};
use crate::admission::Request;
use crate::error::ApiError;
use crate::managed::{self, Reset, Versions, Writer};

impl Api {
    /// Who writes to the target, and what its topology is.
    pub(super) fn writer(&self, ctx: &Context, target: &Target) -> Writer {
        let resource = &target.resource;
        let mut all = vec![(resource.api_version(), resource.topology.schema(resource))];
        if resource.custom {
            let others = self.kinds.all().into_iter().filter(|other| {
                other.group == resource.group
                    && other.plural == resource.plural
                    && other.version != resource.version
            });
            all.extend(others.map(|other| (other.api_version(), other.topology.schema(&other))));
        }
        Writer {
            manager: ctx.manager.clone(),
            subresource: target.subresource.clone(),
            versions: Versions {
                current: resource.api_version(),
                all,
            },
            reset: Reset::of(resource, &target.subresource),
            time: self.clock.now_text(),
            empty: Arc::clone(&resource.topology.empty(resource)),
        }
    }

    /// Runs the mutating half of admission; where it leaves `managedFields` that nobody can read, they are as before
    /// (`NewManagedFieldsValidatingAdmissionController`).
    pub(super) async fn mutate_owned(
        &self,
        request: &mut Request,
        ctx: &Context,
    ) -> Result<Value, ApiError> {
        let list = |object: Option<&Value>| {
            object.and_then(|object| object["metadata"].get("managedFields").cloned())
        };
        let before = list(request.object.as_ref());
        self.mutate(request, ctx).await?;
        let mut object = request.object.take().unwrap_or_default();
        if let Err(why) = managed::check(&object) {
            ctx.warnings.add(format!(
                ".metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating \
                 admission controller; please fix your requests: {why}"
            ));
            match (before, object["metadata"].as_object_mut()) {
                (Some(before), Some(metadata)) => {
                    metadata.insert("managedFields".to_owned(), before);
                }
                (None, Some(metadata)) => {
                    metadata.shift_remove("managedFields");
                }
                (_, None) => {}
            }
        }
        super::owners::deduplicate(&mut object, ctx, super::owners::When::AfterAdmission);
        Ok(object)
    }
}
