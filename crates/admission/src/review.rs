//! The wire form of `admission.k8s.io/v1 AdmissionReview`, as far as a webhook needs it.
//!
//! Objects stay raw JSON: a field that a typed struct does not know would vanish from what is judged,
//! and come back in what runs.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use session::Person;

/// What the API server asks.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Review {
    /// Names this question; the answer repeats it. Nothing is keyed on it: a retry has another one.
    pub uid: String,
    /// Group, version and resource the request is converted to.
    pub resource: Resource,
    /// `ephemeralcontainers`, `attach`, `status`, …; empty for the object itself.
    #[serde(default)]
    pub sub_resource: String,
    /// The object's name; empty where the server has yet to make one.
    #[serde(default)]
    pub name: String,
    /// The object's namespace; empty for what has none.
    #[serde(default)]
    pub namespace: String,
    /// What is about to happen.
    pub operation: Operation,
    /// Who asks.
    pub user_info: UserInfo,
    /// The object as it would be stored; for CONNECT the options. `Null` on DELETE.
    #[serde(default)]
    pub object: Value,
    /// The object as it is stored; `Null` on CREATE and CONNECT.
    #[serde(default)]
    pub old_object: Value,
    /// Nothing will be stored.
    #[serde(default)]
    pub dry_run: bool,
}

/// A resource of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Resource {
    /// API group; empty for the core.
    #[serde(default)]
    pub group: String,
    /// Plural name.
    pub resource: String,
}

/// What is about to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the API's own words")]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// `authentication.k8s.io/v1 UserInfo`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct UserInfo {
    /// User name.
    #[serde(default)]
    pub username: String,
    /// The authenticator's identifier.
    #[serde(default)]
    pub uid: String,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Further facts.
    #[serde(default)]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// The person that the API server authenticated.
    pub fn person(&self) -> Person {
        Person {
            username: self.username.clone(),
            uid: self.uid.clone(),
            groups: self.groups.iter().cloned().collect(),
            extra: self.extra.clone(),
        }
    }
}

/// Bytes that are no `AdmissionReview` request of version `v1`.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// Not the JSON of one.
    #[error("the body is no AdmissionReview")]
    Json(#[source] serde_json::Error),
    /// Another kind or version.
    #[error("the body is {0}, and this webhook answers admission.k8s.io/v1 AdmissionReview")]
    Kind(String),
    /// An answer, or nothing.
    #[error("the AdmissionReview has no request")]
    NoRequest,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Review>,
}

impl Review {
    /// Reads a request's body.
    pub fn parse(body: &[u8]) -> Result<Self, ReviewError> {
        let envelope: Envelope = serde_json::from_slice(body).map_err(ReviewError::Json)?;
        if envelope.api_version != "admission.k8s.io/v1" || envelope.kind != "AdmissionReview" {
            return Err(ReviewError::Kind(format!(
                "{} {}",
                envelope.api_version, envelope.kind
            )));
        }
        envelope.request.ok_or(ReviewError::NoRequest)
    }

    /// `resource/subresource`, as RBAC rules write it.
    pub fn path(&self) -> String {
        if self.sub_resource.is_empty() {
            return self.resource.resource.clone();
        }
        format!("{}/{}", self.resource.resource, self.sub_resource)
    }
}

/// The answer. There is none that begins as allowed.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It may be.
    Allowed(Allowed),
    /// It may not be.
    Refused(Refused),
}

/// A yes and what goes with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Allowed {
    /// For the audit event; the API server puts the webhook's name in front of each key.
    pub annotations: BTreeMap<&'static str, String>,
    /// JSON patch (RFC 6902) operations; only a mutating webhook may have some.
    pub patch: Vec<Value>,
}

/// A no and what the person is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Which kind of no.
    pub kind: RefusedKind,
    /// What is wrong and what to do.
    pub message: String,
}

/// Which kind of no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedKind {
    /// It is not permitted: asking again changes nothing.
    Forbidden,
    /// What was sent cannot be right.
    Invalid,
    /// It could not be found out or not be recorded: asking again may help.
    Unavailable,
}

impl RefusedKind {
    fn code(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::Invalid => 422,
            Self::Unavailable => 503,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::Forbidden => "Forbidden",
            Self::Invalid => "Invalid",
            Self::Unavailable => "ServiceUnavailable",
        }
    }
}

impl Answer {
    /// Nothing of ours: passed without a word.
    pub fn passed() -> Self {
        Self::Allowed(Allowed::default())
    }

    /// Not permitted.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::refused(RefusedKind::Forbidden, message)
    }

    /// Cannot be right.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::refused(RefusedKind::Invalid, message)
    }

    /// Cannot be known or recorded now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::refused(RefusedKind::Unavailable, message)
    }

    fn refused(kind: RefusedKind, message: impl Into<String>) -> Self {
        Self::Refused(Refused {
            kind,
            message: message.into(),
        })
    }

    /// Whether it is a yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }

    /// The `AdmissionReview` that answers the request with this uid.
    pub fn to_json(&self, uid: &str) -> Value {
        let response = match self {
            Self::Allowed(yes) => {
                let mut response = json!({"uid": uid, "allowed": true});
                if !yes.annotations.is_empty() {
                    response["auditAnnotations"] = json!(yes.annotations);
                }
                if !yes.patch.is_empty() {
                    let patch = Value::from(yes.patch.clone()).to_string();
                    response["patchType"] = "JSONPatch".into();
                    response["patch"] = base64::engine::general_purpose::STANDARD
                        .encode(patch)
                        .into();
                }
                response
            }
            Self::Refused(no) => json!({"uid": uid, "allowed": false, "status": {
                "status": "Failure",
                "code": no.kind.code(),
                "reason": no.kind.reason(),
                "message": no.message,
            }}),
        };
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": response,
        })
    }
}
