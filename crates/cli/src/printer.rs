//! The one place that writes to the terminal: data to standard output, talk to standard error.

use std::io::{self, Write};

use serde::Serialize;

use crate::args::Format;

/// Where a command writes.
#[derive(Debug, Clone, Copy)]
pub struct Printer {
    quiet: bool,
}

impl Printer {
    /// A printer; a quiet one keeps its talk to itself.
    pub fn new(quiet: bool) -> Self {
        Self { quiet }
    }

    /// A line of data.
    pub fn line(self, text: impl AsRef<str>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_ref().as_bytes())?;
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Bytes of data as they are.
    pub fn bytes(self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// A line of talk: what happens, what is waited for.
    pub fn say(self, text: impl AsRef<str>) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// A line that is said even when quiet.
    pub fn warn(self, text: impl AsRef<str>) {
        // Nobody left to read it is no reason to stop.
        let _ = writeln!(io::stderr().lock(), "{}", text.as_ref());
    }

    /// A value as JSON or YAML.
    pub fn value<T: Serialize>(self, value: &T, format: Format) -> anyhow::Result<()> {
        let text = match format {
            Format::Json => serde_json::to_string_pretty(value)?,
            Format::Yaml => {
                let value = serde_json::to_value(value)?;
                serde_saphyr::to_string(&value)?.trim_end().to_owned()
            }
            Format::Name => anyhow::bail!("-o name is for objects only: use json or yaml"),
        };
        Ok(self.line(text)?)
    }

    /// Columns under headings, aligned as kubectl aligns them.
    pub fn table(self, headings: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
        let width = |column: usize| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            cells
                .chain(headings.get(column).map(|h| h.len()))
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded: Vec<String> = cells
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| format!("{cell:<width$}"))
                .collect();
            padded.join("   ").trim_end().to_owned()
        };
        self.line(line(headings.to_vec()))?;
        for row in rows {
            self.line(line(row.iter().map(String::as_str).collect()))?;
        }
        Ok(())
    }
}

/// Text of somebody else's making, safe to show: control characters and the ones that turn the
/// direction of writing are spelt out, so that a reason cannot repaint an approver's screen.
pub fn shown(text: &str) -> String {
    let deceptive = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .fold(String::with_capacity(text.len()), |mut out, c| {
            if deceptive(c) {
                out.extend(c.escape_unicode());
            } else {
                out.push(c);
            }
            out
        })
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_would_repaint_a_screen_is_spelt_out() {
        assert_eq!(shown("p99 is up"), "p99 is up");
        assert_eq!(shown("\u{1b}[2Jok"), "\\u{1b}[2Jok");
        assert_eq!(shown("a\u{202e}b"), "a\\u{202e}b");
    }
}
