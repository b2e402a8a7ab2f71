//! `scale` of a custom resource: an object seen and changed as an `autoscaling/v1 Scale`.

use std::sync::{Arc, LazyLock};

use k8s_openapi::api::autoscaling::v1;
use serde_json::Value;

use super::body::Body;
use super::merged::{self, Change, Failure};
use super::{Api, Context, Patch, Target, body, meta, patch};
use crate::crd::Scale;
use crate::error::ApiError;
use crate::kinds::decode::decode_as;
use crate::kinds::{Plain, Resource};
use crate::managed::{self, Topology};
use crate::patch::Prepared;
use crate::store::Object;

/// How often a change that insists on no revision is tried against others.
const TRIES: usize = 50;

/// How bodies and patches of `Scale` are read; nothing is stored under this resource.
static SCALE: LazyLock<Arc<Resource>> = LazyLock::new(|| {
    Arc::new(Resource {
        group: "autoscaling".to_owned(),
        version: "v1".to_owned(),
        kind: "Scale".to_owned(),
        list_kind: String::new(),
        plural: "scales".to_owned(),
        singular: "scale".to_owned(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced: true,
        verbs: Vec::new(),
        subresources: Vec::new(),
        custom: false,
        selectable_fields: Vec::new(),
        scale: None,
        terminating: false,
        columns: Vec::new(),
        schema: None,
        topology: Topology::default(),
        decode: Arc::new(decode_as::<v1::Scale>),
        strategy: Arc::new(Plain),
    })
});

/// What is to become of a `Scale`.
pub enum ScaleChange {
    /// It is to be this.
    Update(Body),
    /// It is to be changed so.
    Patch(Patch),
}

impl Api {
    /// The object's `Scale`.
    ///
    /// # Errors
    /// 404 · 500 the object has no replicas.
    pub fn scale(&self, target: &Target) -> Result<Arc<Object>, ApiError> {
        let object = self.get(target)?;
        let view = paths(target)?.view(&object.value)?;
        Ok(Arc::new(Object::new(view, object.revision)))
    }

    /// Changes how many replicas an object wants; the answer is its `Scale`.
    ///
    /// # Errors
    /// 400 no `Scale` · 403 admission · 404 · 409 stale revision · 422 replicas that do not hold.
    pub async fn change_scale(
        &self,
        ctx: &Context,
        target: &Target,
        change: ScaleChange,
    ) -> Result<Arc<Object>, ApiError> {
        let paths = paths(target)?;
        let form = Target {
            resource: Arc::clone(&SCALE),
            ..target.clone()
        };
        let wanted = wanted(ctx, &form, change)?;
        let writer = self.writer(ctx, target);
        for _ in 0..TRIES {
            let old = self.get(target)?;
            let scale = match &wanted {
                Wanted::Body(scale) => scale.clone(),
                Wanted::Patch(prepared) => {
                    let view = paths.view_or_zero(&old.value)?;
                    let view = Object::new(view, old.revision);
                    patch::patched(ctx, &form, prepared, Some(&view), &writer)?
                }
            };
            merged::check_name(&form, &scale)?;
            let mut new = old.value.clone();
            paths.apply(&scale, &mut new);
            let revision = meta(&scale, "resourceVersion");
            if !revision.is_empty() {
                new["metadata"]["resourceVersion"] = revision.into();
            }
            managed::update(Some(&old.value), &mut new, &writer);
            let change = Change { new, old: &old };
            match self.replace(ctx, target, change).await {
                Ok(object) => {
                    let view = paths.view_or_zero(&object.value)?;
                    return Ok(Arc::new(Object::new(view, object.revision)));
                }
                Err(Failure::Lost) => {}
                Err(Failure::Refused(error)) => return Err(error),
            }
        }
        Err(Failure::Lost.into_error(target))
    }
}

/// A change that has been read.
enum Wanted {
    Body(Value),
    Patch(Prepared),
}

fn wanted(ctx: &Context, form: &Target, change: ScaleChange) -> Result<Wanted, ApiError> {
    match change {
        ScaleChange::Update(body) => {
            let scale = body::decode(ctx, form, body)?;
            Ok(Wanted::Body(scale))
        }
        ScaleChange::Patch(patch) => {
            Prepared::parse(patch.kind, &patch.bytes, ctx.field_validation)
                .map(Wanted::Patch)
                .map_err(|error| patch::refused(&error))
        }
    }
}

fn paths(target: &Target) -> Result<&Scale, ApiError> {
    let scale = target.resource.scale.as_ref();
    scale.ok_or_else(ApiError::unknown_path)
}
