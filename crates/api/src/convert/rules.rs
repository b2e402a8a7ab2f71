//! What a `DebugPolicy` means in the domain.

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use policy::{Expression, Glob, Operator, Selector};
use session::PolicyVersion;

use super::{ConversionError, error, seconds};
use crate::debug_policy::{self, ApprovalRules, DebugPolicy, Match, RecordingMode, RequestRules};

/// All policies, or the first that means nothing, by name.
///
/// All or none: a `Guard` that was left out because it could not be read would be a hole.
pub fn policies(objects: &[DebugPolicy]) -> Result<Vec<policy::Policy>, ConversionError> {
    let convert = |object: &DebugPolicy| {
        policy(object).map_err(|e| ConversionError {
            field: format!(
                "policy {}: {}",
                object.metadata.name.as_deref().unwrap_or_default(),
                e.field
            ),
            ..e
        })
    };
    objects.iter().map(convert).collect()
}

/// The rules of a `DebugPolicy`.
pub fn policy(object: &DebugPolicy) -> Result<policy::Policy, ConversionError> {
    let spec = &object.spec;
    let metadata = &object.metadata;
    Ok(policy::Policy {
        version: PolicyVersion {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or_default(),
        },
        effect: spec.effect.into(),
        scope: scope(spec.effect, &spec.matches)?,
        container: container_rules(&spec.container)?,
        request: request_rules(&spec.request)?,
        approval: approval_rules(&spec.approval)?,
        recording: match spec.recording.mode {
            RecordingMode::Off => policy::Recording::Off,
            RecordingMode::Output => policy::Recording::Output,
            RecordingMode::Required => {
                let found = "`Required` is not served yet";
                return Err(error("spec.recording.mode", found, "write Output or Off"));
            }
        },
    })
}

fn scope(effect: debug_policy::Effect, matches: &Match) -> Result<policy::Scope, ConversionError> {
    let read = |field: &str, found: &Option<LabelSelector>| {
        let field = format!("spec.match.{field}");
        match found {
            Some(found) => selector(&field, found).map(Some),
            // For an `Allow` the strict reading of a missing selector is "none"; for a `Guard` "none" would
            // be the lax one and "all" a surprise, so it has to be written.
            None if effect == debug_policy::Effect::Guard => {
                let instead = "write the selector, `{}` for all";
                Err(error(&field, "is missing in a Guard", instead))
            }
            None => Ok(None),
        }
    };
    Ok(policy::Scope {
        namespaces: read("namespaceSelector", &matches.namespace_selector)?,
        pods: read("podSelector", &matches.pod_selector)?,
        users: names("spec.match.subjects.users", &matches.subjects.users)?,
        groups: names("spec.match.subjects.groups", &matches.subjects.groups)?,
        modes: matches.modes.iter().map(|mode| (*mode).into()).collect(),
    })
}

fn names<C: FromIterator<String>>(field: &str, list: &[String]) -> Result<C, ConversionError> {
    if list.iter().any(|name| name.trim().is_empty()) {
        return Err(error(field, "has an empty name", "write names or nothing"));
    }
    Ok(list.iter().cloned().collect())
}

fn selector(field: &str, written: &LabelSelector) -> Result<Selector, ConversionError> {
    let mut expressions = Vec::new();
    for condition in written.match_expressions.iter().flatten() {
        let values = condition.values.clone().unwrap_or_default();
        let operator = match condition.operator.as_str() {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => {
                let found = format!("{other:?} is no operator");
                let instead = "write In, NotIn, Exists or DoesNotExist";
                return Err(error(field, found, instead));
            }
        };
        let listed = matches!(operator, Operator::In | Operator::NotIn);
        if listed == values.is_empty() {
            let found = format!("{} with {} values", condition.operator, values.len());
            let instead = "In and NotIn need values, the other two have none";
            return Err(error(field, found, instead));
        }
        expressions.push(Expression {
            key: condition.key.clone(),
            operator,
            values,
        });
    }
    Ok(Selector {
        match_labels: written.match_labels.clone().unwrap_or_default(),
        match_expressions: expressions,
    })
}

fn container_rules(
    rules: &debug_policy::ContainerRules,
) -> Result<policy::ContainerRules, ConversionError> {
    Ok(policy::ContainerRules {
        images: globs("images", &rules.images)?,
        allow_without_digest: rules.require_digest == Some(false),
        targets: globs("targets", &rules.targets)?,
        allow_no_target: rules.allow_no_target,
        capabilities: capabilities("capabilities", &rules.capabilities)?,
        privileged: rules.privileged,
        user: match rules.user {
            debug_policy::UserRule::NonRoot => policy::UserRule::NonRoot,
            debug_policy::UserRule::Any => policy::UserRule::Any,
        },
        allow_privilege_escalation: rules.allow_privilege_escalation,
        required_drops: capabilities(
            "requiredDropCapabilities",
            &rules.required_drop_capabilities,
        )?,
        confinement: policy::ConfinementRules {
            seccomp_profiles: profiles("seccompProfiles", &rules.seccomp_profiles)?,
            app_armor_profiles: profiles("appArmorProfiles", &rules.app_armor_profiles)?,
            selinux_types: globs("seLinuxTypes", &rules.se_linux_types)?,
            unmasked_proc: rules.unmasked_proc,
            read_only_root_filesystem: rules.require_read_only_root_filesystem,
        },
        commands: rules.commands.as_deref().map(commands).transpose()?,
        env: rules.env.as_deref().map(|l| globs("env", l)).transpose()?,
        env_from_secrets: globs("envFromSecrets", &rules.env_from_secrets)?,
        env_from_config_maps: globs("envFromConfigMaps", &rules.env_from_config_maps)?,
        volume_mounts: globs("volumeMounts", &rules.volume_mounts)?,
        tty: rules.tty,
        no_stdin: rules.stdin == Some(false),
    })
}

