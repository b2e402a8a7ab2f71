//! Start, watch, stop and remove containers.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::client::{self, Replies};
use super::{Inner, blocking, create, failed, guard};
use crate::durable;
use crate::helper::HELPER_ARG0;
use crate::helper::leftovers;
use crate::protocol::{Plan, ProcessMark, Reply, Request, Started, file};
use crate::runtime::{ContainerState, Exit, RuntimeError};
use crate::{cgroups, process};

/// How long a helper may take to start its container.
const START: Duration = Duration::from_mins(1);
/// How long a killed container may take to end.
const END: Duration = Duration::from_secs(10);

pub(super) async fn start(inner: &Arc<Inner>, id: &str) -> Result<(), RuntimeError> {
    let state = inner.state(id)?;
    if *state.borrow() != ContainerState::Created {
        return Err(RuntimeError::Refused(format!(
            "container {id} was started before"
        )));
    }
    let folder = inner.container_folder(id);
    let (agent, helper) = UnixStream::pair().map_err(failed("make a socket"))?;
    // From here on a restarted runtime must not start it again: see `open`.
    File::create_new(folder.join(file::STARTING)).map_err(failed("mark the start"))?;
    let mut child = spawn(inner, &folder, helper)?;
    let mark = child.id().and_then(process::mark);
    if let Some(container) = guard(&inner.containers).get_mut(id) {
        container.helper = mark;
    }
    let (mut replies, _) =
        client::converse(agent, Vec::new()).map_err(failed("talk to the helper"))?;
    let first = tokio::time::timeout(START, replies.next()).await;
    tokio::spawn(async move {
        let _ = child.wait().await;
    });
    match first {
        Ok(Ok(Some(Reply::Started(started)))) => {
            runs(inner, id, started);
            tokio::spawn(watch(Arc::downgrade(inner), id.to_owned(), replies));
            Ok(())
        }
        Ok(Ok(Some(Reply::Exited(exit)))) => {
            let message = exit.message.clone();
            inner.set_state(id, &ContainerState::Exited(exit));
            Err(RuntimeError::Failed {
                step: "start the container",
                message,
            })
        }
        outcome => {
            let message = match outcome {
                Err(_) => "its helper did not answer in time".to_owned(),
                _ => helper_words(&folder),
            };
            end_of_helper(inner, id).await;
            Err(RuntimeError::Failed {
                step: "start the container",
                message,
            })
        }
    }
}

/// What a helper that did not get to its work wrote.
fn helper_words(folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join(file::HELPER_LOG)).unwrap_or_default();
    if text.trim().is_empty() {
        "its helper ended without a word".to_owned()
    } else {
        text.trim().to_owned()
    }
}

fn spawn(
    inner: &Inner,
    folder: &Path,
    socket: UnixStream,
) -> Result<tokio::process::Child, RuntimeError> {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join(file::HELPER_LOG))
        .map_err(failed("open the helper's log"))?;
    let mut command =
        std::process::Command::new(format!("/proc/self/fd/{}", inner.helper.as_raw_fd()));
    command
        .arg0(HELPER_ARG0)
        .arg(folder)
        .env_clear()
        .current_dir("/");
    command
        .stdin(Stdio::from(OwnedFd::from(socket)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(log));
    tokio::process::Command::from(command)
        .spawn()
        .map_err(failed("start the helper"))
}

/// Takes over that a container runs.
pub(super) fn runs(inner: &Inner, id: &str, started: Started) {
    if let Some(container) = guard(&inner.containers).get_mut(id) {
        container.started = Some(started);
    }
    inner.set_state(
        id,
        &ContainerState::Running {
            started_at: started.at,
        },
    );
}

/// Waits for the exit; a helper that goes without telling one leaves it in its record, or is no more.
///
/// It does not keep the runtime open: who has dropped it hears nothing more.
pub(super) async fn watch(inner: Weak<Inner>, id: String, mut replies: Replies) {
    loop {
        let reply = replies.next().await;
        let Some(inner) = inner.upgrade() else { return };
        match reply {
            Ok(Some(Reply::Exited(exit))) => {
                return inner.set_state(&id, &ContainerState::Exited(exit));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return end_of_helper(&inner, &id).await,
        }
    }
}

/// Finds out how a container ended whose helper is gone, and ends what is left of it.
pub(super) async fn end_of_helper(inner: &Arc<Inner>, id: &str) {
    let folder = inner.container_folder(id);
    let helper = guard(&inner.containers)
        .get(id)
        .and_then(|container| container.helper);
    let found = blocking(move || Ok(settle(&folder, helper))).await;
    let state = found
        .ok()
        .flatten()
        .map_or(ContainerState::Unknown, ContainerState::Exited);
    inner.set_state(id, &state);
}

/// The exit record if there is one. Without one the helper was killed: its container dies with it, and
/// what does not is killed here.
pub(super) fn settle(folder: &Path, helper: Option<ProcessMark>) -> Option<Exit> {
    if let Some(helper) = helper {
        process::kill_marked(helper);
    }
    let exit = durable::read_json::<Exit>(&folder.join(file::EXIT))
        .ok()
        .flatten();
    if exit.is_some() {
        return exit;
    }
    let started = durable::read_json::<Started>(&folder.join(file::STARTED))
        .ok()
        .flatten();
    let plan = durable::read_json::<Plan>(&folder.join(file::PLAN))
        .ok()
        .flatten();
    if let (Some(started), Some(plan)) = (started, &plan) {
        process::kill_marked(started.process);
        leftovers::kill(plan, &started);
    }
    if let Some(plan) = plan {
        cgroups::remove(&plan.cgroups.folders);
    }
    None
}

pub(super) async fn stop(
    inner: &Arc<Inner>,
    id: &str,
    grace: Duration,
) -> Result<(), RuntimeError> {
    let Ok(mut state) = inner.state(id) else {
        return Ok(());
    };
    if !matches!(*state.borrow(), ContainerState::Running { .. }) {
        return Ok(());
    }
    let mut ended = async |limit: Duration| {
        let over = state.wait_for(|state| !matches!(state, ContainerState::Running { .. }));
        tokio::time::timeout(limit, over).await.is_ok()
    };
    if !grace.is_zero() {
        signal(inner, id, libc::SIGTERM).await;
        if ended(grace).await {
            return Ok(());
        }
    }
    signal(inner, id, libc::SIGKILL).await;
    if ended(END).await {
        return Ok(());
    }
    // The helper hangs: without it the container's first process dies, too.
    end_of_helper(inner, id).await;
    Ok(())
}

/// Signals the first process through its helper; a helper that does not listen has the process killed directly.
async fn signal(inner: &Arc<Inner>, id: &str, number: i32) {
    let folder = inner.container_folder(id);
    let told = blocking(move || {
        client::tell(&folder, &Request::Signal { number }).map_err(failed("signal"))
    })
    .await;
    let started = guard(&inner.containers)
        .get(id)
        .and_then(|container| container.started);
    if let (Err(_), Some(started), libc::SIGKILL) = (told, started, number) {
        process::kill_marked(started.process);
    }
}

pub(super) async fn remove(inner: &Arc<Inner>, id: &str) -> Result<(), RuntimeError> {
    stop(inner, id, Duration::ZERO).await?;
    let folder = inner.container_folder(id);
    blocking(move || {
        if let Ok(Some(plan)) = durable::read_json::<Plan>(&folder.join(file::PLAN)) {
            cgroups::remove(&plan.cgroups.folders);
        }
        create::clear(&folder).map_err(failed("remove the container's folder"))
    })
    .await?;
    guard(&inner.containers).remove(id);
    Ok(())
}
