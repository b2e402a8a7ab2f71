//! What the node reads from the API for a Pod: ConfigMaps, Secrets, tokens of its service account.

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::PostParams;

/// An object that could not be had. `NotFound` lasts until somebody makes it; `Api` may pass.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No such object.
    #[error("{kind} {name:?} not found")]
    NotFound {
        /// `configmap`, `secret`, …
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The API server did not answer as hoped.
    #[error("failed to fetch {what}: {error}")]
    Api {
        /// What was asked for.
        what: String,
        /// What came back.
        error: Box<kube::Error>,
    },
}

/// Reads objects live: what a container is started with is what the API has at that moment.
#[derive(Clone)]
pub struct Objects {
    client: kube::Client,
}

impl Objects {
    /// Reads through `client`.
    pub fn new(client: kube::Client) -> Self {
        Self { client }
    }

    /// A ConfigMap, if it exists.
    pub async fn config_map(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<ConfigMap>, ObjectError> {
        let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name)
            .await
            .map_err(failed(format!("configmap {namespace}/{name}")))
    }

    /// A Secret, if it exists.
    pub async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Secret>, ObjectError> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
        api.get_opt(name)
            .await
            .map_err(failed(format!("secret {namespace}/{name}")))
    }

    /// A token of the Pod's service account, bound to the Pod (KEP-1205).
    pub async fn token(
        &self,
        pod: &Pod,
        audience: Option<&str>,
        seconds: i64,
    ) -> Result<String, ObjectError> {
        let meta = &pod.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let account = pod
            .spec
            .as_ref()
            .and_then(|spec| spec.service_account_name.as_deref())
            .unwrap_or("default");
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(audience.into_iter().map(ToOwned::to_owned).collect()),
                expiration_seconds: Some(seconds),
                bound_object_ref: Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: meta.name.clone(),
                    uid: meta.uid.clone(),
                }),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("token of service account {namespace}/{account}");
        let made = api
            .create_token_request(account, &PostParams::default(), &request)
            .await;
        let made = made.map_err(failed(what.clone()))?;
        made.status
            .and_then(|status| status.token)
            .ok_or(ObjectError::NotFound {
                kind: "token",
                name: what,
            })
    }
}

fn failed(what: String) -> impl FnOnce(kube::Error) -> ObjectError {
    move |error| ObjectError::Api {
        what,
        error: Box::new(error),
    }
}
