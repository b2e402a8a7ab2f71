//! `patch`: a change of what is there, repeated on what others made of it meanwhile.

use serde_json::Value;

use super::create::match_namespace;
use super::merged::{self, Change, Failure};
use super::update::Updated;
use super::{Api, Context, Target, body, meta};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::managed::{self, Writer};
use crate::patch::{PatchError, Prepared};
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
    /// The key that a YAML body repeats, as `line 3: key "name" already set in map`.
    pub repeated: Option<String>,
}

/// How often a patch that insists on no revision is tried against others.
const TRIES: usize = 50;

impl Api {
    /// Patches an object or what the target's subresource is about; an apply creates what is not there.
    ///
    /// # Errors
    /// 400 no patch · 403 admission · 404 · 409 stale revision or fields of others · 415 not this type here · 422.
    pub async fn patch(
        &self,
        ctx: &Context,
        target: &Target,
        patch: &Patch,
    ) -> Result<Updated, ApiError> {
        if target.resource.custom && patch.kind == PatchType::Strategic {
            return Err(unsupported());
        }
        let force = match patch.kind {
            PatchType::Apply { .. } if ctx.field_manager.is_empty() => return Err(no_manager()),
            PatchType::Apply { force } => Some(force),
            _ => None,
        };
        let prepared = Prepared::parse(patch.kind, &patch.bytes, ctx.field_validation);
        let writer = self.writer(ctx, target);
        for _ in 0..TRIES {
            let old = match self.get(target) {
                Ok(old) => Some(old),
                Err(_) if force.is_some() && target.subresource.is_empty() => None,
                Err(missing) => return Err(missing),
            };
            let prepared = prepared.as_ref().map_err(refused)?;
            let mut new = match force {
                Some(force) => {
                    let how = (force, patch.repeated.as_deref());
                    applied(ctx, target, prepared, old.as_deref(), &writer, how)?
                }
                None => patched(ctx, target, prepared, old.as_deref(), &writer)?,
            };
            match_namespace(target, &mut new)?;
            merged::check_name(target, &new)?;
            let Some(old) = old else {
                return self.apply_new(ctx, target, new).await;
            };
            let change = Change { new, old: &old };
            match self.replace(ctx, target, change).await {
                Ok(object) => {
                    return Ok(Updated {
                        object,
                        created: false,
                    });
                }
                Err(Failure::Lost) => {}
                Err(Failure::Refused(error)) => return Err(error),
            }
        }
        Err(Failure::Lost.into_error(target))
    }

    /// An apply to a name that is not there creates it.
    async fn apply_new(
        &self,
        ctx: &Context,
        target: &Target,
        mut object: Value,
    ) -> Result<Updated, ApiError> {
        let uid = meta(&object, "uid");
        if !uid.is_empty() {
            let resource = &target.resource;
            let why = format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            );
            return Err(ApiError::conflict(
                &resource.group,
                &resource.plural,
                &target.name,
                &why,
            ));
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove("resourceVersion");
        }
        self.create_instead(ctx, target, object).await
    }
}

/// The object as a patch of another type than apply wants it.
pub(super) fn patched(
    ctx: &Context,
    target: &Target,
    prepared: &Prepared,
    old: Option<&Object>,
    writer: &Writer,
) -> Result<Value, ApiError> {
    let resource = &target.resource;
    let current = old.map_or(writer.empty.as_ref(), |old| &old.value);
    let patched = prepared
        .apply(current, &resource.topology.schema(resource))
        .map_err(|e| refused(&e))?;
    let decoded = (resource.decode)(patched.clone()).map_err(|error| {
        let text = strip_decode_prefix(&resource.kind, &resource.version, &error.message);
        refused(&prepared.mistyped(&patched, text))
    })?;
    let mut object = body::typed(target, decoded.object);
    body::meet(ctx, prepared.problems(), &decoded.unknown)
        .map_err(|text| refused(&prepared.mistyped(&patched, text)))?;
    resource.strategy.default(&mut object);
    managed::update(Some(current), &mut object, writer);
    Ok(object)
}

/// The object as an apply wants it.
fn applied(
    ctx: &Context,
    target: &Target,
    prepared: &Prepared,
    old: Option<&Object>,
    writer: &Writer,
    (force, repeated): (bool, Option<&str>),
) -> Result<Value, ApiError> {
    let resource = &target.resource;
    let config = prepared.value();
    let current = old.map(|old| &old.value);
    let merged = managed::apply(current, config, &resource.kind, writer, force)
        .map_err(|error| managed::refusal(&error))?;
    let decoded = (resource.decode)(merged).map_err(|error| {
        let (group, version) = (&resource.group, &resource.version);
        let kind = format!("{group}/{version}, Kind={}", resource.kind);
        let why = strip_decode_prefix(&resource.kind, version, &error.message);
        let text = format!(
            "failed to convert new object ({}/{}; {kind}) to proper version: unable to convert unstructured object to {kind}: {why}",
            meta(config, "namespace"),
            meta(config, "name"),
        );
        ApiError::new(500, "", text)
    })?;
    body::meet_repeated(ctx, repeated)?;
    let mut object = body::typed(target, decoded.object);
    resource.strategy.default(&mut object);
    Ok(object)
}

/// `Pod in version "v1" cannot be handled as a Pod: ` is said of bodies, not of patches.
fn strip_decode_prefix(kind: &str, version: &str, message: &str) -> String {
    let prefix = format!("{kind} in version {version:?} cannot be handled as a {kind}: ");
    message.strip_prefix(&prefix).unwrap_or(message).to_owned()
}

/// Custom resources have no Go types that a strategic merge could go by.
fn unsupported() -> ApiError {
    ApiError::new(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, \
         application/merge-patch+json, application/apply-patch+yaml",
    )
}

fn no_manager() -> ApiError {
    let field = Path::new("fieldManager");
    let error = FieldError::required(&field, "is required for apply patch");
    ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error])
}

/// What a patch that cannot be applied is answered.
pub(super) fn refused(error: &PatchError) -> ApiError {
    match error {
        PatchError::Malformed(text) => ApiError::bad_request(text.clone()),
        PatchError::TooLarge(text) => ApiError::too_large(text.clone()),
        PatchError::Rejected => ApiError {
            details: Some(serde_json::json!({})),
            ..ApiError::new(
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
            )
        },
        PatchError::Unmergeable(text) => ApiError::new(500, "", text.clone()),
        PatchError::Mistyped { value, text } => {
            let field = Path::new("patch");
            let error = FieldError::invalid(&field, value.clone(), text.clone());
            ApiError::invalid("", "", "", &[error])
        }
    }
}
