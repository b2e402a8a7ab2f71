//! What the store promises when the machine does not: the process killed at any moment, the disk full, the file damaged;
//! and when many write at once.
//!
//! The test program is the server as well: started with the argument `serve`, it serves a directory until its standard
//! input ends. What cannot run here is reported as ignored, with the reason as its kind.

#![expect(
    clippy::expect_used,
    reason = "a test ends where its server does not answer"
)]

mod client;
mod damaged;
mod full;
mod killed;
mod large;
mod together;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;

use cluster_server::clock::Clock;
use cluster_server::{Config, Server};
use libtest_mimic::{Arguments, Trial};

/// The argument after which the program is a server.
const SERVE: &str = "serve";

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    if let [_, serve, folder] = &arguments[..]
        && serve == OsStr::new(SERVE)
    {
        client::child(Path::new(folder));
        return ExitCode::SUCCESS;
    }
    let trials = vec![
        trial(
            "an acknowledged write outlives kill -9 and none is torn",
            killed::writes,
        ),
        trial("a damaged database is said to be damaged", damaged::said),
        trial("ten thousand objects are there at once", large::start),
        trial("the log of writes stays bounded", large::log),
        trial("no update of many clients is lost", together::counts),
        trial("patches of many clients all come in", together::patches),
        only_root(
            "a full disk refuses writes and loses none",
            full::refuses_writes,
        ),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, play: fn()) -> Trial {
    Trial::test(name.replace(' ', "_"), move || {
        play();
        Ok(())
    })
}

fn only_root(name: &str, play: fn()) -> Trial {
    let root = rustix::process::geteuid().is_root();
    let trial = trial(name, play).with_ignored_flag(!root);
    if root {
        trial
    } else {
        trial.with_kind("needs root")
    }
}

/// Runs a story on a runtime of its own.
fn story<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(story)
}

fn config(folder: &Path) -> Config {
    Config {
        data_dir: folder.to_owned(),
        listen: "127.0.0.1:0".parse().expect("an address"),
        bare: true,
        clock: Clock::system(),
        audit: None,
    }
}

async fn start(folder: &Path) -> Server {
    Server::start(config(folder)).await.expect("a server")
}
