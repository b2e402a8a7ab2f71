//! Where the API server asks. No selector and no exemption: what is not asked about is not governed.

use std::net::SocketAddr;

use base64::Engine as _;
use kube::Client;
use serde_json::{Value, json};

use super::provision::{ProvisionError, ensure};
use super::webhook::Key;

/// Points the cluster's webhook configurations at this address.
pub(crate) async fn point_at(
    admin: &Client,
    address: SocketAddr,
    key: &Key,
    ca_pem: &str,
) -> Result<(), ProvisionError> {
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    let [validating, mutating] =
        configurations(&format!("https://{address}/{}", key.as_str()), ca_pem);
    let path = format!("{GROUP}/validatingwebhookconfigurations");
    // Validation first: what is not yet stamped is refused, never let through unseen.
    ensure(admin, &path, &validating).await?;
    let path = format!("{GROUP}/mutatingwebhookconfigurations");
    ensure(admin, &path, &mutating).await
}

fn configurations(base: &str, ca_pem: &str) -> [Value; 2] {
    let visits = [
        rule("", &["v1"], &["UPDATE"], &["pods/ephemeralcontainers"]),
        rule("", &["v1"], &["CONNECT"], &["pods/attach", "pods/exec"]),
    ];
    let objects = [
        "debugsessions",
        "debugsessions/status",
        "debugapprovals",
        "debugpolicies",
    ];
    let operations = ["CREATE", "UPDATE", "DELETE"];
    let objects = [rule(api::GROUP, &["*"], &operations, &objects)];
    let stamped = ["debugsessions", "debugapprovals"];
    let stamped = [rule(api::GROUP, &["*"], &["CREATE"], &stamped)];
    let hook = |name: &str, rules: &[Value]| {
        let ca = base64::engine::general_purpose::STANDARD.encode(ca_pem);
        json!({
            "name": format!("{name}.ephemera.dev"),
            "admissionReviewVersions": ["v1"],
            "clientConfig": {"url": format!("{base}/{name}"), "caBundle": ca},
            "failurePolicy": "Fail",
            "matchPolicy": "Equivalent",
            "sideEffects": "NoneOnDryRun",
            "timeoutSeconds": 5,
            "rules": rules,
        })
    };
    let configuration = |kind: &str, webhooks: &[Value]| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": "ephemera"},
            "webhooks": webhooks,
        })
    };
    [
        configuration(
            "ValidatingWebhookConfiguration",
            &[hook("visits", &visits), hook("objects", &objects)],
        ),
        configuration("MutatingWebhookConfiguration", &[hook("stamp", &stamped)]),
    ]
}

fn rule(group: &str, versions: &[&str], operations: &[&str], resources: &[&str]) -> Value {
    json!({
        "apiGroups": [group],
        "apiVersions": versions,
        "operations": operations,
        "resources": resources,
        "scope": "*",
    })
}
