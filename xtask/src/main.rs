//! Chores of the project: `cargo xtask tidy`, `cargo xtask bench`. Nothing to install.

mod bench;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask tidy | bench [NAME…]

  tidy    the walls of the house: dependency table, code map, module headers, sizes, banned crates
  bench   each figure beside its goal; needs root for those that run containers";

#[expect(clippy::print_stderr, reason = "a command line")]
fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let done = match args.next().as_deref() {
        Some("tidy") => tidy::run(),
        Some("bench") => bench::run(&args.collect::<Vec<_>>()),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
