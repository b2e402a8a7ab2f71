//! Which cgroup hierarchies this node has and may be written: version 1 one by one, hybrid, version 2, or none.

use std::fs;
use std::path::{Path, PathBuf};

use crate::protocol::CgroupPlan;

/// The controllers that the container runtime joins on version 1.
const JOINED: [&str; 11] = [
    "cpu", "cpuacct", "cpuset", "devices", "hugetlb", "memory", "net_cls", "net_prio", "blkio",
    "pids", "freezer",
];

/// What this node has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hierarchies {
    /// None that can be used: limits are not enforced.
    None,
    /// Version 1, also where a version 2 hierarchy without controllers stands beside it.
    V1(Vec<V1>),
    /// Version 2 with the controllers that can be delegated.
    V2 {
        root: PathBuf,
        controllers: Vec<String>,
    },
}

/// One hierarchy of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct V1 {
    root: PathBuf,
    controllers: Vec<String>,
}

impl Hierarchies {
    /// What `/proc/self/mountinfo` says, as far as it can be written.
    pub(crate) fn detect() -> Self {
        let found = parse(&fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
        if found.is_writable() {
            found
        } else {
            Self::None
        }
    }

    fn is_writable(&self) -> bool {
        let probe = |root: &Path| {
            let folder = root.join(format!("probe-{}", std::process::id()));
            fs::create_dir(&folder)
                .and_then(|()| fs::remove_dir(&folder))
                .is_ok()
        };
        match self {
            Self::None => true,
            Self::V1(hierarchies) => hierarchies.iter().all(|hierarchy| probe(&hierarchy.root)),
            Self::V2 { root, .. } => probe(root),
        }
    }

    /// Whether a controller can limit anything here.
    pub(crate) fn has(&self, controller: &str) -> bool {
        match self {
            Self::None => false,
            Self::V1(hierarchies) => hierarchies.iter().any(|hierarchy| {
                hierarchy
                    .controllers
                    .iter()
                    .any(|found| found == controller)
            }),
            Self::V2 { controllers, .. } => controllers.iter().any(|found| found == controller),
        }
    }

    /// Whether device rules are enforced (version 1 only, with this container runtime).
    pub(crate) fn enforces_devices(&self) -> bool {
        matches!(self, Self::V1(_)) && self.has("devices")
    }

    /// The folders of a cgroup, one for each hierarchy.
    pub(crate) fn folders(&self, path: &str) -> Vec<PathBuf> {
        let path = path.trim_matches('/');
        match self {
            Self::None => Vec::new(),
            Self::V1(hierarchies) => hierarchies
                .iter()
                .map(|hierarchy| hierarchy.root.join(path))
                .collect(),
            Self::V2 { root, .. } => vec![root.join(path)],
        }
    }

    /// What a helper needs to know of a container's cgroup.
    pub(crate) fn plan(&self, path: Option<&str>) -> CgroupPlan {
        let folders = path.map(|path| self.folders(path)).unwrap_or_default();
        CgroupPlan {
            hidden: folders.is_empty(),
            folders,
        }
    }

    /// What a user is told about this node's limits.
    pub(crate) fn reduction(&self) -> Option<String> {
        if *self == Self::None {
            return Some(
                "no writable cgroups: cpu, memory and device limits are not enforced".to_owned(),
            );
        }
        let missing: Vec<&str> = ["cpu", "memory", "pids"]
            .into_iter()
            .filter(|wanted| !self.has(wanted))
            .collect();
        if missing.is_empty() {
            None
        } else {
            Some(format!("no cgroup controller for: {}", missing.join(", ")))
        }
    }
}

/// Removes a cgroup's folders and those below it; processes in them must have ended.
pub(crate) fn remove(folders: &[PathBuf]) {
    for folder in folders {
        let below = fs::read_dir(folder).into_iter().flatten().flatten();
        for entry in below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let _ = fs::remove_dir(entry.path());
        }
        let _ = fs::remove_dir(folder);
    }
}

fn parse(mountinfo: &str) -> Hierarchies {
    let mut first = Vec::new();
    let mut second = None;
    for line in mountinfo.lines() {
        let Some((left, right)) = line.split_once(" - ") else {
            continue;
        };
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let (Some(&root), Some(&target), Some(&kind), Some(&options)) =
            (left.get(3), left.get(4), right.first(), right.get(2))
        else {
            continue;
        };
        let writable = left
            .get(5)
            .is_some_and(|options| options.split(',').any(|option| option == "rw"));
        if root != "/" || !writable || !target.starts_with("/sys/fs/cgroup") {
            continue;
        }
        let controllers: Vec<String> = options
            .split(',')
            .filter(|option| JOINED.contains(option))
            .map(ToOwned::to_owned)
            .collect();
        match kind {
            "cgroup" if !controllers.is_empty() => first.push(V1 {
                root: PathBuf::from(target),
                controllers,
            }),
            "cgroup2" if target == "/sys/fs/cgroup" => second = Some(PathBuf::from(target)),
            _ => {}
        }
    }
    match (first.is_empty(), second) {
        (_, Some(root)) => {
            let controllers =
                fs::read_to_string(root.join("cgroup.controllers")).unwrap_or_default();
            let controllers = controllers
                .split_ascii_whitespace()
                .map(ToOwned::to_owned)
                .collect();
            Hierarchies::V2 { root, controllers }
        }
        (false, None) => Hierarchies::V1(first),
        (true, None) => Hierarchies::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

    #[test]
    fn a_hybrid_node_is_used_as_version_one() {
        let found = parse(V1);
        assert!(found.has("memory") && found.has("cpuacct") && !found.has("pids"));
        assert_eq!(
            found.folders("/a/b"),
            [
                PathBuf::from("/sys/fs/cgroup/memory/a/b"),
                PathBuf::from("/sys/fs/cgroup/cpu,cpuacct/a/b")
            ]
        );
    }

    #[test]
    fn read_only_or_absent_hierarchies_are_none() {
        assert_eq!(parse(""), Hierarchies::None);
        assert_eq!(
            parse(&V1.replace(" rw,relatime", " ro,relatime")),
            Hierarchies::None
        );
        assert!(Hierarchies::None.reduction().is_some());
    }

    #[test]
    fn version_two_is_known_by_its_mount() {
        let found = parse("31 23 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw");
        assert!(matches!(found, Hierarchies::V2 { .. }));
    }
}
