//! `ephemera debug`: ask, wait, attach, in one go.

use std::time::Duration;

use anyhow::Context;
use api::DebugSession;
use api::debug_session::Injection;
use api::session_status::Phase;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ResourceExt;

use super::request;
use crate::args::{Cluster, Debug};
use crate::client::Target;
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;
use crate::{ask, session_view, terminal, wait};

/// How long the container's end may take to be known after its streams have ended.
const END: Duration = Duration::from_secs(10);

/// Carries one visit from the ask to the container's own exit status.
pub async fn run(args: &Debug, cluster: &Cluster, printer: Printer) -> Outcome {
    let target = Target::find(cluster).await?;
    let limit = Duration::from_secs(
        ask::seconds(&args.timeout)
            .context("--timeout")?
            .unsigned_abs(),
    );
    let asked = ask::session(&args.ask, &target.namespace, Injection::Controller)?;
    let sessions: Api<DebugSession> = Api::namespaced(target.client.clone(), &target.namespace);
    request::preview(&sessions, &asked, printer).await?;
    let session = request::create(&sessions, &asked).await?;
    let name = session.name_any();
    if wait::phase(&session) == Phase::AwaitingApproval {
        let needs = session
            .status
            .as_ref()
            .map(|status| session_view::needs(&status.quorum))
            .unwrap_or_default();
        printer.say(format!(
            "Waiting for {needs}: ephemera approve {name} -n {}",
            target.namespace
        ));
        wait::until(&sessions, &name, limit, |phase| {
            phase != Phase::AwaitingApproval
        })
        .await?;
    }
    printer.say(format!(
        "Session {name} is approved. Waiting for its container to run."
    ));
    let there = |phase| matches!(phase, Phase::Running | Phase::Ended | Phase::Closed);
    let session = wait::until(&sessions, &name, limit, there).await?;
    let pods: Api<Pod> = Api::namespaced(target.client.clone(), &target.namespace);
    let handle = session
        .status
        .as_ref()
        .map(|status| status.handle.clone())
        .unwrap_or_default();
    let pod = session.spec.pod.name.clone();
    match wait::phase(&session) {
        Phase::Running if args.ask.stdin => {
            terminal::attach(&pods, &pod, &handle, args.ask.tty, printer).await?;
        }
        Phase::Running => terminal::follow(&pods, &pod, &handle, printer).await?,
        _ => terminal::print_log(&pods, &pod, &handle, printer).await?,
    }
    ended(&sessions, &name, &pod, &handle, printer).await
}

/// The container's own exit status; 0 if it was left running.
async fn ended(
    sessions: &Api<DebugSession>,
    name: &str,
    pod: &str,
    handle: &str,
    printer: Printer,
) -> Outcome {
    let over = |phase| matches!(phase, Phase::Ended | Phase::Closed);
    let Ok(session) = wait::until(sessions, name, END, over).await else {
        printer.warn(format!(
            "The container still runs. Join it again: kubectl attach -it {pod} -c {handle}"
        ));
        return Ok(Exit::Done);
    };
    let exit = session
        .status
        .as_ref()
        .and_then(|status| status.exit.as_ref());
    let code = exit
        .and_then(|exit| exit.code)
        .context("nobody can say how the container ended")?;
    Ok(Exit::Container(u8::try_from(code).unwrap_or(255)))
}
