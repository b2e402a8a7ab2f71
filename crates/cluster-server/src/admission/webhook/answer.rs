//! What a webhook answered: the review that came back, and the words of a refusal.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::call::CallError;
use super::patch::Patch;
use crate::error::ApiError;

/// The version of reviews that is spoken where the webhook reads it.
pub(super) const REVIEW: &str = "admission.k8s.io/v1";

/// Which kind of webhook is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    /// It may change the object.
    Mutating,
    /// It may only refuse.
    Validating,
}

/// What a webhook said.
pub(super) struct Answer {
    /// What the client is to be told, if the request is refused.
    pub(super) refusal: Option<ApiError>,
    /// What it wants changed.
    pub(super) patch: Option<Patch>,
    /// Texts for the client.
    pub(super) warnings: Vec<String>,
    /// For the audit log, keys without the webhook's name.
    pub(super) annotations: BTreeMap<String, String>,
}

/// Reads an `AdmissionReview` that must answer the review `uid` (`VerifyAdmissionResponse`). Of the old version neither
/// that nor the type of a patch is asked.
pub(super) fn read(
    name: &str,
    review: &Value,
    uid: &str,
    asked: &str,
    half: Half,
) -> Result<Answer, CallError> {
    let invalid = |why: String| CallError::Invalid(why);
    let response = &review["response"];
    if !response.is_object() {
        return Err(invalid("webhook response was absent".to_owned()));
    }
    let is_current = asked == REVIEW;
    if is_current {
        let answered = response["uid"].as_str().unwrap_or_default();
        if answered != uid {
            return Err(invalid(format!(
                "expected response.uid={uid:?}, got {answered:?}"
            )));
        }
        let text = |field: &str| review[field].as_str().unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version != REVIEW || kind != "AdmissionReview" {
            let version = if version.contains('/') {
                version.to_owned()
            } else {
                format!("/{version}")
            };
            return Err(invalid(format!(
                "expected webhook response of {REVIEW}, Kind=AdmissionReview, got {version}, Kind={kind}"
            )));
        }
    }
    let strings = |value: &Value| {
        let list = value.as_array().into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let annotations = response["auditAnnotations"]
        .as_object()
        .into_iter()
        .flatten();
    let patch = match half {
        Half::Mutating => patch(response, is_current)?,
        Half::Validating => unwanted_patch(response, is_current)?,
    };
    Ok(Answer {
        refusal: (response["allowed"] != true).then(|| refusal(name, &response["status"])),
        patch,
        warnings: strings(&response["warnings"]),
        annotations: annotations
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    })
}

/// A validating webhook changes nothing.
fn unwanted_patch(response: &Value, is_current: bool) -> Result<Option<Patch>, CallError> {
    for field in ["patch", "patchType"] {
        let given = response[field].as_str();
        if is_current && given.is_some_and(|given| field == "patchType" || !given.is_empty()) {
            let why = format!("validating webhook may not return response.{field}");
            return Err(CallError::Invalid(why));
        }
    }
    Ok(None)
}

fn patch(response: &Value, is_current: bool) -> Result<Option<Patch>, CallError> {
    let invalid = |why: &str| Err(CallError::Invalid(why.to_owned()));
    let given = response["patch"].as_str().filter(|patch| !patch.is_empty());
    let patch_type = response["patchType"].as_str();
    let patch = match (given, patch_type) {
        (None, None) => return Ok(None),
        (None, Some(_)) if !is_current => return Ok(None),
        (Some(_), None) if is_current => {
            return invalid("webhook returned response.patch but not response.patchType");
        }
        (None, Some(_)) => {
            return invalid("webhook returned response.patchType but not response.patch");
        }
        (Some(_), Some("")) if is_current => {
            return invalid("webhook returned invalid response.patchType of \"\"");
        }
        (Some(patch), _) => patch,
    };
    let bytes = STANDARD.decode(patch).map_err(|error| {
        CallError::Call(format!("illegal base64 data in response.patch: {error}"))
    })?;
    let patch = Patch::parse(&bytes).map_err(CallError::Patch)?;
    match patch_type.filter(|given| is_current && *given != "JSONPatch") {
        Some(other) if response["allowed"] == true && !patch.is_empty() => {
            Err(CallError::PatchType(other.to_owned()))
        }
        _ => Ok(Some(patch)),
    }
}

/// The error of a refusal: the webhook's own status, never below 400 (`webhookerrors.ToStatusErr`).
fn refusal(name: &str, status: &Value) -> ApiError {
    let denied = format!("admission webhook {name:?} denied the request");
    let text = |key: &str| status[key].as_str().filter(|text| !text.is_empty());
    let message = match (text("message"), text("reason")) {
        (Some(message), _) => format!("{denied}: {message}"),
        (None, Some(reason)) => format!("{denied}: {reason}"),
        (None, None) => format!("{denied} without explanation"),
    };
    let code = status["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code));
    let details = status
        .get("details")
        .filter(|details| details.is_object())
        .cloned();
    ApiError {
        details,
        ..ApiError::new(code.unwrap_or(400), known_reason(text("reason")), message)
    }
}

/// The reason as one of those that Kubernetes defines; another one is left out.
fn known_reason(reason: Option<&str>) -> &'static str {
    const REASONS: [&str; 20] = [
        "Unauthorized",
        "Forbidden",
        "NotFound",
        "AlreadyExists",
        "Conflict",
        "Gone",
        "Invalid",
        "ServerTimeout",
        "StoreReadError",
        "Timeout",
        "TooManyRequests",
        "BadRequest",
        "MethodNotAllowed",
        "NotAcceptable",
        "RequestEntityTooLarge",
        "UnsupportedMediaType",
        "InternalError",
        "Expired",
        "ServiceUnavailable",
        "ResourceVersionTooLarge",
    ];
    reason
        .and_then(|reason| REASONS.into_iter().find(|known| *known == reason))
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(response: &Value) -> Result<Answer, CallError> {
        let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
        read("x.example.com", &review, "u1", REVIEW, Half::Mutating)
    }

    fn check_refusal(response: &Value, code: u16, message: &str) {
        let refusal = answer(response)
            .ok()
            .and_then(|answer| answer.refusal)
            .expect("a refusal");
        assert_eq!((refusal.code, refusal.message.as_str()), (code, message));
    }

    #[test]
    fn refusals_read_as_kubernetes_prints_them() {
        check_refusal(
            &json!({"uid": "u1", "allowed": false, "status": {"code": 403, "message": "no grant", "reason": "Forbidden"}}),
            403,
            "admission webhook \"x.example.com\" denied the request: no grant",
        );
        check_refusal(
            &json!({"uid": "u1"}),
            400,
            "admission webhook \"x.example.com\" denied the request without explanation",
        );
        check_refusal(
            &json!({"uid": "u1", "allowed": false, "status": {"code": 200, "reason": "Expired"}}),
            400,
            "admission webhook \"x.example.com\" denied the request: Expired",
        );
    }

    #[test]
    fn only_a_true_answers_yes() {
        for allowed in [json!("true"), json!(1), json!(null)] {
            assert!(
                answer(&json!({"uid": "u1", "allowed": allowed}))
                    .is_ok_and(|answer| answer.refusal.is_some())
            );
        }
        assert!(
            answer(&json!({"uid": "u1", "allowed": true}))
                .is_ok_and(|answer| answer.refusal.is_none())
        );
    }

    #[test]
    fn an_answer_to_another_question_is_none() {
        let error = answer(&json!({"uid": "u2", "allowed": true}))
            .err()
            .map(|error| error.to_string());
        assert_eq!(
            error.as_deref(),
            Some("received invalid webhook response: expected response.uid=\"u1\", got \"u2\"")
        );
    }
}
