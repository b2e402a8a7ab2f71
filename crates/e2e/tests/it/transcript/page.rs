//! A page of the transcript: prose in Markdown, and blocks of `console` with commands and what they answered.

use std::fmt;

use anyhow::{Context, Result, ensure};

/// A page as it stands in its file.
#[derive(Debug, Clone)]
pub(super) struct Page {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    /// A line as it is: prose, or a fence.
    Line(String),
    /// A command.
    Step(Step),
}

/// A command and its answer.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// What is given to the shell; several lines stand after `$ ` and `> `.
    pub(super) command: String,
    /// Output, standard error after `! `, exit status if it is not 0.
    pub(super) answer: String,
}

const OPEN: &str = "```console";
const CLOSE: &str = "```";

impl Page {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut parts = Vec::new();
        let mut inside = false;
        for line in text.lines() {
            if !inside || line == CLOSE {
                inside = line == OPEN;
                parts.push(Part::Line(line.to_owned()));
                continue;
            }
            if let Some(command) = line.strip_prefix("$ ") {
                parts.push(Part::Step(Step {
                    command: command.to_owned(),
                    answer: String::new(),
                }));
                continue;
            }
            let Some(Part::Step(step)) = parts.last_mut() else {
                anyhow::bail!("no command before {line:?}");
            };
            match line.strip_prefix("> ") {
                Some(more) if step.answer.is_empty() => {
                    step.command.push('\n');
                    step.command.push_str(more);
                }
                _ => {
                    step.answer.push_str(line);
                    step.answer.push('\n');
                }
            }
        }
        ensure!(!inside, "a block is not closed");
        let page = Self { parts };
        page.steps().next().context("the page has no command")?;
        Ok(page)
    }

    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.parts.iter().filter_map(|part| match part {
            Part::Step(step) => Some(step),
            Part::Line(_) => None,
        })
    }

    pub(super) fn steps_mut(&mut self) -> impl Iterator<Item = &mut Step> {
        self.parts.iter_mut().filter_map(|part| match part {
            Part::Step(step) => Some(step),
            Part::Line(_) => None,
        })
    }
}

impl fmt::Display for Page {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            match part {
                Part::Line(line) => writeln!(out, "{line}")?,
                Part::Step(step) => {
                    writeln!(out, "$ {}", step.command.replace('\n', "\n> "))?;
                    write!(out, "{}", step.answer)?;
                }
            }
        }
        Ok(())
    }
}

/// Both answers of a command, for the person who reads the failure.
pub(super) fn difference(expected: &Step, got: &Step) -> String {
    let Step { command, answer } = expected;
    format!(
        "$ {command}\n--- expected\n{answer}+++ answered\n{}",
        got.answer
    )
}
