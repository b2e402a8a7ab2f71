//! Questions to the API server itself, answered and not stored: who am I, may somebody do that, whose token is this,
//! and a new token for a service account.
//!
//! Source: `pkg/registry/{authorization,authentication}` and `pkg/registry/core/serviceaccount/storage/token.go`.

mod access;
mod token;

use serde_json::{Value, json};

use crate::api::{Api, Context, Target};
use crate::error::ApiError;

/// Answers a review (or a `serviceaccounts/token` request) that was posted to `target`.
pub async fn create(
    api: &Api,
    ctx: &Context,
    target: &Target,
    body: Value,
) -> Result<Value, ApiError> {
    if target.subresource == "token" {
        return token::request(api, ctx, target, body).await;
    }
    let mut review = (target.resource.decode)(body)?.object;
    without_empty(&mut review);
    match target.resource.kind.as_str() {
        "SelfSubjectReview" => review["status"] = json!({"userInfo": ctx.user.to_user_info()}),
        "TokenReview" => token::review(api, &mut review)?,
        kind => access::answer(api, ctx, target, kind, &mut review)?,
    }
    Ok(shaped(&review))
}

/// Drops empty strings and empty objects below `spec`, as Go's `omitempty` does.
fn without_empty(review: &mut Value) {
    fn prune(value: &mut Value) {
        if let Some(fields) = value.as_object_mut() {
            fields.values_mut().for_each(prune);
            fields.retain(|_, value| *value != "" && !value.is_null());
        }
    }
    prune(&mut review["spec"]);
}

/// The fields in the order and with the ones that Kubernetes always writes.
fn shaped(review: &Value) -> Value {
    let mut out =
        json!({"kind": review["kind"], "apiVersion": review["apiVersion"], "metadata": {}});
    if let Some(metadata) = review["metadata"]
        .as_object()
        .filter(|metadata| !metadata.is_empty())
    {
        out["metadata"] = metadata.clone().into();
    }
    for key in ["spec", "status"] {
        if let Some(value) = review.get(key).filter(|value| !value.is_null()) {
            out[key] = value.clone();
        }
    }
    out
}
