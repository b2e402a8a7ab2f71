//! Stories of whole visits, on a cluster of their own and real containers.
//!
//! The test program is the product as well: started under the name `ephemera`, or as a container's helper,
//! it is the command line. So nothing has to be built first, and what is tested is what was compiled.
//! Needs root; what cannot run here is reported as ignored, with the reason as its kind.

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use libtest_mimic::{Arguments, Failed, Trial};
use testkit::Cluster;

mod crashes;
mod kubectl;
mod leaves_nothing;
mod live_session;
mod one_session;
mod record;
mod refusals;
mod reservations;
mod transcript;
mod wrong_uses;

/// Clusters at once, unless `--test-threads` says otherwise.
const CLUSTERS: usize = 2;

/// No story may take longer.
const LONGEST: Duration = Duration::from_secs(150);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let name = arguments.first().map(Path::new).and_then(Path::file_name);
    if [
        OsStr::new("ephemera"),
        OsStr::new(cluster_sandbox::HELPER_ARG0),
    ]
    .map(Some)
    .contains(&name)
    {
        return cli::main(arguments);
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(CLUSTERS);
    // The longest first.
    let trials = [
        reservations::all(),
        one_session::all(),
        crashes::all(),
        transcript::all(),
        kubectl::all(),
        refusals::all(),
        live_session::all(),
        leaves_nothing::all(),
        wrong_uses::all(),
    ];
    libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code()
}

/// A story on a cluster with something to visit. The cluster must end cleanly after it.
fn story<F>(name: &str, play: F) -> Trial
where
    F: AsyncFnOnce(&mut Cluster) -> Result<()> + Send + 'static,
{
    trial(name, async || {
        let mut cluster = Cluster::with_sample().await?;
        let played = tokio::time::timeout(LONGEST, play(&mut cluster)).await;
        match played.unwrap_or_else(|_| Err(anyhow!("took longer than {} s", LONGEST.as_secs()))) {
            Ok(()) => cluster.strike().await,
            Err(error) => {
                // A killed cluster left its containers: only another start can end them.
                if cluster.stage.pid().is_none() {
                    cluster
                        .stage
                        .start()
                        .await
                        .context("and the cluster did not start again")?;
                }
                let dump = cluster.dump().await;
                Err(error.context(dump))
            }
        }
    })
}

/// A story that raises its clusters itself.
fn trial<F>(name: &str, play: F) -> Trial
where
    F: AsyncFnOnce() -> Result<()> + Send + 'static,
{
    let trial = Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime
            .block_on(play())
            .map_err(|error| Failed::from(told(&error)))
    });
    match missing() {
        Some(kind) => trial.with_kind(kind).with_ignored_flag(true),
        None => trial,
    }
}

/// The failure first, what was seen after it.
fn told(error: &anyhow::Error) -> String {
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    causes.reverse();
    causes.join("\n")
}

/// Whether this machine has a `kubectl`.
fn has_kubectl() -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join("kubectl").exists()))
}

/// What these tests need and this machine does not have.
fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root");
    }
    let overlay =
        std::fs::read_to_string("/proc/filesystems").is_ok_and(|text| text.contains("\toverlay"));
    (!overlay).then_some("needs overlayfs")
}
