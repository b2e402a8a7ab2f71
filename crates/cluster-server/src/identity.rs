//! Who sends a request, and what the request is: the values that authentication, authorization,
//! admission and audit hand to each other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An authenticated user (`k8s.io/apiserver/pkg/authentication/user.Info`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The user name, for example `alice` or `system:serviceaccount:ns:name`.
    pub name: String,
    /// The authenticator's stable identifier of the user; may be empty.
    pub uid: String,
    /// Group names, `system:authenticated` among them.
    pub groups: Vec<String>,
    /// Further facts that the authenticator knows.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// `authentication.k8s.io/v1 UserInfo`, with empty fields left out.
    pub fn to_user_info(&self) -> Value {
        let mut out = json!({"username": self.name});
        if !self.uid.is_empty() {
            out["uid"] = self.uid.clone().into();
        }
        if !self.groups.is_empty() {
            out["groups"] = self.groups.clone().into();
        }
        if !self.extra.is_empty() {
            out["extra"] = json!(self.extra);
        }
        out
    }
}

/// A resource or kind with its group and version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GroupVersion {
    /// API group; empty for the core group.
    pub group: String,
    /// API version, for example `v1`.
    pub version: String,
}

/// What a request wants, before anything is known of its object (`authorizer.Attributes`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attributes {
    /// Kubernetes' verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; lower-case HTTP method for non-resource paths.
    pub verb: String,
    /// API group of the resource.
    pub group: String,
    /// API version of the resource.
    pub version: String,
    /// Plural resource name; empty for a non-resource path.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Object name, or empty.
    pub name: String,
    /// The path, for non-resource requests.
    pub path: String,
}

impl Attributes {
    /// Whether the request is about a resource, not a bare path.
    pub fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }
}
