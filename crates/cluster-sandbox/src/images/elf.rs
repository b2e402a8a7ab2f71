//! What a program of this machine needs to run: its loader and libraries, or its interpreter.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Kinds of program files.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Needs nothing.
    Static,
    /// Needs this loader and what it lists.
    Dynamic(PathBuf),
    /// `#!`: needs this interpreter, and with `env` the program named after it.
    Script(Vec<String>),
    /// No program.
    Data,
}

/// Looks into a file.
pub(super) fn kind(path: &Path) -> io::Result<Program> {
    let file = File::open(path)?;
    let mut head = Vec::new();
    (&file).take(256).read_to_end(&mut head)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let words = String::from_utf8_lossy(line)
            .split_whitespace()
            .map(ToOwned::to_owned)
            .collect();
        return Ok(Program::Script(words));
    }
    if !head.starts_with(b"\x7fELF") || head.get(4) != Some(&2) || head.get(5) != Some(&1) {
        return Ok(Program::Data);
    }
    Ok(interpreter(&file, &head)?.map_or(Program::Static, Program::Dynamic))
}

/// The `PT_INTERP` of a 64-bit little-endian ELF file.
fn interpreter(file: &File, head: &[u8]) -> io::Result<Option<PathBuf>> {
    let number = |bytes: &[u8], at: usize, length: usize| -> u64 {
        bytes
            .get(at..at + length)
            .unwrap_or_default()
            .iter()
            .rev()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    };
    let (table, size, count) = (
        number(head, 32, 8),
        number(head, 54, 2),
        number(head, 56, 2),
    );
    for index in 0..count {
        let mut header = [0; 56];
        file.read_exact_at(&mut header, table + index * size)?;
        if number(&header, 0, 4) == 3 {
            let length = usize::try_from(number(&header, 32, 8))
                .unwrap_or(usize::MAX)
                .min(4096);
            let mut name = vec![0; length];
            file.read_exact_at(&mut name, number(&header, 8, 8))?;
            let name: Vec<u8> = name.into_iter().take_while(|byte| *byte != 0).collect();
            return Ok(Some(PathBuf::from(
                String::from_utf8_lossy(&name).into_owned(),
            )));
        }
    }
    Ok(None)
}

/// The libraries that the loader finds for a program, or those that it does not find.
pub(super) fn libraries(
    loader: &Path,
    program: &Path,
) -> io::Result<Result<Vec<PathBuf>, Vec<String>>> {
    let output = Command::new(loader)
        .arg("--list")
        .arg(program)
        .env_clear()
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let missing: Vec<String> = text
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_suffix(" => not found")
                .map(ToOwned::to_owned)
        })
        .collect();
    if !output.status.success() || !missing.is_empty() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Ok(Err(if missing.is_empty() {
            vec![said]
        } else {
            missing
        }));
    }
    let found = text.lines().filter_map(|line| {
        let line = line.trim();
        let path = line.split_once(" => ").map_or(line, |(_, path)| path);
        let path = path.split(" (").next()?;
        path.starts_with('/').then(|| PathBuf::from(path))
    });
    Ok(Ok(found.collect()))
}
