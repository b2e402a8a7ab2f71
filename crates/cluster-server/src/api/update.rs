//! `update`: the whole object as the client wants it.

use std::sync::Arc;

use serde_json::Value;

use super::body::Body;
use super::create::{match_namespace, wipe};
use super::merged::{self, Change, Failure};
use super::owners::{self, When};
use super::{Api, Context, Target, body, meta};
use crate::error::ApiError;
use crate::managed;
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
        merged::check_name(target, &new)?;
        owners::deduplicate(&mut new, ctx, When::OnArrival);
        let strategy = &target.resource.strategy;
        strategy.default(&mut new);
        let writer = self.writer(ctx, target);
        for _ in 0..TRIES {
            let mut new = new.clone();
            let Ok(old) = self.get(target) else {
                if !strategy.allow_create_on_update() || !target.subresource.is_empty() {
                    return Err(target.not_found());
                }
                managed::update(None, &mut new, &writer);
                return self.create_instead(ctx, target, new).await;
            };
            merged::check_uid(target, &new, &old)?;
            managed::update(Some(&old.value), &mut new, &writer);
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

    /// Creates what was to be updated or applied and is not there.
    pub(super) async fn create_instead(
        &self,
        ctx: &Context,
        target: &Target,
        mut object: Value,
    ) -> Result<Updated, ApiError> {
        wipe(&mut object);
        if meta(&object, "name").is_empty() {
            object["metadata"]["name"] = target.name.clone().into();
        }
        let object = self.create_owned(ctx, target, object).await?;
        Ok(Updated {
            object,
            created: true,
        })
    }
}
