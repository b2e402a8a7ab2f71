//! May this user do that? Role-based access control over the stored RBAC objects, the node authorizer,
//! and the all-powerful group `system:masters`, as `kube-apiserver --authorization-mode=Node,RBAC`.
//!
//! **Invariant:** absent, unreadable or dangling means no.

mod aggregation;
mod bootstrap;
mod escalation;
mod impersonation;
mod node;
mod reconcile;
mod rules;

use std::sync::Arc;

use serde_json::Value;

pub use aggregation::{aggregate_once, run as run_aggregation};
pub use bootstrap::{cluster_role_bindings, cluster_roles};
pub use escalation::Grant;
pub use impersonation::{Impersonated, impersonate};
pub(crate) use node::name_of as node_name;
pub use reconcile::ensure;
pub use rules::Rule;

use crate::error::ApiError;
use crate::identity::{Attributes, User};
use crate::store::Store;

/// The group of RBAC objects.
pub const GROUP: &str = "rbac.authorization.k8s.io";
const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const CLUSTER_ROLE_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";
const ROLES: &str = "roles.rbac.authorization.k8s.io";
const ROLE_BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";

/// The answer, and what it rests on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// As access reviews print it, for example `RBAC: allowed by RoleBinding "r/ns" of Role "r" to User "alice"`.
    pub reason: String,
}

/// Answers from the RBAC objects as they are in the store at the moment of the question.
pub struct Authorizer {
    store: Arc<Store>,
}

/// A binding that names the user, with the role it points at.
struct Granted {
    rules: Vec<Rule>,
    description: String,
}

impl Authorizer {
    /// An authorizer over the RBAC objects of `store`.
    pub fn new(store: Arc<Store>) -> Self {
        Self { store }
    }

    /// Whether `user` may do what `attributes` say.
    pub fn authorize(&self, user: &User, attributes: &Attributes) -> Decision {
        if is_master(user) {
            return Decision {
                allowed: true,
                reason: String::new(),
            };
        }
        let (mut notes, mut node_note) = (Vec::new(), None);
        if let Some(node) = node::name_of(user) {
            match node::authorize(&self.store, node, attributes) {
                Ok(()) => {
                    return Decision {
                        allowed: true,
                        reason: String::new(),
                    };
                }
                Err(why) => node_note = why,
            }
        }
        let mut allowed = None;
        self.visit(user, &attributes.namespace, &mut notes, |grant| {
            let holds = grant.rules.iter().any(|rule| rule.allows(attributes));
            if holds {
                allowed = Some(format!("RBAC: allowed by {}", grant.description));
            }
            holds
        });
        match allowed {
            Some(reason) => Decision {
                allowed: true,
                reason,
            },
            None => Decision {
                allowed: false,
                reason: denial(node_note, &notes),
            },
        }
    }

    /// `Ok` if allowed, else the 403 that Kubernetes answers.
    pub fn require(&self, user: &User, attributes: &Attributes) -> Result<(), ApiError> {
        let decision = self.authorize(user, attributes);
        if decision.allowed {
            Ok(())
        } else {
            Err(forbidden(user, attributes, &decision.reason))
        }
    }

    /// All rules that roles give `user` in `namespace` (cluster-wide ones included), and what was in the way of finding more.
    pub fn rules(&self, user: &User, namespace: &str) -> (Vec<Rule>, Vec<String>) {
        let (mut all, mut errors) = (Vec::new(), Vec::new());
        self.visit(user, namespace, &mut errors, |grant| {
            all.extend(grant.rules.iter().cloned());
            false
        });
        (all, errors)
    }

    /// Refuses a write to an RBAC object that would grant more than its author holds.
    pub fn check_escalation(&self, grant: escalation::Grant<'_>) -> Result<(), ApiError> {
        escalation::check(self, grant)
    }

    /// Walks the grants of `user` until `stop` says so; roles that are not there are noted.
    fn visit(
        &self,
        user: &User,
        namespace: &str,
        notes: &mut Vec<String>,
        mut stop: impl FnMut(&Granted) -> bool,
    ) {
        let mut scopes = vec![(CLUSTER_ROLE_BINDINGS, "")];
        if !namespace.is_empty() {
            scopes.push((ROLE_BINDINGS, namespace));
        }
        for (resource, scope) in scopes {
            let within = (!scope.is_empty()).then_some(scope);
            for binding in self.store.list(resource, within).0 {
                let Some(subject) = subject_of(user, &binding.value, scope) else {
                    continue;
                };
                let reference = &binding.value["roleRef"];
                match self.role_rules(reference, scope) {
                    Ok(rules) => {
                        let description = describe(&binding.value, scope, reference, &subject);
                        if stop(&Granted { rules, description }) {
                            return;
                        }
                    }
                    Err(missing) => notes.push(missing),
                }
            }
        }
    }

