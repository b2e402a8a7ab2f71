//! Each figure beside its goal.
//!
//! Figures are of one run on one machine: compare them with each other, not with another machine's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What is measured: name in the output, what it is, its goal in the same unit, and whether more is better.
const FIGURES: &[(&str, &str, f64, Better)] = &[
    (
        "ready_bare_p50",
        "ready after `up --bare`",
        300.0,
        Better::Less,
    ),
    (
        "ready_governed_p50",
        "ready after `up` with governance",
        300.0,
        Better::Less,
    ),
    ("ready_bare_resident", "resident, bare", 60.0, Better::Less),
    (
        "ready_governed_resident",
        "resident, with governance",
        60.0,
        Better::Less,
    ),
    (
        "pod_to_running_p50",
        "Pod create to Running",
        100.0,
        Better::Less,
    ),
    (
        "add_to_running_p50",
        "ephemeral container, add to running",
        40.0,
        Better::Less,
    ),
    (
        "add_to_running_p99",
        "ephemeral container, add to running, p99",
        120.0,
        Better::Less,
    ),
    ("decision_p50", "policy decision", 100.0, Better::Less),
    ("decision_p99", "policy decision, p99", 1000.0, Better::Less),
    (
        "lone_append_p50",
        "durable append, alone",
        100.0,
        Better::Less,
    ),
    (
        "lone_append_p99",
        "durable append, alone, p99",
        100.0,
        Better::Less,
    ),
    (
        "batched_appends",
        "durable appends, batched",
        50_000.0,
        Better::More,
    ),
    (
        "inclusion_proof_made_in_order",
        "inclusion proof, near the one before",
        20.0,
        Better::Less,
    ),
    (
        "inclusion_proof_made_scattered",
        "inclusion proof, anywhere",
        20.0,
        Better::Less,
    ),
    (
        "inclusion_proof_checked",
        "inclusion proof, checked",
        20.0,
        Better::Less,
    ),
    (
        "verify",
        "verification of 1,000,000 entries",
        5.0,
        Better::Less,
    ),
    (
        "api_get_rate",
        "API: GET a Pod, 16 clients",
        6300.0,
        Better::More,
    ),
    (
        "api_get_p99",
        "API: GET a Pod, 16 clients, p99",
        8.3,
        Better::Less,
    ),
    (
        "api_patch_p50",
        "API: PATCH ephemeralcontainers, durable",
        2.0,
        Better::Less,
    ),
    (
        "api_watch_p99",
        "API: watch delivery, 100 watchers, p99",
        5.0,
        Better::Less,
    ),
    (
        "api_resident_empty",
        "API: resident, no objects",
        60.0,
        Better::Less,
    ),
    (
        "api_ready_10000_p50",
        "API: ready with 10,000 objects",
        1000.0,
        Better::Less,
    ),
];

#[derive(Clone, Copy)]
enum Better {
    Less,
    More,
}

/// Builds in release, measures, prints. Names choose figures whose name begins so.
#[expect(clippy::print_stdout, reason = "a command line")]
pub(crate) fn run(names: &[String]) -> Result<()> {
    let root = crate::tidy::root()?;
    let mut measured = BTreeMap::new();
    let wanted =
        |name: &str| names.is_empty() || names.iter().any(|n| name.starts_with(n.as_str()));
    if FIGURES
        .iter()
        .any(|(name, ..)| wanted(name) && is_of_the_ledger(name))
    {
        measure(&root, "ledger-store", "append", &[], &mut measured)?;
    }
    let of_the_api = |name: &str| name.starts_with("api_");
    let others = FIGURES
        .iter()
        .map(|(name, ..)| *name)
        .filter(|name| wanted(name) && !is_of_the_ledger(name));
    let (api, others): (Vec<_>, Vec<_>) = others.partition(|name| of_the_api(name));
    if !api.is_empty() || !others.is_empty() {
        cargo(&root, &["build", "--release", "--package", "cli"])?;
    }
    let program = target(&root).join("release/ephemera").display().to_string();
    for (example, figures) in [("figures", others), ("api", api)] {
        if !figures.is_empty() {
            measure(&root, "cli", example, &[&program], &mut measured)?;
        }
    }
    println!("{:<45} {:>14} {:>16}", "figure", "measured", "goal");
    for (name, what, goal, better) in FIGURES.iter().filter(|(name, ..)| wanted(name)) {
        let Some((value, unit)) = measured.remove(*name) else {
            println!("{what:<45} {:>14}", "not measured");
            continue;
        };
        let (sign, met) = match better {
            Better::Less => ("<", value < *goal),
            Better::More => (">", value > *goal),
        };
        let verdict = if met { "" } else { "   goal not met" };
        println!("{what:<45} {value:>9.2} {unit:<4} {sign:>7} {goal} {unit}{verdict}");
    }
    for (name, (value, unit)) in measured {
        println!("{name:<45} {value:>9.2} {unit}");
    }
    Ok(())
}

fn is_of_the_ledger(name: &str) -> bool {
    ["lone_append", "batched", "inclusion", "verify"]
        .iter()
        .any(|start| name.starts_with(start))
}

/// Where cargo puts what it builds.
fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(root)
        .status()?;
    if !status.success() {
        bail!("cargo {} failed", arguments.join(" "));
    }
    Ok(())
}

/// Runs an example that prints `name value unit` lines.
fn measure(
    root: &Path,
    package: &str,
    example: &str,
    arguments: &[&str],
    into: &mut BTreeMap<String, (f64, String)>,
) -> Result<()> {
    let out = Command::new(env!("CARGO"))
        .args([
            "run",
            "--quiet",
            "--release",
            "--package",
            package,
            "--example",
            example,
            "--",
        ])
        .args(arguments)
        .current_dir(root)
        .output()
        .with_context(|| format!("{example} did not run"))?;
    if !out.status.success() {
        bail!(
            "{example} failed: {}",
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    for line in String::from_utf8_lossy(&out.stdout).lines() {
        let mut words = line.split_whitespace();
        if let (Some(name), Some(Ok(value)), unit) = (
            words.next(),
            words.next().map(str::parse::<f64>),
            words.next().unwrap_or_default(),
        ) {
            into.insert(name.to_owned(), (value, unit.to_owned()));
        }
    }
    Ok(())
}
