//! Every Pod runs as a service account that exists, with its token mounted unless somebody declined.
//!
//! Source: `plugin/pkg/admission/serviceaccount/admission.go`.

use rand::seq::IndexedRandom;
use serde_json::{Value, json};

use super::{Operation, Request};
use crate::error::ApiError;
use crate::store::Store;

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
/// An hour and a little, so that the agent can renew in time.
const EXPIRATION_SECONDS: i64 = 3607;

pub(super) fn admit(store: &Store, request: &mut Request) -> Result<(), ApiError> {
    if request.operation != Operation::Create || !request.is_core("pods", "") {
        return Ok(());
    }
    let Some(mut pod) = request.object.take() else {
        return Ok(());
    };
    let outcome = if is_mirror(&pod) {
        Ok(())
    } else {
        equip(store, request, &mut pod)
    };
    request.object = Some(pod);
    outcome
}

fn equip(store: &Store, request: &Request, pod: &mut Value) -> Result<(), ApiError> {
    let named = pod["spec"]["serviceAccountName"]
        .as_str()
        .filter(|name| !name.is_empty());
    let name = named.unwrap_or("default").to_owned();
    pod["spec"]["serviceAccountName"] = name.clone().into();
    // The deprecated alias is kept in step by Kubernetes' conversion.
    pod["spec"]["serviceAccount"] = name.clone().into();
    let account = account(store, request, &name)?;
    let wanted = [&pod["spec"], &account]
        .into_iter()
        .find_map(|from| from["automountServiceAccountToken"].as_bool());
    if wanted.unwrap_or(true) {
        mount_token(&mut pod["spec"]);
    }
    let pulls = pod["spec"]["imagePullSecrets"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    if let Some(secrets) = account["imagePullSecrets"]
        .as_array()
        .filter(|list| !pulls && !list.is_empty())
    {
        pod["spec"]["imagePullSecrets"] = secrets.clone().into();
    }
    Ok(())
}

fn mount_token(spec: &mut Value) {
    let known = spec["volumes"].as_array().into_iter().flatten();
    let own = known
        .filter_map(|volume| volume["name"].as_str())
        .find(|name| name.starts_with("kube-api-access-"));
    let (volume, new) = match own {
        Some(name) => (name.to_owned(), false),
        None => (format!("kube-api-access-{}", suffix()), true),
    };
    let mount = json!({"name": volume, "readOnly": true, "mountPath": MOUNT_PATH});
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let there = container["volumeMounts"].as_array().into_iter().flatten();
            if there.into_iter().any(|one| one["mountPath"] == MOUNT_PATH) {
                continue;
            }
            push(container, "volumeMounts", mount.clone());
            mounted = true;
        }
    }
    if mounted && new {
        push(spec, "volumes", token_volume(&volume));
    }
}

fn token_volume(name: &str) -> Value {
    json!({"name": name, "projected": {"sources": [
        {"serviceAccountToken": {"expirationSeconds": EXPIRATION_SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ], "defaultMode": 420}})
}

/// Appends to a list that may not be there yet.
fn push(owner: &mut Value, key: &str, item: Value) {
    match owner[key].as_array_mut() {
        Some(list) => list.push(item),
        None => owner[key] = vec![item].into(),
    }
}

/// Five characters that make no words (`names.SimpleNameGenerator`).
fn suffix() -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    let mut random = rand::rng();
    (0..5)
        .filter_map(|_| LETTERS.choose(&mut random))
        .map(|&letter| char::from(letter))
        .collect()
}

pub(super) fn validate(store: &Store, request: &Request) -> Result<(), ApiError> {
    let Some(pod) = &request.object else {
        return Ok(());
    };
    let ephemeral =
        request.operation == Operation::Update && request.is_core("pods", "ephemeralcontainers");
    let created = request.operation == Operation::Create && request.is_core("pods", "");
    if created && is_mirror(pod) {
        let bound = pod["spec"]["serviceAccountName"]
            .as_str()
            .is_some_and(|name| !name.is_empty());
        return if bound {
            Err(request.forbidden("a mirror pod may not reference service accounts"))
        } else {
            Ok(())
        };
    }
    if !ephemeral && !created {
        return Ok(());
    }
    let Some(name) = pod["spec"]["serviceAccountName"]
        .as_str()
        .filter(|name| !name.is_empty())
    else {
        let pod_name = request.object_name();
        return Err(request.forbidden(&format!(
            "no service account specified for pod {}/{pod_name}",
            request.namespace
        )));
    };
    let account = account(store, request, name)?;
    if account["metadata"]["annotations"][ENFORCE] == "true" {
        check_secrets(pod, &account, name, ephemeral)?;
    }
    Ok(())
}

/// Only the account's own Secrets may be used. As in Kubernetes this is a plain error: 500 without a reason.
fn check_secrets(
    pod: &Value,
    account: &Value,
    name: &str,
    ephemeral: bool,
) -> Result<(), ApiError> {
    let own = |secret: &Value| {
        let listed = account["secrets"].as_array().into_iter().flatten();
        listed.into_iter().any(|one| one["name"] == *secret)
    };
    let refused = |what: String, secret: &Value| {
        let secret = secret.as_str().unwrap_or_default();
        let text = format!(
            "{what} referencing secret.secretName=\"{secret}\" is not allowed because service account {name} does not reference that secret"
        );
        ApiError::new(500, "", text)
    };
    let lists: &[(&str, &str)] = if ephemeral {
        &[("ephemeralContainers", "ephemeral container")]
    } else {
        &[
            ("initContainers", "init container"),
            ("containers", "container"),
        ]
    };
    for (list, what) in lists {
        for container in pod["spec"][*list].as_array().into_iter().flatten() {
            let id = container["name"].as_str().unwrap_or_default();
            for env in container["env"].as_array().into_iter().flatten() {
                let secret = &env["valueFrom"]["secretKeyRef"]["name"];
                if !secret.is_null() && !own(secret) {
                    let variable = env["name"].as_str().unwrap_or_default();
                    return Err(refused(
                        format!("{what} {id} with envVar {variable}"),
                        secret,
                    ));
                }
            }
            for from in container["envFrom"].as_array().into_iter().flatten() {
                let secret = &from["secretRef"]["name"];
                if !secret.is_null() && !own(secret) {
                    return Err(refused(format!("{what} {id} with envFrom"), secret));
                }
            }
        }
    }
    for volume in pod["spec"]["volumes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|_| !ephemeral)
    {
        let secret = &volume["secret"]["secretName"];
        if !secret.is_null() && !own(secret) {
            let id = secret.as_str().unwrap_or_default();
            let text = format!(
                "volume with secret.secretName=\"{id}\" is not allowed because service account {name} does not reference that secret"
            );
            return Err(ApiError::new(500, "", text));
        }
    }
    Ok(())
}

fn account(store: &Store, request: &Request, name: &str) -> Result<Value, ApiError> {
    let namespace = &request.namespace;
    store
        .get("serviceaccounts", namespace, name)
        .map(|account| account.value.clone())
        .ok_or_else(|| {
            request.forbidden(&format!(
            "error looking up service account {namespace}/{name}: serviceaccount {name:?} not found"
        ))
        })
}

fn is_mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}
