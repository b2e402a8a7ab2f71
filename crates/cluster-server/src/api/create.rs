//! `create`: a new object, as `rest.BeforeCreate` and `registry.Store.Create` make it.

use std::sync::Arc;

use rand::Rng;
use serde_json::Value;

use super::body::Body;
use super::owners::{self, When};
use super::{Api, Context, Target, admission_request, body, meta, versioned};
use crate::admission::Operation;
use crate::error::ApiError;
use crate::kinds::event;
use crate::managed;
use crate::store::Object;

/// How often a name is generated anew where it is taken (`maxNameGenerationCreateAttempts`).
const NAMES: usize = 8;

impl Api {
    /// Creates an object of the target's collection; with `dry_run` it is only what would be.
    ///
    /// # Errors
    /// 400 not such an object · 403 admission · 409 the name is taken · 422 fields that do not hold.
    pub async fn create(
        &self,
        ctx: &Context,
        target: &Target,
        body: impl Into<Body>,
    ) -> Result<Arc<Object>, ApiError> {
        let mut object = body::decode(ctx, target, body.into())?;
        body::note(ctx, target, &object);
        not_terminating(target, "create")?;
        wipe(&mut object);
        match_namespace(target, &mut object)?;
        owners::deduplicate(&mut object, ctx, When::OnArrival);
        target.resource.strategy.default(&mut object);
        managed::update(None, &mut object, &self.writer(ctx, target));
        let is_generated =
            meta(&object, "name").is_empty() && !meta(&object, "generateName").is_empty();
        for _ in 1..NAMES {
            match self.create_owned(ctx, target, object.clone()).await {
                Err(error) if is_generated && error.reason == "AlreadyExists" => {}
                outcome => return outcome,
            }
        }
        self.create_owned(ctx, target, object).await
    }

    /// [`create`](Self::create) of what is decoded, defaulted and somebody's already.
    pub(super) async fn create_owned(
        &self,
        ctx: &Context,
        target: &Target,
        object: Value,
    ) -> Result<Arc<Object>, ApiError> {
        let strategy = &target.resource.strategy;
        let mut target = target.clone();
        meta(&object, "name").clone_into(&mut target.name);
        let mut request = admission_request(ctx, &target, Operation::Create);
        request.options = Some(ctx.options("CreateOptions"));
        request.object = Some(object);
        let mut object = self.mutate_owned(&mut request, ctx).await?;
        strategy.default(&mut object);

        self.fill(&mut object);
        meta(&object, "name").clone_into(&mut target.name);
        match_namespace(&target, &mut object)?;
        for text in strategy.deprecations(&object) {
            ctx.warnings.add(text);
        }
        strategy.prepare_create(&mut object);
        let mut errors = super::merged::metadata_create(&target, &object);
        errors.extend(strategy.validate_create(&object));
        if !errors.is_empty() {
            return Err(ApiError::invalid(
                &target.resource.group,
                &target.resource.kind,
                &target.name,
                &errors,
            ));
        }
        for text in strategy.warnings(&target.subresource, &object, None) {
            ctx.warnings.add(text);
        }
        request.object = Some(object);
        request.name.clone_from(&target.name);
        self.validate(&mut request, ctx).await?;
        let object = request.object.take().unwrap_or_default();
        self.store_new(ctx, &target, object).await
    }

    async fn store_new(
        &self,
        ctx: &Context,
        target: &Target,
        mut object: Value,
    ) -> Result<Arc<Object>, ApiError> {
        let key = target.resource.key();
        if let Some(there) = self.store.get(&key, &target.namespace, &target.name) {
            let is_going = !meta(&there.value, "deletionTimestamp").is_empty();
            return Err(taken(target, &object, is_going));
        }
        if ctx.dry_run {
            return Ok(Arc::new(Object::new(object, 0)));
        }
        let revision = meta(&object, "resourceVersion").parse::<u64>();
        if revision.is_ok_and(|revision| revision != 0) {
            let why = "resourceVersion should not be set on objects to be created";
            return Err(ApiError::new(500, "", why));
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove("resourceVersion");
        }
        let stored = self
            .store
            .create(
                &key,
                &target.namespace,
                &target.name,
                event::stored(&target.resource, object),
            )
            .await;
        stored
            .map(|object| versioned(&target.resource, object))
            .map_err(|e| Self::store_error(target, e))
    }

    /// `rest.FillObjectMetaSystemFields` and `generateName`.
    fn fill(&self, object: &mut Value) {
        let name = meta(object, "name").to_owned();
        let base = meta(object, "generateName").to_owned();
        let metadata = &mut object["metadata"];
        if name.is_empty() && !base.is_empty() {
            metadata["name"] = generated(&base).into();
        }
        metadata["uid"] = uuid::Uuid::new_v4().to_string().into();
        metadata["creationTimestamp"] = self.clock.now_text().into();
    }
}

/// The name is another object's (`rest.CheckGeneratedNameError`).
fn taken(target: &Target, object: &Value, is_going: bool) -> ApiError {
    let resource = &target.resource;
    let mut error = ApiError::already_exists(&resource.group, &resource.plural, &target.name);
    if !meta(object, "generateName").is_empty() {
        error.message += ", the server was not able to generate a unique name for the object";
        if let Some(details) = &mut error.details {
            details["retryAfterSeconds"] = 1.into();
        }
    } else if is_going {
        error.message = format!("object is being deleted: {}", error.message);
    }
    error
}

/// `names.SimpleNameGenerator`: the base, cut to 58 characters, and five random ones without vowels.
pub(crate) fn generated(base: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rng = rand::rng();
    let end = base.char_indices().nth(58).map_or(base.len(), |(at, _)| at);
    let mut out = base[..end].to_owned();
    out.extend((0..5).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])));
    out
}

/// Of a custom resource whose definition is going, nothing new is made.
pub(super) fn not_terminating(target: &Target, verb: &str) -> Result<(), ApiError> {
    if !target.resource.terminating {
        return Ok(());
    }
    let mut details =
        serde_json::json!({"group": target.resource.group, "kind": target.resource.plural});
    if !target.name.is_empty() {
        details["name"] = target.name.clone().into();
    }
    let message = format!("{verb} not allowed while custom resource definition is terminating");
    Err(ApiError {
        details: Some(details),
        ..ApiError::new(405, "MethodNotAllowed", message)
    })
}

/// `rest.EnsureObjectNamespaceMatchesRequestNamespace`.
pub(super) fn match_namespace(target: &Target, object: &mut Value) -> Result<(), ApiError> {
    let namespace = meta(object, "namespace").to_owned();
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(serde_json::Map::new());
    }
    if namespace == target.namespace {
        return Ok(());
    }
    if !namespace.is_empty() && !target.namespace.is_empty() {
        return Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    if target.namespace.is_empty() {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove("namespace");
        }
    } else {
        object["metadata"]["namespace"] = target.namespace.clone().into();
    }
    Ok(())
}

/// `rest.WipeObjectMetaSystemFields`, and what only an update may carry.
pub(super) fn wipe(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "creationTimestamp",
            "uid",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            metadata.shift_remove(field);
        }
    }
}
