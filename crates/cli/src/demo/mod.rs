//! One visit from refusal to proof: every answer that is shown is a real one, and every one is checked.

mod scene;
mod stage;
mod visit;

use std::time::Instant;

use anyhow::Result;

use crate::printer::Printer;
use stage::Stage;

/// Plays the eight steps in a temporary data directory and cleans up after itself.
#[expect(clippy::disallowed_methods, reason = "the demo tells how long it took")]
pub(crate) async fn show(keep: bool, printer: Printer) -> Result<()> {
    let started = Instant::now();
    let stage = Stage::raise(printer).await?;
    let shown = visit::play(&stage).await;
    match (&shown, keep) {
        (Ok(()), true) => stage.leave_up()?,
        _ => stage.strike().await?,
    }
    shown?;
    printer.line(format!("\nAll eight steps came out as told, in {:.1} s.", started.elapsed().as_secs_f64()))?;
    scene::what_next(keep, printer)
}
