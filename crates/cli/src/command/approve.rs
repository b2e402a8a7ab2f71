//! `ephemera approve` and `ephemera deny`: one verdict on exactly what a session asks for.

use anyhow::Context;
use api::debug_approval::Verdict;
use api::{DebugApproval, DebugApprovalSpec, DebugSession};
use kube::Api;
use kube::api::{PostParams, ResourceExt};

use crate::args::{Cluster, Format, Judge};
use crate::client::Target;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::Printer;
use crate::{session_view, wait};

/// Shows the session, then gives the verdict on the hash that was shown.
pub async fn run(args: &Judge, verdict: Verdict, cluster: &Cluster, printer: Printer) -> Outcome {
    let target = Target::find(cluster).await?;
    let sessions: Api<DebugSession> = Api::namespaced(target.client.clone(), &target.namespace);
    let session = sessions.get(&args.session).await?;
    if args.output.is_none() {
        session_view::print(&session, printer)?;
    }
    let approvals: Api<DebugApproval> = Api::namespaced(target.client.clone(), &target.namespace);
    let approval = approval(&session, args, verdict)?;
    let given = approvals
        .create(&PostParams::default(), &approval)
        .await
        .context("the verdict was not accepted")?;
    let name = given.name_any();
    match args.output {
        Some(Format::Name) => printer.line(format!("debugapproval.ephemera.dev/{name}"))?,
        Some(format) => printer.value(&given, format)?,
        None => printer.line(format!(
            "{} session {} ({name})",
            done(verdict),
            args.session
        ))?,
    }
    Ok(Exit::Done)
}

fn done(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Approve => "approved",
        Verdict::Deny => "denied",
    }
}

fn approval(
    session: &DebugSession,
    args: &Judge,
    verdict: Verdict,
) -> Result<DebugApproval, Failure> {
    let hash = session
        .status
        .as_ref()
        .and_then(|status| status.spec_hash.clone());
    let Some(hash) = args.spec_hash.clone().or(hash) else {
        return Err(Failure::denied(format!(
            "session {} cannot be judged: {}",
            args.session,
            wait::message(session)
        )));
    };
    let spec = DebugApprovalSpec {
        session: args.session.clone(),
        session_uid: session.uid().unwrap_or_default(),
        spec_hash: hash,
        verdict,
        comment: args.comment.clone(),
        approver: None,
    };
    let mut approval = DebugApproval::new("", spec);
    approval.metadata.name = None;
    approval.metadata.generate_name = Some(format!("{}-", args.session));
    approval.metadata.labels = Some([(api::SESSION_LABEL.to_owned(), args.session.clone())].into());
    Ok(approval)
}
