//! What every change of an existing object goes through, whichever verb made the new object:
//! `rest.BeforeUpdate`, admission, validation and the compare-and-swap.

use std::sync::Arc;

use serde_json::Value;

use super::{Api, Context, Target, admission_request, graceful, meta, versioned};
use crate::admission::Operation;
use crate::error::ApiError;
use crate::field::FieldError;
use crate::kinds::metadata;
use crate::store::{Object, StoreError};

/// Why a change was not stored.
pub(super) enum Failure {
    /// Somebody else was faster; the caller may start again from the newer object.
    Lost,
    /// The answer for the client.
    Refused(ApiError),
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    /// The answer for the client, if there is no further try.
    pub(super) fn into_error(self, target: &Target) -> ApiError {
        match self {
            Self::Lost => ApiError::modified(
                &target.resource.group,
                &target.resource.plural,
                &target.name,
            ),
            Self::Refused(error) => error,
        }
    }
}

impl Api {
    /// Takes `new` through admission and validation and stores it in place of `old`.
    ///
    /// `options` is the kind of the options object that webhooks are shown.
    pub(super) async fn replace(
        &self,
        ctx: &Context,
        target: &Target,
        mut new: Value,
        old: &Arc<Object>,
        options: &str,
    ) -> Result<Arc<Object>, Failure> {
        let strategy = &target.resource.strategy;
        let previous = versioned(&target.resource, Arc::clone(old));
        strategy.default(&mut new);
        let mut request = admission_request(ctx, target, Operation::Update);
        request.options = Some(ctx.options(options));
        request.object = Some(new);
        request.old_object = Some(previous.value.clone());
        self.mutate(&mut request, ctx).await?;
        let mut new = request.object.take().unwrap_or_default();
        strategy.default(&mut new);

        before_update(target, &mut new, &previous.value);
        let mut errors = metadata_update(target, &new, &previous.value);
        errors.extend(strategy.validate_update(&target.subresource, &new, &previous.value));
        if !errors.is_empty() {
            let (group, kind) = (&target.resource.group, &target.resource.kind);
            return Err(ApiError::invalid(group, kind, &target.name, &errors).into());
        }
        for text in strategy.warnings(&target.subresource, &new, Some(&previous.value)) {
            ctx.warnings.add(text);
        }
        request.object = Some(new);
        self.validate(&mut request, ctx).await?;
        let new = request.object.take().unwrap_or_default();
        self.store_changed(ctx, target, new, &previous).await
    }

    async fn store_changed(
        &self,
        ctx: &Context,
        target: &Target,
        new: Value,
        old: &Arc<Object>,
    ) -> Result<Arc<Object>, Failure> {
        let key = target.resource.key();
        let failed = |error| match error {
            StoreError::Conflict => Failure::Lost,
            other => Failure::Refused(Self::store_error(target, other)),
        };
        if graceful::is_finished(&target.resource, &new) {
            // The last finalizer went: so does the object.
            if !ctx.dry_run {
                self.store
                    .delete(&key, &target.namespace, &target.name, Some(old.revision))
                    .await
                    .map_err(failed)?;
            }
            return Ok(Arc::new(Object::new(new, old.revision)));
        }
        if new == old.value {
            return Ok(Arc::clone(old));
        }
        if ctx.dry_run {
            return Ok(Arc::new(Object::new(new, old.revision)));
        }
        let stored = self
            .store
            .update(&key, &target.namespace, &target.name, old.revision, new)
            .await;
        stored
            .map(|object| versioned(&target.resource, object))
            .map_err(failed)
    }
}

/// `rest.BeforeUpdate`: what a client may not change is as it was.
fn before_update(target: &Target, new: &mut Value, old: &Value) {
    if !new["metadata"].is_object() {
        new["metadata"] = Value::Object(serde_json::Map::new());
    }
    let keep = |new: &mut Value, field: &str| match old["metadata"].get(field) {
        Some(value) => new["metadata"][field] = value.clone(),
        None => {
            if let Some(metadata) = new["metadata"].as_object_mut() {
                metadata.remove(field);
            }
        }
    };
    keep(new, "generation");
    target
        .resource
        .strategy
        .prepare_update(&target.subresource, new, old);
    keep(new, "creationTimestamp");
    keep(new, "resourceVersion");
    keep(new, "selfLink");
    for field in ["uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let absent = new["metadata"]
            .get(field)
            .is_none_or(|v| v.is_null() || v == "");
        if field != "uid" && old["metadata"].get(field).is_some() || absent {
            keep(new, field);
        }
    }
    if new["metadata"]
        .get("managedFields")
        .is_none_or(Value::is_null)
    {
        keep(new, "managedFields");
    }
}

/// What does not hold in the metadata of an object about to be created.
pub(super) fn metadata_create(target: &Target, object: &Value) -> Vec<FieldError> {
    let resource = &target.resource;
    metadata::validate_create(
        object,
        &resource.group,
        &resource.plural,
        resource.namespaced,
    )
}

/// What does not hold in changed metadata.
pub(super) fn metadata_update(_target: &Target, new: &Value, old: &Value) -> Vec<FieldError> {
    // `rest.BeforeUpdate` and every strategy of Kubernetes look at it, so each fault is told twice.
    let mut errors = metadata::validate_update(new, old);
    errors.extend(errors.clone());
    errors
}

/// The revision that a body insists on, if it does. `Err` is a text that is no revision.
pub(super) fn insisted(object: &Value) -> Result<Option<u64>, String> {
    match meta(object, "resourceVersion") {
        "" | "0" => Ok(None),
        text => text.parse().map(Some).map_err(|_| text.to_owned()),
    }
}
