//! `delete` and `deletecollection`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::graceful::{self, Step};
use super::{Api, Context, ListOptions, Target, admission_request, meta, versioned};
use crate::admission::Operation;
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::kinds::event;
use crate::store::{Object, StoreError};

/// Which object exactly is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preconditions {
    /// Its uid.
    pub uid: Option<String>,
    /// Its revision.
    pub resource_version: Option<String>,
}

/// How to delete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds that the object gets to end; the object's own where not given.
    pub grace_period_seconds: Option<i64>,
    /// Which object exactly.
    pub preconditions: Preconditions,
    /// What becomes of dependents: `Background`, `Foreground` or `Orphan`.
    pub propagation_policy: Option<String>,
}

/// What a delete did.
#[derive(Debug, Clone)]
pub struct Deleted {
    /// The object's last state, or as it is marked now.
    pub object: Arc<Object>,
    /// Whether it is gone.
    pub gone: bool,
}

const TRIES: usize = 50;

/// Whether a delete goes through admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Admission {
    Asked,
    Done,
}

impl Api {
    /// Deletes an object, or marks it where it has to end first.
    ///
    /// # Errors
    /// 403 admission · 404 · 409 preconditions.
    pub async fn delete(
        &self,
        ctx: &Context,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        self.delete_by(ctx, target, options, Admission::Asked).await
    }

    /// [`delete`](Self::delete) of what admission has been asked about under another name.
    pub(super) async fn delete_admitted(
        &self,
        ctx: &Context,
        target: &Target,
        options: &DeleteOptions,
    ) -> Result<Deleted, ApiError> {
        self.delete_by(ctx, target, options, Admission::Done).await
    }

    async fn delete_by(
        &self,
        ctx: &Context,
        target: &Target,
        options: &DeleteOptions,
        admission: Admission,
    ) -> Result<Deleted, ApiError> {
        for _ in 0..TRIES {
            let old = self.get(target)?;
            check(target, &options.preconditions, &old)?;
            if admission == Admission::Asked {
                self.admit_delete(ctx, target, options, &old).await?;
            }
            match graceful::step(&target.resource, &old.value, options, self.clock.now()) {
                Step::Nothing => {
                    return Ok(Deleted {
                        object: old,
                        gone: false,
                    });
                }
                Step::Remove(last) => match self.remove(ctx, target, &old).await {
                    Ok(revision) => {
                        let mut last = last;
                        if let Some(revision) = revision {
                            last["metadata"]["resourceVersion"] = revision.to_string().into();
                        }
                        return Ok(Deleted {
                            object: Arc::new(Object::new(last, old.revision)),
                            gone: true,
                        });
                    }
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(Self::store_error(target, error)),
                },
                Step::Mark(marked) if ctx.dry_run => {
                    return Ok(Deleted {
                        object: Arc::new(Object::new(marked, old.revision)),
                        gone: false,
                    });
                }
                Step::Mark(marked) => match self.mark(target, &old, marked).await {
                    Ok(object) => {
                        return Ok(Deleted {
                            object: versioned(&target.resource, object),
                            gone: false,
                        });
                    }
                    Err(StoreError::Conflict) => {}
                    Err(error) => return Err(Self::store_error(target, error)),
                },
            }
        }
        Err(ApiError::modified(
            &target.resource.group,
            &target.resource.plural,
            &target.name,
        ))
    }

