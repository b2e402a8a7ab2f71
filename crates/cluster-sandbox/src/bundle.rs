//! The OCI runtime configuration of a container.
//!
//! The process in it is root with everything: user, capabilities, `no_new_privs` and the filter are the
//! executor's (see `helper::executor`), so that they are the same for every later command. What the
//! container runtime does not do right in its version 0.7 is left out: cgroup mounts of version 1
//! (it ignores `ro`), the OOM score (it would be the helper's), an explicit `noNewPrivileges: false`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::cgroups::Hierarchies;
use crate::runtime::{ContainerConfig, Mount, Resources};

/// What a bundle is made from.
pub(crate) struct Parts<'a> {
    pub(crate) config: &'a ContainerConfig,
    pub(crate) command: &'a [String],
    pub(crate) env: &'a [String],
    pub(crate) cwd: &'a str,
    /// Namespaces by kind; a path joins, none makes a new one. What is not listed is the node's.
    pub(crate) namespaces: Vec<(&'static str, Option<PathBuf>)>,
    pub(crate) shm: &'a Path,
    pub(crate) cgroup: Option<&'a str>,
    pub(crate) hierarchies: &'a Hierarchies,
}

const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// A process with every right, which the executor takes away.
pub(crate) fn wide_process(command: &[String], env: &[String], cwd: &str, tty: bool) -> Value {
    json!({ "terminal": tty, "user": { "uid": 0, "gid": 0 }, "args": command, "env": env, "cwd": cwd })
}

/// The whole configuration.
pub(crate) fn spec(parts: &Parts<'_>) -> Value {
    let config = parts.config;
    let namespaces: Vec<Value> = parts
        .namespaces
        .iter()
        .map(|(kind, path)| namespace(kind, path.as_deref()))
        .collect();
    let slave = config.mounts.iter().any(|mount| mount.host_to_container);
    let mut linux = json!({ "namespaces": namespaces, "rootfsPropagation": if slave { "slave" } else { "private" } });
    if let Some(cgroup) = parts.cgroup {
        linux["cgroupsPath"] = json!(cgroup);
        linux["resources"] = resources(
            &config.resources,
            config.security.privileged,
            parts.hierarchies,
        );
    }
    let privileged = config.security.privileged;
    if !privileged && !config.security.unmasked_proc {
        linux["maskedPaths"] = json!(MASKED);
        linux["readonlyPaths"] = json!(READ_ONLY);
    }
    if privileged {
        linux["devices"] = json!(devices(Path::new("/dev")));
    }
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": crate::protocol::file::ROOTFS, "readonly": config.security.read_only_root },
        "process": wide_process(parts.command, parts.env, parts.cwd, config.tty),
        "mounts": mounts(parts),
        "linux": linux,
    })
}

fn namespace(kind: &str, path: Option<&Path>) -> Value {
    match path {
        Some(path) => json!({ "type": kind, "path": path }),
        None => json!({ "type": kind }),
    }
}

fn mounts(parts: &Parts<'_>) -> Vec<Value> {
    let privileged = parts.config.security.privileged;
    let fixed = |target: &str, kind: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": kind, "options": options });
    let sys = if privileged { "rw" } else { "ro" };
    let mut mounts = vec![
        fixed("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        fixed(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        fixed(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        fixed("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]),
        fixed("/sys", "sysfs", &["nosuid", "noexec", "nodev", sys]),
    ];
    if matches!(parts.hierarchies, Hierarchies::V2 { .. }) {
        mounts.push(fixed(
            "/sys/fs/cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", sys],
        ));
    }
    if !is_mounted_over(&parts.config.mounts, "/dev/shm") {
        mounts.push(bind(parts.shm, "/dev/shm", false, false));
    }
    // Parents before what is mounted inside them.
    let mut own: Vec<&Mount> = parts.config.mounts.iter().collect();
    own.sort_by_key(|mount| mount.container_path.components().count());
    mounts.extend(own.into_iter().map(|mount| {
        let target = mount.container_path.to_string_lossy();
        bind(
            &mount.host_path,
            &target,
            mount.read_only,
            mount.host_to_container,
        )
    }));
    mounts
}

fn is_mounted_over(mounts: &[Mount], target: &str) -> bool {
    mounts
        .iter()
        .any(|mount| mount.container_path == Path::new(target))
}

fn bind(source: &Path, target: &str, read_only: bool, slave: bool) -> Value {
    let propagation = if slave { "rslave" } else { "rprivate" };
    let access = if read_only { "ro" } else { "rw" };
    json!({ "destination": target, "type": "bind", "source": source, "options": ["rbind", propagation, access] })
}

/// Limits as far as this node has controllers for them. Device rules are always sent where they are
/// enforced: without them the container runtime leaves the cgroup as open as its parent.
fn resources(limits: &Resources, privileged: bool, hierarchies: &Hierarchies) -> Value {
    let mut resources = json!({});
    if hierarchies.enforces_devices() {
        resources["devices"] = json!([{ "allow": privileged, "access": "rwm" }]);
    }
    if let Some(limit) = limits.memory_limit.filter(|_| hierarchies.has("memory")) {
        resources["memory"] = json!({ "limit": limit });
    }
    if hierarchies.has("cpu") {
        let mut cpu = json!({});
        if limits.cpu_shares > 0 {
            cpu["shares"] = json!(limits.cpu_shares);
        }
        if let Some(quota) = limits.cpu_quota.filter(|quota| *quota > 0) {
            cpu["quota"] = json!(quota);
            cpu["period"] = json!(100_000);
        }
        if cpu != json!({}) {
            resources["cpu"] = cpu;
        }
    }
    resources
}

/// The node's devices, for a privileged container.
fn devices(folder: &Path) -> Vec<Value> {
    use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        if kind.is_dir()
            && !["pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"]
                .iter()
                .any(|skipped| name == *skipped)
        {
            found.extend(devices(&path));
        }
        if !(kind.is_char_device() || kind.is_block_device()) || name == "console" || name == "ptmx"
        {
            continue;
        }
        let Ok(about) = entry.metadata() else {
            continue;
        };
        let letter = if kind.is_block_device() { "b" } else { "c" };
        let (major, minor) = (
            rustix::fs::major(about.rdev()),
            rustix::fs::minor(about.rdev()),
        );
        found.push(json!({
            "path": path, "type": letter, "major": major, "minor": minor,
            "fileMode": about.mode() & 0o7777, "uid": about.uid(), "gid": about.gid(),
        }));
    }
    found
}
