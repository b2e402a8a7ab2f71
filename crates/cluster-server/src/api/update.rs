//! `update`: the whole object as the client wants it.

use std::sync::Arc;

use super::body::Body;
use super::create::match_namespace;
use super::merged::{Failure, insisted};
use super::{Api, Context, Target, body, meta};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::store::Object;

/// How often a write that insists on no revision is tried against others.
const TRIES: usize = 50;

/// What an update did.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The object as it is now.
    pub object: Arc<Object>,
    /// Whether there was none before.
    pub created: bool,
}

impl Api {
    /// Replaces an object, or what the target's subresource is about.
    ///
    /// # Errors
    /// 400 not such an object · 403 admission · 404 · 409 stale revision or another uid · 422.
    pub async fn update(
        &self,
        ctx: &Context,
        target: &Target,
        body: impl Into<Body>,
    ) -> Result<Updated, ApiError> {
        let mut new = body::decode(ctx, target, body.into())?;
        body::note(ctx, target, &new);
        match_namespace(target, &mut new)?;
        let name = meta(&new, "name").to_owned();
        if name.is_empty() {
            new["metadata"]["name"] = target.name.clone().into();
        } else if name != target.name {
            let text = format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            );
            return Err(ApiError::bad_request(text));
        }
        for _ in 0..TRIES {
            let Ok(old) = self.get(target) else {
                if !target.resource.strategy.allow_create_on_update()
                    || !target.subresource.is_empty()
                {
                    return Err(target.not_found());
                }
                let object = self.create_decoded(ctx, target, new).await?;
                return Ok(Updated {
                    object,
                    created: true,
                });
            };
            check(target, &new, &old)?;
            match self
                .replace(ctx, target, new.clone(), &old, "UpdateOptions")
                .await
            {
                Ok(object) => {
                    return Ok(Updated {
                        object,
                        created: false,
                    });
                }
                Err(Failure::Lost) if insisted(&new).is_ok_and(|r| r.is_none()) => {}
                Err(failure) => return Err(failure.into_error(target)),
            }
        }
        Err(Failure::Lost.into_error(target))
    }
}

/// The body's own preconditions: uid and revision.
fn check(target: &Target, new: &serde_json::Value, old: &Object) -> Result<(), ApiError> {
    let resource = &target.resource;
    let (uid, stored) = (meta(new, "uid"), meta(&old.value, "uid"));
    if !uid.is_empty() && uid != stored {
        let why = format!(
            "Precondition failed: UID in precondition: {uid}, UID in object meta: {stored}"
        );
        return Err(ApiError::conflict(
            &resource.group,
            &resource.plural,
            &target.name,
            &why,
        ));
    }
    let field = Path::new("metadata").child("resourceVersion");
    let invalid = |value: &str, why: &str| {
        let error = FieldError::invalid(&field, value, why);
        ApiError::invalid(&resource.group, &resource.kind, &target.name, &[error])
    };
    match insisted(new) {
        Err(text) => Err(invalid(
            &text,
            "must be a resource version that this server gave out",
        )),
        Ok(Some(revision)) if revision != old.revision => Err(ApiError::modified(
            &resource.group,
            &resource.plural,
            &target.name,
        )),
        Ok(None) if !unconditional(&resource.key(), resource.custom) => {
            let mut error = FieldError::invalid(&field, 0, "must be specified for an update");
            error.fault = crate::field::Fault::Invalid(serde_json::json!(0));
            let mut refused =
                ApiError::invalid(&resource.group, &resource.kind, &target.name, &[error]);
            // Kubernetes prints the zero of an unsigned integer.
            refused.message = refused
                .message
                .replace("Invalid value: 0:", "Invalid value: 0x0:");
            if let Some(cause) = refused
                .details
                .as_mut()
                .and_then(|d| d["causes"].get_mut(0))
            {
                cause["message"] = "Invalid value: 0x0: must be specified for an update".into();
            }
            Err(refused)
        }
        Ok(_) => Ok(()),
    }
}

/// `AllowUnconditionalUpdate`.
fn unconditional(resource: &str, custom: bool) -> bool {
    const STRICT: [&str; 6] = [
        "leases.coordination.k8s.io",
        "customresourcedefinitions.apiextensions.k8s.io",
        "mutatingwebhookconfigurations.admissionregistration.k8s.io",
        "validatingwebhookconfigurations.admissionregistration.k8s.io",
        "runtimeclasses.node.k8s.io",
        "poddisruptionbudgets.policy",
    ];
    !custom && !STRICT.contains(&resource)
}
