//! One question to one webhook: the review that goes out and the answer that comes back.

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::super::{Chain, Request};
use super::Hook;
use super::answer::{Answer, Half, REVIEW, read};
use super::client::SendError;
use super::target::Target;

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
    /// Its patch cannot be read.
    #[error("received undecodable patch in webhook response: {0}")]
    Patch(String),
    /// Its patch is of a type that nobody knows.
    #[error("unsupported patch type {0:?}")]
    PatchType(String),
}

/// Asks the webhook about the request, in this version of the resource.
pub(super) async fn ask(
    chain: &Chain,
    hook: &Hook,
    request: &Request,
    version: &str,
    half: Half,
) -> Result<Answer, CallError> {
    let harmless = matches!(
        hook.value["sideEffects"].as_str(),
        Some("None" | "NoneOnDryRun")
    );
    if request.dry_run && !harmless {
        return Err(CallError::DryRun);
    }
    let seconds = hook.value["timeoutSeconds"].as_u64().unwrap_or(10);
    let target = Target::of(&hook.value["clientConfig"], seconds)?;
    let review_version = review_version(hook);
    let uid = uuid::Uuid::new_v4().to_string();
    let mut review = request.to_review(&uid, version);
    review["apiVersion"] = review_version.into();
    let body = Bytes::from(review.to_string());
    let described = |why: String| {
        CallError::Call(format!(
            "Post \"https://{}{}\": {why}",
            target.authority, target.path
        ))
    };
    let endpoint = target.endpoint(chain).map_err(&described)?;
    let sent = tokio::time::timeout(
        Duration::from_secs(seconds),
        chain.webhooks.post(&endpoint, &target.path, body),
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
    read(&hook.name, &review, &uid, review_version, half)
}

/// The first version of reviews that the webhook reads and that is spoken here.
fn review_version(hook: &Hook) -> &'static str {
    let versions = hook.value["admissionReviewVersions"]
        .as_array()
        .into_iter()
        .flatten();
    let mut known = versions.filter_map(|version| match version.as_str() {
        Some("v1") => Some(REVIEW),
        Some("v1beta1") => Some("admission.k8s.io/v1beta1"),
        _ => None,
    });
    known.next().unwrap_or(REVIEW)
}

fn transport(error: SendError, described: impl Fn(String) -> CallError) -> CallError {
    match error {
        SendError::Configuration(why) => CallError::Call(why),
        other => described(other.to_string()),
    }
}

/// What a status says that is no success (`NewGenericServerResponse`). Redirects are not followed: they would lead
/// the request's object to wherever the answer says.
fn unexpected_status(status: u16, body: &[u8]) -> String {
    if let Ok(told) = serde_json::from_slice::<Value>(body)
        && told["kind"] == "Status"
        && let Some(message) = told["message"]
            .as_str()
            .filter(|message| !message.is_empty())
    {
        return message.to_owned();
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(2048)])
        .trim()
        .to_owned();
    let text = if text.is_empty() {
        "unknown".to_owned()
    } else {
        text
    };
    match status {
        400 => "the server rejected our request for an unknown reason",
        401 => "the server has asked for the client to provide credentials",
        404 => "the server could not find the requested resource",
        405 => "the server does not allow this method on the requested resource",
        406 if text == "unknown" => {
            "the server was unable to respond with a content type that the client supports"
        }
        403 | 406 | 415 => return text,
        409 => "the server reported a conflict",
        422 => "the server rejected our request due to an error in our request",
        429 => "the server has received too many requests and has asked us to try again later",
        503 => "the server is currently unable to handle the request",
        504 => "the server was unable to return a response in the time allotted, but may still be processing the request",
        500.. => return format!("an error on the server ({text:?}) has prevented the request from succeeding"),
        _ => {
            return format!(
                "the server responded with the status code {status} but did not return more information"
            );
        }
    }
    .to_owned()
}
