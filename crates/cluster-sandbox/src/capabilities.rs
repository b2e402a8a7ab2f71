//! Names and sets of capabilities(7).

/// Names by bit number, as in `linux/capability.h`, without `CAP_`.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// containerd's default set without `MKNOD`: device rules are not enforced on every kind of cgroup,
/// so a container must not be able to make the device that a rule would have to keep it from.
const DEFAULT: [&str; 13] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
];

/// Number of capabilities known here.
pub(crate) const COUNT: usize = NAMES.len();

/// A capability that is not known.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown capability \"CAP_{0}\"")]
pub(crate) struct UnknownCapability(String);

/// The bit of one capability; `None` for an unknown name.
pub(crate) fn bit(name: &str) -> Option<u64> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    NAMES
        .iter()
        .position(|known| *known == name)
        .map(|index| 1 << index)
}

/// All capabilities, as far as they are known here.
pub(crate) fn all() -> u64 {
    (1 << COUNT) - 1
}

/// The default set changed as a security context asks: `ALL` first, then single ones; adding wins over dropping `ALL`.
pub(crate) fn effective(
    privileged: bool,
    add: &[String],
    drop: &[String],
) -> Result<u64, UnknownCapability> {
    if privileged {
        return Ok(all());
    }
    let is_all = |name: &&String| name.eq_ignore_ascii_case("ALL");
    let mut set = DEFAULT
        .iter()
        .filter_map(|name| bit(name))
        .fold(0, |set, bit| set | bit);
    if add.iter().any(|name| is_all(&name)) {
        set = all();
    }
    if drop.iter().any(|name| is_all(&name)) {
        set = 0;
    }
    for name in add.iter().filter(|name| !is_all(name)) {
        set |= bit(name).ok_or_else(|| UnknownCapability(name.clone()))?;
    }
    for name in drop.iter().filter(|name| !is_all(name)) {
        set &= !bit(name).ok_or_else(|| UnknownCapability(name.clone()))?;
    }
    Ok(set)
}

/// The names in a set, for messages.
pub(crate) fn names(set: u64) -> Vec<&'static str> {
    NAMES
        .iter()
        .enumerate()
        .filter(|(index, _)| set & (1 << index) != 0)
        .map(|(_, name)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(add: &[&str], drop: &[&str], expected: &[&str]) {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            names(effective(false, &owned(add), &owned(drop)).unwrap()),
            expected
        );
    }

    #[test]
    fn adding_and_dropping_follow_the_cri() {
        check(&[], &["ALL"], &[]);
        check(&["NET_ADMIN"], &["ALL"], &["NET_ADMIN"]);
        check(&["CAP_SYS_PTRACE"], &["all"], &["SYS_PTRACE"]);
        check(&["SYS_PTRACE"], &["ALL", "SYS_PTRACE"], &[]);
    }

    #[test]
    fn the_default_set_cannot_make_devices() {
        assert_eq!(
            effective(false, &[], &[]).unwrap() & bit("MKNOD").unwrap(),
            0
        );
        assert_ne!(
            effective(false, &["MKNOD".to_owned()], &[]).unwrap() & bit("MKNOD").unwrap(),
            0
        );
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(
            effective(false, &["FLY".to_owned()], &[]),
            Err(UnknownCapability("FLY".to_owned()))
        );
    }
}
