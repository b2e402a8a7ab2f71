//! Profiles, SELinux, /proc and dropped capabilities, the Pod's included.

use policy::{ConfinementRules, Glob, Policy};
use serde_json::{Value, json};

use crate::container::{as_is, check};
use crate::setting::setting;

#[test]
fn confinement_is_loosened_only_by_name() {
    let context = |field: &'static str, value: Value| {
        move |c: &mut Value| c["securityContext"][field] = value
    };
    let named = |rules: fn(&mut ConfinementRules)| {
        move |p: &mut Policy| rules(&mut p.container.confinement)
    };
    let unconfined = json!({"type": "Unconfined"});
    let local = json!({"type": "Localhost", "localhostProfile": "p/debug.json"});
    for value in [&unconfined, &local] {
        let seccomp = || context("seccompProfile", value.clone());
        check(seccomp(), as_is, &["container.seccompProfiles"]);
        let armor = || context("appArmorProfile", value.clone());
        check(armor(), as_is, &["container.appArmorProfiles"]);
        let other = named(|r| r.seccomp_profiles = vec![Glob::new("Localhost/q/**")]);
        check(seccomp(), other, &["container.seccompProfiles"]);
        let both = |r: &mut ConfinementRules| {
            r.seccomp_profiles = vec![Glob::new("Unconfined"), Glob::new("Localhost/p/*")];
            r.app_armor_profiles = r.seccomp_profiles.clone();
        };
        check(seccomp(), named(both), &[]);
        check(armor(), named(both), &[]);
    }
    let odd = json!({"type": "RuntimeDefault", "localhostProfile": "x"});
    check(
        context("seccompProfile", odd),
        as_is,
        &["container.seccompProfiles"],
    );
    check(context("seccompProfile", Value::Null), as_is, &[]);

    let kind = |name: &str| context("seLinuxOptions", json!({"type": name}));
    check(kind("container_t"), as_is, &[]);
    check(kind("spc_t"), as_is, &["container.seLinuxTypes"]);
    let types = named(|r| r.selinux_types = vec![Glob::new("spc_t")]);
    check(kind("spc_t"), types, &[]);
    let path = "container.securityContext.seLinuxOptions.user";
    check(
        context("seLinuxOptions", json!({"user": "u"})),
        as_is,
        &[path],
    );

    let proc = || context("procMount", json!("Unmasked"));
    check(proc(), as_is, &["container.unmaskedProc"]);
    check(proc(), named(|r| r.unmasked_proc = true), &[]);

    let read_only = named(|r| r.read_only_root_filesystem = true);
    check(
        |_| {},
        read_only,
        &["container.requireReadOnlyRootFilesystem"],
    );
    check(
        context("readOnlyRootFilesystem", json!(true)),
        read_only,
        &[],
    );
}

#[test]
fn confinement_counts_as_it_is_inherited_from_the_pod() {
    let mut setting = setting();
    setting.arrives(|c| c["securityContext"]["seccompProfile"] = Value::Null);
    setting.facts.pod["spec"]["securityContext"] = json!({"seccompProfile": {"type": "Unconfined"}, "seLinuxOptions": {"type": "spc_t", "user": "u"}});
    let refused = ["container.seccompProfiles", "container.seLinuxTypes"];
    assert_eq!(setting.refused(), refused);
    setting.facts.pod["spec"]["securityContext"] =
        json!({"windowsOptions": {"runAsUserName": "ContainerAdministrator"}});
    assert_eq!(setting.refused(), ["container.user"]);
}

#[test]
fn capabilities_that_must_be_dropped_are() {
    let must = |name: &'static str| {
        move |p: &mut Policy| p.container.required_drops = [name.to_owned()].into()
    };
    let drops =
        |names: Value| move |c: &mut Value| c["securityContext"]["capabilities"]["drop"] = names;
    let refused = &["container.requiredDropCapabilities"];
    check(|_| {}, must("NET_RAW"), &[]);
    check(drops(json!(["CAP_NET_RAW"])), must("NET_RAW"), &[]);
    check(drops(json!(["NET_ADMIN"])), must("NET_RAW"), refused);
    check(drops(json!(["NET_RAW"])), must("ALL"), refused);
}
