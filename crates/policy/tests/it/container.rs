//! Every field of the container that arrives.

use policy::{Glob, Policy, UserRule};
use serde_json::{Value, json};

use crate::setting::{DIGEST, setting};

/// The findings' fields after one change of the container and one of the policy.
pub(crate) fn check(
    change: impl FnOnce(&mut Value),
    rules: impl FnOnce(&mut Policy),
    expected: &[&str],
) {
    let mut setting = setting();
    setting.arrives(change);
    rules(setting.policy());
    let container = setting.facts.container.raw().clone();
    assert_eq!(setting.refused(), expected, "{container}");
}

pub(crate) fn as_is(_: &mut Policy) {}

#[test]
fn what_kubectl_makes_with_the_restricted_profile_fits_the_strictest_policy() {
    check(|_| {}, as_is, &[]);
}

#[test]
fn a_field_that_no_rule_covers_is_refused() {
    let refused = [
        ("livenessProbe", json!({})),
        ("lifecycle", json!({})),
        ("ports", json!([])),
        ("restartPolicy", json!("Always")),
        ("tomorrow", json!(true)),
        (
            "volumeDevices",
            json!([{"name": "d", "devicePath": "/dev/x"}]),
        ),
        ("resources", json!({"limits": {"cpu": "1"}})),
        ("terminationMessagePath", json!("/run/x")),
    ];
    for (field, value) in refused {
        let path = format!("container.{field}");
        check(|c| c[field] = value, as_is, &[path.as_str()]);
    }
    let context = [
        ("tomorrow", json!(1)),
        ("seccompProfile.tomorrow", json!(1)),
        ("windowsOptions.gmsaCredentialSpec", json!("x")),
        ("capabilities.tomorrow", json!([])),
    ];
    for (field, value) in context {
        let path = format!("container.securityContext.{field}");
        let change = |c: &mut Value| match field.split_once('.') {
            Some((part, field)) => c["securityContext"][part][field] = value,
            None => c["securityContext"][field] = value,
        };
        check(change, as_is, &[path.as_str()]);
    }
}

#[test]
fn a_field_at_its_default_or_null_is_as_good_as_absent() {
    let accepted = [
        ("livenessProbe", Value::Null),
        ("workingDir", json!("/tmp")),
        ("args", json!(["-x"])),
        ("env", json!([{"name": "A", "value": "1"}])),
        ("imagePullPolicy", json!("Never")),
        ("stdinOnce", json!(true)),
    ];
    for (field, value) in accepted {
        check(|c| c[field] = value, as_is, &[]);
    }
}

#[test]
fn the_name_is_the_handle_and_the_target_is_a_container_of_the_pod() {
    check(
        |c| c["name"] = json!("visit-00000000"),
        as_is,
        &["container.name"],
    );
    check(
        |c| c["targetContainerName"] = json!("ghost"),
        |p| p.container.targets = vec![Glob::new("*")],
        &["container.targetContainerName"],
    );
    check(
        |c| c["targetContainerName"] = json!("side"),
        as_is,
        &["container.targets"],
    );
    let no_target = |c: &mut Value| c["targetContainerName"] = Value::Null;
    check(no_target, as_is, &["container.allowNoTarget"]);
    check(no_target, |p| p.container.allow_no_target = true, &[]);
}

#[test]
fn images_are_named_and_by_digest() {
    let image = |name: &str| {
        let name = name.to_owned();
        move |c: &mut Value| c["image"] = json!(name)
    };
    let other = format!("registry.example/other@{DIGEST}");
    check(image(&other), as_is, &["container.images"]);
    let tag = "registry.example/dbg";
    check(image(tag), as_is, &["container.requireDigest"]);
    check(image(tag), |p| p.container.allow_without_digest = true, &[]);
    check(
        |_| {},
        |p| p.container.images.clear(),
        &["container.images"],
    );
}

