//! ClusterRoles made of others: their rules follow the roles that their selectors find
//! (`pkg/controller/clusterroleaggregation`).

use std::sync::Arc;

use serde_json::Value;

use super::CLUSTER_ROLES;
use crate::admission::selector;
use crate::store::{Store, StoreError};

/// Sets the rules of aggregated roles among `roles` until nothing changes; the answer is who changed.
pub(super) fn settle(roles: &mut [Value]) -> Vec<usize> {
    let mut changed = Vec::new();
    // `view` feeds `edit` feeds `admin`: each round carries rules one step further.
    for _ in 0..roles.len() {
        let mut moved = false;
        for index in 0..roles.len() {
            let Some(rules) = collected(roles, index) else {
                continue;
            };
            if roles[index]["rules"] != rules {
                roles[index]["rules"] = rules;
                moved = true;
                if !changed.contains(&index) {
                    changed.push(index);
                }
            }
        }
        if !moved {
            break;
        }
    }
    changed
}

fn collected(roles: &[Value], index: usize) -> Option<Value> {
    let selectors = roles[index]["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let mut rules: Vec<Value> = Vec::new();
    for wanted in selectors {
        let parts = roles.iter().enumerate().filter(|(other, role)| {
            *other != index && selector::matches_labels(wanted, &role["metadata"]["labels"])
        });
        for rule in parts.flat_map(|(_, role)| role["rules"].as_array().into_iter().flatten()) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    Some(if rules.is_empty() {
        Value::Null
    } else {
        rules.into()
    })
}

/// Brings the stored aggregated roles up to date once.
pub async fn aggregate_once(store: &Store) -> Result<(), StoreError> {
    let stored = store.list(CLUSTER_ROLES, None).0;
    let mut roles: Vec<Value> = stored.iter().map(|role| role.value.clone()).collect();
    for index in settle(&mut roles) {
        let name = roles[index]["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        match store
            .update(
                CLUSTER_ROLES,
                "",
                &name,
                stored[index].revision,
                roles[index].clone(),
            )
            .await
        {
            // Somebody else wrote: their change wakes the loop again.
            Ok(_) | Err(StoreError::Conflict | StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Keeps aggregated roles up to date until the store closes.
pub async fn run(store: Arc<Store>) -> Result<(), StoreError> {
    loop {
        let from = store.revision();
        aggregate_once(&store).await?;
        let mut watch = store.watch(CLUSTER_ROLES, from)?;
        loop {
            match watch.next().await {
                Ok(_) => aggregate_once(&store).await?,
                Err(StoreError::Expired { .. }) => break,
                Err(error) => return Err(error),
            }
        }
    }
}
