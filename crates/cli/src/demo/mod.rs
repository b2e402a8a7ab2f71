//! One visit from refusal to proof: every answer that is shown is a real one, and every one is checked.

mod scene;
mod show;
mod visit;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::printer::Printer;
use crate::stage::Stage;
use show::Show;

/// Plays the eight steps in a temporary data directory and cleans up after itself.
pub(crate) async fn show(keep: bool, printer: Printer) -> Result<()> {
    let started = Instant::now();
    let program = std::env::current_exe().context("this program cannot find itself")?;
    let show = Show {
        printer,
        stage: Stage::raise(program, &[]).await?,
    };
    if let Err(failed) = visit::play(&show).await {
        show.stage.strike().await?;
        return Err(failed);
    }
    printer.line(format!(
        "\nAll eight steps came out as told, in {:.1} s.",
        started.elapsed().as_secs_f64()
    ))?;
    if keep {
        let (pid, dir) = show.stage.leave_up()?;
        let kubeconfig = dir.join("kubeconfig");
        printer.line(format!(
            "\nThe cluster stays up. End it with: kill -INT {pid}"
        ))?;
        printer.line(format!("  export KUBECONFIG={}", kubeconfig.display()))?;
    } else {
        show.stage.strike().await?;
    }
    scene::what_next(keep, printer)
}
