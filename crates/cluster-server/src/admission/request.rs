//! What is asked of admission (`admission.Attributes`).

use serde_json::{Value, json};

use crate::audit::Annotations;
use crate::error::ApiError;
use crate::identity::User;

/// What is done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is replaced or patched, whole or through a subresource.
    Update,
    /// It is removed.
    Delete,
    /// Somebody connects to it: exec, attach, port-forward, proxy.
    Connect,
}

impl Operation {
    /// As reviews and rules write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// A kind with its group and version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupVersionKind {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind, for example `Pod` or `PodExecOptions`.
    pub kind: String,
}

/// A resource with its group and version.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupVersionResource {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural, for example `pods`.
    pub resource: String,
}

/// One request on its way through admission.
#[derive(Debug, Clone)]
pub struct Request {
    /// What is done.
    pub operation: Operation,
    /// The kind of `object` (of the options object, for a connect).
    pub kind: GroupVersionKind,
    /// The resource of the path.
    pub resource: GroupVersionResource,
    /// The subresource of the path, or empty.
    pub subresource: String,
    /// Namespace; of a request for a Namespace itself, its name.
    pub namespace: String,
    /// Object name; empty when it is generated later.
    pub name: String,
    /// The object as it would be stored; the options object for a connect; none for a deletion.
    pub object: Option<Value>,
    /// The object as it is stored, for updates and deletions.
    pub old_object: Option<Value>,
    /// `CreateOptions`, `UpdateOptions`, `PatchOptions` or `DeleteOptions` with `apiVersion: meta.k8s.io/v1`.
    pub options: Option<Value>,
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// Who asks.
    pub user: User,
    /// Texts for `Warning: 299` headers, added to by the chain.
    pub warnings: Vec<String>,
    /// Annotations of the audit event, added to by the chain.
    pub annotations: Annotations,
}

impl Request {
    /// 403 about the object of this request (`admission.NewForbidden`).
    pub fn forbidden(&self, why: &str) -> ApiError {
        let name = self.object_name();
        let name = if name.is_empty() { "Unknown!" } else { &name };
        ApiError::forbidden(&self.resource.group, &self.resource.resource, name, why)
    }

    /// The name, from the object where the path has none.
    pub fn object_name(&self) -> String {
        if !self.name.is_empty() {
            return self.name.clone();
        }
        let metadata = self.object.as_ref().map(|object| &object["metadata"]);
        let text = |key: &str| {
            metadata
                .and_then(|m| m[key].as_str())
                .filter(|name| !name.is_empty())
        };
        text("name")
            .or_else(|| text("generateName"))
            .unwrap_or_default()
            .to_owned()
    }

    /// Whether it is about this core resource and subresource.
    pub(super) fn is_core(&self, resource: &str, subresource: &str) -> bool {
        self.resource.group.is_empty()
            && self.resource.resource == resource
            && self.subresource == subresource
    }

    /// Whether it is about the resource of namespaces.
    pub(super) fn is_namespace(&self) -> bool {
        self.resource.group.is_empty() && self.resource.resource == "namespaces"
    }

    /// Fills in what only the object tells: a Namespace is in itself.
    pub(super) fn settle_namespace(&mut self) {
        if self.is_namespace() && self.namespace.is_empty() {
            self.namespace = self.object_name();
        }
    }

    /// An `admission.k8s.io/v1 AdmissionReview` of this request under a review uid of its own, with the object in
    /// `version` of its resource.
    pub(super) fn to_review(&self, uid: &str, version: &str) -> Value {
        let GroupVersionKind { group, kind, .. } = &self.kind;
        let GroupVersionResource {
            group: resource_group,
            resource,
            version: own,
        } = &self.resource;
        // The kind of a connect (`v1/PodExecOptions`) has a version of its own.
        let kind_version = if version == own {
            &self.kind.version
        } else {
            version
        };
        let mut request = json!({
            "uid": uid,
            "kind": {"group": group, "version": kind_version, "kind": kind},
            "resource": {"group": resource_group, "version": version, "resource": resource},
        });
        let set = |request: &mut Value, key: &str, value: &str| {
            if !value.is_empty() {
                request[key] = value.into();
            }
        };
        set(&mut request, "subResource", &self.subresource);
        request["requestKind"] =
            json!({"group": group, "version": self.kind.version, "kind": kind});
        request["requestResource"] =
            json!({"group": resource_group, "version": own, "resource": resource});
        set(&mut request, "requestSubResource", &self.subresource);
        set(&mut request, "name", &self.name);
        set(&mut request, "namespace", &self.namespace);
        request["operation"] = self.operation.as_str().into();
        request["userInfo"] = self.user.to_user_info();
        for (key, object) in [("object", &self.object), ("oldObject", &self.old_object)] {
            request[key] = object.clone().unwrap_or(Value::Null);
            if version != own && request[key].is_object() {
                request[key]["apiVersion"] = format!("{resource_group}/{version}").into();
            }
        }
        request["dryRun"] = self.dry_run.into();
        request["options"] = self.options.clone().unwrap_or(Value::Null);
        json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request})
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::authz::Authorizer;
    use crate::store::Store;

    /// A connect to a subresource, as tests of admission want it.
    pub(in crate::admission) fn connect(
        resource: &str,
        subresource: &str,
        namespace: &str,
    ) -> Request {
        Request {
            operation: Operation::Connect,
            kind: GroupVersionKind {
                version: "v1".into(),
                kind: "PodExecOptions".into(),
                ..Default::default()
            },
            resource: GroupVersionResource {
                version: "v1".into(),
                resource: resource.into(),
                ..Default::default()
            },
            subresource: subresource.into(),
            namespace: namespace.into(),
            name: "p".into(),
            object: Some(json!({"kind": "PodExecOptions", "container": "debug-1"})),
            old_object: None,
            options: None,
            dry_run: false,
            user: User {
                name: "alice".into(),
                ..User::default()
            },
            warnings: Vec::new(),
            annotations: Annotations::default(),
        }
    }

    /// An authorizer that knows no roles, over a store in `directory`.
    pub(in crate::admission) fn lonely_authorizer(directory: &std::path::Path) -> Arc<Authorizer> {
        let store = Store::open(&directory.join("store.db")).expect("a store");
        Arc::new(Authorizer::new(store))
    }
}
