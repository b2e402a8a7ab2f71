//! The `ephemera` command, also as `kubectl-ephemera`.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os().collect())
}
