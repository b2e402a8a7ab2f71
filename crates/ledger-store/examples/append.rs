//! Prints how fast the ledger is on this machine: `cargo run --release -p ledger-store --example append [FOLDER [ENTRIES]]`.
//!
//! One figure a line, `name value unit`. The folder (a temporary one by default) decides which disk is measured; without a number, a million entries are.

use std::{
    hint::black_box,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::Context;
use ledger::{Hash, Reader, Signer, reader::TileCache, verify};
use ledger_store::{Folder, Store};

/// Appends of one caller that waits for each answer.
const LONE: u64 = 2_000;
/// The size of the log when it is verified, if none is given.
const ENTRIES: u64 = 1_000_000;
/// Callers that wait at the same time.
const TOGETHER: u64 = 10_000;
const PROOFS: u64 = 20_000;

/// An entry of the size that sessions have.
fn entry(index: u64) -> Vec<u8> {
    let filler = "x".repeat(200);
    format!(
        r#"{{"at":"2026-11-22T16:15:11.000000000Z","event":{{"reason":"{filler}","type":"requested"}},"n":{index},"session":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"}}"#
    )
    .into_bytes()
}

fn main() -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let given = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = given
        .as_deref()
        .unwrap_or(temporary.path())
        .join("ledger-bench");
    let entries = match std::env::args().nth(2) {
        Some(number) => number
            .parse()
            .context("the second argument is a number of entries")?,
        None => ENTRIES,
    };
    std::fs::create_dir(&folder).with_context(|| format!("{} must be new", folder.display()))?;
    let result = measure(&folder, entries);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn measure(folder: &Path, entries: u64) -> anyhow::Result<()> {
    let signer = Signer::from_seed("ephemera.dev/log/bench", &[7; 32])?;
    let runtime = tokio::runtime::Builder::new_multi_thread().build()?;
    let store = Arc::new(Store::open(folder, signer.clone())?);
    runtime.block_on(lone(&store))?;
    runtime.block_on(together(&store, entries))?;
    let start = Instant::now();
    drop(store);
    show("close", start.elapsed().as_secs_f64() * 1e3, "ms");
    let start = Instant::now();
    let store = Store::open(folder, signer)?;
    show("open", start.elapsed().as_secs_f64() * 1e3, "ms");
    proofs(&store)?;
    let start = Instant::now();
    let verified = verify(&Folder::new(folder), store.verifier(), None, |_, _| ())?;
    show("verify", start.elapsed().as_secs_f64(), "s");
    show("verified", to_f64(verified.checkpoint.size()), "entries");
    Ok(())
}

async fn lone(store: &Store) -> anyhow::Result<()> {
    let mut times = Vec::new();
    for index in 0..LONE {
        let (entry, start) = (entry(index), Instant::now());
        store.append(entry).await?;
        times.push(start.elapsed());
    }
    times.sort();
    for (name, at) in [
        ("p50", times.len() / 2),
        ("p99", times.len() * 99 / 100),
        ("max", times.len() - 1),
    ] {
        show(
            &format!("lone append {name}"),
            times[at].as_secs_f64() * 1e3,
            "ms",
        );
    }
    Ok(())
}

async fn together(store: &Arc<Store>, entries: u64) -> anyhow::Result<()> {
    let start = Instant::now();
    let mut waiting = tokio::task::JoinSet::new();
    let callers = TOGETHER.min(entries);
    for caller in 0..callers {
        let store = Arc::clone(store);
        waiting.spawn(async move {
            for index in (LONE + caller..entries).step_by(usize::try_from(callers)?) {
                store.append(entry(index)).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = waiting.join_next().await {
        done??;
    }
    let seconds = start.elapsed().as_secs_f64();
    show(
        "batched appends",
        to_f64(entries.saturating_sub(LONE)) / seconds,
        "per s",
    );
    Ok(())
}

fn proofs(store: &Store) -> anyhow::Result<()> {
    let (public, checkpoint) = (store.public(), store.checkpoint());
    let mut cache = TileCache::default();
    for (name, step) in [("in order", 1), ("scattered", 387_420_489)] {
        let mut reader = Reader::with_cache(&public, checkpoint.size(), cache);
        let start = Instant::now();
        for number in 0..PROOFS {
            black_box(reader.inclusion(number * step % checkpoint.size())?);
        }
        show(
            &format!("inclusion proof made {name}"),
            micros(start, PROOFS),
            "us",
        );
        cache = reader.into_cache();
    }
    let proof = Reader::new(&public, checkpoint.size()).inclusion(77)?;
    let (leaf, root) = (Hash::leaf(&store.read(77)?), checkpoint.root());
    let start = Instant::now();
    for _ in 0..PROOFS {
        black_box(&proof).check(leaf, &root)?;
    }
    show("inclusion proof checked", micros(start, PROOFS), "us");
    Ok(())
}

fn micros(start: Instant, times: u64) -> f64 {
    start.elapsed().as_secs_f64() * 1e6 / to_f64(times)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[expect(clippy::print_stdout, reason = "printing is what this program is for")]
fn show(name: &str, value: f64, unit: &str) {
    println!(
        "{:32} {value:12.3} {}",
        name.replace(' ', "_"),
        unit.replace(' ', "_")
    );
}
