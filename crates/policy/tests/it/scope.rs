//! Which policies an ask is held against, and what the ask itself must say.

use std::time::Duration;

use policy::{Decision, Effect, Selector, TicketRule};
use serde_json::json;
use session::{Checked, Mode, Surface};

use crate::setting::{Setting, labels, person, policy, setting};

fn check(change: impl FnOnce(&mut Setting), expected: &[&str]) {
    let mut setting = setting();
    change(&mut setting);
    assert_eq!(setting.refused(), expected);
}

fn selecting(pairs: &[(&str, &str)]) -> Selector {
    Selector {
        match_labels: labels(pairs),
        ..Selector::default()
    }
}

#[test]
fn no_policy_that_matches_means_no() {
    check(|s| s.policies.clear(), &["match"]);
    check(|s| s.policy().scope.namespaces = None, &["match"]);
    check(|s| s.policy().scope.pods = None, &["match"]);
    check(|s| s.policy().scope.groups.clear(), &["match"]);
    check(|s| s.policy().effect = Effect::Guard, &["match"]);
    check(
        |s| s.policy().scope.namespaces = Some(selecting(&[("env", "dev")])),
        &["match"],
    );
    check(
        |s| s.policy().scope.pods = Some(selecting(&[("app", "other")])),
        &["match"],
    );
    check(
        |s| s.policy().scope.pods = Some(selecting(&[("app", "cart")])),
        &[],
    );
    check(
        |s| {
            s.policy().scope.groups.clear();
            s.policy().scope.users = ["alice".to_owned()].into();
        },
        &[],
    );
    check(|s| s.policy().scope.modes = [Mode::Copy].into(), &["match"]);
}

#[test]
fn a_mode_that_is_not_served_is_refused() {
    check(
        |s| {
            s.request.mode = Mode::Copy;
            s.policy().scope.modes = [Mode::Copy].into();
        },
        &["mode"],
    );
}

#[test]
fn another_pod_of_the_same_name_is_another_pod() {
    check(
        |s| s.facts.pod["metadata"]["uid"] = json!("pod-2"),
        &["pod.uid"],
    );
    check(
        |s| s.facts.pod["metadata"]["uid"] = json!(null),
        &["pod.uid"],
    );
}

#[test]
fn the_first_satisfied_policy_by_name_wins_whatever_the_order() {
    let mut setting = setting();
    setting.policies = vec![policy("c"), policy("a"), policy("b")];
    setting.policies[1].container.images.clear();
    let Decision::NeedsApproval(pending) = setting.decide() else {
        panic!("{:?}", setting.decide());
    };
    let names: Vec<&str> = pending.policies().iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["b"]);
    let hash = setting.hash();
    setting.policies.reverse();
    assert_eq!(setting.hash(), hash);
}

#[test]
fn every_guard_that_matches_must_be_satisfied_besides() {
    let guarded = |change: fn(&mut policy::Policy), expected: &[&str]| {
        let mut setting = setting();
        let mut guard = policy("guard");
        guard.effect = Effect::Guard;
        guard.scope.groups.clear();
        change(&mut guard);
        setting.policies.push(guard);
        assert_eq!(setting.refused(), expected);
    };
    guarded(|_| {}, &[]);
    guarded(|g| g.container.images.clear(), &["container.images"]);
    guarded(
        |g| {
            g.container.images.clear();
            g.scope.pods = None;
            g.scope.namespaces = None;
        },
        &["container.images"],
    );
    guarded(
        |g| {
            g.container.images.clear();
            g.scope.namespaces = Some(selecting(&[("env", "dev")]));
        },
        &[],
    );
    guarded(
        |g| {
            g.container.images.clear();
            g.scope.users = ["somebody-else".to_owned()].into();
        },
        &[],
    );
    guarded(
        |g| g.approval.rule = policy::ApprovalRule::Unsaid,
        &["approval.quorum"],
    );
}

#[test]
fn the_ask_says_what_the_policy_wants_to_know() {
    check(
        |s| s.policy().request.reason_min_length = 200,
        &["request.reason"],
    );
    check(|s| s.request.reason = "   ".into(), &["request.reason"]);
    let ticket = |s: &mut Setting, ticket: &str| {
        s.policy().request.ticket = TicketRule::pattern("INC-[0-9]+|CHG").unwrap();
        s.request.ticket = ticket.into();
    };
    check(|s| ticket(s, "INC-12"), &[]);
    check(|s| ticket(s, ""), &["request.ticket"]);
    check(|s| ticket(s, "INC-12; drop"), &["request.ticket"]);
    check(|s| ticket(s, "not CHG"), &["request.ticket"]);
    assert!(TicketRule::pattern("a)|(b").is_err());

    let looked = |s: &mut Setting, fell_short: &str| {
        s.policy().request.checked = vec![Surface::Logs];
        s.request.checked = vec![Checked {
            surface: Surface::Logs,
            fell_short: fell_short.into(),
        }];
    };
    check(|s| looked(s, "they end before the fault"), &[]);
    check(|s| looked(s, " "), &["request.checked"]);
    let longer = |s: &mut Setting| s.request.duration = Duration::from_secs(901);
    check(longer, &["request.maxDurationSeconds"]);
}

#[test]
fn a_refusal_is_one_sentence_that_says_what_would_be_accepted() {
    let mut setting = setting();
    setting.request.requester = person("alice", &["sre"]);
    setting.policy().request.reason_min_length = 200;
    let Decision::Denied(denied) = setting.decide() else {
        panic!("{:?}", setting.decide());
    };
    assert_eq!(
        denied.to_string(),
        "not permitted: policy sre (generation 1), request.reason: found 20 characters; accepted: \
         at least 200: say what is broken and what the visit is to show"
    );
}
