//! Tokens: whose is this one, and a new one for a service account.

use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::TokenRequest;
use serde_json::{Value, json};

use crate::admission::{GroupVersionKind, GroupVersionResource, Operation, Request};
use crate::api::{Api, Context, Target, meta};
use crate::authn::{Bound, ISSUER, Issued};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::kinds::decode::decode_as;

const GROUP: &str = "authentication.k8s.io";
const SHORTEST_SECONDS: i64 = 600;
const LONGEST_SECONDS: i64 = 1 << 32;
const DEFAULT_SECONDS: i64 = 3600;
/// What the kubelet asks for a Pod's token (`WarnOnlyBoundTokenExpirationSeconds`).
const EXTENDED_SECONDS: i64 = 3607;
const YEAR_SECONDS: i64 = 365 * 24 * 3600;

/// Fills in the `status` of a TokenReview.
pub(super) fn review(api: &Api, review: &mut Value) -> Result<(), ApiError> {
    let token = review["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad_request(
            "token is required for TokenReview in authentication",
        ));
    }
    let asked = strings(&review["spec"]["audiences"]);
    review["status"] = match api.authenticator.review(token, &asked) {
        Ok((user, audiences)) => {
            json!({"authenticated": true, "user": user.to_user_info(), "audiences": audiences})
        }
        Err(error) => json!({"user": {}, "error": error.to_string()}),
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
    let mut wanted = decode_as::<TokenRequest>(body)?.object;
    super::without_empty(&mut wanted);
    if wanted["spec"]["expirationSeconds"].is_null() {
        wanted["spec"]["expirationSeconds"] = DEFAULT_SECONDS.into();
    }
    let mut admission = admission(ctx, target, wanted);
    api.admission.mutate(&mut admission).await?;
    let mut wanted = admission.object.take().unwrap_or_default();
    let account = account(api, target, &mut wanted)?;
    if strings(&wanted["spec"]["audiences"]).is_empty() {
        wanted["spec"]["audiences"] = json!([ISSUER]);
    }
    wanted["metadata"]["creationTimestamp"] = api.clock.now_text().into();
    if let Some(fields) = wanted.as_object_mut() {
        fields.remove("status");
    }
    let seconds = lifetime(&wanted["spec"])?;
    admission.object = Some(wanted.clone());
    api.admission.validate(&mut admission).await?;
    ctx.take_from(&mut admission);
    let issued = issue(api, target, &account, &wanted["spec"], seconds)?;
    ctx.annotations.insert(
        "authentication.kubernetes.io/issued-credential-id",
        issued.credential.as_str(),
    );
    let until = Timestamp::from_second(issued.at + seconds).map_err(ApiError::internal)?;
    Ok(json!({
        "kind": "TokenRequest", "apiVersion": format!("{GROUP}/v1"), "metadata": wanted["metadata"], "spec": wanted["spec"],
        "status": {"token": issued.token, "expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
    }))
}

/// The account's uid. Name, namespace and uid of the request must be the account's, or are filled in.
fn account(api: &Api, target: &Target, wanted: &mut Value) -> Result<String, ApiError> {
    for (field, actual, words) in [
        (
            "name",
            &target.name,
            "must match the service account name if specified",
        ),
        (
            "namespace",
            &target.namespace,
            "must match the service account namespace if specified",
        ),
    ] {
        let given = meta(wanted, field);
        if !given.is_empty() && given != actual {
            let path = Path::new("metadata").child(field);
            let error = FieldError::invalid(&path, given, words);
            return Err(ApiError::invalid(
                GROUP,
                "TokenRequest",
                &target.name,
                &[error],
            ));
        }
    }
    let account = api
        .store
        .get("serviceaccounts", &target.namespace, &target.name)
        .ok_or_else(|| ApiError::not_found("", "serviceaccounts", &target.name))?;
    let (given, uid) = (meta(wanted, "uid"), meta(&account.value, "uid"));
    if !given.is_empty() && given != uid {
        let why = format!(
            "the UID in the token request ({given}) does not match the UID of the service account ({uid})"
        );
        return Err(ApiError::conflict(
            GROUP,
            "TokenRequest",
            &target.name,
            &why,
        ));
    }
    for (field, value) in [
        ("name", target.name.as_str()),
        ("namespace", &target.namespace),
        ("uid", uid),
    ] {
        wanted["metadata"][field] = value.into();
    }
    Ok(uid.to_owned())
}

/// Makes the token. One for a Pod of the usual lifetime holds for a year and is warned of after that lifetime, for
/// clients that do not read it again (`--service-account-extend-token-expiration`).
fn issue(
    api: &Api,
    target: &Target,
    uid: &str,
    spec: &Value,
    seconds: i64,
) -> Result<Issued, ApiError> {
    let bound = bound(
        api,
        &target.namespace,
        &target.name,
        &spec["boundObjectRef"],
    )?;
    let audiences = strings(&spec["audiences"]);
    let is_of_pod = bound.as_ref().is_some_and(|bound| bound.kind == "pod");
    let is_ours = audiences.iter().all(|one| one == ISSUER);
    let lifetime = if is_of_pod && is_ours && seconds == EXTENDED_SECONDS {
        (YEAR_SECONDS, Some(seconds))
    } else {
        (seconds, None)
    };
    let account = (target.name.as_str(), uid);
    let tokens = api.authenticator.accounts();
    tokens
        .issue(
            &target.namespace,
            account,
            &audiences,
            lifetime,
            bound.as_ref(),
        )
        .map_err(|error| ApiError::internal(format!("failed to generate token: {error}")))
}

/// The request as admission sees it.
fn admission(ctx: &Context, target: &Target, wanted: Value) -> Request {
    Request {
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
        options: Some(ctx.options("CreateOptions")),
        dry_run: ctx.dry_run,
        user: ctx.user.clone(),
        warnings: Vec::new(),
        annotations: ctx.annotations.clone(),
    }
}

fn lifetime(spec: &Value) -> Result<i64, ApiError> {
    let seconds = spec["expirationSeconds"]
        .as_i64()
        .unwrap_or(DEFAULT_SECONDS);
    let why = match seconds {
        ..SHORTEST_SECONDS => "may not specify a duration less than 10 minutes",
        SHORTEST_SECONDS..=LONGEST_SECONDS => return Ok(seconds),
        _ => "may not specify a duration larger than 2^32 seconds",
    };
    let error = FieldError::invalid(&Path::new("spec.expirationSeconds"), seconds, why);
    Err(ApiError::invalid(GROUP, "TokenRequest", "", &[error]))
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
    let (group, version) = match text("apiVersion").split_once('/') {
        Some(parts) => parts,
        None => ("", text("apiVersion")),
    };
    let (kind, resource, scope) = match (group, text("kind")) {
        ("", "Pod") => ("pod", "pods", namespace),
        ("", "Secret") => ("secret", "secrets", namespace),
        ("", "Node") => ("node", "nodes", ""),
        (group, kind) => {
            return Err(ApiError::bad_request(format!(
                "cannot bind token to object of type {group}/{version}, Kind={kind}"
            )));
        }
    };
    let name = text("name");
    let found = api
        .store
        .get(resource, scope, name)
        .ok_or_else(|| ApiError::not_found("", resource, name))?;
    if kind == "pod" && found.value["spec"]["serviceAccountName"] != account {
        return Err(ApiError::bad_request(format!(
            "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
        )));
    }
    let (uid, meant) = (meta(&found.value, "uid"), text("uid"));
    if !meant.is_empty() && meant != uid {
        let why = format!(
            "the UID in the bound object reference ({meant}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(ApiError::conflict("", text("kind"), name, &why));
    }
    let node = found.value["spec"]["nodeName"]
        .as_str()
        .filter(|node| kind == "pod" && !node.is_empty())
        .map(|node| {
            // A node that is gone is told by its name alone.
            let found = api.store.get("nodes", "", node);
            let uid = found.map(|node| meta(&node.value, "uid").to_owned());
            (node.to_owned(), uid.unwrap_or_default())
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
