//! `ephemera version`.

use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// Prints the version of this program.
pub fn run(printer: Printer) -> Outcome {
    printer.line(format!("ephemera {}", env!("CARGO_PKG_VERSION")))?;
    Ok(Exit::Done)
}
