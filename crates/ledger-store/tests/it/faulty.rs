//! A disk in memory that fails where it is told to, and forgets what was not synced.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Error, ErrorKind, Result},
    sync::{Arc, Mutex},
};

use ledger_store::Disk;

type Files = BTreeMap<String, Vec<u8>>;

/// What happens to the one operation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing of it reaches the disk.
    Failed,
    /// All of it does, and it fails all the same.
    FailedButPersisted,
    /// The first half of it does.
    Torn,
}

#[derive(Debug, Default)]
struct State {
    /// What processes see.
    seen: Files,
    /// What a loss of power leaves.
    durable: Files,
    /// What was written and not synced since, be it the same bytes again: a loss of power may empty it.
    dirty: BTreeSet<String>,
    operations: u64,
    fail_at: Option<(u64, Fault)>,
    dead: bool,
}

/// Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faulty(Arc<Mutex<State>>);

impl Faulty {
    /// Lets the operation of this number (of those that write) fail; after it the machine is off.
    pub(crate) fn fail_at(&self, operation: u64, fault: Fault) {
        self.0.lock().unwrap().fail_at = Some((operation, fault));
    }

    /// How many operations wrote so far.
    pub(crate) fn operations(&self) -> u64 {
        self.0.lock().unwrap().operations
    }

    /// The process was killed: everything it wrote is still there, durable or not.
    pub(crate) fn after_kill(&self) -> Self {
        let state = self.0.lock().unwrap();
        let (seen, durable) = (state.seen.clone(), state.durable.clone());
        let dirty = state.dirty.clone();
        Self(Arc::new(Mutex::new(State {
            seen,
            durable,
            dirty,
            ..State::default()
        })))
    }

    /// The power went: what was not synced is gone, empty, or there, as `luck` has it.
    pub(crate) fn after_power_loss(&self, luck: u64) -> Self {
        let state = self.0.lock().unwrap();
        let mut files = state.durable.clone();
        let mut luck = Luck(luck);
        for (path, bytes) in &state.seen {
            let emptied = state.dirty.contains(path) && luck.one_in(4);
            if emptied {
                files.insert(path.clone(), Vec::new());
            } else if luck.one_in(2) {
                files.insert(path.clone(), bytes.clone());
            }
        }
        for path in state
            .durable
            .keys()
            .filter(|path| !state.seen.contains_key(*path))
        {
            if luck.one_in(2) {
                files.remove(path);
            }
        }
        let (seen, durable) = (files.clone(), files);
        Self(Arc::new(Mutex::new(State {
            seen,
            durable,
            ..State::default()
        })))
    }

    pub(crate) fn files(&self) -> Files {
        self.0.lock().unwrap().seen.clone()
    }

    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        let mut state = self.0.lock().unwrap();
        state.seen.insert(path.to_owned(), bytes.to_vec());
        state.durable.insert(path.to_owned(), bytes.to_vec());
    }

    pub(crate) fn delete(&self, path: &str) {
        let mut state = self.0.lock().unwrap();
        state.seen.remove(path);
        state.durable.remove(path);
    }

    /// Runs one writing operation, or part of it: `act` is told which share of it takes place.
    fn write(&self, act: impl FnOnce(&mut State, Share) -> Result<()>) -> Result<()> {
        let mut state = self.0.lock().unwrap();
        if state.dead {
            return Err(Error::other("the machine is off"));
        }
        let number = state.operations;
        state.operations += 1;
        let Some((_, fault)) = state.fail_at.filter(|(at, _)| *at == number) else {
            return act(&mut state, Share::All);
        };
        state.dead = true;
        match fault {
            Fault::Failed => (),
            Fault::FailedButPersisted => act(&mut state, Share::All)?,
            Fault::Torn => act(&mut state, Share::Half)?,
        }
        Err(Error::other(format!("operation {number} fails: {fault:?}")))
    }
}

/// A repeatable series of chances.
struct Luck(u64);

impl Luck {
    fn one_in(&mut self, chances: u64) -> bool {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(chances)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Share {
    All,
    Half,
}

impl Disk for Faulty {
    fn read(&self, path: &str) -> Result<Vec<u8>> {
        let state = self.0.lock().unwrap();
        state
            .seen
            .get(path)
            .cloned()
            .ok_or_else(|| Error::from(ErrorKind::NotFound))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>> {
        let state = self.0.lock().unwrap();
        let names = state
            .seen
            .keys()
            .filter_map(|path| path.strip_prefix(&format!("{folder}/")));
        let names: BTreeSet<_> = names.filter_map(|rest| rest.split('/').next()).collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }

    fn append(&self, path: &str, at: u64, bytes: &[u8]) -> Result<()> {
        self.write(|state, share| {
            let file = state.seen.get_mut(path).ok_or(ErrorKind::NotFound)?;
            assert_eq!(
                file.len() as u64,
                at,
                "the journal is appended to at its end"
            );
            file.extend(if share == Share::All {
                bytes
            } else {
                &bytes[..bytes.len() / 2]
            });
            let file = file.clone();
            state.durable.insert(path.to_owned(), file);
            Ok(())
        })
    }

    fn publish(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.write(|state, share| {
            if share == Share::All {
                state.seen.insert(path.to_owned(), bytes.to_vec());
                state.dirty.insert(path.to_owned());
            }
            Ok(())
        })
    }

    fn replace(&self, path: &str, bytes: &[u8]) -> Result<()> {
        self.write(|state, share| {
            state.seen.insert(path.to_owned(), bytes.to_vec());
            state.dirty.remove(path);
            if share == Share::All {
                state.durable.insert(path.to_owned(), bytes.to_vec());
            }
            Ok(())
        })
    }

    fn sync(&self, paths: &BTreeSet<String>) -> Result<()> {
        self.write(|state, share| {
            let some = if share == Share::All {
                paths.len()
            } else {
                paths.len() / 2
            };
            for path in paths.iter().take(some) {
                let bytes = state.seen.get(path).cloned().ok_or(ErrorKind::NotFound)?;
                state.durable.insert(path.clone(), bytes);
                state.dirty.remove(path);
            }
            Ok(())
        })
    }

    fn remove_folder(&self, folder: &str) -> Result<()> {
        self.write(|state, _| {
            state
                .seen
                .retain(|path, _| !path.starts_with(&format!("{folder}/")));
            Ok(())
        })
    }
}
