//! `ephemera verify`: the ledger, checked with public bytes alone.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ledger::entry::Entry;
use ledger::{Checkpoint, SignedCheckpoint, Verifier, VerifyError};
use ledger_store::Folder;
use serde_json::json;
use session::Session;

use crate::args::{Format, Verify};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;

/// Checks every entry, tile and the signed checkpoint, that each event could follow on those before
/// it, and that nothing this program saw of this log before has changed or gone.
pub fn run(args: &Verify, printer: Printer) -> Outcome {
    let key = args
        .key
        .clone()
        .unwrap_or_else(|| args.ledger.with_extension("vkey"));
    let verifier = ledger_store::keys::load_verifier(&key).with_context(|| {
        format!(
            "the log's public key cannot be had from {}: name it with --key",
            key.display()
        )
    })?;
    let memory = Memory::of(&verifier);
    let remembered = memory.recall(&verifier)?;
    let mut stories = Stories::default();
    let folder = Folder::new(&args.ledger);
    let verified = ledger::verify(&folder, &verifier, remembered.as_ref(), |index, entry| {
        stories.read(index, entry);
    });
    let verified = match verified {
        Ok(verified) => verified,
        Err(error @ (VerifyError::ReadCheckpoint(_) | VerifyError::OtherLog { .. })) => {
            let there = anyhow::Error::from(error)
                .context(format!("{} cannot be verified", args.ledger.display()));
            return Err(there.into());
        }
        Err(error) => {
            return Err(Failure::unverified(
                anyhow::Error::from(error).context("the ledger does not verify"),
            ));
        }
    };
    if let Some(wrong) = stories.wrong {
        return Err(Failure::unverified(
            anyhow::Error::msg(wrong).context("the ledger does not verify"),
        ));
    }
    memory.keep(&verified.checkpoint)?;
    told(
        args.output,
        &verifier,
        verified.checkpoint.checkpoint(),
        &Seen {
            sessions: stories.sessions.len(),
            before: remembered.map(|seen| seen.size),
        },
        printer,
    )?;
    Ok(Exit::Done)
}

/// What else was found.
struct Seen {
    sessions: usize,
    /// How many entries the log had when this user last looked.
    before: Option<u64>,
}

fn told(
    output: Option<Format>,
    verifier: &Verifier,
    checkpoint: &Checkpoint,
    seen: &Seen,
    printer: Printer,
) -> Result<()> {
    let (origin, size) = (&checkpoint.origin, checkpoint.size);
    let (root, key) = (checkpoint.root.to_string(), verifier.key_id().to_string());
    if let Some(format) = output {
        let document = json!({
            "verified": true, "origin": origin, "key": key, "entries": size, "root": root,
            "sessions": seen.sessions, "consistentWithSize": seen.before,
        });
        return printer.value(&document, format);
    }
    let history = seen.before.map_or_else(
        || "seen for the first time".to_owned(),
        |before| format!("begins with the {before} entries seen before"),
    );
    printer.line(format!(
        "verified   {size} entries, {} sessions",
        seen.sessions
    ))?;
    printer.line(format!("origin     {origin}"))?;
    printer.line(format!("root       {root}"))?;
    printer.line(format!("key        {key}"))?;
    Ok(printer.line(format!("history    {history}"))?)
}

/// The sessions that the entries tell of. What cannot follow was not written by an honest writer.
#[derive(Default)]
struct Stories {
    sessions: std::collections::HashMap<String, Session>,
    wrong: Option<String>,
}

impl Stories {
    fn read(&mut self, index: u64, bytes: &[u8]) {
        if self.wrong.is_none() {
            self.wrong = self
                .follow(bytes)
                .err()
                .map(|why| format!("entry {index}: {why}"));
        }
    }

    fn follow(&mut self, bytes: &[u8]) -> Result<()> {
        let entry = Entry::decode(bytes)?;
        let (Some(uid), Some(event)) = (entry.session.clone(), entry.event()?) else {
            return Ok(());
        };
        let after = session::step(self.sessions.get(&uid).cloned(), &event, entry.at)?;
        self.sessions.insert(uid, after);
        Ok(())
    }
}

/// Where the last checkpoint of each log is kept: `$XDG_STATE_HOME/ephemera/checkpoints/`.
struct Memory {
    file: Option<PathBuf>,
}

impl Memory {
    fn of(verifier: &Verifier) -> Self {
        let name: String = verifier
            .name()
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '.' {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        let folder = crate::args::state_folder();
        Self {
            file: folder.map(|folder| {
                folder
                    .join("checkpoints")
                    .join(format!("{name}-{}", verifier.key_id()))
            }),
        }
    }

    fn recall(&self, verifier: &Verifier) -> Result<Option<Checkpoint>> {
        let Some(file) = self.file.as_deref().filter(|file| file.exists()) else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let signed = SignedCheckpoint::open(&text, verifier).with_context(|| {
            format!(
                "the remembered checkpoint {} is damaged: look at it, then remove it",
                file.display()
            )
        })?;
        Ok(Some(signed.checkpoint().clone()))
    }

    /// A crash here leaves the old checkpoint or the new one, never half of one.
    fn keep(&self, checkpoint: &SignedCheckpoint) -> Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let folder = file.parent().unwrap_or(Path::new("."));
        let kept = std::fs::create_dir_all(folder).and_then(|()| {
            let mut new = tempfile::NamedTempFile::new_in(folder)?;
            new.write_all(checkpoint.text().as_bytes())?;
            new.as_file().sync_all()?;
            new.persist(file).map(drop).map_err(|failed| failed.error)
        });
        kept.with_context(|| format!("the checkpoint cannot be remembered in {}", file.display()))
    }
}
