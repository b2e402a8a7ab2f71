//! `ephemera policy`: what can be said of policies without a cluster.

mod cases;
mod check;
mod files;

use crate::args::Policy;
use crate::exit::Outcome;
use crate::printer::Printer;

/// Runs one of the sub-commands.
pub fn run(args: &Policy, printer: Printer) -> Outcome {
    match args {
        Policy::Check { files, output } => check::run(files, *output, printer),
        Policy::Test { folder } => cases::run(folder, printer),
    }
}
