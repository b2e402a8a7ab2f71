//! What one needs to debug, attach, exec, approve, or get around all of it.

use crate::rules::Action;

/// A question about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// Who can add an ephemeral container, or ask for one.
    Debug,
    /// Who can join a container's streams.
    Attach,
    /// Who can run a command in a container.
    Exec,
    /// Who can give a verdict on a visit.
    Approve,
    /// Who can get to the same data, or change the rules, without a visit.
    Bypass,
}

/// One right that answers a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The right.
    pub action: Action,
    /// What whoever holds it can do with it.
    pub means: &'static str,
    /// It gives the power by way of somebody else's rights.
    pub indirect: bool,
}

const CORE: &str = "";
const RBAC: &str = "rbac.authorization.k8s.io";
const OURS: &str = "ephemera.dev";
const ADMISSION: &str = "admissionregistration.k8s.io";
const CERTIFICATES: &str = "certificates.k8s.io";
const AUTHENTICATION: &str = "authentication.k8s.io";

impl Question {
    /// Every right that answers it.
    pub fn needs(self) -> Vec<Need> {
        match self {
            Self::Debug => with_others(debug()),
            Self::Attach => with_others(streams("pods/attach", "joins a container's streams")),
            Self::Exec => with_others(streams("pods/exec", "runs commands in containers")),
            Self::Approve => with_others(vec![direct(
                Action::namespaced("create", OURS, "debugapprovals"),
                "gives verdicts; they count where a policy names one of the person's groups",
            )]),
            Self::Bypass => bypass(),
        }
    }
}

fn direct(action: Action, means: &'static str) -> Need {
    Need {
        action,
        means,
        indirect: false,
    }
}

fn debug() -> Vec<Need> {
    let adds = "adds ephemeral containers to Pods; admission decides which";
    vec![
        direct(
            Action::namespaced("patch", CORE, "pods/ephemeralcontainers"),
            adds,
        ),
        direct(
            Action::namespaced("update", CORE, "pods/ephemeralcontainers"),
            adds,
        ),
        direct(
            Action::namespaced("create", OURS, "debugsessions"),
            "asks for visits",
        ),
    ]
}

/// A WebSocket is authorised as `get` and, since v1.35, as `create` besides; SPDY as `create`.
fn streams(resource: &'static str, means: &'static str) -> Vec<Need> {
    vec![
        direct(Action::namespaced("create", CORE, resource), means),
        direct(
            Action::namespaced("get", CORE, resource),
            "the same by WebSocket, before Kubernetes 1.35",
        ),
    ]
}

/// To be able to become somebody is to be able to do what they can.
fn with_others(mut needs: Vec<Need>) -> Vec<Need> {
    needs.extend(others());
    needs
}

fn others() -> Vec<Need> {
    let acts = "acts as anybody";
    let constrained = "acts as others (constrained impersonation)";
    let gives = "gives anybody any right";
    let rights = [
        (Action::cluster("impersonate", CORE, "users"), acts),
        (Action::cluster("impersonate", CORE, "groups"), acts),
        (
            Action::namespaced("impersonate", CORE, "serviceaccounts"),
            "acts as service accounts",
        ),
        (
            Action::cluster("impersonate:user-info", AUTHENTICATION, "users"),
            constrained,
        ),
        (
            Action::cluster("impersonate:user-info", AUTHENTICATION, "groups"),
            constrained,
        ),
        (Action::cluster("escalate", RBAC, "clusterroles"), gives),
        (Action::namespaced("escalate", RBAC, "roles"), gives),
        (Action::cluster("bind", RBAC, "clusterroles"), gives),
        (Action::namespaced("bind", RBAC, "roles"), gives),
        (
            Action::namespaced("create", CORE, "serviceaccounts/token"),
            "takes tokens of service accounts",
        ),
        (
            Action::cluster(
                "update",
                CERTIFICATES,
                "certificatesigningrequests/approval",
            ),
            "approves client certificates of any name",
        ),
        (
            Action::cluster("sign", CERTIFICATES, "signers"),
            "signs client certificates of any name",
        ),
    ];
    let indirect = |(action, means)| Need {
        action,
        means,
        indirect: true,
    };
    rights.into_iter().map(indirect).collect()
}

fn bypass() -> Vec<Need> {
    let mut needs = Vec::new();
    for verb in ["update", "patch", "delete", "deletecollection"] {
        for (resource, means) in [
            (
                "validatingwebhookconfigurations",
                "switches the webhook off",
            ),
            (
                "mutatingwebhookconfigurations",
                "switches the stamping off, or rewrites what arrives",
            ),
        ] {
            needs.push(direct(Action::cluster(verb, ADMISSION, resource), means));
        }
        needs.push(direct(
            Action::cluster(verb, OURS, "debugpolicies"),
            "changes what is allowed",
        ));
        needs.push(direct(
            Action::cluster(verb, "apiextensions.k8s.io", "customresourcedefinitions"),
            "removes or rewrites sessions, approvals and policies as kinds",
        ));
    }
    let kubelet =
        "reaches the kubelet's exec, attach and logs past the API server's admission of Pods";
    let write_pods = "reads the same data from a Pod of its own: same account, claims and Secrets";
    for (action, means) in [
        (
            Action::cluster("create", ADMISSION, "mutatingwebhookconfigurations"),
            "rewrites what arrives",
        ),
        (
            Action::cluster("create", OURS, "debugpolicies"),
            "changes what is allowed",
        ),
        (Action::cluster("get", CORE, "nodes/proxy"), kubelet),
        (Action::cluster("create", CORE, "nodes/proxy"), kubelet),
        (Action::namespaced("create", CORE, "pods"), write_pods),
        (
            Action::namespaced("patch", CORE, "pods"),
            "replaces the image of a running container",
        ),
        (
            Action::namespaced("patch", CORE, "pods/status"),
            "writes what a Pod says of itself, the image that ran included",
        ),
        (
            Action::namespaced("patch", OURS, "debugsessions/status"),
            "writes what a session says of itself; the log says otherwise",
        ),
    ] {
        needs.push(direct(action, means));
    }
    needs.extend(others());
    needs
}
