//! Who holds a right, and what gives it to them.

use std::collections::BTreeMap;
use std::fmt;

use k8s_openapi::api::rbac::v1::{
    ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::rules::{Action, allows, by_wildcard};

/// All of a cluster's RBAC, as it stood when it was read.
#[derive(Debug, Clone, Default)]
pub struct Rbac {
    /// Every ClusterRole.
    pub cluster_roles: Vec<ClusterRole>,
    /// Every Role.
    pub roles: Vec<Role>,
    /// Every ClusterRoleBinding.
    pub cluster_role_bindings: Vec<ClusterRoleBinding>,
    /// Every RoleBinding.
    pub role_bindings: Vec<RoleBinding>,
}

/// A subject of bindings, as they name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// A user name.
    User(String),
    /// A group name.
    Group(String),
    /// A service account.
    ServiceAccount {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => write!(f, "User {name}"),
            Self::Group(name) => write!(f, "Group {name}"),
            Self::ServiceAccount { namespace, name } => {
                write!(f, "ServiceAccount {namespace}/{name}")
            }
        }
    }
}

/// One chain that gives a right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Way {
    /// What it allows.
    pub action: Action,
    /// Where: a namespace, or `None` for all of them.
    pub namespace: Option<String>,
    /// `ClusterRoleBinding NAME` or `RoleBinding NAMESPACE/NAME`.
    pub binding: String,
    /// `ClusterRole NAME` or `Role NAMESPACE/NAME`.
    pub role: String,
    /// ClusterRoles out of which the role is aggregated and that have the rule.
    pub aggregated_from: Vec<String>,
    /// A `*` in the rule gives it.
    pub wildcard: bool,
    /// Only on objects of these names; empty: on all.
    pub names: Vec<String>,
}

/// One binding, whichever kind it is of.
pub(crate) struct Binding<'a> {
    pub(crate) title: String,
    pub(crate) namespace: Option<&'a str>,
    pub(crate) role_ref: &'a RoleRef,
    pub(crate) subjects: &'a [Subject],
    pub(crate) built_in: bool,
}

impl Rbac {
    /// Every subject that may do one of `actions` in `namespace` (`None`: anywhere), with each chain that allows it.
    ///
    /// Members of `system:masters` may do everything whatever bindings say; they are not listed.
    pub fn who_can(
        &self,
        actions: &[Action],
        namespace: Option<&str>,
    ) -> BTreeMap<Holder, Vec<Way>> {
        let mut holders: BTreeMap<Holder, Vec<Way>> = BTreeMap::new();
        for binding in self.bindings() {
            let elsewhere = matches!((namespace, binding.namespace), (Some(a), Some(b)) if a != b);
            if elsewhere {
                continue;
            }
            let ways = self.ways(&binding, actions);
            if ways.is_empty() {
                continue;
            }
            for subject in binding.subjects {
                let known = holders
                    .entry(holder(subject, binding.namespace))
                    .or_default();
                known.extend(ways.iter().cloned());
            }
        }
        for ways in holders.values_mut() {
            ways.sort();
            ways.dedup();
        }
        holders
    }

    fn ways(&self, binding: &Binding<'_>, actions: &[Action]) -> Vec<Way> {
        let Some((role, rules)) = self.role(binding) else {
            return Vec::new();
        };
        let mut ways = Vec::new();
        for action in actions {
            // A RoleBinding gives nothing on what lies in no namespace.
            if binding.namespace.is_some() && !action.namespaced {
                continue;
            }
            for rule in rules.iter().filter(|rule| allows(rule, action)) {
                ways.push(Way {
                    action: action.clone(),
                    namespace: binding.namespace.map(ToOwned::to_owned),
                    binding: binding.title.clone(),
                    role: role.clone(),
                    aggregated_from: self.aggregated_from(binding.role_ref, rule),
                    wildcard: by_wildcard(rule, action),
                    names: rule.resource_names.clone().unwrap_or_default(),
                });
            }
        }
        ways
    }