    /// The rules of the role that `reference` names, or the text that it is not there.
    fn role_rules(&self, reference: &Value, namespace: &str) -> Result<Vec<Rule>, String> {
        let name = reference["name"].as_str().unwrap_or_default();
        let (role, kind) = match reference["kind"].as_str() {
            Some("Role") if !namespace.is_empty() => {
                (self.store.get(ROLES, namespace, name), "role")
            }
            Some("ClusterRole") => (self.store.get(CLUSTER_ROLES, "", name), "clusterrole"),
            _ => (None, "role"),
        };
        role.map(|role| rules::of(&role.value))
            .ok_or_else(|| format!("{kind}.{GROUP} {name:?} not found"))
    }
}

/// The 403 for a request that authorization refused (`responsewriters.Forbidden`).
pub fn forbidden(user: &User, attributes: &Attributes, reason: &str) -> ApiError {
    let mut why = sanitized(&describe_request(user, attributes));
    if !reason.is_empty() {
        why = format!("{why}: {reason}");
    }
    if attributes.is_resource() {
        ApiError::forbidden(
            &attributes.group,
            &attributes.resource,
            &attributes.name,
            &why,
        )
    } else {
        ApiError {
            details: Some(serde_json::json!({})),
            ..ApiError::new(403, "Forbidden", format!("forbidden: {why}"))
        }
    }
}

fn describe_request(user: &User, attributes: &Attributes) -> String {
    let Attributes {
        verb,
        group,
        resource,
        subresource,
        namespace,
        path,
        ..
    } = attributes;
    let name = &user.name;
    if !attributes.is_resource() {
        return format!("User {name:?} cannot {verb} path {path:?}");
    }
    let resource = if subresource.is_empty() {
        resource.clone()
    } else {
        format!("{resource}/{subresource}")
    };
    let scope = if namespace.is_empty() {
        "at the cluster scope".to_owned()
    } else {
        format!("in the namespace {namespace:?}")
    };
    format!("User {name:?} cannot {verb} resource {resource:?} in API group {group:?} {scope}")
}

/// Kubernetes escapes what a browser could take for markup.
fn sanitized(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn is_master(user: &User) -> bool {
    user.groups.iter().any(|group| group == "system:masters")
}

/// What stands behind a no: the authorizers' reasons, one a line.
fn denial(node: Option<String>, errors: &[String]) -> String {
    let roles = aggregate(errors).map(|errors| format!("RBAC: {errors}"));
    let reasons: Vec<String> = node.into_iter().chain(roles).collect();
    reasons.join("\n")
}

/// Several errors as one text, each once (`utilerrors.NewAggregate`).
pub(crate) fn aggregate(errors: &[String]) -> Option<String> {
    let mut texts: Vec<&str> = Vec::new();
    for text in errors {
        if !texts.contains(&text.as_str()) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => None,
        [one] => Some((*one).to_owned()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// The subject of `binding` that is this user, described; `scope` is the binding's namespace.
fn subject_of(user: &User, binding: &Value, scope: &str) -> Option<String> {
    binding["subjects"].as_array()?.iter().find_map(|subject| {
        let name = subject["name"].as_str()?;
        match subject["kind"].as_str()? {
            "User" => (user.name == name).then(|| format!("User {name:?}")),
            "Group" => user
                .groups
                .iter()
                .any(|group| group == name)
                .then(|| format!("Group {name:?}")),
            "ServiceAccount" => {
                let namespace = subject["namespace"]
                    .as_str()
                    .filter(|n| !n.is_empty())
                    .unwrap_or(scope);
                let matches = !namespace.is_empty()
                    && user.name == format!("system:serviceaccount:{namespace}:{name}");
                matches.then(|| format!("ServiceAccount {:?}", format!("{name}/{namespace}")))
            }
            _ => None,
        }
    })
}

fn describe(binding: &Value, scope: &str, reference: &Value, subject: &str) -> String {
    let name = binding["metadata"]["name"].as_str().unwrap_or_default();
    let role = reference["name"].as_str().unwrap_or_default();
    let kind = reference["kind"].as_str().unwrap_or_default();
    if scope.is_empty() {
        format!("ClusterRoleBinding {name:?} of {kind} {role:?} to {subject}")
    } else {
        format!(
            "RoleBinding {:?} of {kind} {role:?} to {subject}",
            format!("{name}/{scope}")
        )
    }
}
