//! Facts about processes, from `/proc`.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::process::{Pid, Signal, kill_process};

use crate::protocol::ProcessMark;

/// When a process started, in clock ticks after boot; `None` if there is no such process (a zombie is none).
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; the fields after the last parenthesis are numbers.
    let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// The mark of a running process.
pub(crate) fn mark(pid: u32) -> Option<ProcessMark> {
    Some(ProcessMark {
        pid,
        start_time: start_time(pid)?,
    })
}

/// Whether the very process still runs.
pub(crate) fn runs(mark: ProcessMark) -> bool {
    start_time(mark.pid) == Some(mark.start_time)
}

/// The identity of a process's mount namespace.
pub(crate) fn mount_namespace(pid: u32) -> io::Result<u64> {
    Ok(fs::metadata(format!("/proc/{pid}/ns/mnt"))?.ino())
}

/// All processes in a mount namespace.
pub(crate) fn in_mount_namespace(namespace: u64) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| mount_namespace(*pid).is_ok_and(|found| found == namespace))
        .collect()
}

/// Kills a process that may be gone.
pub(crate) fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// Kills a process if it still is the one that was meant.
pub(crate) fn kill_marked(mark: ProcessMark) {
    if runs(mark) {
        kill(mark.pid, Signal::KILL);
    }
}
