//! What a request that cannot be served is answered: a `metav1.Status` of `Failure`.
//!
//! Source: `k8s.io/apimachinery/pkg/api/errors`. One constructor per reason, with Kubernetes' words.

use serde_json::{Map, Value, json};

use crate::field::FieldError;

/// A failed request as the client reads it: HTTP code, machine-readable reason, message, details.
///
/// Callers return it as it is; only [`crate`]'s HTTP layer turns it into bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The HTTP status code, repeated in the body.
    pub code: u16,
    /// `metav1.StatusReason`, for example `NotFound`; empty where Kubernetes leaves it out.
    pub reason: &'static str,
    /// What a person reads.
    pub message: String,
    /// `metav1.StatusDetails` (name, group, kind, uid, causes, retryAfterSeconds), if any.
    pub details: Option<Value>,
}

/// Among the details, where `metadata.continue` waits: `StatusDetails` has no such field, and the error stays small.
const CONTINUE: &str = "continue";

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// `details` with only what is not empty, as Go's `omitempty` writes it.
fn details(name: &str, group: &str, kind: &str) -> Value {
    let mut out = Map::new();
    for (key, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            out.insert(key.into(), value.into());
        }
    }
    Value::Object(out)
}

/// `pods` or `deployments.apps`: a resource with its group, as `schema.GroupResource` prints it.
fn qualified(resource: &str, group: &str) -> String {
    if group.is_empty() {
        resource.to_owned()
    } else {
        format!("{resource}.{group}")
    }
}

impl ApiError {
    /// An error with this code, reason and message and no details.
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    /// 404: no such object of `resource`.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {name:?} not found", qualified(resource, group));
        Self {
            details: Some(details(name, group, resource)),
            ..Self::new(404, "NotFound", message)
        }
    }

    /// 404 of a path that names no resource at all.
    pub fn unknown_path() -> Self {
        let message = "the server could not find the requested resource";
        Self {
            details: Some(json!({})),
            ..Self::new(404, "NotFound", message)
        }
    }

    /// 409: an object of this name is already there.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", qualified(resource, group));
        Self {
            details: Some(details(name, group, resource)),
            ..Self::new(409, "AlreadyExists", message)
        }
    }

    /// 409: the write lost against another one; `why` ends the sentence.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} {name:?}: {why}",
            qualified(resource, group)
        );
        Self {
            details: Some(details(name, group, resource)),
            ..Self::new(409, "Conflict", message)
        }
    }

    /// 409 of a stale `resourceVersion`.
    pub fn modified(group: &str, resource: &str, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(group, resource, name, why)
    }

    /// 403: understood and refused; `why` ends the sentence.
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        let message = if name.is_empty() {
            format!("{} is forbidden: {why}", qualified(resource, group))
        } else {
            format!(
                "{} {name:?} is forbidden: {why}",
                qualified(resource, group)
            )
        };
        Self {
            details: Some(details(name, group, resource)),
            ..Self::new(403, "Forbidden", message)
        }
    }

    /// 422: one or more fields of an object of `kind` do not hold.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let qualified_kind = qualified(kind, group);
        let message = match errors {
            [one] => format!("{qualified_kind} {name:?} is invalid: {one}"),
            many => {
                // `utilerrors.Aggregate` prints each text once.
                let mut texts: Vec<String> = Vec::new();
                for text in many.iter().map(ToString::to_string) {
                    if !texts.contains(&text) {
                        texts.push(text);
                    }
                }
                match texts.as_slice() {
                    [] => format!("{qualified_kind} {name:?} is invalid"),
                    [one] => format!("{qualified_kind} {name:?} is invalid: {one}"),
                    texts => format!(
                        "{qualified_kind} {name:?} is invalid: [{}]",
                        texts.join(", ")
                    ),
                }
            }
        };
        let mut details = details(name, group, kind);
        if !errors.is_empty() {
            details["causes"] = errors.iter().map(FieldError::cause).collect();
        }
        Self {
            details: Some(details),
            ..Self::new(422, "Invalid", message)
        }
    }

    /// 400: the request itself makes no sense.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: no acceptable credential.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 405: the resource does not have this verb.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self {
            details: Some(json!({})),
            ..Self::new(405, "MethodNotAllowed", message)
        }
    }

    /// 410: the `resourceVersion` or continue token is from before what is remembered.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 410 of a page whose state is forgotten; `token` goes on with the present.
    pub fn expired_page(message: impl Into<String>, token: &str) -> Self {
        Self {
            details: Some(json!({CONTINUE: token})),
            ..Self::expired(message)
        }
    }

    /// 504: a revision that no write has had yet (`NewTooLargeResourceVersionError`).
    pub fn future_revision(wanted: u64, current: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {wanted}, current: {current}");
        let cause =
            json!({"reason": "ResourceVersionTooLarge", "message": "Too large resource version"});
        Self {
            details: Some(json!({"causes": [cause], "retryAfterSeconds": 1})),
            ..Self::new(504, "Timeout", message)
        }
    }

    /// 413: the body is larger than the server takes (3 MiB).
    pub fn too_large(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// 500: something behind the request failed.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let message = format!("Internal error occurred: {cause}");
        let details = json!({"causes": [{"message": cause.to_string()}]});
        Self {
            details: Some(details),
            ..Self::new(500, "InternalError", message)
        }
    }

    /// The `metav1.Status` object.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        match &self.details {
            Some(details) if !details[CONTINUE].is_null() => {
                status["metadata"] = json!({"continue": details[CONTINUE]});
            }
            Some(details) => status["details"] = details.clone(),
            None => {}
        }
        status["code"] = self.code.into();
        status
    }
}
