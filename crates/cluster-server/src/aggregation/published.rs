//! What the servers of aggregated APIs must know to believe this one: `kube-system/extension-apiserver-authentication`
//! (`pkg/controlplane/controller/clusterauthenticationtrust`).

use serde_json::{Value, json};

use crate::api::{Api, Context, Target};
use crate::error::ApiError;
use crate::pki::FRONT_PROXY;

const NAMESPACE: &str = "kube-system";
const NAME: &str = "extension-apiserver-authentication";
const USER: &str = "system:apiserver";

/// Writes the ConfigMap, if it is not as it should be.
pub(super) async fn publish(api: &Api) -> Result<(), ApiError> {
    let Some(resource) = api.kinds.by_key("configmaps") else {
        return Ok(());
    };
    let wanted = data(api);
    let stored = api.store.get("configmaps", NAMESPACE, NAME);
    let ctx = Context::system(USER);
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME, "namespace": NAMESPACE}, "data": wanted,
    });
    match stored {
        Some(stored) if stored.value["data"] == wanted => {}
        Some(_) => {
            let target = Target::object(&resource, NAMESPACE, NAME);
            api.update(&ctx, &target, body).await?;
        }
        None => {
            let target = Target::collection(&resource, NAMESPACE);
            api.create(&ctx, &target, body).await?;
        }
    }
    Ok(())
}

fn data(api: &Api) -> Value {
    let list = |name: &str| json!([name]).to_string();
    json!({
        "client-ca-file": api.pki.ca_pem(),
        "requestheader-allowed-names": list(FRONT_PROXY),
        "requestheader-client-ca-file": api.pki.front_proxy_ca_pem(),
        "requestheader-extra-headers-prefix": list("X-Remote-Extra-"),
        "requestheader-group-headers": list("X-Remote-Group"),
        "requestheader-uid-headers": list("X-Remote-Uid"),
        "requestheader-username-headers": list("X-Remote-User"),
    })
}
