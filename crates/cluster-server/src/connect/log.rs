//! `pods/log`: the node's answer, passed on as it arrives.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;

use super::options::{Query, log_query};
use super::{container, node};
use crate::api::{Api, Target};
use crate::error::ApiError;
use crate::http::{BoxBody, empty};

/// The most of a node's refusal that is read.
const REFUSAL_LIMIT: usize = 50_000;

pub(super) async fn serve(
    api: &Api,
    target: &Target,
    request: &Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let query = Query::parse(request.uri());
    let node_query = log_query(&query, &target.name)?;
    let pod = node::pod(api, &target.namespace, &target.name)?;
    let container = container::choose(&pod, &target.name, query.get("container"))?;
    let Some(node) = container::node_name(&pod) else {
        let mut nothing = Response::new(empty());
        *nothing.status_mut() = StatusCode::NO_CONTENT;
        return Ok(nothing);
    };
    let place = node::Place::of(api, node)?;
    let path = format!(
        "/containerLogs/{}/{}/{container}?{node_query}",
        target.namespace, target.name
    );
    let asked = place
        .request(Method::GET, &path)
        .body(Empty::<Bytes>::new())
        .map_err(ApiError::internal)?;
    let answer = place.send(&api.pki, asked).await?;
    let code = answer.status().as_u16();
    if code != 200 {
        let text = Limited::new(answer.into_body(), REFUSAL_LIMIT)
            .collect()
            .await;
        let text = text
            .map(|text| String::from_utf8_lossy(&text.to_bytes()).into_owned())
            .unwrap_or_default();
        return Err(node::refusal(code, &text, "pods/log", &target.name));
    }
    let body = answer
        .into_body()
        .map_err(std::io::Error::other)
        .boxed_unsync();
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("text/plain"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-cache, private"),
    );
    Ok(response)
}
