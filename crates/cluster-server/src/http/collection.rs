//! Verbs on a collection: list, watch, create, deletecollection.

use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::handler::{Call, Handler};
use super::negotiate::{self, Form, Include};
use super::respond::{Answer, BoxBody};
use super::{list_query, read, single, stream, subresource, table};
use crate::api::{List, Target};
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::store::Object;

const FORMS: &[Form] = &[
    Form::Object,
    Form::Table(Include::Metadata),
    Form::Partial,
    Form::PartialList,
];

/// Serves a verb on a collection.
pub(super) async fn serve(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let form = negotiate::form(request.headers(), FORMS)?;
    let form = form.including(call.query.get("includeObject"))?;
    let wire = call.wire;
    let warnings = call.context.warnings.clone();
    let resource = call.target.resource.clone();
    let verb = call.attributes.verb.clone();
    // Of one object by its name, as a field selector or an old watch path has it.
    let name = std::mem::take(&mut call.target.name);
    if !resource.allows(&verb) {
        return Err(ApiError::method_not_allowed());
    }
    let answer = match verb.as_str() {
        "list" => {
            let list = handler.api.list(
                &call.target,
                &list_query::list(&call.query, &resource, &name)?,
            )?;
            listed(handler, &resource, &list, form)
        }
        "watch" => return stream::serve(handler, &call, &name, form),
        "create" => create(handler, call, request, form).await?,
        "deletecollection" => {
            let select = list_query::list(&call.query, &resource, &name)?;
            let options = call.delete_options(request).await?;
            let items = handler
                .api
                .delete_collection(&call.context, &call.target, &select, &options)
                .await?;
            listed(
                handler,
                &resource,
                &List {
                    items,
                    revision: handler.api.store.revision(),
                    ..List::default()
                },
                form,
            )
        }
        _ => return Err(ApiError::method_not_allowed()),
    };
    Ok(answer.into_response(&warnings, wire))
}

async fn create(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
    form: Form,
) -> Result<Answer, ApiError> {
    if call.target.resource.namespaced && call.target.namespace.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    call.write_options("CreateOptions")?;
    let media_type = read::media_type(request.headers()).to_owned();
    let bytes = read::bytes(request.into_body()).await?;
    let resource = call.target.resource.clone();
    let body = read::object(&media_type, &bytes, &resource.kind)?;
    if resource.key() == "bindings" {
        return bind(handler, &call, &body.value).await;
    }
    if resource.verbs.len() == 1 && !resource.custom {
        // Reviews are answered and not stored.
        call.context.trail.request_object(&body.value);
        let review =
            crate::reviews::create(&handler.api, &call.context, &call.target, body.value).await?;
        return Ok(Answer::value(201, &review));
    }
    let object = handler
        .api
        .create(&call.context, &call.target, body)
        .await?;
    Ok(single::shown(handler, &resource, &object, 201, form))
}

/// `bindings`, the older way to `pods/binding`: the Pod is named in the body.
async fn bind(handler: &Handler, call: &Call, binding: &Value) -> Result<Answer, ApiError> {
    let pods = handler.api.kinds.resolve("", "v1", "pods");
    let pods = pods.ok_or_else(ApiError::unknown_path)?;
    let name = binding["metadata"]["name"].as_str().unwrap_or_default();
    let pod = Target::object(&pods, &call.target.namespace, name).with_subresource("binding");
    call.context.trail.request_object(binding);
    handler.api.bind(&call.context, &pod, binding).await?;
    Ok(subresource::success())
}

fn listed(handler: &Handler, resource: &Resource, list: &List, form: Form) -> Answer {
    match form {
        Form::Table(include) => Answer::value(
            200,
            &table::of_list(resource, list, include, handler.api.clock.now()),
        ),
        Form::PartialList => {
            let items: Vec<Value> = list
                .items
                .iter()
                .map(|item| table::partial(&item.value))
                .collect();
            let value = json!({
                "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata(list), "items": items,
            });
            Answer::value(200, &value)
        }
        Form::Partial => Answer::from(of_a_list(resource)),
        Form::Object | Form::Discovery => Answer::Json(200, joined(resource, list)),
    }
}

/// 406: one object's metadata is wanted of many.
fn of_a_list(resource: &Resource) -> ApiError {
    let kind = table::go_type(resource, true);
    negotiate::not_acceptable(format!(
        "you requested PartialObjectMetadata, but the requested object is a list ({kind})"
    ))
}

/// `ListMeta`.
pub(super) fn metadata(list: &List) -> Value {
    let mut out = json!({"resourceVersion": list.revision.to_string()});
    if !list.continue_token.is_empty() {
        out["continue"] = list.continue_token.clone().into();
    }
    if let Some(remaining) = list.remaining {
        out["remainingItemCount"] = remaining.into();
    }
    out
}

/// The list as JSON, put together from the texts that the objects keep.
fn joined(resource: &Resource, list: &List) -> Bytes {
    let head = json!({"kind": resource.list_kind, "apiVersion": resource.api_version(), "metadata": metadata(list)}).to_string();
    let mut out = BytesMut::with_capacity(head.len() + 16 + list.items.len() * 2048);
    out.put_slice(head.trim_end_matches('}').as_bytes());
    // `metadata` ends with a brace of its own.
    out.put_slice(b"},\"items\":[");
    for (at, item) in list.items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        put_item(&mut out, resource, item);
    }
    out.put_slice(b"]}");
    out.freeze()
}

/// One item: built-in kinds are not told again in a list, as Go's typed lists do not tell them.
fn put_item(out: &mut BytesMut, resource: &Resource, item: &Object) {
    let json = item.json();
    if resource.custom {
        return out.put_slice(&json);
    }
    let (kind, version) = (&resource.kind, resource.api_version());
    let heads = [
        format!("{{\"apiVersion\":\"{version}\",\"kind\":\"{kind}\","),
        format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\","),
    ];
    if let Some(rest) = heads
        .iter()
        .find_map(|head| json.strip_prefix(head.as_bytes()))
    {
        out.put_u8(b'{');
        return out.put_slice(rest);
    }
    let mut value = item.value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove("apiVersion");
        object.remove("kind");
    }
    out.put_slice(value.to_string().as_bytes());
}
