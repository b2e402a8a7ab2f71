//! Profiles of the node in the OCI format (`runtime-spec/config-linux.md#seccomp`), as far as they can
//! be applied to the letter; everything else refuses.

use std::collections::BTreeMap;

use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompRule};
use serde::Deserialize;

use super::{Rules, SeccompError, compile, number};
use crate::capabilities;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<u32>,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    syscalls: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    #[serde(default)]
    names: Vec<String>,
    action: String,
    errno_ret: Option<u32>,
    #[serde(default)]
    args: Option<Vec<Argument>>,
    #[serde(default)]
    includes: Condition,
    #[serde(default)]
    excludes: Condition,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Argument {
    index: u8,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

#[derive(Deserialize, Default)]
struct Condition {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
}

impl Group {
    /// Whether the group counts for these capabilities on this architecture (`includes` and `excludes` of Docker's profile).
    fn counts(&self, held: u64) -> bool {
        let has = |name: &String| capabilities::bit(name).is_some_and(|bit| held & bit != 0);
        let arch = |name: &String| matches!(name.as_str(), "amd64" | "x86_64" | "x32");
        (self.includes.caps.is_empty() || self.includes.caps.iter().all(has))
            && (self.includes.arches.is_empty() || self.includes.arches.iter().any(arch))
            && !self.excludes.caps.iter().any(has)
            && !self.excludes.arches.iter().any(arch)
    }

    fn rule(&self) -> Result<Option<SeccompRule>, SeccompError> {
        let arguments = self.args.as_deref().unwrap_or_default();
        if arguments.is_empty() {
            return Ok(None);
        }
        let conditions = arguments
            .iter()
            .map(Argument::condition)
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Some(SeccompRule::new(conditions)?))
    }
}

impl Argument {
    fn condition(&self) -> Result<SeccompCondition, SeccompError> {
        let (operation, value) = match self.op.as_str() {
            "SCMP_CMP_NE" => (SeccompCmpOp::Ne, self.value),
            "SCMP_CMP_LT" => (SeccompCmpOp::Lt, self.value),
            "SCMP_CMP_LE" => (SeccompCmpOp::Le, self.value),
            "SCMP_CMP_EQ" => (SeccompCmpOp::Eq, self.value),
            "SCMP_CMP_GE" => (SeccompCmpOp::Ge, self.value),
            "SCMP_CMP_GT" => (SeccompCmpOp::Gt, self.value),
            "SCMP_CMP_MASKED_EQ" => (SeccompCmpOp::MaskedEq(self.value), self.value_two),
            other => {
                return Err(SeccompError::Unsupported(format!(
                    "unknown operator {other}"
                )));
            }
        };
        Ok(SeccompCondition::new(
            self.index,
            SeccompCmpArgLen::Qword,
            operation,
            value,
        )?)
    }
}

fn action(name: &str, errno: Option<u32>) -> Result<SeccompAction, SeccompError> {
    Ok(match name {
        "SCMP_ACT_ALLOW" => SeccompAction::Allow,
        "SCMP_ACT_ERRNO" => SeccompAction::Errno(errno.unwrap_or(libc::EPERM.unsigned_abs())),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => SeccompAction::KillThread,
        "SCMP_ACT_KILL_PROCESS" => SeccompAction::KillProcess,
        "SCMP_ACT_TRAP" => SeccompAction::Trap,
        "SCMP_ACT_LOG" => SeccompAction::Log,
        other => return Err(SeccompError::Unsupported(format!("action {other}"))),
    })
}

/// The stack of filters of a profile: one that gives the default action to what no group names, and one
/// for each action that is stricter than allowing.
pub(super) fn compile_profile(text: &[u8], held: u64) -> Result<Vec<String>, SeccompError> {
    let profile: Profile = serde_json::from_slice(text)
        .map_err(|error| SeccompError::Unsupported(error.to_string()))?;
    if let Some(flag) = profile
        .flags
        .iter()
        .find(|flag| *flag != "SECCOMP_FILTER_FLAG_LOG")
    {
        return Err(SeccompError::Unsupported(format!("flag {flag}")));
    }
    let default = action(&profile.default_action, profile.default_errno_ret)?;
    let mut named = Rules::new();
    let mut stricter: BTreeMap<String, (SeccompAction, Rules)> = BTreeMap::new();
    for group in profile.syscalls.iter().filter(|group| group.counts(held)) {
        let wanted = action(&group.action, group.errno_ret)?;
        for number in group.names.iter().filter_map(|name| number(name)) {
            add(&mut named, number, group.rule()?);
            if wanted != SeccompAction::Allow {
                let (_, rules) = stricter
                    .entry(format!("{wanted:?}"))
                    .or_insert_with(|| (wanted.clone(), Rules::new()));
                add(rules, number, group.rule()?);
            }
        }
    }
    let mut filters = Vec::new();
    if default != SeccompAction::Allow {
        filters.push(compile(named, default, SeccompAction::Allow)?);
    }
    for (action, rules) in stricter.into_values() {
        filters.push(compile(rules, SeccompAction::Allow, action)?);
    }
    Ok(filters)
}

/// No rule for a call means "whatever its arguments are", and no condition narrows that again.
fn add(rules: &mut Rules, number: i64, rule: Option<SeccompRule>) {
    match (rules.get_mut(&number), rule) {
        (None, rule) => drop(rules.insert(number, rule.into_iter().collect())),
        (Some(known), Some(rule)) if !known.is_empty() => known.push(rule),
        (Some(known), _) => known.clear(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(profile: &str, expected: Result<usize, &str>) {
        let found = compile_profile(profile.as_bytes(), 0)
            .map(|filters| filters.len())
            .map_err(|error| error.to_string());
        assert_eq!(
            found,
            expected.map_err(|text| format!("seccomp profile cannot be applied: {text}"))
        );
    }

    #[test]
    fn a_profile_becomes_a_stack_or_is_refused() {
        check(
            r#"{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"}]}"#,
            Ok(1),
        );
        check(
            r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chmod"],"action":"SCMP_ACT_ERRNO"}]}"#,
            Ok(1),
        );
        check(r#"{"defaultAction":"SCMP_ACT_ALLOW"}"#, Ok(0));
        check(
            r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#,
            Err("action SCMP_ACT_NOTIFY"),
        );
        check(
            r#"{"defaultAction":"SCMP_ACT_ALLOW","flags":["SECCOMP_FILTER_FLAG_TSYNC"]}"#,
            Err("flag SECCOMP_FILTER_FLAG_TSYNC"),
        );
    }
}
