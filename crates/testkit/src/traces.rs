//! What a cluster leaves behind on the machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// Everything on this machine that belongs to one cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct Traces {
    /// Its processes and all that they started.
    pub processes: Vec<Process>,
    /// Its mounts, those that hold a namespace open among them.
    pub mounts: Vec<String>,
    /// Its Pods' cgroups.
    pub cgroups: Vec<PathBuf>,
}

/// A process, told from a later one of the same number by its start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process {
    pid: i32,
    parent: i32,
    start: String,
    /// Its command line.
    pub line: String,
}

impl Traces {
    /// Looks for whatever names the directory, and for the cgroups of these Pods (UIDs).
    pub fn of(data_dir: &str, pods: &[String]) -> Result<Self> {
        Ok(Self {
            processes: family(data_dir)?,
            mounts: mounts_under(data_dir)?,
            cgroups: cgroups_of(pods),
        })
    }

    /// Whatever of these is still there.
    pub fn left(&self) -> Result<Vec<String>> {
        let alive: BTreeSet<Process> = processes()?.into_iter().collect();
        let same = |process: &&Process| {
            alive
                .iter()
                .any(|p| (p.pid, &p.start) == (process.pid, &process.start))
        };
        let processes = self
            .processes
            .iter()
            .filter(same)
            .map(|process| format!("process {}", process.line));
        let cgroups = self
            .cgroups
            .iter()
            .filter(|path| path.exists())
            .map(|path| format!("cgroup {}", path.display()));
        Ok(processes.chain(cgroups).collect())
    }

    /// Nothing is there.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty() && self.mounts.is_empty() && self.cgroups.is_empty()
    }
}

/// Command lines of the processes of this machine that contain a text.
pub fn processes_with(text: &str) -> Result<Vec<String>> {
    let all = processes()?.into_iter().map(|process| process.line);
    Ok(all.filter(|line| line.contains(text)).collect())
}

/// Processes that name a text, and their descendants.
fn family(text: &str) -> Result<Vec<Process>> {
    let all = processes()?;
    let mut pids: BTreeSet<i32> = all
        .iter()
        .filter(|process| process.line.contains(text))
        .map(|p| p.pid)
        .collect();
    let mut before = 0;
    while before != pids.len() {
        before = pids.len();
        let children = all
            .iter()
            .filter(|process| pids.contains(&process.parent))
            .map(|process| process.pid);
        let children: Vec<i32> = children.collect();
        pids.extend(children);
    }
    Ok(all
        .into_iter()
        .filter(|process| pids.contains(&process.pid))
        .collect())
}

fn processes() -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let entry = entry?;
        // A process may end while it is looked at.
        found.extend(
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
                .and_then(process),
        );
    }
    Ok(found)
}

/// `proc_pid_stat(5)`: after the name in parentheses, the parent is field 4 and the start field 22.
fn process(pid: i32) -> Option<Process> {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // One that has ended and waits for its parent's look is no more; after a `kill -9` that parent is init.
    if fields.first() == Some(&"Z") {
        return None;
    }
    let line =
        String::from_utf8_lossy(&std::fs::read(folder.join("cmdline")).ok()?).replace('\0', " ");
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        start: (*fields.get(19)?).to_owned(),
        line,
    })
}

fn mounts_under(data_dir: &str) -> Result<Vec<String>> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(mounts
        .lines()
        .filter(|line| line.contains(data_dir))
        .map(str::to_owned)
        .collect())
}

fn cgroups_of(pods: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![(PathBuf::from("/sys/fs/cgroup"), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for path in subfolders(&folder) {
            if pods
                .iter()
                .any(|uid| path.to_string_lossy().contains(uid.as_str()))
            {
                found.push(path.clone());
            }
            if depth < 6 {
                folders.push((path, depth + 1));
            }
        }
    }
    found
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir() && !path.is_symlink())
        .collect()
}
