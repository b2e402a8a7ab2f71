//! What the cluster must hold before the roles can work. Repeatable: what is there is made as described.

use std::time::Duration;

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use super::call::{JSON, get, send};
use super::{CONTROLLER, Groups, NAMESPACE, WEBHOOK, roles};

/// How long the API server may take to serve a new kind.
const SERVED_WITHIN: Duration = Duration::from_secs(30);

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// How often it is asked meanwhile.
const ASKED_EVERY: Duration = Duration::from_millis(20);

/// Something that the cluster did not take.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// A call failed.
    #[error("{what} could not be provisioned: the access must be an administrator's")]
    Call {
        /// What.
        what: String,
        /// Why.
        source: Box<kube::Error>,
    },
    /// A CRD is not served.
    #[error(
        "{0} was not established in time: look at its conditions with `kubectl get crd {0} -o yaml`"
    )]
    NotEstablished(String),
    /// Something that every cluster has is not there.
    #[error("the cluster has no namespace {0}")]
    NoNamespace(String),
}

/// Namespace, kinds, accounts, roles and bindings.
pub(crate) async fn objects(admin: &Client, groups: Option<&Groups>) -> Result<(), ProvisionError> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    ensure(admin, "/api/v1/namespaces", &namespace).await?;
    kinds(admin).await?;
    for account in [WEBHOOK, CONTROLLER] {
        let account = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": account, "namespace": NAMESPACE},
        });
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts");
        ensure(admin, &path, &account).await?;
    }
    for role in roles::cluster_roles() {
        ensure(admin, &format!("{RBAC}/clusterroles"), &role).await?;
    }
    for binding in roles::bindings(groups) {
        ensure(admin, &format!("{RBAC}/clusterrolebindings"), &binding).await?;
    }
    Ok(())
}

async fn kinds(admin: &Client) -> Result<(), ProvisionError> {
    const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let mut names = Vec::new();
    for crd in api::crds() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let described = serde_json::to_value(crd).map_err(|error| ProvisionError::Call {
            what: name.clone(),
            source: Box::new(kube::Error::SerdeError(error)),
        })?;
        ensure(admin, PATH, &described).await?;
        names.push(name);
    }
    for name in names {
        let path = format!("{PATH}/{name}");
        let served = async {
            loop {
                let found: Option<Value> = called(&name, get(admin, &path).await)?;
                if found.as_ref().is_some_and(is_established) {
                    return Ok(());
                }
                tokio::time::sleep(ASKED_EVERY).await;
            }
        };
        match tokio::time::timeout(SERVED_WITHIN, served).await {
            Ok(result) => result?,
            Err(_) => return Err(ProvisionError::NotEstablished(name)),
        }
    }
    Ok(())
}

fn is_established(crd: &Value) -> bool {
    let mut conditions = crd["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|c| c["type"] == "Established" && c["status"] == "True")
}

/// The UID of a namespace.
pub(crate) async fn namespace_uid(admin: &Client, name: &str) -> Result<String, ProvisionError> {
    let found: Option<Value> = called(
        name,
        get(admin, &format!("/api/v1/namespaces/{name}")).await,
    )?;
    found
        .as_ref()
        .and_then(|namespace| namespace["metadata"]["uid"].as_str())
        .map(str::to_owned)
        .ok_or_else(|| ProvisionError::NoNamespace(name.to_owned()))
}

/// Makes the object as described: created if it is not there, replaced if it is another.
pub(crate) async fn ensure(
    admin: &Client,
    collection: &str,
    described: &Value,
) -> Result<(), ProvisionError> {
    let kind = described["kind"].as_str().unwrap_or_default();
    let name = described["metadata"]["name"].as_str().unwrap_or_default();
    let what = format!("{kind} {name}");
    let path = format!("{collection}/{name}");
    // More than once: somebody else may create it, or change it, between our reading and our writing.
    let mut last = None;
    for _ in 0..3 {
        let found: Option<Value> = called(&what, get(admin, &path).await)?;
        let sent: Result<Value, kube::Error> = match found {
            None => send(admin, Method::POST, collection, JSON, Some(described)).await,
            Some(found) => {
                let wanted = merged(&found, described);
                if wanted == found {
                    return Ok(());
                }
                send(admin, Method::PUT, &path, JSON, Some(&wanted)).await
            }
        };
        match sent {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                last = Some(kube::Error::Api(status));
            }
            Err(error) => return called(&what, Err(error)),
        }
    }
    last.map_or(Ok(()), |error| called(&what, Err(error)))
}

/// What is there, with everything that is described; what the server added elsewhere stays.
fn merged(found: &Value, described: &Value) -> Value {
    let mut wanted = found.clone();
    for (key, value) in described.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "metadata" | "status") {
            wanted[key] = value.clone();
        }
    }
    wanted
}

fn called<T>(what: &str, result: Result<T, kube::Error>) -> Result<T, ProvisionError> {
    result.map_err(|error| ProvisionError::Call {
        what: what.to_owned(),
        source: Box::new(error),
    })
}
