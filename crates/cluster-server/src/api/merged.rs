//! What every change of an existing object goes through, whichever verb made the new object:
//! `rest.BeforeUpdate`, admission, validation and the compare-and-swap.

use std::sync::Arc;

use serde_json::Value;

use super::{Api, Context, Target, admission_request, graceful, meta, versioned};
use crate::admission::Operation;
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::kinds::event;
use crate::kinds::{Resource, metadata};
use crate::managed;
use crate::store::{Object, StoreError};

/// Why a change was not stored.
pub(super) enum Failure {
    /// Somebody else was faster; the caller may start again from the newer object.
    Lost,
    /// The answer for the client.
    Refused(ApiError),
}

/// An object that is to take the place of another one.
pub(super) struct Change<'a> {
    pub(super) new: Value,
    /// In the version of the request.
    pub(super) old: &'a Arc<Object>,
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
    /// Takes a defaulted and owned object through admission and validation and stores it in place of the old one.
    ///
    /// After [`Failure::Lost`] the caller starts again; an object that insists on a revision is refused then.
    pub(super) async fn replace(
        &self,
        ctx: &Context,
        target: &Target,
        change: Change<'_>,
    ) -> Result<Arc<Object>, Failure> {
        let strategy = &target.resource.strategy;
        let previous = change.old;
        let mut request = admission_request(ctx, target, Operation::Update);
        request.options = Some(ctx.options("UpdateOptions"));
        request.object = Some(change.new);
        request.old_object = Some(previous.value.clone());
        let mut new = self.mutate_owned(&mut request, ctx).await?;
        strategy.default(&mut new);

        check_revision(target, &new, previous)?;
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
        managed::ignore_times(&mut new, &previous.value);
        request.object = Some(new);
        self.validate(&mut request, ctx).await?;
        let new = request.object.take().unwrap_or_default();
        self.store_changed(ctx, target, new, previous).await
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
            .update(
                &key,
                &target.namespace,
                &target.name,
                old.revision,
                event::stored(&target.resource, new),
            )
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
    let owners = new["metadata"].get("managedFields").cloned();
    target
        .resource
        .strategy
        .prepare_update(&target.subresource, new, old);
    if let Some(metadata) = new["metadata"].as_object_mut() {
        // Strategies put back what their subresource does not change; whose it is has been settled before.
        metadata.shift_remove("managedFields");
        metadata.extend(owners.map(|owners| ("managedFields".to_owned(), owners)));
    }
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

/// The name in a body, which may be left out of a `PUT` of some kinds only by being the URL's.
pub(super) fn check_name(target: &Target, object: &Value) -> Result<(), ApiError> {
    let (name, namespace) = (meta(object, "name"), meta(object, "namespace"));
    if name != target.name {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            target.name
        )));
    }
    if !namespace.is_empty() && namespace != target.namespace {
        return Err(ApiError::bad_request(format!(
            "the namespace of the object ({namespace}) does not match the namespace on the request ({})",
            target.namespace
        )));
    }
    Ok(())
}

/// The uid that a body insists on (`storage.Preconditions.Check`).
pub(super) fn check_uid(target: &Target, new: &Value, old: &Object) -> Result<(), ApiError> {
    let (uid, stored) = (meta(new, "uid"), meta(&old.value, "uid"));
    if uid.is_empty() || uid == stored {
        return Ok(());
    }
    let resource = &target.resource;
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in \
         precondition: {uid}, UID in object meta: {stored}",
        storage_key(target)
    );
    Err(ApiError::conflict(
        &resource.group,
        &resource.plural,
        &target.name,
        &why,
    ))
}

/// Where Kubernetes would keep the object in etcd: some messages tell it.
fn storage_key(target: &Target) -> String {
    let resource = &target.resource;
    let prefix = match resource.key().as_str() {
        "nodes" => "minions".to_owned(),
        "services" => "services/specs".to_owned(),
        _ if resource.custom
            || matches!(
                resource.group.as_str(),
                "apiextensions.k8s.io" | "apiregistration.k8s.io"
            ) =>
        {
            format!("{}/{}", resource.group, resource.plural)
        }
        _ => resource.plural.clone(),
    };
    let parts = ["/registry", &prefix, &target.namespace, &target.name];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("/")
}

/// The revision that an object insists on is the stored one's.
fn check_revision(target: &Target, new: &Value, old: &Object) -> Result<(), ApiError> {
    let resource = &target.resource;
    let text = meta(new, "resourceVersion");
    let revision: u64 = if text.is_empty() {
        0
    } else {
        text.parse().map_err(|_| {
            ApiError::new(
                500,
                "",
                format!("strconv.ParseUint: parsing {text:?}: invalid syntax"),
            )
        })?
    };
    if revision == 0 {
        if is_unconditional(resource) {
            return Ok(());
        }
        let field = Path::new("metadata").child("resourceVersion");
        let error = FieldError::invalid(&field, 0, "must be specified for an update");
        return Err(ApiError::invalid(
            &resource.group,
            &resource.plural,
            &target.name,
            &[error],
        ));
    }
    if revision != old.revision {
        return Err(ApiError::modified(
            &resource.group,
            &resource.plural,
            &target.name,
        ));
    }
    Ok(())
}

/// `AllowUnconditionalUpdate`.
fn is_unconditional(resource: &Resource) -> bool {
    const STRICT: [&str; 9] = [
        "leases.coordination.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "apiservices.apiregistration.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingadmissionpolicies.admissionregistration.k8s.io",
        "validatingadmissionpolicybindings.admissionregistration.k8s.io",
        "runtimeclasses.node.k8s.io",
        "poddisruptionbudgets.policy",
    ];
    !resource.custom && !STRICT.contains(&resource.key().as_str())
}
