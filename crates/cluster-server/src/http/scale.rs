//! The `scale` subresource of custom resources.

use http::{Request, Response};
use hyper::body::Incoming;

use super::handler::{Call, Handler};
use super::read;
use super::respond::{Answer, BoxBody};
use crate::api::ScaleChange;
use crate::error::ApiError;

/// Serves a verb on a `Scale`.
pub(super) async fn serve(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let wire = call.wire;
    let media_type = read::media_type(request.headers()).to_owned();
    let object = match call.attributes.verb.as_str() {
        "get" => handler.api.scale(&call.target)?,
        verb @ ("update" | "patch") => {
            let force = call.query.flag("force");
            let bytes = read::bytes(request.into_body()).await?;
            let change = if verb == "patch" {
                call.write_options("PatchOptions")?;
                ScaleChange::Patch(read::patch(&media_type, bytes, force)?)
            } else {
                call.write_options("UpdateOptions")?;
                ScaleChange::Update(read::object(&media_type, &bytes, "Scale")?)
            };
            let api = &handler.api;
            api.change_scale(&call.context, &call.target, change)
                .await?
        }
        _ => return Err(ApiError::method_not_allowed()),
    };
    Ok(Answer::Json(200, object.json()).into_response(&call.context.warnings, wire))
}
