//! `ephemera demo`: one governed visit, shown.

use crate::args::Demo;
use crate::demo;
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// Shows the visit, or the line that would show it.
pub async fn run(args: &Demo, printer: Printer) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        let program = std::env::current_exe()?;
        let keep = if args.keep { " --keep" } else { "" };
        printer
            .line("The demo runs real containers, and only root may make their namespaces. Run:")?;
        printer.line(format!("\n  sudo {} demo{keep}\n", program.display()))?;
        return Ok(Exit::Error);
    }
    let shown = tokio::select! {
        shown = demo::show(args.keep, printer) => shown,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted; everything was cleaned up")),
    };
    match shown {
        Ok(()) => Ok(Exit::Done),
        Err(error) => Err(error.context("the demo did not come out as told").into()),
    }
}
