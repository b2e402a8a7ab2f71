//! Plain calls of the API, on raw JSON: nothing that a typed struct does not know is lost on the way.

use http::{Method, Request};
use kube::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Body types of the API's patches.
pub(crate) const STRATEGIC_MERGE: &str = "application/strategic-merge-patch+json";
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const JSON: &str = "application/json";

/// Reads; `None` if the API server says that there is no such object.
pub(crate) async fn get<T: DeserializeOwned>(
    client: &Client,
    path: &str,
) -> Result<Option<T>, kube::Error> {
    match send(client, Method::GET, path, JSON, None).await {
        Ok(found) => Ok(Some(found)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Sends a body, if there is one.
pub(crate) async fn send<T: DeserializeOwned>(
    client: &Client,
    method: Method,
    path: &str,
    content_type: &str,
    body: Option<&Value>,
) -> Result<T, kube::Error> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(http::header::CONTENT_TYPE, content_type)
        .header(http::header::ACCEPT, JSON)
        .body(body.into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request(request).await
}

/// Whether a name can stand in a path as it is: Kubernetes' names can, and whatever cannot is no name.
pub(crate) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':'))
}
