//! `pods/binding`: a Pod is given a node.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Api, Context, Target, admission_request, meta};
use crate::admission::Operation;
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::store::{Object, StoreError};

const TRIES: usize = 50;

impl Api {
    /// Binds a Pod to the node that `binding.target` names (`BindingREST.Create`).
    ///
    /// # Errors
    /// 403 admission · 404 · 409 it is bound already, or going · 422 no node is named.
    pub async fn bind(
        &self,
        ctx: &Context,
        target: &Target,
        binding: &Value,
    ) -> Result<Arc<Object>, ApiError> {
        let mut request = admission_request(ctx, target, Operation::Create);
        "Binding".clone_into(&mut request.kind.kind);
        // `bindings`, and the scheduler here, name the Pod itself.
        "binding".clone_into(&mut request.subresource);
        request.options = Some(ctx.options("CreateOptions"));
        request.object = Some(binding.clone());
        self.mutate(&mut request, ctx).await?;
        let binding = &request.object.clone().unwrap_or_default();
        let node = binding["target"]["name"].as_str().unwrap_or_default();
        let kind = binding["target"]["kind"].as_str().unwrap_or_default();
        let mut errors = Vec::new();
        if !kind.is_empty() && kind != "Node" {
            errors.push(FieldError::not_supported(
                &Path::new("target").child("kind"),
                kind,
                &["Node", "<empty>"],
            ));
        }
        if node.is_empty() {
            errors.push(FieldError::required(&Path::new("target").child("name"), ""));
        }
        if !errors.is_empty() {
            return Err(ApiError::invalid("", "Binding", &target.name, &errors));
        }
        self.validate(&mut request, ctx).await?;
        for _ in 0..TRIES {
            let old = self.get(target)?;
            let new = bound(target, binding, &old.value, node, &self.clock.now_text())?;
            if ctx.dry_run {
                return Ok(Arc::new(Object::new(new, old.revision)));
            }
            match self
                .store
                .update(
                    &target.resource.key(),
                    &target.namespace,
                    &target.name,
                    old.revision,
                    new,
                )
                .await
            {
                Ok(object) => return Ok(object),
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(Self::store_error(target, error)),
            }
        }
        Err(ApiError::modified("", "pods", &target.name))
    }
}

fn bound(
    target: &Target,
    binding: &Value,
    pod: &Value,
    node: &str,
    now: &str,
) -> Result<Value, ApiError> {
    let conflict = |why: &str| ApiError::conflict("", "pods/binding", &target.name, why);
    let uid = meta(binding, "uid");
    if !uid.is_empty() && uid != meta(pod, "uid") {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
            meta(pod, "uid")
        );
        return Err(conflict(&why));
    }
    if !meta(pod, "deletionTimestamp").is_empty() {
        return Err(conflict(&format!(
            "pod {} is being deleted, cannot be assigned to a host",
            target.name
        )));
    }
    if let Some(there) = pod["spec"]["nodeName"]
        .as_str()
        .filter(|there| !there.is_empty())
    {
        return Err(conflict(&format!(
            "pod {} is already assigned to node {there:?}",
            target.name
        )));
    }
    let mut new = pod.clone();
    new["spec"]["nodeName"] = node.into();
    if let (Some(from), false) = (
        binding["metadata"]["annotations"].as_object(),
        new["metadata"].is_null(),
    ) {
        for (key, value) in from {
            new["metadata"]["annotations"][key] = value.clone();
        }
    }
    let conditions = &mut new["status"]["conditions"];
    let scheduled = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now});
    match conditions.as_array_mut() {
        Some(list) => {
            list.retain(|condition| condition["type"] != "PodScheduled");
            list.push(scheduled);
        }
        None => *conditions = json!([scheduled]),
    }
    Ok(new)
}
