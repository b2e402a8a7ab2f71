//! What a cluster's RBAC gives without meaning to, and the change that mends it.

use std::collections::BTreeSet;
use std::fmt;

use crate::holders::{Holder, Rbac, Way};
use crate::question::Question;
use crate::rules::Action;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A way around, or a way to another's part.
    High,
    /// More than is needed.
    Medium,
    /// Worth knowing.
    Low,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
        })
    }
}

/// One thing that ought to be otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// A name that stays the same from version to version, for suppressing and counting.
    pub rule: &'static str,
    /// Whom or what it is about.
    pub about: String,
    /// What is wrong.
    pub found: String,
    /// What to change.
    pub mend: String,
}

/// Groups in which everybody, or nearly, is.
const EVERYBODY: [&str; 3] = [
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
];

/// Everything that is found, worst first. What every cluster has from its first start is not complained of.
pub fn lint(rbac: &Rbac) -> Vec<Finding> {
    let own = without_built_in(rbac);
    let mut findings = Vec::new();
    ways_around(&own, &mut findings);
    wildcards(&own, &mut findings);
    everybody(&own, &mut findings);
    two_parts(&own, &mut findings);
    dangling(&own, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}

/// The bindings that somebody made, with all roles.
fn without_built_in(rbac: &Rbac) -> Rbac {
    let built_in: BTreeSet<String> = rbac
        .bindings()
        .filter(|b| b.built_in)
        .map(|b| b.title)
        .collect();
    let mut own = rbac.clone();
    own.cluster_role_bindings.retain(|b| {
        let name = b.metadata.name.as_deref().unwrap_or_default();
        !built_in.contains(&format!("ClusterRoleBinding {name}"))
    });
    own.role_bindings.retain(|b| {
        let namespace = b.metadata.namespace.as_deref().unwrap_or_default();
        let name = b.metadata.name.as_deref().unwrap_or_default();
        !built_in.contains(&format!("RoleBinding {namespace}/{name}"))
    });
    own
}

/// The account whose part it is to write what a session says of itself.
fn controller() -> Holder {
    Holder::ServiceAccount {
        namespace: "ephemera-system".into(),
        name: "ephemera-controller".into(),
    }
}

fn ways_around(rbac: &Rbac, findings: &mut Vec<Finding>) {
    for need in Question::Bypass.needs() {
        let plain = need.action.resource == "pods";
        for (holder, ways) in rbac.who_can(std::slice::from_ref(&need.action), None) {
            if need.action.resource == "debugsessions/status" && holder == controller() {
                continue;
            }
            // A wildcard is one finding of its own, and making Pods is what most accounts are for.
            let Some(way) = ways.iter().find(|way| !way.wildcard) else {
                continue;
            };
            findings.push(Finding {
                severity: if plain { Severity::Low } else { Severity::High },
                rule: if need.indirect {
                    "becomes-another"
                } else {
                    "way-around"
                },
                about: holder.to_string(),
                found: format!("may {} and so {}", need.action, need.means),
                mend: format!(
                    "take `{}` out of {}, or {holder} out of {}",
                    need.action, way.role, way.binding
                ),
            });
        }
    }
}

/// A `*` that gives ephemeral containers, execs or verdicts to somebody who was meant to have something else.
fn wildcards(rbac: &Rbac, findings: &mut Vec<Finding>) {
    let actions = [
        Action::namespaced("patch", "", "pods/ephemeralcontainers"),
        Action::namespaced("create", "", "pods/exec"),
        Action::namespaced("create", "ephemera.dev", "debugapprovals"),
    ];
    for (holder, ways) in rbac.who_can(&actions, None) {
        for way in ways.iter().filter(|way| way.wildcard) {
            findings.push(Finding {
                severity: Severity::High,
                rule: "wildcard",
                about: holder.to_string(),
                found: format!("a `*` in {} gives `{}`", way.role, way.action),
                mend: format!(
                    "write the resources and verbs that are meant into {}",
                    way.role
                ),
            });
        }
    }
}

fn everybody(rbac: &Rbac, findings: &mut Vec<Finding>) {
    let questions = [
        Question::Debug,
        Question::Attach,
        Question::Exec,
        Question::Approve,
    ];
    let direct = |question: Question| question.needs().into_iter().filter(|n| !n.indirect);
    let actions: Vec<Action> = questions
        .into_iter()
        .flat_map(direct)
        .map(|n| n.action)
        .collect();
    for (holder, ways) in rbac.who_can(&actions, None) {
        let all = matches!(&holder, Holder::Group(name)
            if EVERYBODY.iter().any(|e| name == e || name.starts_with("system:serviceaccounts:")));
        for way in ways.iter().filter(|_| all) {
            findings.push(Finding {
                severity: Severity::High,
                rule: "everybody",
                about: holder.to_string(),
                found: format!("{} gives `{}` to everybody in it", way.binding, way.action),
                mend: "bind a group of people instead".into(),
            });
        }
    }
}

/// Whoever writes the rules is not whoever asks or approves under them.
fn two_parts(rbac: &Rbac, findings: &mut Vec<Finding>) {
    let ours = "ephemera.dev";
    let asks = [Action::namespaced("create", ours, "debugsessions")];
    let judges = [Action::namespaced("create", ours, "debugapprovals")];
    let rules = [
        Action::cluster("create", ours, "debugpolicies"),
        Action::cluster("update", ours, "debugpolicies"),
        Action::cluster("patch", ours, "debugpolicies"),
    ];
    let rules = rbac.who_can(&rules, None);
    let pairs = [
        (rbac.who_can(&asks, None), "asks for visits"),
        (rbac.who_can(&judges, None), "gives verdicts"),
    ];
    for (holders, part) in pairs {
        for holder in holders.keys().filter(|holder| rules.contains_key(holder)) {
            let through =
                |ways: &[Way]| ways.first().map(|w| w.binding.clone()).unwrap_or_default();
            findings.push(Finding {
                severity: Severity::High,
                rule: "two-parts",
                about: holder.to_string(),
                found: format!("{part} and writes the policies that decide"),
                mend: format!(
                    "bind the two to different people ({} and {})",
                    through(&holders[holder]),
                    through(&rules[holder])
                ),
            });
        }
    }
}

/// Whoever can make the role that is missing gives it to these people.
fn dangling(rbac: &Rbac, findings: &mut Vec<Finding>) {
    for binding in rbac.bindings().filter(|b| !b.subjects.is_empty()) {
        if rbac.role(&binding).is_none() {
            let role = binding.role_ref;
            findings.push(Finding {
                severity: Severity::Medium,
                rule: "missing-role",
                about: binding.title,
                found: format!("gives {} {}, which is not there", role.kind, role.name),
                mend: "remove the binding, or make the role".into(),
            });
        }
    }
}
