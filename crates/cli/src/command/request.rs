//! `ephemera request`: ask for a visit, and learn the line that will be admitted.

use std::time::Duration;

use anyhow::Context;
use api::DebugSession;
use api::debug_session::Injection;
use api::session_status::Phase;
use kube::Api;
use kube::api::{PostParams, ResourceExt};
use serde_json::Value;

use crate::args::{Cluster, Format, Request};
use crate::ask;
use crate::client::Target;
use crate::exit::{Exit, Failure, Outcome};
use crate::printer::{Printer, shown};
use crate::{session_view, wait};

/// How long the controller may take to decide.
const DECISION: Duration = Duration::from_secs(30);

/// Asks, waits for the decision, and says what to do next.
pub async fn run(args: &Request, cluster: &Cluster, printer: Printer) -> Outcome {
    let target = Target::find(cluster).await?;
    let injection = if args.inject {
        Injection::Controller
    } else {
        Injection::Requester
    };
    let asked = ask::session(&args.ask, &target.namespace, injection)?;
    let sessions: Api<DebugSession> = Api::namespaced(target.client.clone(), &target.namespace);
    if !args.inject {
        // Said before anything is asked: a line that kubectl cannot take is no use to anybody.
        kubectl_line(args, &target, "visit")?;
    }
    preview(&sessions, &asked, printer).await?;
    if args.dry_run.is_some() {
        return Ok(Exit::Done);
    }
    let session = create(&sessions, &asked).await?;
    match args.output {
        Some(Format::Name) => {
            printer.line(format!("debugsession.ephemera.dev/{}", session.name_any()))?;
        }
        Some(format) => printer.value(&session, format)?,
        None => told(&session, args, &target, printer)?,
    }
    Ok(Exit::Done)
}

/// Shows what would be decided and exposed, before anything is stored. A refusal ends here.
pub(crate) async fn preview(
    sessions: &Api<DebugSession>,
    asked: &DebugSession,
    printer: Printer,
) -> Result<(), Failure> {
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let shown = sessions
        .create(&dry_run, asked)
        .await
        .context("the session was not accepted")?;
    let preview = shown.annotations().get(api::PREVIEW_ANNOTATION);
    let preview: Value = serde_json::from_str(preview.context(
        "the cluster did not preview the session: is the governance running there? (`kubectl get crd debugsessions.ephemera.dev`)",
    )?)?;
    if preview["decision"] == "Denied" {
        return Err(Failure::denied(findings(&preview)));
    }
    printer.say("This visit would expose:");
    for line in session_view::sentences(Some(&preview["exposure"])) {
        printer.say(format!("  - {}", crate::printer::shown(&line)));
    }
    Ok(())
}

fn findings(preview: &Value) -> String {
    let text = |finding: &Value, field: &str| shown(finding[field].as_str().unwrap_or_default());
    let lines = preview["findings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|finding| {
            let policy = finding["policy"]
                .as_str()
                .map(|name| format!("policy {name}: "))
                .unwrap_or_default();
            let (field, found, accepted) = (
                text(finding, "field"),
                text(finding, "found"),
                text(finding, "accepted"),
            );
            format!("\n  {policy}{field}: {found}; accepted: {accepted}")
        });
    format!("no policy allows this visit:{}", lines.collect::<String>())
}

/// Creates the session and waits until it is decided.
pub(crate) async fn create(
    sessions: &Api<DebugSession>,
    asked: &DebugSession,
) -> Result<DebugSession, Failure> {
    let created = sessions
        .create(&PostParams::default(), asked)
        .await
        .context("the session was not accepted")?;
    wait::until(sessions, &created.name_any(), DECISION, |phase| {
        phase != Phase::Requested
    })
    .await
}

/// The next steps, for whoever asked.
fn told(
    session: &DebugSession,
    args: &Request,
    target: &Target,
    printer: Printer,
) -> anyhow::Result<()> {
    let name = session.name_any();
    let status = session.status.clone().unwrap_or_default();
    printer.line(format!("session {name}: {:?}", status.phase))?;
    printer.line(format!(
        "spec hash   {}",
        status.spec_hash.unwrap_or_default()
    ))?;
    if status.phase == Phase::AwaitingApproval {
        printer.line(format!(
            "needs       {}",
            session_view::needs(&status.quorum)
        ))?;
        printer.line(format!(
            "approve     ephemera approve {name} -n {}",
            target.namespace
        ))?;
    }
    if args.inject {
        printer.line(
            "then        the controller adds the container; `ephemera sessions get` shows it",
        )?;
        return Ok(());
    }
    printer.line(format!(
        "then        {}",
        kubectl_line(args, target, &status.handle)?
    ))?;
    Ok(())
}

/// The line that adds the container under its handle.
fn kubectl_line(args: &Request, target: &Target, handle: &str) -> anyhow::Result<String> {
    let place = debug::Place {
        context: target.context.as_deref(),
        namespace: &target.namespace,
        pod: ask::pod_name(&args.ask.pod)?,
    };
    Ok(debug::kubectl_line(
        place,
        &ask::container(&args.ask, handle)?,
    )?)
}
