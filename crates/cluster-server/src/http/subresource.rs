//! Subresources: those that store into the object, those that are an act of their own, and those that connect.

use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use super::handler::{Call, Handler};
use super::respond::{Answer, BoxBody};
use super::{read, single};
use crate::api::{Context, Evicted, Target};
use crate::error::ApiError;

/// Serves a request to a subresource.
pub(super) async fn serve(
    handler: &Handler,
    call: Call,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let resource = call.target.resource.key();
    let verb = call.attributes.verb.clone();
    match (resource.as_str(), call.target.subresource.as_str()) {
        ("pods", "log") if verb == "get" => connect(handler, &call, request).await,
        ("pods", "exec" | "attach" | "portforward")
            if matches!(verb.as_str(), "get" | "create") =>
        {
            connect(handler, &call, request).await
        }
        ("pods", "binding" | "eviction") | ("serviceaccounts", "token") if verb == "create" => {
            act(handler, call, request).await
        }
        ("pods", "log" | "exec" | "attach" | "portforward" | "binding" | "eviction")
        | ("serviceaccounts", "token") => Err(ApiError::method_not_allowed()),
        (_, "scale") if call.target.resource.scale.is_some() => {
            super::scale::serve(handler, call, request).await
        }
        (_, subresource)
            if call
                .target
                .resource
                .subresources
                .iter()
                .any(|s| s == subresource) =>
        {
            single::serve(handler, call, request).await
        }
        _ if call.target.resource.custom => {
            let target = &call.target;
            let (group, plural) = (&target.resource.group, &target.resource.plural);
            Err(ApiError::not_found(group, plural, &target.name))
        }
        _ => Err(ApiError::unknown_path()),
    }
}

async fn connect(
    handler: &Handler,
    call: &Call,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    crate::connect::serve(&handler.api, &call.context, &call.target, request).await
}

/// A `POST` that does something rather than storing what it carries.
async fn act(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    call.write_options("CreateOptions")?;
    let wire = call.wire;
    let media_type = read::media_type(request.headers()).to_owned();
    let bytes = read::bytes(request.into_body()).await?;
    let kind = match call.target.subresource.as_str() {
        "binding" => "Binding",
        "eviction" => "Eviction",
        _ => "TokenRequest",
    };
    let body = read::object(&media_type, &bytes, kind)?.value;
    call.context.trail.request_object(&body);
    let (ctx, target): (&Context, &Target) = (&call.context, &call.target);
    let answer = match kind {
        "Binding" => {
            handler.api.bind(ctx, target, &body).await?;
            success()
        }
        "Eviction" => match handler.api.evict(ctx, target, &body).await? {
            Evicted::Deleted => success(),
            Evicted::Unanswerable(status) => Answer::value(201, &status),
        },
        _ => Answer::value(
            201,
            &crate::reviews::create(&handler.api, ctx, target, body).await?,
        ),
    };
    Ok(answer.into_response(&call.context.warnings, wire))
}

pub(super) fn success() -> Answer {
    Answer::value(
        201,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}