    /// All bindings of both kinds.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = Binding<'_>> {
        let cluster = self.cluster_role_bindings.iter().map(|b| Binding {
            title: format!("ClusterRoleBinding {}", text(b.metadata.name.as_ref())),
            namespace: None,
            role_ref: &b.role_ref,
            subjects: b.subjects.as_deref().unwrap_or_default(),
            built_in: built_in(b.metadata.labels.as_ref()),
        });
        let in_namespaces = self.role_bindings.iter().map(|b| {
            let namespace = text(b.metadata.namespace.as_ref());
            Binding {
                title: format!("RoleBinding {namespace}/{}", text(b.metadata.name.as_ref())),
                namespace: Some(namespace),
                role_ref: &b.role_ref,
                subjects: b.subjects.as_deref().unwrap_or_default(),
                built_in: built_in(b.metadata.labels.as_ref()),
            }
        });
        cluster.chain(in_namespaces)
    }

    /// The role that a binding gives, and its rules; `None` if it is not there.
    pub(crate) fn role(&self, binding: &Binding<'_>) -> Option<(String, &[PolicyRule])> {
        let name = &binding.role_ref.name;
        if binding.role_ref.kind == "ClusterRole" {
            let role = self.cluster_role(name)?;
            return Some((
                format!("ClusterRole {name}"),
                role.rules.as_deref().unwrap_or_default(),
            ));
        }
        let namespace = binding.namespace?;
        let role = self.roles.iter().find(|r| {
            r.metadata.name.as_ref() == Some(name)
                && r.metadata.namespace.as_deref() == Some(namespace)
        })?;
        Some((
            format!("Role {namespace}/{name}"),
            role.rules.as_deref().unwrap_or_default(),
        ))
    }

    fn cluster_role(&self, name: &str) -> Option<&ClusterRole> {
        let mut roles = self.cluster_roles.iter();
        roles.find(|r| r.metadata.name.as_deref() == Some(name))
    }

    /// The ClusterRoles whose labels an aggregation selects and that have this very rule.
    fn aggregated_from(&self, role: &RoleRef, rule: &PolicyRule) -> Vec<String> {
        let selectors = (role.kind == "ClusterRole")
            .then(|| self.cluster_role(&role.name))
            .flatten()
            .and_then(|r| r.aggregation_rule.as_ref()?.cluster_role_selectors.as_ref());
        let Some(selectors) = selectors else {
            return Vec::new();
        };
        let sources = self.cluster_roles.iter().filter(|source| {
            let rules = source.rules.as_deref().unwrap_or_default();
            source.metadata.name.as_ref() != Some(&role.name)
                && rules.contains(rule)
                && selectors.iter().any(|s| selects(s, source))
        });
        sources
            .filter_map(|source| source.metadata.name.clone())
            .collect()
    }
}

/// Whether an aggregation's selector takes a role; `matchExpressions` are rare there and read as "perhaps".
fn selects(selector: &LabelSelector, role: &ClusterRole) -> bool {
    let labels = role.metadata.labels.as_ref();
    let wanted = selector.match_labels.iter().flatten();
    let mut wanted = wanted.map(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value));
    wanted.all(|fits| fits)
}

fn holder(subject: &Subject, namespace: Option<&str>) -> Holder {
    match subject.kind.as_str() {
        "Group" => Holder::Group(subject.name.clone()),
        "ServiceAccount" => Holder::ServiceAccount {
            namespace: subject
                .namespace
                .clone()
                .or_else(|| namespace.map(ToOwned::to_owned))
                .unwrap_or_default(),
            name: subject.name.clone(),
        },
        _ => Holder::User(subject.name.clone()),
    }
}

fn text(name: Option<&String>) -> &str {
    name.map(String::as_str).unwrap_or_default()
}

/// What every cluster has from its first start.
fn built_in(labels: Option<&BTreeMap<String, String>>) -> bool {
    labels.is_some_and(|l| l.contains_key("kubernetes.io/bootstrapping"))
}
