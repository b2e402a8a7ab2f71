//! What a container leaves when its first process has ended.

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::process;
use crate::protocol::{Plan, Started};

/// Kills every process that is still the container's: by cgroup where there are cgroups, and by mount
/// namespace everywhere. With a PID namespace of its own the kernel has done so already.
pub(crate) fn kill(plan: &Plan, started: &Started) {
    // A look through `/proc` can pass by a process that is just being executed or forked: nothing is left only
    // when two looks in a row have found nothing.
    let mut empty = 0;
    for _ in 0..100 {
        let mut left = process::in_mount_namespace(started.mount_namespace);
        left.extend(
            plan.cgroups
                .folders
                .iter()
                .flat_map(|folder| members(folder)),
        );
        left.retain(|pid| *pid != std::process::id() && process::start_time(*pid).is_some());
        empty = if left.is_empty() { empty + 1 } else { 0 };
        if empty == 2 {
            return;
        }
        for pid in left {
            process::kill(pid, Signal::KILL);
        }
        // Killed processes leave the lists once they have run to their end.
        let pause = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 1_000_000,
        };
        let _ = rustix::event::poll(&mut [], Some(&pause));
    }
}

fn members(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// How many processes the kernel killed for memory in the container's cgroup.
pub(crate) fn killed_for_memory(plan: &Plan) -> u64 {
    let count = |folder: &Path, name: &str| -> Option<u64> {
        let text = fs::read_to_string(folder.join(name)).ok()?;
        text.lines()
            .find_map(|line| line.strip_prefix("oom_kill "))?
            .trim()
            .parse()
            .ok()
    };
    let folders = &plan.cgroups.folders;
    folders
        .iter()
        .filter_map(|folder| {
            count(folder, "memory.oom_control").or_else(|| count(folder, "memory.events"))
        })
        .max()
        .unwrap_or(0)
}
