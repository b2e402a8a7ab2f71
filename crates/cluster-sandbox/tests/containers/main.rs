//! Real containers on this machine. Needs root; without it every test is reported as ignored.
//!
//! The test program is its own helper, as the product's binary is.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

use std::future::Future;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

mod cleanliness;
mod lifecycle;
mod pods;
mod security;
mod streaming;
mod support;

fn main() -> ExitCode {
    let mut args = std::env::args_os();
    if args
        .next()
        .is_some_and(|name| name == cluster_sandbox::HELPER_ARG0)
    {
        return cluster_sandbox::helper_main(args);
    }
    let mut arguments = Arguments::from_args();
    // The tests count mounts, namespaces and cgroups of the whole machine.
    arguments.test_threads = Some(1);
    let missing = missing();
    let trials = [
        lifecycle::all(),
        streaming::all(),
        pods::all(),
        security::all(),
        cleanliness::all(),
    ];
    let trials: Vec<Trial> = trials
        .into_iter()
        .flatten()
        .map(|trial| match missing {
            Some(kind) => trial.with_kind(kind).with_ignored_flag(true),
            None => trial,
        })
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    support::remove_image();
    conclusion.exit_code()
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

/// A test that is a future.
fn test<F, T>(name: &str, body: F) -> Trial
where
    F: FnOnce() -> T + Send + 'static,
    T: Future<Output = ()>,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        runtime.block_on(async {
            tokio::time::timeout(std::time::Duration::from_mins(1), body())
                .await
                .map_err(|_| Failed::from("took longer than a minute"))
        })
    })
}
