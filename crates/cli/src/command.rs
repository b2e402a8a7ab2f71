//! What the words mean: one command, one file.

#[cfg(feature = "cluster")]
pub mod demo;
#[cfg(feature = "cluster")]
pub mod image;
#[cfg(feature = "cluster")]
pub mod up;

pub mod approve;
pub mod debug;
pub mod policy;
pub mod rbac;
pub mod record;
pub mod request;
pub mod sessions;
pub mod verify;
pub mod version;

use api::debug_approval::Verdict;

use crate::args::{Cli, Command};
use crate::exit::Outcome;
use crate::printer::Printer;

/// Runs one command to its end.
pub async fn run(cli: Cli) -> Outcome {
    let printer = Printer::new(cli.cluster.quiet);
    match cli.command {
        #[cfg(feature = "cluster")]
        Command::Demo(args) => demo::run(&args, printer).await,
        #[cfg(feature = "cluster")]
        Command::Up(args) => up::run(args, printer).await,
        #[cfg(feature = "cluster")]
        Command::Image(args) => image::run(args, printer).await,
        Command::Request(args) => request::run(&args, &cli.cluster, printer).await,
        Command::Approve(args) => {
            approve::run(&args, Verdict::Approve, &cli.cluster, printer).await
        }
        Command::Deny(args) => approve::run(&args, Verdict::Deny, &cli.cluster, printer).await,
        Command::Debug(args) => debug::run(&args, &cli.cluster, printer).await,
        Command::Sessions(args) => sessions::run(&args, &cli.cluster, printer).await,
        Command::Record(args) => record::run(&args, &cli.cluster, printer),
        Command::Verify(args) => verify::run(&args, printer),
        Command::Policy(args) => policy::run(&args, printer),
        Command::Rbac(args) => rbac::run(&args, &cli.cluster, printer).await,
        Command::Version => version::run(printer),
    }
}
