//! The command line: what was typed ([`args`]), what it means ([`command`]), what is printed
//! ([`printer`]), how it ends ([`exit`]).

pub mod args;
pub mod client;
pub mod command;
pub mod exit;
pub mod printer;
#[cfg(feature = "cluster")]
pub mod stage;
pub mod terminal;

mod ask;
mod clock;
#[cfg(feature = "cluster")]
mod demo;
mod session_view;
mod wait;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::exit::Exit;
use crate::printer::Printer;

/// Runs the program with these arguments, the program's own name first.
pub fn main(arguments: Vec<OsString>) -> ExitCode {
    // A container's helper process is this program again. It must stay single-threaded: nothing may
    // be started before it.
    #[cfg(feature = "cluster")]
    if arguments
        .first()
        .is_some_and(|name| name == cluster_sandbox::HELPER_ARG0)
    {
        return cluster_sandbox::helper_main(arguments.into_iter().skip(1));
    }
    let cli = match args::Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(usage) => {
            // Nobody left to read it is no reason to fail otherwise.
            let _ = usage.print();
            return if usage.use_stderr() {
                Exit::Error.into()
            } else {
                Exit::Done.into()
            };
        }
    };
    run(cli)
}

fn run(cli: args::Cli) -> ExitCode {
    let printer = Printer::new(cli.cluster.quiet);
    if rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .is_err()
    {
        printer.warn("error: another TLS provider is installed already");
        return Exit::Error.into();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            printer.warn(format!("error: no threads to run on: {error}"));
            return Exit::Error.into();
        }
    };
    let outcome = runtime.block_on(command::run(cli));
    runtime.shutdown_background();
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => {
            printer.warn(format!("error: {}", told(&failure.error)));
            failure.exit.into()
        }
    }
}

/// An error with its causes, each said once. What an API server says stands for itself.
fn told(error: &anyhow::Error) -> String {
    let mut said: Vec<String> = Vec::new();
    for cause in error.chain() {
        if let Some(kube::Error::Api(status)) = cause.downcast_ref::<kube::Error>() {
            said.push(status.message.clone());
            break;
        }
        let text = cause.to_string();
        if !said.iter().any(|before| before.contains(&text)) {
            said.push(text);
        }
    }
    said.join(": ")
}
