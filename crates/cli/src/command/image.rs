//! `ephemera image`: images of the small cluster, without a registry and without a running cluster.

use std::path::{Path, PathBuf};

use anyhow::Context;
use cluster_sandbox::images::ImageStore;
use serde_json::json;

use crate::args::{Format, Image};
use crate::exit::{Exit, Outcome};
use crate::printer::Printer;

/// Works on the data directory, under the store's own lock.
pub async fn run(args: Image, printer: Printer) -> Outcome {
    tokio::task::spawn_blocking(move || act(args, printer))
        .await
        .context("the work on images was cut off")?
}

fn act(args: Image, printer: Printer) -> Outcome {
    match args {
        Image::Load { file, data_dir } => {
            for image in open(&data_dir)?.load_archive(&file)? {
                printer.line(format!("loaded {} {}", image.tags.join(", "), image.id))?;
            }
        }
        Image::Build {
            name,
            from_host,
            data_dir,
        } => {
            let programs: Vec<PathBuf> = from_host.iter().map(PathBuf::from).collect();
            let image = open(&data_dir)?.build_from_host(&name, &programs)?;
            printer.line(format!("built {} {}", image.tags.join(", "), image.id))?;
        }
        Image::List { output, data_dir } => list(&open(&data_dir)?, output, printer)?,
        Image::Remove { name, data_dir } => {
            open(&data_dir)?.remove(&name)?;
            printer.line(format!("removed {name}"))?;
        }
    }
    Ok(Exit::Done)
}

fn open(data_dir: &Path) -> anyhow::Result<ImageStore> {
    let folder = data_dir.join("images");
    ImageStore::open(&folder)
        .with_context(|| format!("the images of {} cannot be reached", data_dir.display()))
}

fn list(store: &ImageStore, output: Option<Format>, printer: Printer) -> anyhow::Result<()> {
    let images = store.list()?;
    match output {
        Some(Format::Name) => {
            images
                .iter()
                .flat_map(|image| &image.tags)
                .try_for_each(|tag| printer.line(tag))?;
        }
        Some(format) => printer.value(
            &images
                .iter()
                .map(|i| json!({"id": i.id, "tags": i.tags, "digests": i.digests, "size": i.size}))
                .collect::<Vec<_>>(),
            format,
        )?,
        None => {
            let short = |id: &str| {
                id.trim_start_matches("sha256:")
                    .chars()
                    .take(12)
                    .collect::<String>()
            };
            let row = |i: &cluster_sandbox::runtime::ImageStatus| {
                vec![
                    i.tags.join(", "),
                    short(&i.id),
                    format!("{}.{} MB", i.size / 1_000_000, i.size / 100_000 % 10),
                ]
            };
            printer.table(
                &["IMAGE", "ID", "SIZE"],
                &images.iter().map(row).collect::<Vec<_>>(),
            )?;
        }
    }
    Ok(())
}
