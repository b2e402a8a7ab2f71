//! `ephemera record`: the whole account of one session, read from the ledger's public bytes.

use anyhow::{Context, Result, bail};
use ledger::entry::{Body, Entry};
use ledger::{Reader, Tiles};
use ledger_store::Folder;

use crate::args::{Cluster, Format, Record};
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// Folds the session's entries into its record. Run `verify` to know that they are the log's.
pub fn run(args: &Record, cluster: &Cluster, printer: Printer) -> Outcome {
    let folder = Folder::new(&args.ledger);
    let entries = entries(&folder).with_context(|| {
        format!("the ledger {} cannot be read: name its folder with --ledger", args.ledger.display())
    })?;
    let uid = find(&entries, &args.session, cluster.namespace.as_deref())?;
    let of_session = entries.into_iter().filter(|(_, entry)| entry.session.as_deref() == Some(uid.as_str()));
    let record = report::fold(of_session.collect())?;
    match args.output {
        Some(Format::Name) => printer.line(&uid)?,
        Some(format) => printer.value(&record, format)?,
        None => printer.line(record.to_text().trim_end())?,
    }
    Ok(Exit::Done)
}

fn entries(folder: &Folder) -> Result<Vec<(u64, Entry)>> {
    let text = String::from_utf8(folder.read(ledger::tile::CHECKPOINT)?)?;
    let size = ledger::Checkpoint::parse(&text)?.size;
    let bytes = Reader::new(folder, size).entries(0..size)?;
    (0..).zip(bytes).map(|(index, bytes)| Ok((index, Entry::decode(&bytes)?))).collect()
}

/// The uid of the session that is meant: the last one of that name, or the one of that uid.
fn find(entries: &[(u64, Entry)], named: &str, namespace: Option<&str>) -> Result<String> {
    let asked = entries.iter().filter_map(|(_, entry)| match &entry.body {
        Body::Requested(request) => Some(&request.session),
        _ => None,
    });
    let found: Vec<_> = asked
        .filter(|id| id.uid == named || (id.name == named && namespace.is_none_or(|ns| ns == id.namespace)))
        .collect();
    let Some(last) = found.last() else {
        bail!("the ledger knows no session {named:?}: `ephemera sessions -A` lists those of the cluster");
    };
    if found.iter().any(|id| id.namespace != last.namespace) {
        bail!("sessions named {named:?} are in several namespaces: add -n NAMESPACE");
    }
    Ok(last.uid.clone())
}
