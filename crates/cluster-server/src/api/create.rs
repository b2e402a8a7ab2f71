//! `create`: a new object, as `rest.BeforeCreate` and `registry.Store.Create` make it.

use std::sync::Arc;

use rand::Rng;
use serde_json::Value;

use super::body::Body;
use super::{Api, Context, Target, admission_request, body, meta, versioned};
use crate::admission::Operation;
use crate::error::ApiError;
use crate::store::Object;

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
        let object = body::decode(ctx, target, body.into())?;
        body::note(ctx, target, &object);
        self.create_decoded(ctx, target, object).await
    }

    /// [`create`](Self::create) of what is decoded already.
    pub(super) async fn create_decoded(
        &self,
        ctx: &Context,
        target: &Target,
        mut object: Value,
    ) -> Result<Arc<Object>, ApiError> {
        let strategy = &target.resource.strategy;
        match_namespace(target, &mut object)?;
        wipe(&mut object);
        strategy.default(&mut object);
        let mut target = target.clone();
        meta(&object, "name").clone_into(&mut target.name);
        let mut request = admission_request(ctx, &target, Operation::Create);
        request.options = Some(ctx.options("CreateOptions"));
        request.object = Some(object);
        self.mutate(&mut request, ctx).await?;
        let mut object = request.object.take().unwrap_or_default();
        strategy.default(&mut object);

        self.fill(&mut object);
        meta(&object, "name").clone_into(&mut target.name);
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
        // Twice of a name is found before the validating webhooks are bothered, as Kubernetes' store does for most.
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
        object: Value,
    ) -> Result<Arc<Object>, ApiError> {
        let key = target.resource.key();
        let taken = || {
            ApiError::already_exists(
                &target.resource.group,
                &target.resource.plural,
                &target.name,
            )
        };
        if let Some(there) = self.store.get(&key, &target.namespace, &target.name) {
            let mut error = taken();
            if !meta(&there.value, "deletionTimestamp").is_empty() {
                error.message = format!("object is being deleted: {}", error.message);
            }
            return Err(error);
        }
        if ctx.dry_run {
            return Ok(Arc::new(Object::new(object, 0)));
        }
        let stored = self
            .store
            .create(&key, &target.namespace, &target.name, object)
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

/// `names.SimpleNameGenerator`: the base, cut to 58 characters, and five random ones without vowels.
pub(crate) fn generated(base: &str) -> String {
    const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut rng = rand::rng();
    let end = base.char_indices().nth(58).map_or(base.len(), |(at, _)| at);
    let mut out = base[..end].to_owned();
    out.extend((0..5).map(|_| char::from(ALPHABET[rng.random_range(0..ALPHABET.len())])));
    out
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
            metadata.remove("namespace");
        }
    } else {
        object["metadata"]["namespace"] = target.namespace.clone().into();
    }
    Ok(())
}

/// `rest.WipeObjectMetaSystemFields`, and what only an update may carry.
fn wipe(object: &mut Value) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for field in [
            "creationTimestamp",
            "uid",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
            "resourceVersion",
            "generation",
        ] {
            metadata.remove(field);
        }
    }
}
