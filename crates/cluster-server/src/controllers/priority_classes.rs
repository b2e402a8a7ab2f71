//! The two PriorityClasses that every cluster has (`pkg/apis/scheduling/v1`, `SystemPriorityClasses`).

use std::sync::Arc;

use serde_json::json;

use super::namespaces::unless_there;
use crate::api::{Api, Context, Target};
use crate::error::ApiError;

const KEY: &str = "priorityclasses.scheduling.k8s.io";
const USER: &str = "system:apiserver";

/// Name, value and description.
const SYSTEM: [(&str, i64, &str); 2] = [
    (
        "system-node-critical",
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
    (
        "system-cluster-critical",
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
];

/// Makes those that are not there.
pub(super) async fn ensure(api: &Arc<Api>) -> Result<(), ApiError> {
    let ctx = Context::system(USER);
    let resource = super::namespaces::resource(api, KEY)?;
    for (name, value, description) in SYSTEM {
        if api.store.get(KEY, "", name).is_some() {
            continue;
        }
        let body = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": description,
        });
        let target = Target::collection(&resource, "");
        unless_there(api.create(&ctx, &target, body).await)?;
    }
    Ok(())
}
