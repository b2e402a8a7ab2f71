//! System call filters. A profile that cannot be applied whole refuses the container.
//!
//! `seccompiler` makes filters with one action for what matches and one for the rest; the kernel runs
//! all that are installed and takes the strictest answer, so a profile becomes a stack of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::capabilities;
use crate::sys::Instruction;

mod names;
mod profile;

/// What keeps a profile from being applied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SeccompError {
    /// No filters are made for this machine.
    #[error("no seccomp filter can be made for this machine's architecture")]
    Architecture,
    /// The file cannot be read.
    #[error("seccomp profile {path} cannot be read: {source}")]
    Read {
        /// The profile.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The profile asks for something that is not done here.
    #[error("seccomp profile cannot be applied: {0}")]
    Unsupported(String),
    /// The filter cannot be made.
    #[error("seccomp filter cannot be made: {0}")]
    Compile(#[from] seccompiler::BackendError),
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn architecture() -> Result<TargetArch, SeccompError> {
    TargetArch::try_from(std::env::consts::ARCH).map_err(|_| SeccompError::Architecture)
}

fn number(name: &str) -> Option<i64> {
    names::NUMBERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

fn compile(
    rules: Rules,
    other: SeccompAction,
    matching: SeccompAction,
) -> Result<String, SeccompError> {
    let filter = SeccompFilter::new(rules, other, matching, architecture()?)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(encode(&program))
}

fn refusal(errno: i32) -> SeccompAction {
    SeccompAction::Errno(errno.unsigned_abs())
}

/// The runtime's default profile for a set of capabilities: what containerd allows by default.
pub(crate) fn runtime_default(capabilities: u64) -> Result<Vec<String>, SeccompError> {
    let mut rules = Rules::new();
    let mut allow = |name: &str, rule: Vec<SeccompRule>| {
        // A name without a number here is a call that this machine does not have.
        if let Some(number) = number(name) {
            rules.insert(number, rule);
        }
    };
    for name in names::ALLOWED {
        allow(name, Vec::new());
    }
    for (capability, calls) in names::WITH_CAPABILITY {
        if capabilities::bit(capability).is_some_and(|bit| capabilities & bit != 0) {
            calls.iter().for_each(|name| allow(name, Vec::new()));
        }
    }
    let may_make_namespaces =
        capabilities::bit("SYS_ADMIN").is_some_and(|bit| capabilities & bit != 0);
    allow(
        "socket",
        vec![rule(
            0,
            SeccompCmpOp::Ne,
            libc::AF_VSOCK.unsigned_abs().into(),
        )?],
    );
    for persona in [0x0, 0x8, 0x20000, 0x20008, 0xffff_ffff] {
        let condition = rule(0, SeccompCmpOp::Eq, persona)?;
        rules
            .entry(libc::SYS_personality)
            .or_default()
            .push(condition);
    }
    let mut clone3 = Rules::new();
    if may_make_namespaces {
        rules.insert(libc::SYS_clone, Vec::new());
    } else {
        // Every flag that makes a namespace.
        rules.insert(
            libc::SYS_clone,
            vec![rule(0, SeccompCmpOp::MaskedEq(0x7e02_0000), 0)?],
        );
        // Its flags are behind a pointer; "not implemented" makes C libraries take `clone`.
        clone3.insert(libc::SYS_clone3, Vec::new());
    }
    rules.insert(libc::SYS_clone3, Vec::new());
    let mut filters = vec![compile(rules, refusal(libc::EPERM), SeccompAction::Allow)?];
    if !clone3.is_empty() {
        filters.push(compile(
            clone3,
            SeccompAction::Allow,
            refusal(libc::ENOSYS),
        )?);
    }
    Ok(filters)
}

fn rule(argument: u8, operation: SeccompCmpOp, value: u64) -> Result<SeccompRule, SeccompError> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operation, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// A profile file of the node, in the OCI format.
pub(crate) fn localhost(path: &Path, capabilities: u64) -> Result<Vec<String>, SeccompError> {
    let text = std::fs::read(path).map_err(|source| SeccompError::Read {
        path: path.to_owned(),
        source,
    })?;
    profile::compile_profile(&text, capabilities)
}

/// A program as hexadecimal instructions, to travel in a plan.
fn encode(program: &BpfProgram) -> String {
    let bytes = program.iter().flat_map(|instruction| {
        let mut bytes = [0; 8];
        bytes[..2].copy_from_slice(&instruction.code.to_le_bytes());
        (bytes[2], bytes[3]) = (instruction.jt, instruction.jf);
        bytes[4..].copy_from_slice(&instruction.k.to_le_bytes());
        bytes
    });
    hex::encode(bytes.collect::<Vec<u8>>())
}

/// The program again.
pub(crate) fn decode(text: &str) -> Option<Vec<Instruction>> {
    let bytes = hex::decode(text).ok()?;
    let (instructions, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() || instructions.is_empty() {
        return None;
    }
    let decoded = instructions.iter().map(|bytes| Instruction {
        code: u16::from_le_bytes([bytes[0], bytes[1]]),
        jump_true: bytes[2],
        jump_false: bytes[3],
        operand: u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]),
    });
    Some(decoded.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_profile_compiles_and_travels() {
        let filters = runtime_default(capabilities::effective(false, &[], &[]).unwrap()).unwrap();
        assert_eq!(filters.len(), 2);
        assert!(
            filters
                .iter()
                .all(|filter| decode(filter).is_some_and(|program| program.len() > 5))
        );
    }

    #[test]
    fn with_sys_admin_namespaces_may_be_made() {
        assert_eq!(runtime_default(capabilities::all()).unwrap().len(), 1);
    }

    #[test]
    fn nothing_and_halves_are_no_program() {
        assert_eq!(decode(""), None);
        assert_eq!(decode("0011"), None);
        assert_eq!(decode("xx"), None);
    }
}
