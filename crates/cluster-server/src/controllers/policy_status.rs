//! The status of ValidatingAdmissionPolicies: which generation was looked at, and what its expressions would stumble
//! over (`pkg/controller/validatingadmissionpolicystatus`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::Follow;
use crate::admission::policy::{POLICIES, type_check};
use crate::api::{Api, Context, Target};

/// Follows the policies.
pub(super) async fn run(api: Arc<Api>) {
    let ctx = Context::system("validatingadmissionpolicy-status-controller");
    let mut policies = Follow::new(&api.store, POLICIES);
    while let Some(seen) = policies.next().await {
        let policy = &seen.object.value;
        let generation = &policy["metadata"]["generation"];
        if seen.gone || policy["status"]["observedGeneration"] == *generation {
            continue;
        }
        let mut status = policy["status"].clone();
        let warnings = type_check::warnings(&api.kinds, policy);
        status["observedGeneration"] = generation.clone();
        status["typeChecking"] = if warnings.is_empty() {
            json!({})
        } else {
            json!({"expressionWarnings": warnings})
        };
        write(&api, &ctx, policy, status).await;
    }
}

async fn write(api: &Api, ctx: &Context, policy: &Value, status: Value) {
    let Some(resource) = api.kinds.by_key(POLICIES) else {
        return;
    };
    let mut value = policy.clone();
    value["status"] = status;
    let name = policy["metadata"]["name"].as_str().unwrap_or_default();
    let target = Target::object(&resource, "", name).with_subresource("status");
    // One that was written meanwhile is seen again.
    if let Err(error) = api.update(ctx, &target, value).await
        && !matches!(error.code, 404 | 409)
    {
        tracing::warn!(%error, name, "cannot write the policy's status");
    }
}
