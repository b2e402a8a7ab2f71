//! Rules that nobody can meet, or that mean nothing beside another: found before anybody asks.

use crate::{ApprovalRule, Effect, Policy, Recording, TicketRule, UserRule};
use session::Mode;

/// One thing in a policy that cannot do what somebody wrote it for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadEnd {
    /// Field of the object.
    pub field: &'static str,
    /// Why it leads nowhere, and what would.
    pub why: String,
}

/// Everything in `policy` that can never be met, or never counts.
pub fn dead_ends(policy: &Policy) -> Vec<DeadEnd> {
    let mut found = Vec::new();
    scope(policy, &mut found);
    container(policy, &mut found);
    terms(policy, &mut found);
    found
}

fn note(found: &mut Vec<DeadEnd>, field: &'static str, why: impl Into<String>) {
    found.push(DeadEnd {
        field,
        why: why.into(),
    });
}

fn scope(policy: &Policy, found: &mut Vec<DeadEnd>) {
    let scope = &policy.scope;
    for (field, selector) in [
        ("spec.match.namespaceSelector", &scope.namespaces),
        ("spec.match.podSelector", &scope.pods),
    ] {
        if selector.is_none() && policy.effect == Effect::Allow {
            note(
                found,
                field,
                "is left out and so matches nothing: write `{}` for all",
            );
        }
    }
    let nobody = scope.users.is_empty() && scope.groups.is_empty();
    if nobody && policy.effect == Effect::Allow {
        let why = "names nobody, and an Allow opens to those it names: write users or groups";
        note(found, "spec.match.subjects", why);
    }
    if !scope.modes.is_empty() && !scope.modes.contains(&Mode::Ephemeral) {
        let why = "has no mode that is served: only Ephemeral is so far";
        note(found, "spec.match.modes", why);
    }
}

fn container(policy: &Policy, found: &mut Vec<DeadEnd>) {
    let rules = &policy.container;
    if rules.images.is_empty() {
        note(
            found,
            "spec.container.images",
            "names no image, and so none is accepted",
        );
    }
    if rules.targets.is_empty() && !rules.allow_no_target {
        let why = "names no target, and `allowNoTarget` is not said: every container is refused";
        note(found, "spec.container.targets", why);
    }
    if rules.commands.as_ref().is_some_and(Vec::is_empty) {
        let why = "is an empty list: no command is accepted, the image's own neither";
        note(found, "spec.container.commands", why);
    }
    if rules.privileged && !rules.allow_privilege_escalation {
        let why = "is of no use without `allowPrivilegeEscalation: true`: what is privileged can escalate";
        note(found, "spec.container.privileged", why);
    }
    if rules.privileged && rules.user == UserRule::NonRoot {
        let why =
            "has little use with `user: NonRoot`: such a container has no capability to begin with";
        note(found, "spec.container.privileged", why);
    }
    let both = rules
        .capabilities
        .intersection(&rules.required_drops)
        .next();
    if let Some(both) = both {
        let why = format!("has {both}, which requiredDropCapabilities wants dropped");
        note(found, "spec.container.capabilities", why);
    }
    if rules.no_stdin && rules.tty {
        let why = "is of no use with `stdin: false`: nobody could type";
        note(found, "spec.container.tty", why);
    }
}

fn terms(policy: &Policy, found: &mut Vec<DeadEnd>) {
    match &policy.approval.rule {
        ApprovalRule::Unsaid => {
            let why = "names no quorum and does not say `none: AutoApprove`: nobody can approve";
            note(found, "spec.approval", why);
        }
        ApprovalRule::Quorum(parts) => {
            let mut groups: Vec<&str> = parts.iter().map(|p| p.group.as_str()).collect();
            groups.sort_unstable();
            if groups.windows(2).any(|pair| pair[0] == pair[1]) {
                let why = "names a group twice: the greater count is the one that holds";
                note(found, "spec.approval.quorum", why);
            }
        }
        ApprovalRule::AutoApprove => {}
    }
    if policy.request.max_duration < std::time::Duration::from_mins(1) {
        let why = "is under a minute: few images are pulled in that time";
        note(found, "spec.request.maxDurationSeconds", why);
    }
    if let TicketRule::Pattern { whole, .. } = &policy.request.ticket
        && whole.is_match("")
    {
        let why = "also fits no ticket at all";
        note(found, "spec.request.ticket.pattern", why);
    }
    if policy.recording == Recording::Off && policy.effect == Effect::Guard {
        let why = "is what a Guard asks least of: the strictest of all matching policies holds";
        note(found, "spec.recording.mode", why);
    }
}
