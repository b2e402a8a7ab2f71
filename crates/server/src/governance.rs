//! The governance roles: webhook, controller, and what the cluster must hold for them.
//!
//! They know the cluster as anybody does: by URL, CA and token. An administrator's access is used to
//! provision (objects, tokens, webhook configurations) and by no role; each role has an account of its own
//! with the rights in [`roles`], and nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use admission::Gate;
use controller::Controller;
use ledger_store::{Clock, Journal, Store, keys};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub mod access;
pub use access::Access;

mod accounts;
mod call;
mod certificates;
mod live;
mod provision;
pub mod roles;
mod watch;
mod webhook;
mod webhooks;

pub use provision::ProvisionError;

/// The namespace of our accounts.
pub const NAMESPACE: &str = "ephemera-system";

/// Account of the webhook. It reads.
pub const WEBHOOK: &str = "ephemera-webhook";

/// Account of the controller.
pub const CONTROLLER: &str = "ephemera-controller";

/// What the governance needs to start.
pub struct GovernanceConfig {
    /// An administrator's access, for provisioning only.
    pub access: Access,
    /// Holds `ledger/`, `ledger.key`, `ledger.vkey` and `governance/`.
    pub data_dir: PathBuf,
    /// Where the webhook listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Tells the time.
    pub clock: Clock,
    /// The groups that get the shipped roles; `None` binds them to nobody.
    pub groups: Option<Groups>,
}

/// Who gets the shipped roles.
#[derive(Debug, Clone)]
pub struct Groups {
    /// May ask for visits and join their own.
    pub requesters: String,
    /// May approve.
    pub approvers: String,
    /// May look.
    pub viewers: String,
}

impl Default for Groups {
    fn default() -> Self {
        Self {
            requesters: "sre".into(),
            approvers: "approvers".into(),
            viewers: "viewers".into(),
        }
    }
}

impl GovernanceConfig {
    /// Beside a cluster of this machine: loopback, the shipped roles bound to the groups of the same names.
    pub fn beside(
        url: &str,
        ca_pem: &str,
        token: &str,
        data_dir: impl Into<PathBuf>,
        clock: Clock,
    ) -> Self {
        Self {
            access: Access::token(url, ca_pem, token),
            data_dir: data_dir.into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            clock,
            groups: Some(Groups::default()),
        }
    }
}

/// Why the governance did not start. Whatever was provisioned stays, and refuses visits.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The administrator's access is no use.
    #[error("the cluster cannot be reached as it is described: correct its URL, CA or token")]
    Access(#[from] access::AccessError),
    /// The cluster did not take what it must hold.
    #[error(transparent)]
    Provision(#[from] ProvisionError),
    /// An account got no token.
    #[error(transparent)]
    Account(#[from] accounts::AccountError),
    /// The ledger's key.
    #[error("the ledger has no key")]
    Keys(#[source] keys::KeysError),
    /// The ledger's folder.
    #[error("the ledger cannot be opened")]
    Ledger(#[source] ledger_store::OpenError),
    /// What the ledger says.
    #[error("the ledger cannot be read back")]
    Replay(#[from] ledger_store::ReplayError),
    /// The webhook's certificate.
    #[error(transparent)]
    Certificate(#[from] certificates::CertificateError),
    /// The webhook's port.
    #[error("the webhook cannot listen on {address}: end what listens there, or take port 0")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// Work on another thread broke off.
    #[error("the ledger's opening broke off")]
    Broken(#[from] tokio::task::JoinError),
}

/// The running roles.
pub struct Governance {
    journal: Journal,
    webhook: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Governance {
    /// Provisions the cluster and starts the roles; the webhooks answer when it returns.
    ///
    /// Flow: objects and accounts → ledger → webhook listens → webhook configurations point at it →
    /// controller. Safe to repeat: every start makes the cluster hold what is described, again. A crash in
    /// between leaves configurations that point at nothing, and those refuse.
    pub async fn start(config: GovernanceConfig) -> Result<Self, StartError> {
        // With two providers compiled in rustls would not choose; an earlier choice is as good.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let admin = config.access.client()?;
        provision::objects(&admin, config.groups.as_ref()).await?;
        let tokens = accounts::Tokens::new(admin.clone(), config.data_dir.join("governance"))?;
        let webhook_token = tokens.write(WEBHOOK).await?;
        let controller_token = tokens.write(CONTROLLER).await?;
        let journal = open_journal(&admin, &config).await?;

        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let live = Arc::new(live::Live::new(config.access.client_with(&webhook_token)?));
        let account = format!("system:serviceaccount:{NAMESPACE}:{CONTROLLER}");
        let gate = Gate::new(live, journal.clone(), account);
        let certificate = certificates::load_or_create(&config.data_dir.join("governance"))?;
        let key = webhook::Key::new().map_err(certificates::CertificateError::Tls)?;
        let serving = webhook::serve(
            config.listen,
            &certificate,
            &key,
            gate,
            stop.clone(),
            &mut tasks,
        );
        let webhook = serving.await.map_err(|source| StartError::Listen {
            address: config.listen,
            source,
        })?;
        webhooks::point_at(&admin, webhook, &key, &certificate.ca_pem).await?;

        let client = config.access.client_with(&controller_token)?;
        let (wakes, woken) = mpsc::channel(1024);
        watch::start(&client, &wakes, &stop, &mut tasks);
        let live = Arc::new(live::Live::new(client));
        let controller = Arc::new(Controller::new(live, journal.clone()));
        tasks.spawn(controller.run(woken, stop.clone().cancelled_owned()));
        tasks.spawn(tokens.keep_fresh(stop.clone()));
        tracing::info!(%webhook, "the governance runs");
        Ok(Self {
            journal,
            webhook,
            stop,
            tasks,
        })
    }

    /// Where the webhook listens.
    pub fn webhook(&self) -> SocketAddr {
        self.webhook
    }

    /// The sessions as the log knows them.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Ends the roles. The webhook configurations stay: while nobody answers, nobody enters.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a role broke off");
            }
        }
    }
}

async fn open_journal(
    admin: &kube::Client,
    config: &GovernanceConfig,
) -> Result<Journal, StartError> {
    // The one object that every cluster has and never makes anew (a cluster's identity by convention).
    let uid = provision::namespace_uid(admin, "kube-system").await?;
    let origin = format!("ephemera.dev/log/{uid}");
    let folder = config.data_dir.clone();
    let store = tokio::task::spawn_blocking(move || {
        let signer = keys::create_or_load(&folder, &origin).map_err(StartError::Keys)?;
        Store::open(&folder.join("ledger"), signer).map_err(StartError::Ledger)
    });
    let store = store.await??;
    let writer = concat!("ephemera ", env!("CARGO_PKG_VERSION"));
    Ok(Journal::open(store, writer, config.clock.clone()).await?)
}