fn globs(field: &str, list: &[String]) -> Result<Vec<Glob>, ConversionError> {
    let field = format!("spec.container.{field}");
    names::<Vec<String>>(&field, list).map(|l| l.into_iter().map(Glob::new).collect())
}

/// A capability is named as the kernel names it; what the kernel does not know would match nothing, silently.
fn capabilities(field: &str, list: &[String]) -> Result<BTreeSet<String>, ConversionError> {
    let field = format!("spec.container.{field}");
    let names: Vec<String> = names(&field, list)?;
    let kernels = |name: String| {
        let plain = name.to_ascii_uppercase();
        let plain = plain.strip_prefix("CAP_").unwrap_or(&plain).to_owned();
        let known = plain.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        known.then_some(plain).ok_or_else(|| {
            let instead = "write a capability as in SYS_PTRACE, or ALL";
            error(&field, format!("{name:?} is no capability"), instead)
        })
    };
    names.into_iter().map(kernels).collect()
}

/// `RuntimeDefault`, `Unconfined` or `Localhost/…`.
fn profiles(field: &str, list: &[String]) -> Result<Vec<Glob>, ConversionError> {
    for name in list {
        let known = matches!(name.as_str(), "RuntimeDefault" | "Unconfined")
            || name
                .strip_prefix("Localhost/")
                .is_some_and(|path| !path.is_empty());
        if !known {
            let field = format!("spec.container.{field}");
            let instead = "write RuntimeDefault, Unconfined or Localhost/NAME";
            return Err(error(&field, format!("{name:?} is no profile"), instead));
        }
    }
    globs(field, list)
}

fn commands(
    list: &[debug_policy::CommandRule],
) -> Result<Vec<policy::CommandRule>, ConversionError> {
    let read = |rule: &debug_policy::CommandRule| {
        let argv = globs("commands.argv", &rule.argv)?;
        Ok(policy::CommandRule { argv })
    };
    list.iter().map(read).collect()
}

fn request_rules(rules: &RequestRules) -> Result<policy::RequestRules, ConversionError> {
    let strict = policy::RequestRules::default();
    let field = "spec.request.reason.minLength";
    let reason_min_length = match rules.reason.min_length {
        None => strict.reason_min_length,
        Some(given) => usize::try_from(given)
            .map_err(|_| error(field, "is negative", "write a number from 1"))?
            .max(1),
    };
    let ticket = match &rules.ticket {
        None => strict.ticket,
        Some(rule) => policy::TicketRule::pattern(&rule.pattern).map_err(|e| {
            let instead = "write a regular expression that the whole ticket must match";
            error("spec.request.ticket.pattern", e.to_string(), instead)
        })?,
    };
    let field = "spec.request.maxDurationSeconds";
    let longest = rules.max_duration_seconds;
    Ok(policy::RequestRules {
        reason_min_length,
        ticket,
        checked: rules.checked.iter().map(|s| (*s).into()).collect(),
        max_duration: longest.map_or(Ok(strict.max_duration), |s| seconds(field, s))?,
    })
}

fn approval_rules(rules: &ApprovalRules) -> Result<policy::ApprovalRules, ConversionError> {
    let field = "spec.approval.quorum";
    let mut quorum = Vec::new();
    for part in &rules.quorum {
        let count = u32::try_from(part.count)
            .ok()
            .filter(|c| (1..=100).contains(c));
        let count = count.ok_or_else(|| {
            let found = format!("{} people", part.count);
            error(field, found, "write a count from 1 to 100")
        })?;
        if part.group.trim().is_empty() {
            return Err(error(field, "has no group", "name the group of approvers"));
        }
        quorum.push(session::event::Quorum {
            group: part.group.clone(),
            count,
        });
    }
    let rule = match (rules.none, quorum.is_empty()) {
        (None, true) => policy::ApprovalRule::Unsaid,
        (None, false) => policy::ApprovalRule::Quorum(quorum),
        (Some(_), true) => policy::ApprovalRule::AutoApprove,
        (Some(_), false) => {
            let found = "both a quorum and `none: AutoApprove`";
            return Err(error("spec.approval", found, "write one of them"));
        }
    };
    let expiry = rules
        .expiry_seconds
        .map_or(Ok(policy::ApprovalRules::default().expiry), |s| {
            seconds("spec.approval.expirySeconds", s)
        })?;
    Ok(policy::ApprovalRules { rule, expiry })
}

impl From<debug_policy::Effect> for policy::Effect {
    fn from(effect: debug_policy::Effect) -> Self {
        match effect {
            debug_policy::Effect::Allow => Self::Allow,
            debug_policy::Effect::Guard => Self::Guard,
        }
    }
}
