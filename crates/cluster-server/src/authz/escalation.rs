//! Nobody grants what they do not hold, unless they may `escalate` or `bind`.
//!
//! Asked after mutating admission and before validation. Source: `pkg/registry/rbac/{role,rolebinding,…}/policybased`.

use serde_json::Value;

use super::rules::{self, Rule, quoted};
use super::{Authorizer, CLUSTER_ROLES, GROUP, ROLES, aggregate, is_master};
use crate::error::ApiError;
use crate::identity::{Attributes, User};

/// A write to a Role, ClusterRole or one of their bindings.
#[derive(Debug, Clone, Copy)]
pub struct Grant<'a> {
    /// Who writes.
    pub user: &'a User,
    /// Plural of the kind.
    pub resource: &'a str,
    /// Namespace, or empty.
    pub namespace: &'a str,
    /// The name in the URL: none for a create.
    pub name: &'a str,
    /// What is to be stored.
    pub object: &'a Value,
    /// What is stored.
    pub old: Option<&'a Value>,
}

/// `Ok` if the write may go on.
pub(super) fn check(authorizer: &Authorizer, grant: Grant<'_>) -> Result<(), ApiError> {
    if is_master(grant.user) {
        return Ok(());
    }
    match grant.resource {
        "roles" | "clusterroles" => role(authorizer, grant),
        "rolebindings" | "clusterrolebindings" => binding(authorizer, grant),
        _ => Ok(()),
    }
}

fn role(authorizer: &Authorizer, grant: Grant<'_>) -> Result<(), ApiError> {
    if may(authorizer, grant, "escalate", grant.resource, grant.name) || grant.is_upkeep() {
        return Ok(());
    }
    confirm(authorizer, grant, &rules::of(grant.object)).map_err(|why| grant.refuse(&why))?;
    let aggregates = |role: &Value| role.get("aggregationRule").is_some_and(Value::is_object);
    if aggregates(grant.object) || grant.old.is_some_and(aggregates) {
        // Such a role may come to hold anything, so its author must hold everything.
        let everything = [Rule::everything(), Rule::every_path()];
        let words = "must have cluster-admin privileges to use an aggregationRule";
        confirm(authorizer, grant, &everything).map_err(|_| grant.refuse(words))?;
    }
    Ok(())
}

fn binding(authorizer: &Authorizer, grant: Grant<'_>) -> Result<(), ApiError> {
    if grant.is_upkeep() {
        return Ok(());
    }
    let reference = &grant.object["roleRef"];
    let name = reference["name"].as_str().unwrap_or_default();
    let plural = match reference["kind"].as_str() {
        Some("ClusterRole") => "clusterroles",
        Some("Role") => "roles",
        other => {
            let kind = other.unwrap_or_default();
            return Err(ApiError::internal(format!(
                "unsupported role reference kind: {kind:?}"
            )));
        }
    };
    if may(authorizer, grant, "bind", plural, name) {
        return Ok(());
    }
    let rules = referenced(authorizer, plural, grant.namespace, name)?;
    confirm(authorizer, grant, &rules).map_err(|why| grant.refuse(&why))
}

impl Grant<'_> {
    /// Whether only what garbage collection keeps changes: owners and finalizers (`IsOnlyMutatingGCFields`).
    fn is_upkeep(&self) -> bool {
        let bare = |object: &Value| {
            let mut object = object.clone();
            if let Some(metadata) = object["metadata"].as_object_mut() {
                for field in [
                    "ownerReferences",
                    "finalizers",
                    "managedFields",
                    "resourceVersion",
                ] {
                    metadata.remove(field);
                }
            }
            object
        };
        self.old.is_some_and(|old| bare(old) == bare(self.object))
    }

    fn refuse(&self, why: &str) -> ApiError {
        let name = self.object["metadata"]["name"].as_str().unwrap_or_default();
        ApiError::forbidden(GROUP, self.resource, name, why)
    }
}

fn may(authorizer: &Authorizer, grant: Grant<'_>, verb: &str, resource: &str, name: &str) -> bool {
    let attributes = Attributes {
        verb: verb.to_owned(),
        group: GROUP.to_owned(),
        version: "*".to_owned(),
        resource: resource.to_owned(),
        namespace: grant.namespace.to_owned(),
        name: name.to_owned(),
        ..Attributes::default()
    };
    authorizer.authorize(grant.user, &attributes).allowed
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

/// The error is the text of what the writer does not hold.
fn confirm(authorizer: &Authorizer, grant: Grant<'_>, granted: &[Rule]) -> Result<(), String> {
    let user = grant.user;
    let (held, errors) = authorizer.rules(user, grant.namespace);
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
    let mut text = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        quoted(&user.groups),
        lines.join("\n")
    );
    if let Some(errors) = aggregate(&errors) {
        text = format!("{text}; resolution errors: [{errors}]");
    }
    Err(text)
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
