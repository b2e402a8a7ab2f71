//! From objects to the domain.

use api::{DebugApproval, DebugPolicy, DebugSession};
use jiff::Timestamp;
use policy::{ApprovalRule, Effect, Recording, UserRule};
use serde_json::{Value, json};
use session::Mode;

fn session() -> Value {
    json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugSession",
        "metadata": {"name": "look", "namespace": "shop", "uid": "0f9d2c41-77aa"},
        "spec": {
            "pod": {"name": "cart", "uid": "pod-1"},
            "container": {"name": "any", "image": "dbg", "tomorrow": {"x": 1}},
            "reason": "the cart answers 500",
            "requester": {"username": "alice", "groups": ["sre"]},
        },
    })
}

fn at(mut object: Value, path: &str, value: Value) -> Value {
    let (parent, field) = path.rsplit_once('/').unwrap();
    object.pointer_mut(parent).unwrap()[field] = value;
    object
}

#[test]
fn a_session_means_its_ask_under_the_visits_handle() {
    let object: DebugSession = serde_json::from_value(session()).unwrap();
    let request = api::request(&object).unwrap();
    assert_eq!(request.handle().as_str(), "visit-0f9d2c41");
    assert_eq!(request.container.name(), "visit-0f9d2c41");
    assert_eq!(request.container.raw()["tomorrow"], json!({"x": 1}));
    assert_eq!(request.requester.username, "alice");
    assert_eq!(request.mode, Mode::Ephemeral);
    assert_eq!(request.duration.as_secs(), 900);
    assert_eq!(request.pod.uid, "pod-1");
}

#[test]
fn a_session_without_a_stamp_or_a_sense_rejects() {
    let check = |path: &str, value: Value, field: &str| {
        let object: DebugSession = serde_json::from_value(at(session(), path, value)).unwrap();
        let error = api::request(&object).unwrap_err();
        assert_eq!(error.field, field, "{error}");
    };
    check("/spec/requester", Value::Null, "spec.requester");
    check("/spec/pod/uid", json!(""), "spec.pod.uid");
    check("/spec/container", json!({}), "spec.container");
    check("/spec/reason", json!("  "), "spec.reason");
    check("/spec/reason", json!("ok\u{1b}[2J"), "spec.reason");
    check("/spec/ticket", json!("INC\u{202e}1"), "spec.ticket");
    let checked = json!([{"surface": "logs", "fellShort": "\u{7}"}]);
    check("/spec/checked", checked, "spec.checked.fellShort");
    check("/spec/durationSeconds", json!(0), "spec.durationSeconds");
    check("/spec/durationSeconds", json!(-1), "spec.durationSeconds");
    check(
        "/spec/durationSeconds",
        json!(86_401),
        "spec.durationSeconds",
    );
    check("/metadata/uid", Value::Null, "metadata.uid");
}

fn policy(spec: &Value) -> Result<policy::Policy, api::ConversionError> {
    let object: DebugPolicy = serde_json::from_value(json!({
        "apiVersion": "ephemera.dev/v1alpha1", "kind": "DebugPolicy",
        "metadata": {"name": "p", "uid": "u", "generation": 3}, "spec": spec,
    }))
    .unwrap();
    api::policy(&object)
}

#[test]
fn an_empty_policy_is_the_strictest() {
    let policy = policy(&json!({})).unwrap();
    assert_eq!(policy.effect, Effect::Allow);
    assert_eq!(policy.scope, policy::Scope::default());
    assert_eq!(policy.container, policy::ContainerRules::default());
    assert_eq!(policy.approval, policy::ApprovalRules::default());
    assert_eq!(policy.approval.rule, ApprovalRule::Unsaid);
    assert_eq!(policy.request.max_duration.as_secs(), 900);
    assert_eq!(policy.recording, Recording::Output);
    assert_eq!(policy.container.user, UserRule::NonRoot);
    assert!(!policy.container.allow_without_digest);
    assert_eq!(policy.version.generation, 3);
}

#[test]
fn a_policy_says_what_it_says() {
    let policy = policy(&json!({
        "match": {
            "namespaceSelector": {},
            "podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["cart"]}]},
            "subjects": {"groups": ["sre"]},
            "modes": ["Ephemeral"],
        },
        "container": {
            "images": ["registry.example/*"], "requireDigest": false, "targets": ["*"],
            "capabilities": ["SYS_PTRACE"], "user": "Any", "allowPrivilegeEscalation": true, "tty": true,
        },
        "request": {
            "reason": {"minLength": 10}, "ticket": {"pattern": "INC-[0-9]+"}, "checked": ["logs"],
            "maxDurationSeconds": 1800,
        },
        "approval": {"quorum": [{"group": "approvers"}], "expirySeconds": 600},
        "recording": {"mode": "Off"},
    }))
    .unwrap();
    assert!(policy.scope.namespaces.is_some());
    assert!(policy.container.allow_without_digest);
    assert!(policy.container.tty);
    assert_eq!(policy.request.reason_min_length, 10);
    let ApprovalRule::Quorum(quorum) = &policy.approval.rule else {
        panic!("{:?}", policy.approval);
    };
    assert_eq!(
        (quorum[0].group.as_str(), quorum[0].count),
        ("approvers", 1)
    );
    assert_eq!(policy.recording, Recording::Off);
}

