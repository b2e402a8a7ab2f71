//! The cluster that is meant, from flags and kubeconfig, as kubectl finds it.

use std::path::Path;

use anyhow::{Context, Result, bail};
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::args::{Cluster, DATA_DIR};

/// A client and the namespace it works in.
#[derive(Clone)]
pub struct Target {
    /// The client.
    pub client: Client,
    /// The namespace of the flag, else of the context, else `default`.
    pub namespace: String,
    /// The context's name, to print into lines that somebody is to run.
    pub context: Option<String>,
}

impl Target {
    /// Finds the cluster. Nothing is sent yet.
    pub async fn find(flags: &Cluster) -> Result<Self> {
        let kubeconfig = read(flags.kubeconfig.as_deref())?;
        let options = KubeConfigOptions {
            context: flags.context.clone(),
            ..KubeConfigOptions::default()
        };
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .with_context(|| match &flags.context {
                Some(context) => format!("the kubeconfig has no usable context {context:?}"),
                None => "the kubeconfig names no usable cluster: choose a context with --context"
                    .to_owned(),
            })?;
        let namespace = flags
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        // A refusal that could not be recorded is a 503: it is told, not tried again for minutes.
        config.default_retry = false;
        let client =
            Client::try_from(config).context("the kubeconfig's credentials cannot be used")?;
        Ok(Self {
            client,
            namespace,
            context: flags.context.clone(),
        })
    }
}

/// One file, or several joined by colons as in `KUBECONFIG`; the usual place when none is named.
fn read(named: Option<&Path>) -> Result<Kubeconfig> {
    let Some(named) = named else {
        return Kubeconfig::read().with_context(|| {
            format!("no kubeconfig: set KUBECONFIG or --kubeconfig; for the small cluster: {DATA_DIR}/kubeconfig")
        });
    };
    let mut merged: Option<Kubeconfig> = None;
    for path in named
        .to_string_lossy()
        .split(':')
        .filter(|path| !path.is_empty())
        .map(Path::new)
    {
        if !path.exists() && named.to_string_lossy().contains(':') {
            continue; // kubectl passes over files of the list that are not there
        }
        let next = Kubeconfig::read_from(path)
            .with_context(|| format!("{} is no kubeconfig", path.display()))?;
        merged = Some(match merged {
            Some(before) => before
                .merge(next)
                .context("the kubeconfig files contradict each other")?,
            None => next,
        });
    }
    match merged {
        Some(kubeconfig) => Ok(kubeconfig),
        None => bail!("{} names no kubeconfig that is there", named.display()),
    }
}
