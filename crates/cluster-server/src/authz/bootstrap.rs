//! The ClusterRoles and ClusterRoleBindings that every cluster starts with.
//!
//! Source: `plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go`, without the roles of controllers
//! that do not exist here. `view`, `edit` and `admin` hold no rule for `pods/ephemeralcontainers`, on purpose.

use serde_json::{Value, json};

use super::GROUP;
use super::rules::Rule;

const READ: &str = "get list watch";
const WRITE: &str = "create delete deletecollection patch update";

/// A rule from lists separated by spaces; `-` in `groups` is the core group.
pub(super) fn rule(verbs: &str, groups: &str, resources: &str) -> Rule {
    let list = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let groups = match groups {
        "" => vec![String::new()],
        groups => groups
            .split_whitespace()
            .map(|group| group.trim_start_matches('-').to_owned())
            .collect(),
    };
    Rule {
        verbs: list(verbs),
        groups,
        resources: list(resources),
        ..Rule::default()
    }
}

fn paths(paths: &str) -> Rule {
    let list = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    Rule {
        verbs: list("get"),
        paths: list(paths),
        ..Rule::default()
    }
}

fn role(name: &str, rules: &[Rule]) -> Value {
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ClusterRole",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
        "rules": rules.iter().map(Rule::to_value).collect::<Vec<_>>(),
    })
}

/// A role that feeds `into` by its label.
fn part(name: &str, into: &str, rules: &[Rule]) -> Value {
    let mut role = role(name, rules);
    role["metadata"]["labels"][format!("{GROUP}/aggregate-to-{into}")] = "true".into();
    role
}

/// A role made of all roles labelled to feed `own`; itself feeds `into` if that is named.
fn aggregate(name: &str, own: &str, into: Option<&str>) -> Value {
    let mut role = role(name, &[]);
    let label = format!("{GROUP}/aggregate-to-{own}");
    role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    role["rules"] = Value::Null;
    if let Some(into) = into {
        role["metadata"]["labels"][format!("{GROUP}/aggregate-to-{into}")] = "true".into();
    }
    role
}

/// The bootstrap ClusterRoles, aggregated ones still empty (aggregation fills them).
pub fn cluster_roles() -> Vec<Value> {
    let mut roles = vec![
        role("cluster-admin", &[Rule::everything(), Rule::every_path()]),
        role(
            "system:discovery",
            &[paths(
                "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/",
            )],
        ),
        role(
            "system:monitoring",
            &[paths(
                "/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*",
            )],
        ),
        role(
            "system:basic-user",
            &[
                rule(
                    "create",
                    "authorization.k8s.io",
                    "selfsubjectaccessreviews selfsubjectrulesreviews",
                ),
                rule("create", "authentication.k8s.io", "selfsubjectreviews"),
            ],
        ),
        role(
            "system:public-info-viewer",
            &[paths("/healthz /livez /readyz /version /version/")],
        ),
        aggregate("admin", "admin", None),
        aggregate("edit", "edit", Some("admin")),
        aggregate("view", "view", Some("edit")),
        part("system:aggregate-to-admin", "admin", &admin_rules()),
        part("system:aggregate-to-edit", "edit", &edit_rules()),
        part("system:aggregate-to-view", "view", &view_rules()),
        role("system:node", &super::node::rules()),
    ];
    roles.extend(system_roles());
    roles
}

fn system_roles() -> Vec<Value> {
    vec![
        role(
            "system:auth-delegator",
            &[
                rule("create", "authentication.k8s.io", "tokenreviews"),
                rule("create", "authorization.k8s.io", "subjectaccessreviews"),
            ],
        ),
        role(
            "system:kubelet-api-admin",
            &[
                rule("get list watch", "", "nodes"),
                rule("proxy", "", "nodes"),
                rule(
                    "*",
                    "",
                    "nodes/configz nodes/healthz nodes/log nodes/metrics nodes/pods nodes/proxy nodes/stats",
                ),
            ],
        ),
        role(
            "system:kube-aggregator",
            &[
                rule(READ, "", "endpoints services"),
                rule(READ, "discovery.k8s.io", "endpointslices"),
            ],
        ),
        role(
            "system:service-account-issuer-discovery",
            &[paths(
                "/.well-known/openid-configuration /.well-known/openid-configuration/ /openid/v1/jwks /openid/v1/jwks/",
            )],
        ),
    ]
}

