//! What the runtime remembers of a Pod's containers, attempt by attempt.

use std::collections::BTreeMap;

use cluster_sandbox::runtime::{ContainerState, ContainerStatus as Record, Exit};

/// Records of one Pod by container name, the newest attempt first.
#[derive(Debug, Clone, Default)]
pub struct Records(BTreeMap<String, Vec<Record>>);

impl Records {
    /// Sorts `records` of one Pod.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let mut by_name: BTreeMap<String, Vec<Record>> = BTreeMap::new();
        for record in records {
            by_name
                .entry(record.config.name.clone())
                .or_default()
                .push(record);
        }
        for attempts in by_name.values_mut() {
            attempts.sort_by_key(|record| {
                std::cmp::Reverse((record.config.attempt, record.created_at))
            });
        }
        Self(by_name)
    }

    /// The newest record of a container.
    pub fn newest(&self, name: &str) -> Option<&Record> {
        self.0.get(name)?.first()
    }

    /// The newest but one: what `lastState` tells of.
    pub fn before(&self, name: &str) -> Option<&Record> {
        self.0.get(name)?.get(1)
    }

    /// Attempts that are older than the newest two, which nobody will ask for any more.
    pub fn outdated(&self) -> impl Iterator<Item = &Record> {
        self.0.values().flat_map(|attempts| attempts.iter().skip(2))
    }

    /// All records.
    pub fn all(&self) -> impl Iterator<Item = &Record> {
        self.0.values().flatten()
    }

    /// Records of containers whose process runs.
    pub fn running(&self) -> impl Iterator<Item = &Record> {
        self.all().filter(|record| is_running(record))
    }
}

/// Whether its process runs.
pub fn is_running(record: &Record) -> bool {
    matches!(record.state, ContainerState::Running { .. })
}

/// How it ended, if it did.
pub fn exit(record: &Record) -> Option<&Exit> {
    match &record.state {
        ContainerState::Exited(exit) => Some(exit),
        _ => None,
    }
}
