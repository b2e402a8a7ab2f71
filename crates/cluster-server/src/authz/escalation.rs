//! Nobody grants what they do not hold, unless they may `escalate` or `bind`.
//!
//! Source: `pkg/registry/rbac/{role,rolebinding,…}/policybased`.

use serde_json::Value;

use super::rules::{self, Rule, quoted};
use super::{Authorizer, CLUSTER_ROLES, GROUP, ROLES, is_master};
use crate::error::ApiError;
use crate::identity::{Attributes, User};

/// `Ok` if `user` may store `object` over `old`; `resource` is the plural of an RBAC kind.
pub(super) fn check(
    authorizer: &Authorizer,
    user: &User,
    resource: &str,
    namespace: &str,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    if is_master(user) {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let granted = match resource {
        "roles" | "clusterroles" => {
            let unchanged = |key: &str| old.is_some_and(|old| old[key] == object[key]);
            if unchanged("rules") && unchanged("aggregationRule") {
                return Ok(());
            }
            if may(authorizer, user, "escalate", resource, namespace, name) {
                return Ok(());
            }
            if object.get("aggregationRule").is_some_and(Value::is_object) {
                confirm_aggregation(authorizer, user, namespace, name, resource)?;
            }
            rules::of(object)
        }
        "rolebindings" | "clusterrolebindings" => {
            let unchanged = |key: &str| old.is_some_and(|old| old[key] == object[key]);
            if unchanged("subjects") && unchanged("roleRef") {
                return Ok(());
            }
            let reference = &object["roleRef"];
            let role = reference["name"].as_str().unwrap_or_default();
            let plural = if reference["kind"] == "ClusterRole" {
                "clusterroles"
            } else {
                "roles"
            };
            if may(authorizer, user, "bind", plural, namespace, role) {
                return Ok(());
            }
            referenced(authorizer, plural, namespace, role)?
        }
        _ => return Ok(()),
    };
    confirm(authorizer, user, namespace, &granted)
        .map_err(|why| ApiError::forbidden(GROUP, resource, name, &why))
}

fn may(
    authorizer: &Authorizer,
    user: &User,
    verb: &str,
    resource: &str,
    namespace: &str,
    name: &str,
) -> bool {
    let attributes = Attributes {
        verb: verb.to_owned(),
        group: GROUP.to_owned(),
        version: "*".to_owned(),
        resource: resource.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    authorizer.authorize(user, &attributes).allowed
}

/// A role that aggregates others may come to hold anything, so its author must hold everything.
fn confirm_aggregation(
    authorizer: &Authorizer,
    user: &User,
    namespace: &str,
    name: &str,
    resource: &str,
) -> Result<(), ApiError> {
    let everything = [Rule::everything(), Rule::every_path()];
    confirm(authorizer, user, namespace, &everything).map_err(|_| {
        let why = "must have cluster-admin privileges to use an aggregationRule";
        ApiError::forbidden(GROUP, resource, name, why)
    })
}

fn referenced(
    authorizer: &Authorizer,
    plural: &str,
    namespace: &str,
    name: &str,
) -> Result<Vec<Rule>, ApiError> {
    let (key, scope) = if plural == "clusterroles" {
        (CLUSTER_ROLES, "")
    } else {
        (ROLES, namespace)
    };
    let role = authorizer
        .store
        .get(key, scope, name)
        .ok_or_else(|| ApiError::not_found(GROUP, plural, name))?;
    Ok(rules::of(&role.value))
}

/// The error is the text of what `user` does not hold.
fn confirm(
    authorizer: &Authorizer,
    user: &User,
    namespace: &str,
    granted: &[Rule],
) -> Result<(), String> {
    let held = authorizer.rules(user, namespace);
    let wanted = granted.iter().flat_map(Rule::broken_down);
    let missing: Vec<Rule> = wanted
        .filter(|rule| !held.iter().any(|own| own.covers(rule)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = merged(missing).iter().map(Rule::compact).collect();
    lines.sort();
    lines.dedup();
    Err(format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        quoted(&user.groups),
        lines.join("\n")
    ))
}

/// Rules that differ only in their verb, put together again (`CompactRules`).
fn merged(rules: Vec<Rule>) -> Vec<Rule> {
    let mut out: Vec<Rule> = Vec::new();
    for rule in rules {
        let same = out.iter_mut().find(|one| {
            one.groups == rule.groups
                && one.resources == rule.resources
                && one.names == rule.names
                && one.paths == rule.paths
                && rule.paths.is_empty()
        });
        match same {
            Some(one) => one.verbs.extend(rule.verbs),
            None => out.push(rule),
        }
    }
    out
}