fn admin_rules() -> Vec<Rule> {
    vec![
        rule(
            "create",
            "authorization.k8s.io",
            "localsubjectaccessreviews",
        ),
        rule(&format!("{WRITE} {READ}"), GROUP, "rolebindings roles"),
    ]
}

fn edit_rules() -> Vec<Rule> {
    let mut rules = vec![
        rule(
            READ,
            "",
            "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy",
        ),
        rule("impersonate", "", "serviceaccounts"),
        rule(
            WRITE,
            "",
            "pods pods/attach pods/exec pods/portforward pods/proxy",
        ),
        rule("create", "", "pods/eviction"),
        rule(
            WRITE,
            "",
            "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
        ),
        rule("create", "", "serviceaccounts/token"),
    ];
    rules.extend(workload_rules(WRITE, false));
    rules.push(rule(
        &format!("{WRITE} {READ}"),
        "coordination.k8s.io",
        "leases",
    ));
    rules
}

fn view_rules() -> Vec<Rule> {
    let mut rules = vec![
        rule(
            READ,
            "",
            "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
        ),
        rule(
            READ,
            "",
            "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
        ),
        rule(READ, "", "namespaces"),
        rule(READ, "discovery.k8s.io", "endpointslices"),
    ];
    rules.extend(workload_rules(READ, true));
    rules
}

/// The rules for workloads, the same for readers (who also see status) and writers.
fn workload_rules(verbs: &str, status: bool) -> Vec<Rule> {
    let with_status = |base: &str, kinds: &str| {
        let mut all: Vec<String> = base.split_whitespace().map(str::to_owned).collect();
        if status {
            all.extend(
                kinds
                    .split_whitespace()
                    .map(|kind| format!("{kind}/status")),
            );
        }
        all.sort();
        all.join(" ")
    };
    let apps = if status {
        "controllerrevisions daemonsets deployments deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
    } else {
        "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale"
    };
    vec![
        rule(
            verbs,
            "apps",
            &with_status(apps, "daemonsets deployments replicasets statefulsets"),
        ),
        rule(
            verbs,
            "autoscaling",
            &with_status("horizontalpodautoscalers", "horizontalpodautoscalers"),
        ),
        rule(
            verbs,
            "batch",
            &with_status("cronjobs jobs", "cronjobs jobs"),
        ),
        rule(
            verbs,
            "policy",
            &with_status("poddisruptionbudgets", "poddisruptionbudgets"),
        ),
        rule(
            verbs,
            "networking.k8s.io",
            &with_status("ingresses networkpolicies", "ingresses"),
        ),
    ]
}

/// The bootstrap ClusterRoleBindings.
pub fn cluster_role_bindings() -> Vec<Value> {
    let (known, unknown) = ("system:authenticated", "system:unauthenticated");
    vec![
        binding("cluster-admin", "cluster-admin", &["system:masters"]),
        binding(
            "system:monitoring",
            "system:monitoring",
            &["system:monitoring"],
        ),
        binding("system:discovery", "system:discovery", &[known]),
        binding("system:basic-user", "system:basic-user", &[known]),
        binding(
            "system:public-info-viewer",
            "system:public-info-viewer",
            &[known, unknown],
        ),
        binding(
            "system:service-account-issuer-discovery",
            "system:service-account-issuer-discovery",
            &["system:serviceaccounts"],
        ),
        // As Kubernetes: the node authorizer speaks for nodes, so nobody is bound.
        binding("system:node", "system:node", &[]),
    ]
}

fn binding(name: &str, role: &str, groups: &[&str]) -> Value {
    let mut binding = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
    });
    let subjects: Vec<Value> = groups
        .iter()
        .map(|group| json!({"apiGroup": GROUP, "kind": "Group", "name": group}))
        .collect();
    if !subjects.is_empty() {
        binding["subjects"] = subjects.into();
    }
    binding
}
