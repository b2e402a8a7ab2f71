//! Connecting to a Pod's containers: `log`, `exec`, `attach` (`pkg/registry/core/pod/rest`).
//!
//! What the API server does here: admission of the connection, the second authorization, choosing the
//! container and the node. The bytes are between the client and the node: a WebSocket is passed on untouched
//! (KEP-4006, `ExtendWebSocketsToKubelet`).

mod container;
mod log;
mod node;
mod options;
mod stream;

use http::{Request, Response};
use hyper::body::Incoming;

use crate::api::{Api, Context, Target};
use crate::error::ApiError;
use crate::http::BoxBody;

pub use node::CLIENT_NAME;

/// Serves `pods/{name}/{log,exec,attach,portforward}`. The verb itself has been authorized.
///
/// # Errors
/// What the request, admission, the second authorization or the node refuses.
pub async fn serve(
    api: &Api,
    ctx: &Context,
    target: &Target,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    match target.subresource.as_str() {
        "log" => log::serve(api, target, &request).await,
        "exec" => stream::serve(api, ctx, target, options::Kind::Exec, request).await,
        "attach" => stream::serve(api, ctx, target, options::Kind::Attach, request).await,
        _ => stream::refuse_port_forward(api, ctx, target, &request).await,
    }
}
