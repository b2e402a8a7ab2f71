//! What a policy says of the container.

use serde_json::Value;
use session::Container;

use crate::exposure::{containers, name};
use crate::image::Image;
use crate::judge::{Judge, listed};
use crate::security::{User, capabilities, is_true};
use crate::{ContainerRules, UserRule, command, confinement, sources};

/// Holds the container against one policy's rules. `effective` is its effective security context.
pub(crate) fn hold(
    judge: &mut Judge<'_>,
    rules: &ContainerRules,
    pod: &Value,
    container: &Container,
    effective: &Value,
) {
    image(judge, rules, container.image());
    target(judge, rules, container);
    shared_processes(judge, rules, pod, container, effective);
    privileges(judge, rules, container, effective);
    user(judge, rules, User::of(effective), effective);
    confinement::hold(judge, &rules.confinement, pod, container, effective);
    command::hold(judge, rules, container.raw());
    sources::hold(judge, rules, container.raw());
    streams(judge, rules, container.raw());
}

fn streams(judge: &mut Judge<'_>, rules: &ContainerRules, container: &Value) {
    if is_true(container, "tty") && !rules.tty {
        judge.refuse(
            "container.tty",
            "a terminal",
            "no terminal: ask without `-t`, or the policy says `tty: true`",
        );
    } else if is_true(container, "stdin") && rules.no_stdin {
        judge.refuse(
            "container.stdin",
            "standard input",
            "none: ask without `-i`",
        );
    }
}

fn image(judge: &mut Judge<'_>, rules: &ContainerRules, image: &str) {
    let reference = Image(image);
    if !rules.images.iter().any(|p| reference.fits(p)) {
        judge.refuse("container.images", image, listed(&rules.images));
    }
    if !rules.allow_without_digest && !reference.has_digest() {
        judge.refuse(
            "container.requireDigest",
            format!("{image} without a digest"),
            "an image by its digest, NAME@sha256:…",
        );
    }
}

fn target(judge: &mut Judge<'_>, rules: &ContainerRules, container: &Container) {
    match container.target() {
        Some(target) if rules.targets.iter().any(|p| p.matches(target)) => {}
        Some(target) => judge.refuse("container.targets", target, listed(&rules.targets)),
        None if rules.allow_no_target => {}
        None => judge.refuse(
            "container.allowNoTarget",
            "no target",
            format!("a target: {}", listed(&rules.targets)),
        ),
    }
}

/// Where processes are shared the target is not the boundary: whatever is seen must be a target.
fn shared_processes(
    judge: &mut Judge<'_>,
    rules: &ContainerRules,
    pod: &Value,
    container: &Container,
    effective: &Value,
) {
    if effective["hostPID"] == Value::Bool(true) {
        if !rules.privileged {
            judge.refuse(
                "container.targets",
                "the processes of the whole node (hostPID)",
                "a Pod without hostPID, or a policy that says `privileged: true`",
            );
        }
        return;
    }
    if effective["shareProcessNamespace"] != Value::Bool(true) {
        return;
    }
    for name in containers(&pod["spec"]).map(name) {
        let judged = container.target() == Some(name.as_str());
        if !judged && !rules.targets.iter().any(|p| p.matches(&name)) {
            judge.refuse(
                "container.targets",
                format!("the processes of {name} too (shareProcessNamespace)"),
                listed(&rules.targets),
            );
        }
    }
}

fn privileges(
    judge: &mut Judge<'_>,
    rules: &ContainerRules,
    container: &Container,
    effective: &Value,
) {
    let allowed = &rules.capabilities;
    let all = allowed.contains("ALL");
    for capability in capabilities(container, "add") {
        if !all && !allowed.contains(&capability) {
            let names: Vec<&str> = allowed.iter().map(String::as_str).collect();
            let accepted = if names.is_empty() {
                "none (another --profile adds none)".to_owned()
            } else {
                names.join(", ")
            };
            judge.refuse("container.capabilities", capability, accepted);
        }
    }
    let dropped = capabilities(container, "drop");
    for capability in &rules.required_drops {
        if !dropped.contains("ALL") && !dropped.contains(capability) {
            judge.refuse(
                "container.requiredDropCapabilities",
                format!("{capability} is not dropped"),
                "a container that drops it: `--profile=restricted` drops ALL",
            );
        }
    }
    if effective["privileged"] != Value::Bool(false) && !rules.privileged {
        judge.refuse(
            "container.privileged",
            "privileged",
            "a container that is not privileged",
        );
    }
    if effective["allowPrivilegeEscalation"] != Value::Bool(false)
        && !rules.allow_privilege_escalation
    {
        judge.refuse(
            "container.allowPrivilegeEscalation",
            "escalation is possible",
            "allowPrivilegeEscalation: false, as --profile=restricted says",
        );
    }
}

fn user(judge: &mut Judge<'_>, rules: &ContainerRules, user: User, effective: &Value) {
    if rules.user == UserRule::Any {
        return;
    }
    let accepted = "a user that is not root: runAsNonRoot: true, as --profile=restricted says";
    if !user.is_certainly_not_root() {
        let found = user.uid.map_or_else(
            || "the image's user, which may be root".into(),
            |uid| format!("user {uid}"),
        );
        judge.refuse("container.user", found, accepted);
    }
    let windows = effective["windowsOptions"]["runAsUserName"].as_str();
    if windows.is_some_and(|name| {
        name.to_ascii_lowercase()
            .ends_with("containeradministrator")
    }) {
        judge.refuse("container.user", "ContainerAdministrator", accepted);
    }
    if user.gid == Some(0) {
        judge.refuse("container.user", "group 0", accepted);
    }
}
