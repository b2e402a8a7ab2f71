//! Something to visit: two Pods of two containers each, a policy, images made of programs of this machine.

use anyhow::Result;
use serde_json::{Value, json};

use crate::Cluster;

/// The namespace.
pub const NAMESPACE: &str = "shop";
/// The Pod that is visited.
pub const POD: &str = "app";
/// Another one like it.
pub const OTHER_POD: &str = "app-b";
/// The image of debug containers.
pub const TOOLS: &str = "tools:1";
/// The policy's name.
pub const POLICY: &str = "on-call";

/// Path of a Pod.
pub fn pod_path(name: &str) -> String {
    format!("/api/v1/namespaces/{NAMESPACE}/pods/{name}")
}

/// Path of a session; of all of them, if the name is empty.
pub fn sessions_path(name: &str) -> String {
    format!("/apis/ephemera.dev/v1alpha1/namespaces/{NAMESPACE}/debugsessions/{name}")
        .trim_end_matches('/')
        .to_owned()
}

/// Path of all approvals.
pub fn approvals_path() -> String {
    format!("/apis/ephemera.dev/v1alpha1/namespaces/{NAMESPACE}/debugapprovals")
}

/// Path of the policy.
pub fn policy_path() -> String {
    format!("/apis/ephemera.dev/v1alpha1/debugpolicies/{POLICY}")
}

/// Builds the images, creates the objects, waits until the Pods run.
pub async fn set_up(cluster: &Cluster) -> Result<()> {
    let dir = cluster.data_dir();
    let images: [(&str, &[&str]); 2] = [
        ("app:1", &["tail", "sleep"]),
        (TOOLS, &["bash", "cat", "env", "ls", "sleep", "stty"]),
    ];
    for (name, programs) in images {
        let mut words = vec!["image", "build", name, "--data-dir", &dir, "--from-host"];
        words.extend(programs);
        cluster.done("admin", &words).await?;
    }
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": {"team": "shop"}}});
    cluster.create("/api/v1/namespaces", &namespace).await?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": "not-for-your-eyes"}});
    cluster
        .create(&format!("/api/v1/namespaces/{NAMESPACE}/secrets"), &secret)
        .await?;
    cluster
        .create("/apis/ephemera.dev/v1alpha1/debugpolicies", &policy())
        .await?;
    for name in [POD, OTHER_POD] {
        cluster
            .create(&format!("/api/v1/namespaces/{NAMESPACE}/pods"), &pod(name))
            .await?;
    }
    for name in [POD, OTHER_POD] {
        cluster
            .when(&pod_path(name), |pod| pod["status"]["phase"] == "Running")
            .await?;
    }
    Ok(())
}

/// An application with a credential in its environment and a sidecar.
fn pod(name: &str) -> Value {
    let token = json!({"secretKeyRef": {"name": "token", "key": "token"}});
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "shop"}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {"name": "app", "image": "app:1", "command": ["tail", "-f", "/dev/null"],
                 "env": [{"name": "TOKEN", "valueFrom": token}]},
                {"name": "sidecar", "image": "app:1", "command": ["sleep", "86400"]},
            ],
        },
    })
}

/// Who is on call may look into the application, once one approver has said yes.
fn policy() -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy", "metadata": {"name": POLICY},
        "spec": {
            "match": {
                "namespaceSelector": {"matchLabels": {"team": "shop"}},
                "podSelector": {"matchLabels": {"app": "shop"}},
                "subjects": {"groups": ["sre"]},
            },
            "container": {
                "images": ["tools:*"], "requireDigest": false, "targets": ["app"], "tty": true,
                "capabilities": ["SYS_PTRACE"], "user": "Any", "allowPrivilegeEscalation": true,
            },
            "request": {"reason": {"minLength": 10}, "ticket": {"pattern": "^INC-[0-9]+$"}, "maxDurationSeconds": 1800},
            "approval": {"quorum": [{"group": "approvers", "count": 1}]},
        },
    })
}

/// A container that nobody asked for, as `kubectl debug` makes one.
pub fn uninvited() -> Value {
    json!({
        "name": "debugger-x7k2p", "image": TOOLS, "command": ["bash"], "stdin": true, "tty": true,
        "targetContainerName": "app", "terminationMessagePolicy": "File", "resources": {},
        "securityContext": {"capabilities": {"add": ["SYS_PTRACE"]}},
    })
}
