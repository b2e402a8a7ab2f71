//! `pods/exec` and `pods/attach`: judged here, then the WebSocket is the client's and the node's.

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use super::options::{self, Kind, Query, node_query};
use super::{container, node};
use crate::admission::{GroupVersionKind, GroupVersionResource, Operation, Request as Review};
use crate::api::{Api, Context, Target};
use crate::audit::Trail;
use crate::error::ApiError;
use crate::http::{BoxBody, empty, full};
use crate::identity::Attributes;

const REFUSAL_LIMIT: usize = 50_000;

/// Bytes copied at a time in each direction.
const BUFFER: usize = 64 * 1024;

/// Flow: admission with the options object, the second authorization of a WebSocket, container and node,
/// then the upgrade of both legs. Nothing is answered 101 before the node has agreed.
pub(super) async fn serve(
    api: &Api,
    ctx: &Context,
    target: &Target,
    kind: Kind,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let query = Query::parse(request.uri());
    let options = admit(
        api,
        ctx,
        target,
        kind.options(),
        options::object(kind, &query),
        &query,
    )
    .await?;
    authorize_create(api, ctx, target, request.headers())?;
    let pod = node::pod(api, &target.namespace, &target.name)?;
    let wanted = options["container"].as_str().unwrap_or_default();
    let container = container::choose(&pod, &target.name, wanted)?;
    let Some(node) = container::node_name(&pod) else {
        return Err(ApiError::bad_request(format!(
            "pod {} does not have a host assigned",
            target.name
        )));
    };
    let place = node::Place::of(api, node)?;
    if !request.headers().contains_key(header::UPGRADE) {
        return Err(ApiError::bad_request("Upgrade request required"));
    }
    let (namespace, name) = (&target.namespace, &target.name);
    let path = format!(
        "/{}/{namespace}/{name}/{container}?{}",
        kind.verb(),
        node_query(&options)
    );
    let mut asked = place.request(Method::GET, &path);
    if let Some(headers) = asked.headers_mut() {
        headers.extend(upgrade_headers(request.headers()));
    }
    let asked = asked
        .body(Empty::<Bytes>::new())
        .map_err(ApiError::internal)?;
    let answer = place.send(&api.pki, asked).await?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        Ok(join(request, answer, ctx.trail.clone()))
    } else {
        refusal(answer).await
    }
}

/// Port forwarding is judged as any connection, and then said not to be there.
pub(super) async fn refuse_port_forward(
    api: &Api,
    ctx: &Context,
    target: &Target,
    request: &Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let options = json!({"kind": "PodPortForwardOptions", "apiVersion": "v1"});
    let query = Query::parse(request.uri());
    admit(api, ctx, target, "PodPortForwardOptions", options, &query).await?;
    let message = "port-forward is not available on this cluster: use kubectl exec, or kubectl debug with an image \
        that has the client you need";
    Err(ApiError::bad_request(message))
}

/// Runs admission of the connection; the options as admission leaves them.
async fn admit(
    api: &Api,
    ctx: &Context,
    target: &Target,
    kind: &str,
    object: Value,
    query: &Query,
) -> Result<Value, ApiError> {
    if ctx.dry_run || query.has("dryRun") {
        return Err(ApiError::bad_request("dryRun is not supported"));
    }
    let (group, version) = (String::new(), "v1".to_owned());
    let mut review = Review {
        operation: Operation::Connect,
        kind: GroupVersionKind {
            group: group.clone(),
            version: version.clone(),
            kind: kind.to_owned(),
        },
        resource: GroupVersionResource {
            group,
            version,
            resource: "pods".to_owned(),
        },
        subresource: target.subresource.clone(),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        object: Some(object),
        old_object: None,
        options: None,
        dry_run: false,
        user: ctx.user.clone(),
        warnings: Vec::new(),
        annotations: ctx.annotations.clone(),
    };
    let mut judged = api.admission.mutate(&mut review).await;
    if judged.is_ok() {
        judged = api.admission.validate(&mut review).await;
    }
    ctx.take_from(&mut review);
    judged?;
    Ok(review.object.unwrap_or_default())
}

/// A WebSocket comes as GET, and must be allowed as `create` too (EC-Z-04).
fn authorize_create(
    api: &Api,
    ctx: &Context,
    target: &Target,
    headers: &HeaderMap,
) -> Result<(), ApiError> {
    let upgrade = headers
        .get(header::UPGRADE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case("websocket") {
        return Ok(());
    }
    let decision = api.authorizer.authorize(
        &ctx.user,
        &Attributes {
            verb: "create".to_owned(),
            version: "v1".to_owned(),
            resource: "pods".to_owned(),
            subresource: target.subresource.clone(),
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            ..Attributes::default()
        },
    );
    if decision.allowed {
        Ok(())
    } else {
        Err(ApiError::forbidden(
            "",
            "pods",
            &target.name,
            &decision.reason,
        ))
    }
}

/// The headers that make an upgrade; credentials of the client are not the node's business.
fn upgrade_headers(headers: &HeaderMap) -> HeaderMap {
    let is_upgrade = |name: &header::HeaderName| {
        *name == header::CONNECTION
            || *name == header::UPGRADE
            || name.as_str().starts_with("sec-websocket-")
            || name.as_str().starts_with("x-stream-protocol")
    };
    let bearer = |value: &str| {
        value
            .split(',')
            .map(str::trim)
            .filter(|p| !p.starts_with("base64url.bearer."))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let mut out = HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| is_upgrade(name)) {
        let clean = value
            .to_str()
            .map(bearer)
            .ok()
            .and_then(|text| header::HeaderValue::try_from(text).ok());
        out.append(name.clone(), clean.unwrap_or_else(|| value.clone()));
    }
    out
}

/// Both legs as one connection, in both directions, until either side ends.
///
/// The audit event is complete when nothing more can be copied: that is what `trail` waits for.
fn join(
    mut request: Request<Incoming>,
    mut answer: Response<Incoming>,
    trail: Trail,
) -> Response<BoxBody> {
    let client = hyper::upgrade::on(&mut request);
    let node = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let (client, node) = match tokio::try_join!(client, node) {
            Ok(legs) => legs,
            Err(error) => return tracing::debug!(%error, "a connection was not handed over"),
        };
        let (mut client, mut node) = (TokioIo::new(client), TokioIo::new(node));
        let copied =
            tokio::io::copy_bidirectional_with_sizes(&mut client, &mut node, BUFFER, BUFFER).await;
        if let Err(error) = copied {
            tracing::debug!(%error, "a stream was cut");
        }
        drop(trail);
    });
    let mut response = Response::new(empty());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *response.headers_mut() = upgrade_headers(answer.headers());
    response
}

/// The node said no. A 400 is put as a `Status`, anything else goes as it came.
async fn refusal(answer: Response<Incoming>) -> Result<Response<BoxBody>, ApiError> {
    let status = answer.status();
    let text = Limited::new(answer.into_body(), REFUSAL_LIMIT)
        .collect()
        .await;
    let text = text
        .map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned())
        .unwrap_or_default();
    if status == StatusCode::BAD_REQUEST {
        return Err(ApiError::bad_request(text));
    }
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    Ok(response)
}
