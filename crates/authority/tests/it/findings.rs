//! What is complained of.

use authority::{Rbac, lint};
use serde_json::json;

use crate::cluster::{Rules, bind, bind_in, cluster_role};

fn found(rbac: &Rbac) -> Vec<(&'static str, String)> {
    let findings = lint(rbac);
    findings.into_iter().map(|f| (f.rule, f.about)).collect()
}

fn one(rules: Rules<'_>, kind: &str, name: &str) -> Vec<(&'static str, String)> {
    let mut rbac = Rbac::default();
    cluster_role(&mut rbac, "r", rules);
    bind(&mut rbac, "r", kind, name);
    found(&rbac)
}

fn check(rules: Rules<'_>, expected: &[&str]) {
    let found: Vec<&str> = one(rules, "Group", "dev")
        .into_iter()
        .map(|f| f.0)
        .collect();
    assert_eq!(found, expected, "{rules:?}");
}

const OURS: &str = "ephemera.dev";

#[test]
fn what_the_parts_need_is_not_complained_of() {
    check(&[(&[OURS], &["debugsessions"], &["create", "get"])], &[]);
    check(&[(&[OURS], &["debugapprovals"], &["create", "get"])], &[]);
    check(&[(&[""], &["pods/ephemeralcontainers"], &["patch"])], &[]);
    check(
        &[(&[""], &["pods/exec", "pods/attach"], &["create", "get"])],
        &[],
    );
}

#[test]
fn each_way_around_is_found() {
    check(&[(&[""], &["nodes/proxy"], &["get"])], &["way-around"]);
    let webhooks = "validatingwebhookconfigurations";
    check(
        &[(&["admissionregistration.k8s.io"], &[webhooks], &["delete"])],
        &["way-around"],
    );
    check(
        &[(&[OURS], &["debugpolicies"], &["patch"])],
        &["way-around"],
    );
    check(
        &[(&[""], &["groups"], &["impersonate"])],
        &["becomes-another"],
    );
    let rbac = "rbac.authorization.k8s.io";
    check(
        &[(&[rbac], &["clusterroles"], &["bind"])],
        &["becomes-another"],
    );
    check(
        &[(&[""], &["serviceaccounts/token"], &["create"])],
        &["becomes-another"],
    );
}

#[test]
fn the_controllers_own_part_is_its_own_and_nobody_elses() {
    let mut rbac = Rbac::default();
    cluster_role(
        &mut rbac,
        "r",
        &[(&[OURS], &["debugsessions/status"], &["patch"])],
    );
    let account = |name: &str| json!({"kind": "ServiceAccount", "name": name});
    let namespace = "ephemera-system";
    bind_in(
        &mut rbac,
        namespace,
        ("ClusterRole", "r"),
        &account("ephemera-controller"),
    );
    assert_eq!(found(&rbac), []);
    bind_in(
        &mut rbac,
        namespace,
        ("ClusterRole", "r"),
        &account("other"),
    );
    assert_eq!(found(&rbac).len(), 1);
}

#[test]
fn a_wildcard_is_found_once_for_each_thing_it_gives() {
    let all = ["wildcard", "wildcard", "wildcard", "two-parts", "two-parts"];
    let found = one(&[(&["*"], &["*"], &["*"])], "Group", "dev");
    let mut found: Vec<&str> = found.into_iter().map(|f| f.0).collect();
    let mut all = all.to_vec();
    found.sort_unstable();
    all.sort_unstable();
    assert_eq!(found, all);
    check(&[(&[""], &["pods/*"], &["*"])], &[]);
}

#[test]
fn a_right_that_everybody_has_is_found() {
    let exec: Rules<'_> = &[(&[""], &["pods/exec"], &["create"])];
    let about = |name: &str| vec![("everybody", format!("Group {name}"))];
    assert_eq!(
        one(exec, "Group", "system:authenticated"),
        about("system:authenticated")
    );
    let of_one = "system:serviceaccounts:shop";
    assert_eq!(one(exec, "Group", of_one), about(of_one));
    assert_eq!(one(exec, "Group", "sre"), []);
}

#[test]
fn whoever_writes_the_policies_neither_asks_nor_judges() {
    let both: Rules<'_> = &[
        (&[OURS], &["debugpolicies"], &["create"]),
        (&[OURS], &["debugapprovals"], &["create"]),
    ];
    check(both, &["two-parts", "way-around"]);
}

#[test]
fn a_binding_to_a_role_that_is_not_there_is_found() {
    let mut rbac = Rbac::default();
    let alice = json!({"kind": "User", "name": "alice"});
    bind_in(&mut rbac, "shop", ("Role", "ghost"), &alice);
    assert_eq!(
        found(&rbac),
        [("missing-role", "RoleBinding shop/ghost-bound".to_owned())]
    );
}

#[test]
fn what_every_cluster_has_is_not_complained_of() {
    let mut rbac = Rbac::default();
    cluster_role(&mut rbac, "cluster-admin", &[(&["*"], &["*"], &["*"])]);
    bind(&mut rbac, "cluster-admin", "Group", "system:masters");
    let binding = &mut rbac.cluster_role_bindings[0];
    binding.metadata.labels = Some(
        [(
            "kubernetes.io/bootstrapping".to_owned(),
            "rbac-defaults".to_owned(),
        )]
        .into(),
    );
    assert_eq!(found(&rbac), []);
}
