//! `ephemera sessions`: all of them, or one.

use api::DebugSession;
use jiff::Timestamp;
use kube::Api;
use kube::api::{ListParams, ResourceExt};

use crate::args::{Cluster, Format, Sessions, SessionsGet};
use crate::client::Target;
use crate::exit::{Exit, Outcome};
use crate::printer::{Printer, shown};
use crate::{clock, session_view, wait};

/// Lists, or shows one.
pub async fn run(args: &Sessions, cluster: &Cluster, printer: Printer) -> Outcome {
    let target = Target::find(cluster).await?;
    if let Some(SessionsGet::Get { name }) = &args.get {
        let sessions: Api<DebugSession> = Api::namespaced(target.client, &target.namespace);
        let session = sessions.get(name).await?;
        match args.output {
            Some(Format::Name) => named(&session, printer)?,
            Some(format) => printer.value(&session, format)?,
            None => session_view::print(&session, printer)?,
        }
        return Ok(Exit::Done);
    }
    let sessions: Api<DebugSession> = if args.all_namespaces {
        Api::all(target.client)
    } else {
        Api::namespaced(target.client, &target.namespace)
    };
    let list = sessions.list(&ListParams::default()).await?;
    match args.output {
        Some(Format::Name) => list
            .items
            .iter()
            .try_for_each(|session| named(session, printer))?,
        Some(format) => printer.value(&list, format)?,
        None if list.items.is_empty() => printer.say("No sessions."),
        None => table(&list.items, args.all_namespaces, clock::now(), printer)?,
    }
    Ok(Exit::Done)
}

fn named(session: &DebugSession, printer: Printer) -> std::io::Result<()> {
    printer.line(format!("debugsession.ephemera.dev/{}", session.name_any()))
}

fn table(
    sessions: &[DebugSession],
    all: bool,
    now: Timestamp,
    printer: Printer,
) -> std::io::Result<()> {
    let mut headings = vec!["NAME", "POD", "REQUESTER", "PHASE", "TICKET", "AGE"];
    if all {
        headings.insert(0, "NAMESPACE");
    }
    let row = |session: &DebugSession| {
        let requester = session
            .spec
            .requester
            .as_ref()
            .map(|r| r.username.clone())
            .unwrap_or_default();
        let mut row = vec![
            session.name_any(),
            session.spec.pod.name.clone(),
            shown(&requester),
            format!("{:?}", wait::phase(session)),
            shown(&session.spec.ticket),
            age(session.creation_timestamp().map(|t| t.0), now),
        ];
        if all {
            row.insert(0, session.namespace().unwrap_or_default());
        }
        row
    };
    printer.table(&headings, &sessions.iter().map(row).collect::<Vec<_>>())
}

/// As kubectl writes an age: `42s`, `7m`, `3h`, `2d`.
fn age(created: Option<Timestamp>, now: Timestamp) -> String {
    let Some(created) = created else {
        return "<unknown>".to_owned();
    };
    let seconds = now.duration_since(created).as_secs().max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