#[test]
fn privileges_are_refused_unless_they_are_named() {
    let add =
        |names: Value| move |c: &mut Value| c["securityContext"]["capabilities"]["add"] = names;
    let may = |names: &'static [&'static str]| {
        move |p: &mut Policy| {
            p.container.capabilities = names.iter().map(|n| (*n).to_owned()).collect();
        }
    };
    let refused = &["container.capabilities"];
    check(add(json!(["SYS_PTRACE"])), as_is, refused);
    check(add(json!(["SYS_PTRACE"])), may(&["SYS_PTRACE"]), &[]);
    check(add(json!(["CAP_SYS_PTRACE"])), may(&["SYS_PTRACE"]), &[]);
    check(add(json!(["sys_ptrace"])), may(&["SYS_PTRACE"]), &[]);
    check(
        add(json!(["SYS_PTRACE", "SYS_ADMIN"])),
        may(&["SYS_PTRACE"]),
        refused,
    );
    check(add(json!(["ALL"])), may(&["SYS_PTRACE"]), refused);
    check(add(json!(["NET_RAW"])), may(&["ALL"]), &[]);
    let no_name = &["container.securityContext.capabilities.add"];
    check(add(json!([7])), may(&["SYS_PTRACE"]), no_name);

    let privileged = |c: &mut Value| c["securityContext"]["privileged"] = json!(true);
    check(
        privileged,
        as_is,
        &["container.privileged", "container.allowPrivilegeEscalation"],
    );
    let escalation = &["container.allowPrivilegeEscalation"];
    let unset = |c: &mut Value| c["securityContext"]["allowPrivilegeEscalation"] = Value::Null;
    check(unset, as_is, escalation);
    check(
        unset,
        |p| p.container.allow_privilege_escalation = true,
        &[],
    );
}

#[test]
fn root_is_refused_however_it_comes_about() {
    let context = |field: &'static str, value: Value| {
        move |c: &mut Value| c["securityContext"][field] = value
    };
    let refused = &["container.user"];
    check(context("runAsUser", json!(0)), as_is, refused);
    check(context("runAsUser", json!(1000)), as_is, &[]);
    check(context("runAsNonRoot", json!(false)), as_is, refused);
    check(context("runAsNonRoot", Value::Null), as_is, refused);
    check(context("runAsGroup", json!(0)), as_is, refused);
    check(
        context("runAsUser", json!(0)),
        |p| p.container.user = UserRule::Any,
        &[],
    );
}

#[test]
fn the_pods_security_context_is_the_containers_where_it_says_nothing() {
    let check = |pod: Value, expected: &[&str]| {
        let mut setting = setting();
        setting.arrives(|c| c["securityContext"]["runAsNonRoot"] = Value::Null);
        setting.facts.pod["spec"]["securityContext"] = pod.clone();
        assert_eq!(setting.refused(), expected, "{pod}");
    };
    check(json!({"runAsNonRoot": true}), &[]);
    check(json!({"runAsUser": 1000}), &[]);
    check(json!({"runAsUser": 0}), &["container.user"]);
    check(
        json!({"runAsUser": 0, "runAsNonRoot": true}),
        &["container.user"],
    );
    check(json!({}), &["container.user"]);
}

