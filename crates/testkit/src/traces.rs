//! What a cluster leaves behind on the machine.

use anyhow::Result;

/// Everything on this machine that belongs to one data directory.
#[derive(Debug, PartialEq, Eq)]
pub struct Traces {
    /// Command lines of its processes.
    pub processes: Vec<String>,
    /// Its mounts.
    pub mounts: Vec<String>,
}

impl Traces {
    /// Looks for whatever names the directory.
    pub fn of(data_dir: &str) -> Result<Self> {
        Ok(Self { processes: processes_with(data_dir)?, mounts: mounts_under(data_dir)? })
    }
}

/// Command lines of the processes of this machine that contain a text.
pub fn processes_with(text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // A process may end while it is looked at.
        let Ok(line) = std::fs::read(entry?.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(text) {
            found.push(line);
        }
    }
    Ok(found)
}

fn mounts_under(data_dir: &str) -> Result<Vec<String>> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(mounts.lines().filter(|line| line.contains(data_dir)).map(str::to_owned).collect())
}
