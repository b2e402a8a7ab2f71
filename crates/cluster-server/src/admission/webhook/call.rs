//! One question to one webhook: the review that goes out and the answer that comes back.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::Value;

use super::super::Request;
use super::Hook;
use super::client::{Client, Endpoint, SendError};
use crate::error::ApiError;

/// What a webhook said.
pub(super) struct Answer {
    /// What the client is to be told, if the request is refused.
    pub(super) refusal: Option<ApiError>,
    /// A JSON patch, undecoded.
    pub(super) patch: Option<Vec<u8>>,
    /// Texts for the client.
    pub(super) warnings: Vec<String>,
    /// For the audit log, keys without the webhook's name.
    pub(super) annotations: BTreeMap<String, String>,
}

/// Why there is no answer. Whether that refuses the request is the webhook's `failurePolicy`.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// The webhook has side effects and the request is a dry run.
    #[error("does not support dry run")]
    DryRun,
    /// It could not be reached.
    #[error("failed to call webhook: {0}")]
    Call(String),
    /// What it sent is no answer to the question.
    #[error("received invalid webhook response: {0}")]
    Invalid(String),
}

/// Asks the webhook about the request, in this version of the resource.
pub(super) async fn ask(
    client: &Client,
    hook: &Hook,
    request: &Request,
    version: &str,
) -> Result<Answer, CallError> {
    let harmless = matches!(
        hook.value["sideEffects"].as_str(),
        Some("None" | "NoneOnDryRun")
    );
    if request.dry_run && !harmless {
        return Err(CallError::DryRun);
    }
    let seconds = hook.value["timeoutSeconds"].as_u64().unwrap_or(10);
    let (endpoint, path) = endpoint(&hook.value["clientConfig"], seconds)?;
    let uid = uuid::Uuid::new_v4().to_string();
    let body = Bytes::from(request.to_review(&uid, version).to_string());
    let described = |why: String| {
        CallError::Call(format!(
            "Post \"https://{}{path}\": {why}",
            endpoint.authority()
        ))
    };
    let sent = tokio::time::timeout(
        Duration::from_secs(seconds),
        client.post(&endpoint, &path, body),
    )
    .await;
    let (status, bytes) = match sent {
        Err(_) => return Err(described("context deadline exceeded".to_owned())),
        Ok(Err(error)) => return Err(transport(error, described)),
        Ok(Ok(reply)) => reply,
    };
    if !(200..300).contains(&status) {
        return Err(CallError::Call(unexpected_status(status, &bytes)));
    }
    let review: Value = serde_json::from_slice(&bytes).map_err(|error| {
        CallError::Call(format!(
            "couldn't get version/kind; json parse error: {error}"
        ))
    })?;
    read(&hook.name, &review, &uid)
}

fn transport(error: SendError, described: impl Fn(String) -> CallError) -> CallError {
    match error {
        SendError::Configuration(why) => CallError::Call(why),
        other => described(other.to_string()),
    }
}

fn unexpected_status(status: u16, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(512)])
        .trim()
        .to_owned();
    match status {
        404 => "the server could not find the requested resource".to_owned(),
        _ if text.is_empty() => {
            "an error on the server (\"unknown\") has prevented the request from succeeding"
                .to_owned()
        }
        _ => format!("an error on the server ({text:?}) has prevented the request from succeeding"),
    }
}

/// Where the webhook listens, and the path with its query.
fn endpoint(config: &Value, seconds: u64) -> Result<(Endpoint, String), CallError> {
    let unusable = |why: &str| CallError::Call(why.to_owned());
    if let Some(service) = config["service"]["name"].as_str() {
        return Err(CallError::Call(format!(
            "service {service:?} not found: this cluster has no Services, give clientConfig.url instead"
        )));
    }
    let url = config["url"]
        .as_str()
        .ok_or_else(|| unusable("clientConfig has no url"))?;
    let uri: http::Uri = url
        .parse()
        .map_err(|_| unusable("clientConfig.url is not a URL"))?;
    let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
    let host = host.ok_or_else(|| unusable("clientConfig.url must be https://host[:port]/path"))?;
    let ca = config["caBundle"].as_str().unwrap_or_default();
    let ca = STANDARD
        .decode(ca)
        .map_err(|_| unusable("clientConfig.caBundle is not base64"))?;
    let endpoint = Endpoint {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: uri.port_u16().unwrap_or(443),
        ca,
    };
    let separator = if uri.query().is_some() { '&' } else { '?' };
    let path = uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    Ok((endpoint, format!("{path}{separator}timeout={seconds}s")))
}

/// Reads an `AdmissionReview` that must answer the review `uid`.
fn read(name: &str, review: &Value, uid: &str) -> Result<Answer, CallError> {
    let invalid = |why: String| CallError::Invalid(why);
    let (version, kind) = (&review["apiVersion"], &review["kind"]);
    if version != "admission.k8s.io/v1" || kind != "AdmissionReview" {
        let shown = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        return Err(invalid(format!(
            "expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {}, Kind={}",
            shown(version),
            shown(kind)
        )));
    }
    let response = &review["response"];
    if !response.is_object() {
        return Err(invalid("webhook response was absent".to_owned()));
    }
    let answered = response["uid"].as_str().unwrap_or_default();
    if answered != uid {
        return Err(invalid(format!(
            "expected response.uid={uid:?}, got {answered:?}"
        )));
    }
    let strings = |value: &Value| {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let annotations = response["auditAnnotations"]
        .as_object()
        .into_iter()
        .flatten();
    Ok(Answer {
        refusal: (response["allowed"] != true).then(|| refusal(name, &response["status"])),
        patch: patch(response)?,
        warnings: strings(&response["warnings"]),
        annotations: annotations
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    })
}

fn patch(response: &Value) -> Result<Option<Vec<u8>>, CallError> {
    let invalid = |why: &str| Err(CallError::Invalid(why.to_owned()));
    let given = response["patch"].as_str().filter(|patch| !patch.is_empty());
    match (given, response["patchType"].as_str()) {
        (None, None) => Ok(None),
        (None, Some(_)) => invalid("webhook returned response.patchType but not response.patch"),
        (Some(_), None) => invalid("webhook returned response.patch but not response.patchType"),
        (Some(patch), Some("JSONPatch")) => match STANDARD.decode(patch) {
            Ok(patch) => Ok(Some(patch)),
            Err(_) => invalid("response.patch is not base64"),
        },
        (Some(_), Some(other)) => Err(CallError::Invalid(format!(
            "invalid webhook response.patchType of {other:?}"
        ))),
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
        read("x.example.com", &review, "u1")
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
