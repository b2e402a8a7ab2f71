//! The walls of the house, held against what is really there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Which of our crates each crate may depend on (normal dependencies). The order is that of the flow.
///
/// Two families meet only over HTTP: nothing of the governance names a `cluster-…` crate, no `cluster-…`
/// crate names anything of the governance. `streaming` is bytes on a wire, `expression` a language: both belong to both.
const LAYERS: &[(&str, &[&str])] = &[
    ("session", &[]),
    ("policy", &["session"]),
    ("api", &["session", "policy"]),
    (
        "admission",
        &["session", "policy", "api", "ledger", "ledger-store"],
    ),
    (
        "controller",
        &["session", "policy", "api", "ledger", "ledger-store"],
    ),
    ("streaming", &[]),
    ("expression", &[]),
    ("ledger", &["session"]),
    ("ledger-store", &["session", "ledger"]),
    ("report", &["session", "ledger"]),
    ("debug", &[]),
    ("authority", &[]),
    ("cluster-sandbox", &[]),
    ("cluster-node", &["cluster-sandbox", "streaming"]),
    ("cluster-server", &["streaming", "expression"]),
    (
        "server",
        &[
            "session",
            "policy",
            "api",
            "admission",
            "controller",
            "ledger",
            "ledger-store",
            "report",
            "cluster-server",
            "cluster-node",
            "cluster-sandbox",
        ],
    ),
    (
        "cli",
        &[
            "session",
            "policy",
            "api",
            "ledger",
            "ledger-store",
            "report",
            "debug",
            "authority",
            "server",
            "cluster-sandbox",
        ],
    ),
    (
        "testkit",
        &[
            "server",
            "cluster-server",
            "cluster-node",
            "cluster-sandbox",
            "cli",
            "api",
            "session",
        ],
    ),
    (
        "e2e",
        &["testkit", "cli", "api", "session", "ledger", "report"],
    ),
    ("xtask", &[]),
];

/// Crates that do no IO: no runtime, no HTTP, no client, no system calls.
const PURE: &[&str] = &[
    "session",
    "policy",
    "streaming",
    "expression",
    "ledger",
    "report",
    "debug",
    "authority",
];
const IO: &[&str] = &[
    "tokio",
    "hyper",
    "axum",
    "kube",
    "rustix",
    "nix",
    "libc",
    "rusqlite",
    "rustls",
    "libcontainer",
];

/// Crates that must not be built in at all; `deny.toml` says why.
const BANNED: &[&str] = &["openssl-sys", "native-tls", "spdy-mux", "serde_yaml"];

/// Words of the governance that no `cluster-…` crate may contain.
const PRODUCT_WORDS: &[&str] = &[
    "ephemera.dev",
    "DebugSession",
    "DebugPolicy",
    "DebugApproval",
    "visit-",
];

/// A file longer than this is a mixture, unless it is a table.
const LONG: usize = 600;

/// Checks everything and reports all that is wrong at once.
#[expect(clippy::print_stdout, reason = "a command line")]
pub(crate) fn run() -> Result<()> {
    let root = root()?;
    let metadata = metadata(&root)?;
    let mut wrong = Vec::new();
    layers(&metadata, &mut wrong);
    banned(&root, &mut wrong)?;
    code_map(&root, &mut wrong)?;
    for file in sources(&root)? {
        source(&root, &file, &mut wrong)?;
    }
    if wrong.is_empty() {
        println!(
            "tidy: {} crates in their layers, every file in its place",
            LAYERS.len()
        );
        return Ok(());
    }
    bail!(
        "tidy: {} things to mend\n  {}",
        wrong.len(),
        wrong.join("\n  ")
    )
}

pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("xtask lies in the workspace")?
        .to_path_buf())
}

fn metadata(root: &Path) -> Result<Value> {
    let cargo = env!("CARGO");
    let out = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .context("cargo metadata did not run")?;
    if !out.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    Ok(serde_json::from_slice(&out.stdout)?)
}

/// The dependency table, and that crates without IO have none.
fn layers(metadata: &Value, wrong: &mut Vec<String>) {
    let table: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let mut seen = BTreeSet::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let name = package["name"].as_str().unwrap_or_default();
        seen.insert(name);
        let Some(allowed) = table.get(name) else {
            wrong.push(format!(
                "crate {name} is not in the dependency table of xtask/src/tidy.rs"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            let on = dependency["name"].as_str().unwrap_or_default();
            if table.contains_key(on) && !allowed.contains(&on) {
                wrong.push(format!(
                    "crate {name} depends on {on}, which the dependency table does not allow"
                ));
            }
            if PURE.contains(&name) && IO.contains(&on) {
                wrong.push(format!("crate {name} is pure and depends on {on}"));
            }
        }
    }
    for name in table.keys().filter(|name| !seen.contains(**name)) {
        wrong.push(format!(
            "crate {name} of the dependency table is not in the workspace"
        ));
    }
}

fn banned(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let lock = std::fs::read_to_string(root.join("Cargo.lock"))?;
    for name in BANNED {
        if lock.contains(&format!("name = \"{name}\"")) {
            wrong.push(format!(
                "crate {name} is built in; deny.toml says why it must not be"
            ));
        }
    }
    Ok(())
}

/// Every crate has its line in the map, and the map has no crate that is not there.
fn code_map(root: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let map = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    for (name, _) in LAYERS.iter().filter(|(name, _)| *name != "xtask") {
        if !map.contains(&format!("`crates/{name}`")) {
            wrong.push(format!(
                "crates/{name} is not in the code map of ARCHITECTURE.md"
            ));
        }
    }
    for part in map
        .split('`')
        .filter_map(|part| part.strip_prefix("crates/"))
    {
        let name = part.split('/').next().unwrap_or_default();
        if !root.join("crates").join(name).is_dir() {
            wrong.push(format!(
                "ARCHITECTURE.md speaks of crates/{name}, which is not there"
            ));
        }
    }
    Ok(())
}

fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![root.join("crates"), root.join("xtask")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// One source file: its header, its length, the words that do not belong there.
fn source(root: &Path, file: &Path, wrong: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(file)?;
    let name = file
        .strip_prefix(root)
        .unwrap_or(file)
        .display()
        .to_string();
    if !text.starts_with("//!") {
        wrong.push(format!(
            "{name} does not begin with a line `//! …` that says what it is"
        ));
    }
    let lines = text.lines().count();
    if lines > LONG && !name.contains("/tests/") && !text.contains("//! A table") {
        wrong.push(format!(
            "{name} has {lines} lines: cut it, or say `//! A table` at its head if it is one"
        ));
    }
    if name.starts_with("crates/cluster-") {
        for word in PRODUCT_WORDS.iter().filter(|word| text.contains(**word)) {
            wrong.push(format!(
                "{name} contains {word:?}: the cluster has never heard of the governance"
            ));
        }
    }
    if text.contains(concat!("unsafe", " {")) && name != "crates/cluster-sandbox/src/sys.rs" {
        wrong.push(format!(
            "{name} has an unsafe block: only crates/cluster-sandbox/src/sys.rs may"
        ));
    }
    Ok(())
}
