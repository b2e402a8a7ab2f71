//! Verbs on one object: get, update, patch, delete.

use http::{Request, Response};
use hyper::body::Incoming;
use serde_json::json;

use super::handler::{Call, Handler};
use super::list_query;
use super::negotiate::{self, Form, Include};
use super::read;
use super::respond::{Answer, BoxBody};
use super::table;
use crate::api::{DeleteOptions, PatchType, Updated};
use crate::error::ApiError;
use crate::field::{Fault, FieldError, Path};
use crate::kinds::Resource;
use crate::store::Object;

const FORMS: &[Form] = &[
    Form::Object,
    Form::Table(Include::Metadata),
    Form::Partial,
    Form::PartialList,
];
/// Subresources have no columns.
const WITHOUT_TABLE: &[Form] = &[Form::Object, Form::Partial, Form::PartialList];

/// Serves a verb on an object, or on a subresource that stores into it.
pub(super) async fn serve(
    handler: &Handler,
    call: Call,
    request: Request<Incoming>,
) -> Result<Response<BoxBody>, ApiError> {
    let forms = if call.target.subresource.is_empty() {
        FORMS
    } else {
        WITHOUT_TABLE
    };
    let form = negotiate::form(request.headers(), forms)?;
    let form = form.including(call.query.get("includeObject"))?;
    let wire = call.wire;
    let warnings = call.context.warnings.clone();
    let verb = call.attributes.verb.as_str();
    let allowed = call.target.resource.allows(verb);
    let answer = match verb {
        _ if !allowed => Err(ApiError::method_not_allowed()),
        "get" => {
            not_of_the_future(handler, call.query.get("resourceVersion"))?;
            let object = handler.api.get(&call.target)?;
            Ok(shown(handler, &call.target.resource, &object, 200, form))
        }
        "update" => update(handler, call, request, form).await,
        "patch" => patch(handler, call, request, form).await,
        "delete" if call.target.subresource.is_empty() => {
            delete(handler, call, request, form).await
        }
        _ => Err(ApiError::method_not_allowed()),
    };
    Ok(answer?.into_response(&warnings, wire))
}

/// A revision in a get: the object must have been looked at since, which it always is here.
fn not_of_the_future(handler: &Handler, revision: Option<&str>) -> Result<(), ApiError> {
    let revision = list_query::parse_revision(revision.unwrap_or_default());
    // Kubernetes does not take this for the client's fault.
    let revision = revision.map_err(|why| ApiError::new(500, "", why))?;
    let current = handler.api.store.revision();
    if revision > current {
        return Err(ApiError::future_revision(revision, current));
    }
    Ok(())
}

/// An object in the form that was asked for.
pub(super) fn shown(
    handler: &Handler,
    resource: &Resource,
    object: &Object,
    code: u16,
    form: Form,
) -> Answer {
    match form {
        Form::Table(include) => Answer::value(
            code,
            &table::of_one(resource, object, include, handler.api.clock.now()),
        ),
        Form::Partial => Answer::value(code, &table::partial(&object.value)),
        Form::PartialList => {
            let kind = table::go_type(resource, false);
            Answer::from(negotiate::not_acceptable(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({kind})"
            )))
        }
        Form::Object | Form::Discovery => Answer::Json(code, object.json()),
    }
}

fn written(handler: &Handler, resource: &Resource, updated: &Updated, form: Form) -> Answer {
    shown(
        handler,
        resource,
        &updated.object,
        if updated.created { 201 } else { 200 },
        form,
    )
}

async fn update(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
    form: Form,
) -> Result<Answer, ApiError> {
    call.write_options("UpdateOptions")?;
    let media_type = read::media_type(request.headers()).to_owned();
    let bytes = read::bytes(request.into_body()).await?;
    let body = read::object(&media_type, &bytes, &call.target.resource.kind)?;
    let updated = handler
        .api
        .update(&call.context, &call.target, body)
        .await?;
    Ok(written(handler, &call.target.resource, &updated, form))
}

