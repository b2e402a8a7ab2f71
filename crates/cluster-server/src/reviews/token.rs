//! Tokens: whose is this one, and a new one for a service account.

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::TokenRequest;
use serde_json::{Value, json};

use crate::admission::{GroupVersionKind, GroupVersionResource, Operation, Request};
use crate::api::{Api, Context, Target};
use crate::authn::{Bound, ISSUER};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::kinds::decode::decode_as;

const GROUP: &str = "authentication.k8s.io";
const SHORTEST_SECONDS: i64 = 600;
const LONGEST_SECONDS: i64 = 1 << 32;
const DEFAULT_SECONDS: i64 = 3600;

/// Fills in the `status` of a TokenReview.
pub(super) fn review(api: &Api, review: &mut Value) -> Result<(), ApiError> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad_request(
            "token is required for TokenReview in authentication",
        ));
    }
    let asked = strings(&review["spec"]["audiences"]);
    review["status"] = match api.authenticator.user_of(token, &asked) {
        Some(user) => {
            let mut who = user.to_user_info();
            if let Some(fields) = who.as_object_mut() {
                fields.retain(|_, value| !value.is_null());
            }
            let audiences = if asked.is_empty() {
                vec![ISSUER.to_owned()]
            } else {
                asked
            };
            json!({"authenticated": true, "user": who, "audiences": audiences})
        }
        None => json!({"user": {}, "error": "[invalid bearer token]"}),
    };
    Ok(())
}

/// Answers a TokenRequest for the service account of `target`.
pub(super) async fn request(
    api: &Api,
    ctx: &Context,
    target: &Target,
    body: Value,
) -> Result<Value, ApiError> {
    let (namespace, name) = (target.namespace.as_str(), target.name.as_str());
    let account = api
        .store
        .get("serviceaccounts", namespace, name)
        .ok_or_else(|| ApiError::not_found("", "serviceaccounts", name))?;
    let mut wanted = decode_as::<TokenRequest>(body)?.object;
    super::without_empty(&mut wanted);
    if wanted["spec"]["expirationSeconds"].is_null() {
        wanted["spec"]["expirationSeconds"] = DEFAULT_SECONDS.into();
    }
    if strings(&wanted["spec"]["audiences"]).is_empty() {
        wanted["spec"]["audiences"] = json!([ISSUER]);
    }
    wanted["metadata"] = json!({"name": name, "namespace": namespace});
    let wanted = admitted(api, ctx, target, wanted).await?;
    let spec = &wanted["spec"];
    let seconds = lifetime(name, spec)?;
    let bound = bound(api, namespace, name, &spec["boundObjectRef"])?;
    let uid = account.value["metadata"]["uid"]
        .as_str()
        .unwrap_or_default();
    let tokens = api.authenticator.accounts();
    let (token, expiry) = tokens
        .issue(
            namespace,
            (name, uid),
            &strings(&spec["audiences"]),
            seconds,
            bound.as_ref(),
        )
        .map_err(ApiError::internal)?;
    let until = Timestamp::from_second(expiry).map_err(ApiError::internal)?;
    let mut metadata = wanted["metadata"].clone();
    metadata["creationTimestamp"] = api.clock.now_text().into();
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": format!("{GROUP}/v1"), "metadata": metadata, "spec": spec,
        "status": {"token": token, "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
    }))
}

/// The request as admission leaves it.
async fn admitted(
    api: &Api,
    ctx: &Context,
    target: &Target,
    wanted: Value,
) -> Result<Value, ApiError> {
    let mut request = Request {
        operation: Operation::Create,
        kind: GroupVersionKind {
            group: GROUP.into(),
            version: "v1".into(),
            kind: "TokenRequest".into(),
        },
        resource: GroupVersionResource {
            group: String::new(),
            version: "v1".into(),
            resource: "serviceaccounts".into(),
        },
        subresource: "token".into(),
        namespace: target.namespace.clone(),
        name: target.name.clone(),
        object: Some(wanted),
        old_object: None,
        options: Some(json!({"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"})),
        dry_run: ctx.dry_run,
        user: ctx.user.clone(),
        warnings: Vec::new(),
        annotations: ctx.annotations.clone(),
    };
    api.admission.mutate(&mut request).await?;
    api.admission.validate(&mut request).await?;
    request
        .warnings
        .into_iter()
        .for_each(|warning| ctx.warnings.add(warning));
    Ok(request.object.unwrap_or_default())
}

fn lifetime(name: &str, spec: &Value) -> Result<i64, ApiError> {
    let seconds = spec["expirationSeconds"]
        .as_i64()
        .unwrap_or(DEFAULT_SECONDS);
    let why = match seconds {
        ..SHORTEST_SECONDS => "may not specify a duration less than 10 minutes",
        SHORTEST_SECONDS..=LONGEST_SECONDS => return Ok(seconds),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let error = FieldError::invalid(&Path::new("spec.expirationSeconds"), seconds, why);
    Err(ApiError::invalid(GROUP, "TokenRequest", name, &[error]))
}

/// What the token is to be bound to, which must be there, be the one meant, and belong to the account.
fn bound(
    api: &Api,
    namespace: &str,
    account: &str,
    reference: &Value,
) -> Result<Option<Bound>, ApiError> {
    if !reference.is_object() {
        return Ok(None);
    }
    let text = |key: &str| reference[key].as_str().unwrap_or_default();
    let (kind, resource, scope) = match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => ("pod", "pods", namespace),
        ("v1", "Secret") => ("secret", "secrets", namespace),
        ("v1", "Node") => ("node", "nodes", ""),
        (version, kind) => {
            let shown = if version.contains('/') {
                version.to_owned()
            } else {
                format!("/{version}")
            };
            return Err(ApiError::bad_request(format!(
                "cannot bind token for serviceaccount {account:?} to object of type {shown}, Kind={kind}"
            )));
        }
    };
    let name = text("name");
    let found = api
        .store
        .get(resource, scope, name)
        .ok_or_else(|| ApiError::not_found("", resource, name))?;
    let uid = found.value["metadata"]["uid"].as_str().unwrap_or_default();
    let meant = text("uid");
    if !meant.is_empty() && meant != uid {
        let why = format!(
            "the UID in the bound object reference ({meant}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(ApiError::conflict("", resource, name, &why));
    }
    if kind == "pod" && found.value["spec"]["serviceAccountName"] != account {
        return Err(ApiError::bad_request(format!(
            "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
        )));
    }
    let node = found.value["spec"]["nodeName"]
        .as_str()
        .filter(|_| kind == "pod")
        .and_then(|node| {
            let uid = api.store.get("nodes", "", node)?.value["metadata"]["uid"]
                .as_str()?
                .to_owned();
            Some((node.to_owned(), uid))
        });
    Ok(Some(Bound {
        kind: kind.to_owned(),
        name: name.to_owned(),
        uid: uid.to_owned(),
        node,
    }))
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}
