//! What is said of a policy before anybody asks.

use policy::{ApprovalRule, CommandRule, Effect, Policy, Scope, TicketRule, UserRule, dead_ends};
use session::Mode;
use session::event::Quorum;

use crate::setting::policy;

fn check(change: impl FnOnce(&mut Policy), expected: &[&str]) {
    let mut policy = policy("p");
    change(&mut policy);
    let found: Vec<&str> = dead_ends(&policy).iter().map(|end| end.field).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_policy_that_can_be_met_has_none() {
    check(|_| {}, &[]);
}

#[test]
fn what_matches_nothing_or_nobody_is_said() {
    check(
        |p| p.scope = Scope::default(),
        &[
            "spec.match.namespaceSelector",
            "spec.match.podSelector",
            "spec.match.subjects",
        ],
    );
    let guard_of_all = |p: &mut Policy| {
        p.effect = Effect::Guard;
        p.scope.groups.clear();
    };
    check(guard_of_all, &[]);
    check(
        |p| p.scope.modes = [Mode::Node].into(),
        &["spec.match.modes"],
    );
}

#[test]
fn what_no_container_can_meet_is_said() {
    check(|p| p.container.images.clear(), &["spec.container.images"]);
    check(|p| p.container.targets.clear(), &["spec.container.targets"]);
    let untargeted = |p: &mut Policy| {
        p.container.targets.clear();
        p.container.allow_no_target = true;
    };
    check(untargeted, &[]);
    check(
        |p| p.container.commands = Some(Vec::new()),
        &["spec.container.commands"],
    );
    check(
        |p| p.container.commands = Some(vec![CommandRule::default()]),
        &[],
    );
    let privileged = "spec.container.privileged";
    check(|p| p.container.privileged = true, &[privileged, privileged]);
    let consistent = |p: &mut Policy| {
        p.container.privileged = true;
        p.container.allow_privilege_escalation = true;
        p.container.user = UserRule::Any;
    };
    check(consistent, &[]);
    let both = |p: &mut Policy| {
        p.container.capabilities = ["NET_RAW".to_owned()].into();
        p.container.required_drops = p.container.capabilities.clone();
    };
    check(both, &["spec.container.capabilities"]);
}

#[test]
fn what_nobody_can_approve_or_anybody_can_leave_out_is_said() {
    check(
        |p| p.approval.rule = ApprovalRule::Unsaid,
        &["spec.approval"],
    );
    let part = Quorum {
        group: "g".into(),
        count: 1,
    };
    let twice = vec![part.clone(), part];
    check(
        |p| p.approval.rule = ApprovalRule::Quorum(twice),
        &["spec.approval.quorum"],
    );
    let pattern = |text: &str| TicketRule::pattern(text).unwrap();
    check(|p| p.request.ticket = pattern("INC-[0-9]+"), &[]);
    check(
        |p| p.request.ticket = pattern("(INC-[0-9]+)?"),
        &["spec.request.ticket.pattern"],
    );
}
