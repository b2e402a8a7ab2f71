//! `ephemera record`: the whole account of one session, read from the ledger's public bytes.

use anyhow::{Context, Result, bail};
use ledger::entry::{Body, DecodeError, Entry};
use ledger_store::Folder;

use crate::args::{Cluster, Format, Record};
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;

/// Folds the session's entries into its record. Only what verifies is told.
pub fn run(args: &Record, cluster: &Cluster, printer: Printer) -> Outcome {
    let entries = entries(args)?;
    let uid = find(&entries, &args.session, cluster.namespace.as_deref())?;
    let of_session = entries
        .into_iter()
        .filter(|(_, entry)| entry.session.as_deref() == Some(uid.as_str()));
    let record = report::fold(of_session)?;
    match args.output {
        Some(Format::Name) => printer.line(&uid)?,
        Some(format) => printer.value(&record, format)?,
        None => printer.line(record.to_text().trim_end())?,
    }
    Ok(Exit::Done)
}

/// All entries of a log that was checked against its signed checkpoint.
fn entries(args: &Record) -> Result<Vec<(u64, Entry)>, Failure> {
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
    let mut entries: Vec<Result<(u64, Entry), DecodeError>> = Vec::new();
    let read = |index, bytes: &[u8]| entries.push(Entry::decode(bytes).map(|entry| (index, entry)));
    ledger::verify(&Folder::new(&args.ledger), &verifier, None, read).map_err(|error| {
        let ledger = args.ledger.display();
        Failure::unverified(anyhow::Error::from(error).context(format!(
            "the ledger {ledger} does not verify (--ledger names another)"
        )))
    })?;
    Ok(entries.into_iter().collect::<Result<_, _>>()?)
}

/// The uid of the session that is meant: the last one of that name, or the one of that uid.
fn find(entries: &[(u64, Entry)], named: &str, namespace: Option<&str>) -> Result<String> {
    let asked = entries.iter().filter_map(|(_, entry)| match &entry.body {
        Body::Requested(request) => Some(&request.session),
        _ => None,
    });
    let found: Vec<_> = asked
        .filter(|id| {
            id.uid == named || (id.name == named && namespace.is_none_or(|ns| ns == id.namespace))
        })
        .collect();
    let Some(last) = found.last() else {
        bail!(
            "the ledger knows no session {named:?}: `ephemera sessions -A` lists those of the cluster"
        );
    };
    if found.iter().any(|id| id.namespace != last.namespace) {
        bail!("sessions named {named:?} are in several namespaces: add -n NAMESPACE");
    }
    Ok(last.uid.clone())
}
