//! Who can, and through what.

use authority::{Action, Question, Rbac};
use serde_json::json;

use crate::cluster::{bind, bind_in, cluster_role};

const EXEC: Action = Action::namespaced("create", "", "pods/exec");

fn who(rbac: &Rbac, action: Action, namespace: Option<&str>) -> Vec<String> {
    let holders = rbac.who_can(&[action], namespace);
    holders.keys().map(ToString::to_string).collect()
}

#[test]
fn a_rule_allows_what_it_names_and_no_more() {
    let check = |groups: &[&str], resources: &[&str], verbs: &[&str], expected: bool| {
        let mut rbac = Rbac::default();
        cluster_role(&mut rbac, "r", &[(groups, resources, verbs)]);
        bind(&mut rbac, "r", "User", "u");
        let found = !who(&rbac, EXEC, None).is_empty();
        assert_eq!(found, expected, "{groups:?} {resources:?} {verbs:?}");
    };
    check(&[""], &["pods/exec"], &["create"], true);
    check(&["*"], &["*"], &["*"], true);
    check(&[""], &["*/exec"], &["create"], true);
    // `pods` has nothing of its subresources, and `pods/*` is no pattern.
    check(&[""], &["pods"], &["create"], false);
    check(&[""], &["pods/*"], &["create"], false);
    check(&["apps"], &["pods/exec"], &["create"], false);
    check(&[""], &["pods/exec"], &["get"], false);
}

#[test]
fn a_role_binding_gives_a_cluster_role_in_its_namespace_only() {
    let mut rbac = Rbac::default();
    cluster_role(&mut rbac, "exec", &[(&[""], &["pods/exec"], &["create"])]);
    cluster_role(&mut rbac, "proxy", &[(&[""], &["nodes/proxy"], &["get"])]);
    let account = json!({"kind": "ServiceAccount", "name": "bot"});
    bind_in(&mut rbac, "shop", ("ClusterRole", "exec"), &account);
    bind_in(&mut rbac, "shop", ("ClusterRole", "proxy"), &account);
    let bot = ["ServiceAccount shop/bot"];
    assert_eq!(who(&rbac, EXEC, Some("shop")), bot);
    assert_eq!(who(&rbac, EXEC, None), bot);
    assert!(who(&rbac, EXEC, Some("bank")).is_empty());
    let proxy = Action::cluster("get", "", "nodes/proxy");
    assert!(who(&rbac, proxy, Some("shop")).is_empty());
}

#[test]
fn a_role_counts_in_its_own_namespace() {
    let mut rbac = Rbac::default();
    let role = json!({
        "metadata": {"name": "exec", "namespace": "shop"},
        "rules": [{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"], "resourceNames": ["web"]}],
    });
    rbac.roles.push(serde_json::from_value(role).unwrap());
    let alice = json!({"kind": "User", "name": "alice"});
    bind_in(&mut rbac, "shop", ("Role", "exec"), &alice);
    bind_in(&mut rbac, "bank", ("Role", "exec"), &alice);
    let ways = rbac
        .who_can(&[EXEC], None)
        .remove(&authority::Holder::User("alice".into()));
    let ways = ways.unwrap();
    assert_eq!(ways.len(), 1);
    assert_eq!(ways[0].binding, "RoleBinding shop/exec-bound");
    assert_eq!(ways[0].role, "Role shop/exec");
    assert_eq!(ways[0].names, ["web"]);
}

#[test]
fn an_aggregated_role_says_where_the_rule_is_from() {
    let mut rbac = Rbac::default();
    let rule = json!([{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]);
    let source = json!({"metadata": {"name": "more", "labels": {"to": "edit"}}, "rules": rule});
    let edit = json!({
        "metadata": {"name": "edit"}, "rules": rule,
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to": "edit"}}]},
    });
    for role in [source, edit] {
        rbac.cluster_roles
            .push(serde_json::from_value(role).unwrap());
    }
    bind(&mut rbac, "edit", "Group", "dev");
    let holders = rbac.who_can(&[EXEC], None);
    let ways = holders.values().next().unwrap();
    assert_eq!(ways[0].aggregated_from, ["more"]);
}

#[test]
fn to_be_able_to_become_somebody_answers_every_question() {
    let questions = [
        Question::Debug,
        Question::Attach,
        Question::Exec,
        Question::Approve,
        Question::Bypass,
    ];
    for question in questions {
        let mut rbac = Rbac::default();
        cluster_role(&mut rbac, "su", &[(&[""], &["users"], &["impersonate"])]);
        bind(&mut rbac, "su", "User", "mallory");
        let actions: Vec<Action> = question.needs().into_iter().map(|n| n.action).collect();
        assert_eq!(rbac.who_can(&actions, None).len(), 1, "{question:?}");
    }
}
