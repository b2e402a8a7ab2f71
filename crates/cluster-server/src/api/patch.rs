//! `patch`: a change of what is there, repeated on what others made of it meanwhile.

use std::sync::Arc;

use serde_json::Value;

use super::merged::{Failure, insisted};
use super::update::Updated;
use super::{Api, Context, Target, body, meta};
use crate::error::ApiError;
use crate::patch::{PatchError, Prepared, apply::Manager};
use crate::store::Object;

/// What a patch's bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7396.
    Merge,
    /// Kubernetes' own: lists are merged by key.
    Strategic,
    /// Server-side apply.
    Apply {
        /// Whether fields that others own are taken from them.
        force: bool,
    },
}

/// A patch as it came.
#[derive(Debug, Clone)]
pub struct Patch {
    /// What its bytes are.
    pub kind: PatchType,
    /// The body; of an apply patch JSON already.
    pub bytes: bytes::Bytes,
}

/// How often a patch that insists on no revision is tried (`patch.go` gives up sooner; nobody minds).
const TRIES: usize = 50;

impl Api {
    /// Patches an object or what the target's subresource is about.
    ///
    /// # Errors
    /// 400 no patch · 403 admission · 404 · 409 stale revision or fields of others · 415 not this type here · 422.
    pub async fn patch(
        &self,
        ctx: &Context,
        target: &Target,
        patch: &Patch,
    ) -> Result<Updated, ApiError> {
        let resource = &target.resource;
        if resource.custom && patch.kind == PatchType::Strategic {
            return Err(ApiError::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
                 application/merge-patch+json, application/apply-patch+yaml",
            ));
        }
        let prepared = Prepared::parse(patch.kind, &patch.bytes).map_err(|e| refused(&e))?;
        for _ in 0..TRIES {
            let old = match self.get(target) {
                Ok(old) => old,
                Err(missing) if target.subresource.is_empty() => {
                    return self
                        .apply_new(ctx, target, &prepared)
                        .await
                        .unwrap_or(Err(missing));
                }
                Err(missing) => return Err(missing),
            };
            let new = self.patched(ctx, target, &prepared, &old)?;
            match self
                .replace_patched(ctx, target, new, &old, patch.kind)
                .await
            {
                Ok(object) => {
                    return Ok(Updated {
                        object,
                        created: false,
                    });
                }
                Err(Failure::Lost) if prepared.is_retried() => {}
                Err(failure) => return Err(failure.into_error(target)),
            }
        }
        Err(Failure::Lost.into_error(target))
    }

    async fn replace_patched(
        &self,
        ctx: &Context,
        target: &Target,
        new: Value,
        old: &Arc<Object>,
        kind: PatchType,
    ) -> Result<Arc<Object>, Failure> {
        if insisted(&new)
            .ok()
            .flatten()
            .is_some_and(|revision| revision != old.revision)
        {
            let (group, plural) = (&target.resource.group, &target.resource.plural);
            return Err(ApiError::modified(group, plural, &target.name).into());
        }
        let options = if matches!(kind, PatchType::Apply { .. }) {
            "PatchOptions"
        } else {
            "UpdateOptions"
        };
        self.replace(ctx, target, new, old, options).await
    }

    /// The object as the patch wants it.
    fn patched(
        &self,
        ctx: &Context,
        target: &Target,
        prepared: &Prepared,
        old: &Object,
    ) -> Result<Value, ApiError> {
        let resource = &target.resource;
        let manager = self.manager(ctx, target);
        let patched = prepared
            .apply(&old.value, resource, &manager)
            .map_err(|e| refused(&e))?;
        let decoded = (resource.decode)(patched.clone()).map_err(|error| {
            let text = strip_decode_prefix(&resource.kind, &resource.version, &error.message);
            refused(&prepared.mistyped(&patched, text))
        })?;
        let object = body::typed(target, decoded.object);
        body::meet(ctx, prepared.duplicates(), &decoded.unknown)
            .map_err(|text| refused(&prepared.mistyped(&patched, text)))?;
        let (name, namespace) = (meta(&object, "name"), meta(&object, "namespace"));
        if name != target.name {
            let text = format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            );
            return Err(ApiError::bad_request(text));
        }
        if namespace != target.namespace {
            let text = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(ApiError::bad_request(text));
        }
        Ok(object)
    }

    /// An apply to a name that is not there creates it; other patches do not.
    async fn apply_new(
        &self,
        ctx: &Context,
        target: &Target,
        prepared: &Prepared,
    ) -> Option<Result<Updated, ApiError>> {
        let manager = self.manager(ctx, target);
        let object = prepared.applied_new(&target.resource, &manager)?;
        let mut object = match object {
            Ok(object) => object,
            Err(error) => return Some(Err(refused(&error))),
        };
        if meta(&object, "name").is_empty() {
            object["metadata"]["name"] = target.name.clone().into();
        }
        let created = self
            .create(
                ctx,
                &Target {
                    name: String::new(),
                    ..target.clone()
                },
                object,
            )
            .await;
        Some(created.map(|object| Updated {
            object,
            created: true,
        }))
    }

    fn manager(&self, ctx: &Context, target: &Target) -> Manager {
        Manager {
            name: ctx.field_manager.clone(),
            api_version: target.resource.api_version(),
            subresource: target.subresource.clone(),
            time: self.clock.now_text(),
        }
    }
}

/// `Pod in version "v1" cannot be handled as a Pod: ` is said of bodies, not of patches.
fn strip_decode_prefix(kind: &str, version: &str, message: &str) -> String {
    let prefix = format!("{kind} in version {version:?} cannot be handled as a {kind}: ");
    message.strip_prefix(&prefix).unwrap_or(message).to_owned()
}

/// What a patch that cannot be applied is answered.
fn refused(error: &PatchError) -> ApiError {
    match error {
        PatchError::Syntax(syntax) => ApiError::bad_request(syntax.to_string()),
        PatchError::Malformed(text) => ApiError::bad_request(text.clone()),
        PatchError::TooManyOperations(text) => ApiError::too_large(text.clone()),
        PatchError::Rejected => {
            let message = "the server rejected our request due to an error in our request";
            let details = Some(serde_json::json!({}));
            ApiError {
                details,
                ..ApiError::new(422, "Invalid", message)
            }
        }
        PatchError::NoMergeKey(text) => ApiError::new(500, "", text.clone()),
        PatchError::Mistyped { value, text } => {
            let field = crate::field::Path::new("patch");
            ApiError::invalid(
                "",
                "",
                "",
                &[crate::field::FieldError::invalid(
                    &field,
                    value.clone(),
                    text.clone(),
                )],
            )
        }
        PatchError::NoManager => {
            let field = crate::field::Path::new("fieldManager");
            let why = "is required for apply patch";
            ApiError::invalid(
                "meta.k8s.io",
                "PatchOptions",
                "",
                &[crate::field::FieldError::required(&field, why)],
            )
        }
        PatchError::Conflicts(conflicts) => conflicts.to_api_error(),
    }
}
