//! The stage with somebody who tells what happens on it.

use anyhow::Result;

use crate::printer::Printer;
use crate::stage::{Answer, Stage};

/// A cluster and the teller.
pub(super) struct Show {
    pub(super) printer: Printer,
    pub(super) stage: Stage,
}

impl Show {
    /// A line of the story.
    pub(super) fn tell(&self, text: impl AsRef<str>) -> Result<()> {
        Ok(self.printer.line(text)?)
    }

    /// Runs `ephemera …` as `person`, shows the command and what it answered.
    pub(super) async fn ephemera(&self, person: &str, arguments: &[&str]) -> Result<Answer> {
        let words: Vec<String> = arguments.iter().map(|word| debug::quoted(word)).collect();
        self.tell(format!("   {person}$ ephemera {}", words.join(" ")))?;
        let answer = self.stage.ephemera(person, arguments).await?;
        for line in answer.stderr.lines().chain(answer.stdout.lines()) {
            self.tell(format!("     {line}"))?;
        }
        Ok(answer)
    }
}