#[test]
fn what_a_policy_says_of_the_container_is_read_field_by_field() {
    let rules = policy(&json!({"container": {
        "capabilities": ["CAP_SYS_PTRACE"], "requiredDropCapabilities": ["net_raw"],
        "seccompProfiles": ["Unconfined"], "appArmorProfiles": ["Localhost/x"], "seLinuxTypes": ["spc_t"],
        "unmaskedProc": true, "requireReadOnlyRootFilesystem": true,
        "commands": [{"argv": ["ps", "**"]}, {"argv": []}], "env": ["TERM"],
        "envFromConfigMaps": ["debug-*"], "stdin": false,
    }}))
    .unwrap()
    .container;
    assert!(rules.capabilities.contains("SYS_PTRACE"));
    assert!(rules.required_drops.contains("NET_RAW"));
    let confinement = &rules.confinement;
    assert_eq!(confinement.seccomp_profiles[0].as_str(), "Unconfined");
    assert_eq!(confinement.app_armor_profiles[0].as_str(), "Localhost/x");
    assert_eq!(confinement.selinux_types[0].as_str(), "spc_t");
    assert!(confinement.unmasked_proc && confinement.read_only_root_filesystem);
    assert_eq!(rules.commands.unwrap()[1].argv, []);
    assert_eq!(rules.env.unwrap()[0].as_str(), "TERM");
    assert_eq!(rules.env_from_config_maps[0].as_str(), "debug-*");
    assert!(rules.no_stdin);
}

#[test]
fn a_policy_that_makes_no_sense_rejects_with_what_to_write() {
    let check = |spec: Value, field: &str| {
        let error = policy(&spec).unwrap_err();
        assert_eq!(error.field, field, "{spec}: {error}");
        assert!(!error.instead.is_empty());
    };
    check(json!({"effect": "Guard"}), "spec.match.namespaceSelector");
    let guard = json!({"effect": "Guard", "match": {"namespaceSelector": {}}});
    check(guard, "spec.match.podSelector");
    let none = json!({"none": "AutoApprove", "quorum": [{"group": "g"}]});
    check(json!({"approval": none}), "spec.approval");
    let nobody = json!([{"group": "g", "count": 0}]);
    check(
        json!({"approval": {"quorum": nobody}}),
        "spec.approval.quorum",
    );
    let unnamed = json!([{"group": " "}]);
    check(
        json!({"approval": {"quorum": unnamed}}),
        "spec.approval.quorum",
    );
    check(
        json!({"approval": {"expirySeconds": 0}}),
        "spec.approval.expirySeconds",
    );
    check(
        json!({"request": {"ticket": {"pattern": "("}}}),
        "spec.request.ticket.pattern",
    );
    let longer = json!({"request": {"maxDurationSeconds": 1_000_000}});
    check(longer, "spec.request.maxDurationSeconds");
    let negative = json!({"request": {"reason": {"minLength": -1}}});
    check(negative, "spec.request.reason.minLength");
    check(
        json!({"recording": {"mode": "Required"}}),
        "spec.recording.mode",
    );
    check(
        json!({"container": {"images": [""]}}),
        "spec.container.images",
    );
    check(
        json!({"match": {"subjects": {"groups": [""]}}}),
        "spec.match.subjects.groups",
    );
    let no_values = json!({"matchExpressions": [{"key": "a", "operator": "In"}]});
    check(
        json!({"match": {"podSelector": no_values}}),
        "spec.match.podSelector",
    );
    let unknown = json!({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["x"]}]});
    check(
        json!({"match": {"podSelector": unknown}}),
        "spec.match.podSelector",
    );
}

#[test]
fn what_could_never_match_rejects() {
    let check = |spec: Value, field: &str| {
        let error = policy(&spec).unwrap_err();
        assert_eq!(error.field, field, "{spec}: {error}");
    };
    check(
        json!({"container": {"capabilities": ["sys ptrace"]}}),
        "spec.container.capabilities",
    );
    check(
        json!({"container": {"seccompProfiles": ["runtime/default"]}}),
        "spec.container.seccompProfiles",
    );
}

#[test]
fn one_policy_that_means_nothing_spoils_them_all() {
    let object = |name: &str, spec: Value| -> DebugPolicy {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": spec})).unwrap()
    };
    let objects = [
        object("a", json!({})),
        object("b", json!({"effect": "Guard"})),
    ];
    let error = api::policies(&objects).unwrap_err();
    assert_eq!(error.field, "policy b: spec.match.namespaceSelector");
    assert_eq!(api::policies(&objects[..1]).unwrap().len(), 1);
}

#[test]
fn an_approval_means_a_persons_verdict_on_one_hash() {
    let object = |approver: Value, hash: &str| -> DebugApproval {
        serde_json::from_value(json!({
            "metadata": {"name": "yes", "namespace": "shop", "uid": "a-1"},
            "spec": {"session": "look", "sessionUid": "0f9d2c41-77aa", "specHash": hash,
                     "verdict": "Approve", "approver": approver},
        }))
        .unwrap()
    };
    let hash = format!("sha256:{}", "00".repeat(32));
    let bob = json!({"username": "bob", "groups": ["approvers"]});
    let given = api::approval(&object(bob.clone(), &hash), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(given.approver.username, "bob");
    assert_eq!(given.spec_hash.to_string(), hash);
    let rejects = |approver: Value, hash: &str, field: &str| {
        let error = api::approval(&object(approver, hash), Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(error.field, field);
    };
    rejects(bob, "sha256:00", "spec.specHash");
    rejects(Value::Null, &hash, "spec.approver");
}