async fn patch(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
    form: Form,
) -> Result<Answer, ApiError> {
    let media_type = read::media_type(request.headers()).to_owned();
    let force = call.query.flag("force");
    let bytes = read::bytes(request.into_body()).await?;
    let patch = read::patch(&media_type, bytes, force)?;
    call.context.trail.request_patch(&patch.bytes);
    call.write_options("PatchOptions")?;
    if call.query.get("force").is_some() && !matches!(patch.kind, PatchType::Apply { .. }) {
        let error = FieldError::forbidden(
            &Path::new("force"),
            "may not be specified for non-apply patch",
        );
        return Err(ApiError::invalid(
            "meta.k8s.io",
            "PatchOptions",
            "",
            &[error],
        ));
    }
    let updated = handler
        .api
        .patch(&call.context, &call.target, &patch)
        .await?;
    Ok(written(handler, &call.target.resource, &updated, form))
}

async fn delete(
    handler: &Handler,
    mut call: Call,
    request: Request<Incoming>,
    form: Form,
) -> Result<Answer, ApiError> {
    let options = call.delete_options(request).await?;
    let deleted = handler
        .api
        .delete(&call.context, &call.target, &options)
        .await?;
    let resource = &call.target.resource;
    if !deleted.gone || returns_deleted(&resource.key()) {
        return Ok(shown(handler, resource, &deleted.object, 200, form));
    }
    let mut details = json!({"name": call.target.name});
    if !resource.group.is_empty() {
        details["group"] = resource.group.clone().into();
    }
    details["kind"] = resource.plural.clone().into();
    details["uid"] = deleted.object.value["metadata"]["uid"].clone();
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    Ok(Answer::value(200, &status))
}

/// Kinds that answer a delete with the object rather than with a Status (`ReturnDeletedObject`).
fn returns_deleted(resource: &str) -> bool {
    matches!(resource, "pods" | "podtemplates" | "serviceaccounts")
}

impl Call {
    /// Reads `dryRun`, `fieldManager` and `fieldValidation`; `kind` is the options object that errors name.
    pub(super) fn write_options(&mut self, kind: &str) -> Result<(), ApiError> {
        self.context.dry_run = self.query.dry_run(kind)?;
        self.context.field_validation = self.query.field_validation(kind)?;
        let manager = self.query.get("fieldManager").unwrap_or_default();
        check_manager(manager, kind)?;
        manager.clone_into(&mut self.context.field_manager);
        if !manager.is_empty() {
            // Where none is given it is the program's name.
            manager.clone_into(&mut self.context.manager);
        }
        Ok(())
    }

    /// Reads delete options from the body, or from the query where there is no body.
    pub(super) async fn delete_options(
        &mut self,
        request: Request<Incoming>,
    ) -> Result<DeleteOptions, ApiError> {
        self.context.dry_run = self.query.dry_run("DeleteOptions")?;
        let media_type = read::media_type(request.headers()).to_owned();
        let bytes = read::bytes(request.into_body()).await?;
        if bytes.is_empty() {
            return self.query.delete();
        }
        let body = read::object(&media_type, &bytes, "DeleteOptions")?.value;
        self.context.trail.request_options(&body);
        self.context.dry_run |= DeleteOptions::is_dry_run(&body)?;
        DeleteOptions::from_value(&body)
    }
}

/// `ValidateFieldManager`.
fn check_manager(manager: &str, options: &str) -> Result<(), ApiError> {
    const MAX: usize = 128;
    let field = Path::new("fieldManager");
    let mut errors = Vec::new();
    if manager.len() > MAX {
        errors.push(FieldError::new(&field, Fault::TooLong(MAX), ""));
    }
    let unprintable = manager.char_indices().filter(|(_, c)| c.is_control());
    errors.extend(unprintable.map(|(at, c)| {
        let why = format!(
            "invalid character U+{:04X} (at position {at})",
            u32::from(c)
        );
        FieldError::invalid(&field, manager, why)
    }));
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid("meta.k8s.io", options, "", &errors))
}