    /// Deletes all objects of a collection that `select` leaves; the answer is what they were.
    ///
    /// # Errors
    /// The first object's that could not be deleted.
    pub async fn delete_collection(
        &self,
        ctx: &Context,
        target: &Target,
        select: &ListOptions,
        options: &DeleteOptions,
    ) -> Result<Vec<Arc<Object>>, ApiError> {
        let mut out = Vec::new();
        for item in self.list(target, select)?.items {
            let one = Target::object(
                &target.resource,
                meta(&item.value, "namespace"),
                meta(&item.value, "name"),
            );
            match self.delete(ctx, &one, options).await {
                Ok(_) => out.push(item),
                // Somebody else deleted it in the meantime: that is what was wanted.
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    async fn mark(
        &self,
        target: &Target,
        old: &Object,
        marked: Value,
    ) -> Result<Arc<Object>, StoreError> {
        let key = target.resource.key();
        let marked = event::stored(&target.resource, marked);
        self.store
            .update(&key, &target.namespace, &target.name, old.revision, marked)
            .await
    }

    async fn remove(
        &self,
        ctx: &Context,
        target: &Target,
        old: &Object,
    ) -> Result<Option<u64>, StoreError> {
        if ctx.dry_run {
            return Ok(None);
        }
        let key = target.resource.key();
        let removed = self
            .store
            .delete(&key, &target.namespace, &target.name, Some(old.revision))
            .await?;
        Ok(Some(removed.revision))
    }

    async fn admit_delete(
        &self,
        ctx: &Context,
        target: &Target,
        options: &DeleteOptions,
        old: &Object,
    ) -> Result<(), ApiError> {
        let mut request = admission_request(ctx, target, Operation::Delete);
        request.options = Some(options.to_value(ctx));
        request.old_object = Some(old.value.clone());
        self.mutate(&mut request, ctx).await?;
        self.validate(&mut request, ctx).await
    }
}

impl DeleteOptions {
    /// `meta/v1 DeleteOptions`.
    pub fn to_value(&self, ctx: &Context) -> Value {
        let mut out = json!({"kind": "DeleteOptions", "apiVersion": "meta.k8s.io/v1"});
        if let Some(seconds) = self.grace_period_seconds {
            out["gracePeriodSeconds"] = seconds.into();
        }
        if let Some(uid) = &self.preconditions.uid {
            out["preconditions"]["uid"] = uid.clone().into();
        }
        if let Some(revision) = &self.preconditions.resource_version {
            out["preconditions"]["resourceVersion"] = revision.clone().into();
        }
        if let Some(policy) = &self.propagation_policy {
            out["propagationPolicy"] = policy.clone().into();
        }
        if ctx.dry_run {
            out["dryRun"] = json!(["All"]);
        }
        out
    }
}

fn check(target: &Target, preconditions: &Preconditions, old: &Object) -> Result<(), ApiError> {
    let (resource, stored) = (&target.resource, meta(&old.value, "uid"));
    let conflict =
        |why: String| ApiError::conflict(&resource.group, &resource.kind, &target.name, &why);
    if let Some(uid) = preconditions.uid.as_deref().filter(|uid| *uid != stored) {
        return Err(conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({stored}). The object might have been deleted \
             and then recreated"
        )));
    }
    let now = meta(&old.value, "resourceVersion");
    if let Some(revision) = preconditions
        .resource_version
        .as_deref()
        .filter(|r| *r != now)
    {
        return Err(conflict(format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record ({now}). The object \
             might have been modified"
        )));
    }
    Ok(())
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` object.
    ///
    /// # Errors
    /// 400 another kind or JSON type · 422 values that do not hold.
    pub fn from_value(body: &Value) -> Result<Self, ApiError> {
        let kind = body["kind"].as_str().unwrap_or("DeleteOptions");
        if kind != "DeleteOptions" {
            let version = body["apiVersion"].as_str().unwrap_or("v1");
            return Err(ApiError::bad_request(format!(
                "expected DeleteOptions, the body is {version} {kind}"
            )));
        }
        let mistyped = |field: &str, wanted: &str| {
            ApiError::bad_request(format!(
                "DeleteOptions cannot be read: {field} must be {wanted}"
            ))
        };
        let text = |value: &Value, field: &str| match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            _ => Err(mistyped(field, "a string")),
        };
        let grace = &body["gracePeriodSeconds"];
        let grace_period_seconds = if grace.is_null() {
            None
        } else {
            Some(
                grace
                    .as_i64()
                    .ok_or_else(|| mistyped("gracePeriodSeconds", "a whole number"))?,
            )
        };
        validate_options(body)?;
        let propagation_policy = propagation(body);
        let preconditions = Preconditions {
            uid: text(&body["preconditions"]["uid"], "preconditions.uid")?,
            resource_version: text(
                &body["preconditions"]["resourceVersion"],
                "preconditions.resourceVersion",
            )?,
        };
        Ok(Self {
            grace_period_seconds,
            preconditions,
            propagation_policy,
        })
    }

    /// Whether a `DeleteOptions` object asks for a dry run.
    ///
    /// # Errors
    /// 422: a stage that there is not.
    pub fn is_dry_run(body: &Value) -> Result<bool, ApiError> {
        let stages = body["dryRun"]
            .as_array()
            .map_or(&[] as &[Value], Vec::as_slice);
        if stages.iter().any(|stage| stage != "All") {
            let field = Path::new("dryRun");
            let error = FieldError::not_supported(&field, Value::Array(stages.to_vec()), &["All"]);
            return Err(ApiError::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                &[error],
            ));
        }
        Ok(!stages.is_empty())
    }
}

/// `ValidateDeleteOptions`.
fn validate_options(body: &Value) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    let (policy, at) = (&body["propagationPolicy"], Path::new("propagationPolicy"));
    if !policy.is_null() && !body["orphanDependents"].is_null() {
        let why = "orphanDependents and deletionPropagation cannot be both set";
        errors.push(FieldError::invalid(&at, policy.clone(), why));
    }
    let known = ["Foreground", "Background", "Orphan", "nil"];
    if !policy.is_null() && !policy.as_str().is_some_and(|one| known[..3].contains(&one)) {
        errors.push(FieldError::not_supported(&at, policy.clone(), &known));
    }
    let field = "ignoreStoreReadErrorWithClusterBreakingPotential";
    if body[field] == true {
        let others = [
            "propagationPolicy",
            "orphanDependents",
            "gracePeriodSeconds",
            "preconditions",
        ];
        for other in others.into_iter().filter(|key| !body[*key].is_null()) {
            let why = format!("cannot be set together with .{other}");
            errors.push(FieldError::invalid(&Path::new(field), true, why));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(
        "meta.k8s.io",
        "DeleteOptions",
        "",
        &errors,
    ))
}

/// `propagationPolicy`, or what the older `orphanDependents` says.
fn propagation(body: &Value) -> Option<String> {
    let orphan = body["orphanDependents"].as_bool();
    let orphan = orphan.map(|orphan| if orphan { "Orphan" } else { "Background" });
    let policy = body["propagationPolicy"].as_str().or(orphan);
    policy.map(str::to_owned)
}