#[test]
fn secrets_mounts_and_terminals_are_refused_unless_they_are_named() {
    let key = |name: &str| json!([{"name": "A", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}]);
    let secrets = |p: &mut Policy| p.container.env_from_secrets = vec![Glob::new("debug-*")];
    let refused = &["container.envFromSecrets"];
    check(|c| c["env"] = key("db"), secrets, refused);
    check(|c| c["env"] = key("debug-x"), secrets, &[]);
    check(|c| c["env"] = key("debug-x"), as_is, refused);
    check(
        |c| c["envFrom"] = json!([{"secretRef": {"name": "db"}}]),
        secrets,
        refused,
    );
    check(
        |c| c["envFrom"] = json!([{"configMapRef": {"name": "m"}}]),
        secrets,
        &["container.envFromConfigMaps"],
    );
    check(
        |c| c["envFrom"] = json!([{"configMapRef": {"name": "m"}}]),
        |p| p.container.env_from_config_maps = vec![Glob::new("m")],
        &[],
    );
    check(
        |c| {
            c["env"] =
                json!([{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]);
        },
        as_is,
        &[],
    );
    check(
        |c| c["env"] = json!([{"name": "A", "valueFrom": {"fileKeyRef": {"volumeName": "v"}}}]),
        as_is,
        &["container.env[0].valueFrom.fileKeyRef"],
    );
    let mount = |c: &mut Value| c["volumeMounts"] = json!([{"name": "creds", "mountPath": "/c"}]);
    check(mount, as_is, &["container.volumeMounts"]);
    check(
        mount,
        |p| p.container.volume_mounts = vec![Glob::new("creds")],
        &[],
    );
    check(
        |c| {
            let both = "Bidirectional";
            c["volumeMounts"] =
                json!([{"name": "creds", "mountPath": "/c", "mountPropagation": both}]);
        },
        |p| p.container.volume_mounts = vec![Glob::new("creds")],
        &["container.volumeMounts[0].mountPropagation"],
    );
    check(|c| c["tty"] = json!(true), as_is, &["container.tty"]);
    check(|c| c["tty"] = json!(true), |p| p.container.tty = true, &[]);
    let silent = |p: &mut Policy| p.container.no_stdin = true;
    check(|_| {}, silent, &["container.stdin"]);
    check(|c| c["stdin"] = Value::Null, silent, &[]);
}

#[test]
fn a_value_of_another_type_is_not_read_as_absent() {
    let context = |field: &'static str, value: Value| {
        move |c: &mut Value| c["securityContext"][field] = value
    };
    check(
        context("capabilities", json!({"add": "SYS_ADMIN"})),
        as_is,
        &["container.securityContext.capabilities.add"],
    );
    check(
        context("capabilities", json!({"add": [["SYS_ADMIN"]]})),
        |p| p.container.capabilities = [String::new()].into(),
        &["container.securityContext.capabilities.add"],
    );
    check(
        context("privileged", json!("true")),
        as_is,
        &["container.securityContext.privileged"],
    );
    check(
        context("runAsUser", json!("0")),
        as_is,
        &["container.securityContext.runAsUser"],
    );
    check(
        |c| c["env"] = json!({"valueFrom": {"secretKeyRef": {"name": "db"}}}),
        as_is,
        &["container.env"],
    );
    check(
        |c| c["targetContainerName"] = json!(["app"]),
        |p| p.container.allow_no_target = true,
        &["container.targetContainerName"],
    );
    check(|c| c["tty"] = json!("true"), as_is, &["container.tty"]);
}

#[test]
fn where_processes_are_shared_all_that_is_seen_must_be_a_target() {
    let check = |field: &str, rules: fn(&mut Policy), expected: &[&str]| {
        let mut setting = setting();
        setting.facts.pod["spec"][field] = json!(true);
        rules(setting.policy());
        assert_eq!(setting.refused(), expected, "{field}");
    };
    let share = "shareProcessNamespace";
    let targets = "container.targets";
    // The init container and the sidecar.
    check(share, as_is, &[targets, targets]);
    check(
        share,
        |p| p.container.targets.push(Glob::new("side")),
        &[targets],
    );
    check(share, |p| p.container.targets = vec![Glob::new("*")], &[]);
    check(
        "hostPID",
        |p| p.container.targets = vec![Glob::new("*")],
        &[targets],
    );
    check("hostPID", |p| p.container.privileged = true, &[]);
}

#[test]
fn a_host_process_of_windows_is_privileged() {
    let mut setting = setting();
    setting.facts.pod["spec"]["securityContext"] = json!({"windowsOptions": {"hostProcess": true}});
    let refused = ["container.privileged", "container.allowPrivilegeEscalation"];
    assert_eq!(setting.refused(), refused);
    setting.facts.pod["spec"]["securityContext"] =
        json!({"windowsOptions": {"runAsUserName": "ContainerAdministrator"}});
    assert_eq!(setting.refused(), ["container.user"]);
}
