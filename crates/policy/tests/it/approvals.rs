//! Who must say yes, and to what.

use std::time::Duration;

use policy::{Act, ApprovalRule, By, Decision, Effect};
use session::event::{Quorum, Surroundings};
use session::{Injection, Verdict};

use crate::setting::{Setting, person, policy, setting};

fn permitted(setting: &Setting) -> bool {
    matches!(setting.decide(), Decision::Permit(_))
}

fn quorum(parts: &[(&str, u32)]) -> ApprovalRule {
    let part = |(group, count): &(&str, u32)| Quorum {
        group: (*group).into(),
        count: *count,
    };
    ApprovalRule::Quorum(parts.iter().map(part).collect())
}

#[test]
fn somebody_of_the_group_is_needed() {
    let mut setting = setting();
    assert!(!permitted(&setting));
    setting.approve("mallory", &["sre"]);
    assert!(!permitted(&setting), "another group's member");
    setting.approve("bob", &["sre", "approvers"]);
    let Decision::Permit(permit) = setting.decide() else {
        panic!("{:?}", setting.decide());
    };
    assert_eq!(permit.approvals(), ["approval-of-bob"]);
    assert_eq!(permit.grant().spec_hash, setting.hash());
    assert_eq!(permit.use_until(), setting.now + Duration::from_mins(15));
    let terms = permit.terms(Surroundings::default());
    assert_eq!(terms.spec_hash, setting.hash());
    assert_eq!(terms.exposure_digest, permit.exposure().digest());
}

#[test]
fn nobody_approves_their_own_visit_under_any_name_of_the_same_uid() {
    let mut setting = setting();
    setting.request.requester.uid = "1".into();
    setting.approve("alice", &["approvers"]);
    assert!(!permitted(&setting));
    setting.approve("alice@corp", &["approvers"]);
    setting.facts.approvals[1].approver.uid = "1".into();
    assert!(!permitted(&setting));
}

#[test]
fn one_person_fills_one_place() {
    let mut setting = setting();
    setting.policy().approval.rule = quorum(&[("approvers", 1), ("security", 1)]);
    setting.approve("bob", &["approvers", "security"]);
    assert!(!permitted(&setting), "one person in both groups");
    setting.approve("bob", &["approvers", "security"]);
    assert!(!permitted(&setting), "the same person twice");
    setting.approve("carol", &["approvers"]);
    assert!(permitted(&setting), "bob moves to the other place");

    let mut setting = crate::setting::setting();
    setting.policy().approval.rule = quorum(&[("approvers", 2)]);
    setting.approve("bob", &["approvers"]);
    setting.approve("bob@corp", &["approvers"]);
    for approval in &mut setting.facts.approvals {
        approval.approver.uid = "7".into();
    }
    assert!(!permitted(&setting), "two names of one uid");
}

fn setting_approved() -> Setting {
    let mut setting = setting();
    setting.approve("bob", &["approvers"]);
    assert!(permitted(&setting));
    setting
}

#[test]
fn an_approval_of_anything_else_is_no_approval() {
    let check = |what: &str, change: fn(&mut Setting)| {
        let mut setting = setting_approved();
        change(&mut setting);
        assert!(!permitted(&setting), "{what}");
    };
    check("another command", |s| {
        s.arrives(|c| c["command"] = "id".into());
    });
    check("another argument", |s| {
        s.arrives(|c| c["args"] = vec!["x"].into());
    });
    check("an environment", |s| {
        s.arrives(|c| c["env"] = serde_json::json!([{"name": "A", "value": "1"}]));
    });
    check("another reason", |s| s.request.reason.push('!'));
    check("another ticket", |s| s.request.ticket.push('2'));
    check("a longer visit", |s| {
        s.request.duration += Duration::from_secs(1);
    });
    check("another person", |s| {
        s.request.requester.username = "mallory".into();
    });
    check("a changed policy", |s| s.policy().version.generation = 2);
    check("a policy made anew", |s| {
        s.policy().version.uid = "new".into();
    });
    check("another Pod of the name", |s| {
        s.request.pod.uid = "pod-2".into();
        s.facts.pod["metadata"]["uid"] = "pod-2".into();
    });
    check("another session", |s| {
        s.request.session.uid = "0f9d2c41-0000".into();
    });
    check("another reach", |s| {
        s.facts.pod["spec"]["hostNetwork"] = true.into();
    });
    check("a guard that came later", |s| {
        let mut guard = policy("later");
        guard.effect = Effect::Guard;
        s.policies.push(guard);
    });
    check("too late", |s| s.now += Duration::from_mins(15));
    check("a no", |s| {
        s.approve("carol", &[]);
        s.facts.approvals[1].verdict = Verdict::Deny;
    });
}

#[test]
fn guards_add_their_people() {
    let mut setting = setting();
    let mut guard = policy("guard");
    guard.effect = Effect::Guard;
    guard.approval.rule = quorum(&[("security", 1), ("approvers", 1)]);
    setting.policies.push(guard);
    setting.approve("bob", &["approvers"]);
    assert!(!permitted(&setting));
    setting.approve("sven", &["security"]);
    assert!(permitted(&setting));
}

#[test]
fn nobody_need_agree_only_where_a_policy_says_so_in_words() {
    let mut setting = setting();
    setting.policy().approval.rule = ApprovalRule::AutoApprove;
    assert!(permitted(&setting));
    setting.policy().approval.rule = ApprovalRule::Unsaid;
    assert_eq!(setting.refused(), ["approval.quorum"]);
    setting.policy().approval.rule = quorum(&[]);
    assert_eq!(setting.refused(), ["approval.quorum"]);
}

#[test]
fn only_the_one_who_is_to_add_the_container_may() {
    let check = |injection, by: By, expected: &[&str]| {
        let mut setting = setting();
        setting.request.injection = injection;
        setting.facts.act = Act::Enter { by: by.clone() };
        assert_eq!(setting.refused(), expected, "{injection:?} {by:?}");
    };
    let alice = || By::Person(person("alice", &["sre"]));
    let admin = || By::Person(person("admin", &["system:masters"]));
    check(Injection::Controller, By::Controller, &[]);
    check(Injection::Controller, alice(), &["injection"]);
    check(Injection::Requester, alice(), &[]);
    check(Injection::Requester, By::Controller, &["injection"]);
    check(Injection::Requester, admin(), &["injection"]);
    let left_the_group = By::Person(person("alice", &[]));
    check(Injection::Requester, left_the_group, &["match"]);
}
