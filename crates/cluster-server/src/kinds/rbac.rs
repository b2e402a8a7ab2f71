//! Roles and bindings (`pkg/apis/rbac`). Escalation is checked at authorization, not here.

use serde_json::{Value, json};

use super::Strategy;
use crate::field::{FieldError, Path};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What is particular to Roles, or to ClusterRoles.
pub struct RoleStrategy {
    namespaced: bool,
}

/// The strategy of Roles.
pub static ROLE: RoleStrategy = RoleStrategy { namespaced: true };

/// The strategy of ClusterRoles.
pub static CLUSTER_ROLE: RoleStrategy = RoleStrategy { namespaced: false };

/// What is particular to RoleBindings, or to ClusterRoleBindings.
pub struct BindingStrategy {
    namespaced: bool,
}

/// The strategy of RoleBindings.
pub static ROLE_BINDING: BindingStrategy = BindingStrategy { namespaced: true };

/// The strategy of ClusterRoleBindings.
pub static CLUSTER_ROLE_BINDING: BindingStrategy = BindingStrategy { namespaced: false };

fn count(rule: &Value, field: &str) -> usize {
    rule[field].as_array().map_or(0, Vec::len)
}

impl Strategy for RoleStrategy {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let path = Path::new("rules");
        let mut out = Vec::new();
        for (at, rule) in object["rules"].as_array().into_iter().flatten().enumerate() {
            let path = path.index(at);
            if count(rule, "verbs") == 0 {
                out.push(FieldError::required(
                    &path.child("verbs"),
                    "verbs must contain at least one value",
                ));
            }
            if count(rule, "nonResourceURLs") > 0 {
                let field = path.child("nonResourceURLs");
                let value = rule["nonResourceURLs"].clone();
                if self.namespaced {
                    let detail = "namespaced rules cannot apply to non-resource URLs";
                    out.push(FieldError::invalid(&field, value.clone(), detail));
                }
                if count(rule, "apiGroups")
                    + count(rule, "resources")
                    + count(rule, "resourceNames")
                    > 0
                {
                    let detail =
                        "rules cannot apply to both regular resources and non-resource URLs";
                    out.push(FieldError::invalid(&field, value, detail));
                }
                continue;
            }
            if count(rule, "apiGroups") == 0 {
                out.push(FieldError::required(
                    &path.child("apiGroups"),
                    "resource rules must supply at least one api group",
                ));
            }
            if count(rule, "resources") == 0 {
                out.push(FieldError::required(
                    &path.child("resources"),
                    "resource rules must supply at least one resource",
                ));
            }
        }
        let rule = &object["aggregationRule"];
        if !self.namespaced && rule.is_object() && count(rule, "clusterRoleSelectors") == 0 {
            out.push(FieldError::required(
                &Path::new("aggregationRule.clusterRoleSelectors"),
                "at least one clusterRoleSelector required if aggregationRule is non-nil",
            ));
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

impl Strategy for BindingStrategy {
    fn default(&self, object: &mut Value) {
        if object["roleRef"].is_object()
            && object["roleRef"]["apiGroup"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        {
            object["roleRef"]["apiGroup"] = GROUP.into();
        }
        for subject in object
            .get_mut("subjects")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let person = matches!(subject["kind"].as_str(), Some("User" | "Group"));
            if person && subject["apiGroup"].as_str().unwrap_or_default().is_empty() {
                subject["apiGroup"] = GROUP.into();
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let path = Path::new("roleRef");
        let text =
            |value: &Value, field: &str| value[field].as_str().unwrap_or_default().to_owned();
        let role = &object["roleRef"];
        let mut out = Vec::new();
        if text(role, "apiGroup") != GROUP {
            out.push(FieldError::not_supported(
                &path.child("apiGroup"),
                text(role, "apiGroup"),
                &[GROUP],
            ));
        }
        let kinds: &[&str] = if self.namespaced {
            &["Role", "ClusterRole"]
        } else {
            &["ClusterRole"]
        };
        if !kinds.contains(&text(role, "kind").as_str()) {
            out.push(FieldError::not_supported(
                &path.child("kind"),
                text(role, "kind"),
                kinds,
            ));
        }
        if text(role, "name").is_empty() {
            out.push(FieldError::required(&path.child("name"), ""));
        } else {
            let name = text(role, "name");
            let complaints = super::names::path_segment(&name);
            out.extend(
                complaints
                    .into_iter()
                    .map(|c| FieldError::invalid(&path.child("name"), name.as_str(), c)),
            );
        }
        for (at, subject) in object["subjects"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            out.extend(self.subject(subject, &Path::new("subjects").index(at)));
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut out = self.validate_create(new);
        if new["roleRef"] != old["roleRef"] {
            // Printed as the Go struct: capital names.
            let role = &new["roleRef"];
            let printed =
                json!({"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]});
            out.push(FieldError::invalid(
                &Path::new("roleRef"),
                printed,
                "cannot change roleRef",
            ));
        }
        out
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

impl BindingStrategy {
    fn subject(&self, subject: &Value, path: &Path) -> Vec<FieldError> {
        let text = |field: &str| subject[field].as_str().unwrap_or_default();
        let mut out = Vec::new();
        if text("name").is_empty() {
            out.push(FieldError::required(&path.child("name"), ""));
        }
        match text("kind") {
            "ServiceAccount" => {
                let complaints = super::names::dns_subdomain(text("name"));
                if !text("name").is_empty() {
                    out.extend(
                        complaints
                            .into_iter()
                            .map(|c| FieldError::invalid(&path.child("name"), text("name"), c)),
                    );
                }
                out.extend(group_fault(text("apiGroup"), "", path));
                if text("namespace").is_empty() && !self.namespaced {
                    out.push(FieldError::required(&path.child("namespace"), ""));
                }
            }
            "User" | "Group" => out.extend(group_fault(text("apiGroup"), GROUP, path)),
            other => out.push(FieldError::not_supported(
                &path.child("kind"),
                other,
                &["ServiceAccount", "User", "Group"],
            )),
        }
        out
    }
}

fn group_fault(actual: &str, wanted: &str, path: &Path) -> Option<FieldError> {
    let at = path.child("apiGroup");
    (actual != wanted).then(|| FieldError::not_supported(&at, actual, &[wanted]))
}
