//! Attach and exec.

use std::time::Duration;

use jiff::Timestamp;
use policy::{Act, Decision, Recording};
use session::Person;

use crate::setting::{Setting, person, setting};

fn open() -> Setting {
    let mut setting = setting();
    setting.approve("bob", &["approvers"]);
    setting.facts.open_until = Some(setting.now + Duration::from_mins(10));
    setting
}

fn attach(by: Person) -> Act {
    Act::Attach {
        by,
        stdin: true,
        tty: false,
    }
}

fn exec(by: Person) -> Act {
    let command = vec!["sh".into()];
    Act::Exec { by, command }
}

#[test]
fn only_the_one_who_asked_and_only_while_the_visit_is_open() {
    let check = |act: Act, change: fn(&mut Setting), expected: &[&str]| {
        let mut setting = open();
        setting.facts.act = act;
        change(&mut setting);
        assert_eq!(setting.refused(), expected);
        let permitted = matches!(setting.decide(), Decision::Permit(_));
        assert_eq!(permitted, expected.is_empty());
    };
    let alice = || person("alice", &["sre"]);
    check(attach(alice()), |_| {}, &[]);
    check(
        attach(person("bob", &["sre", "approvers"])),
        |_| {},
        &["requester"],
    );
    check(attach(alice()), |s| s.facts.open_until = None, &["phase"]);
    check(
        attach(alice()),
        |s| s.facts.open_until = Some(s.now),
        &["deadline"],
    );
    check(exec(alice()), |_| {}, &["recording.mode"]);
}

#[test]
fn an_exec_is_possible_where_nothing_is_recorded() {
    let mut setting = open();
    setting.policy().recording = Recording::Off;
    setting.facts.act = exec(person("alice", &["sre"]));
    assert!(matches!(setting.decide(), Decision::Permit(_)));
}

#[test]
fn an_approval_that_was_used_in_time_still_opens_the_streams() {
    let mut setting = open();
    setting.facts.act = attach(person("alice", &["sre"]));
    setting.now += Duration::from_mins(9);
    setting.policy().approval.expiry = Duration::from_mins(1);
    assert!(matches!(setting.decide(), Decision::Permit(_)));
    setting.facts.open_until = Some(Timestamp::MIN);
    assert_eq!(setting.refused(), ["deadline"]);
}
