//! The server as one value: started, asked for credentials, stopped.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admission::Chain;
use crate::api::Api;
use crate::audit::{AuditConfig, AuditError, Auditor};
use crate::authn::{Authenticator, Certificates, ServiceAccountTokens, TokenError};
use crate::authz::{self, Authorizer};
use crate::clock::Clock;
use crate::controllers::Controllers;
use crate::crd;
use crate::error::ApiError;
use crate::http::{Handler, Listener, TlsError};
use crate::kinds::Kinds;
use crate::pki::{KeyPairPem, Pki, PkiError};
use crate::store::{Store, StoreError};

/// Where and how to serve.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept: `store.db`, `pki/`, `users.json`, `kubeconfig`.
    pub data_dir: PathBuf,
    /// The address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether nobody but the administrator is to have rights. The server itself never binds roles to people; this is
    /// for whoever does.
    pub bare: bool,
    /// The time.
    pub clock: Clock,
    /// What is audited and where to; nothing by default.
    pub audit: Option<AuditConfig>,
}

/// Why the server did not start. Nothing runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory cannot be made.
    #[error("cannot use the data directory {path}")]
    DataDir {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The keys cannot be had.
    #[error("cannot read or make the cluster's keys")]
    Pki(#[from] PkiError),
    /// The objects cannot be had.
    #[error("cannot open the store")]
    Store(#[from] StoreError),
    /// The key of the service accounts is unusable.
    #[error("cannot sign service-account tokens")]
    Tokens(#[from] TokenError),
    /// What every cluster has cannot be made.
    #[error("cannot make the cluster's namespaces")]
    Controllers(#[source] ApiError),
    /// What is to be audited, or where to, cannot be had.
    #[error("cannot audit")]
    Audit(#[from] AuditError),
    /// The metrics cannot be named.
    #[error("cannot count requests")]
    Metrics(#[from] prometheus::Error),
    /// The port cannot be had.
    #[error(transparent)]
    Listen(#[from] TlsError),
}

/// What a node agent needs to speak with the server, and to be spoken to.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Client certificate of `system:node:NAME`, group `system:nodes`.
    pub client: KeyPairPem,
    /// Serving certificate for the node's own endpoint.
    pub serving: KeyPairPem,
    /// Who signed both, and the API server's certificates.
    pub ca_pem: String,
}

/// A running server.
pub struct Server {
    api: Arc<Api>,
    address: SocketAddr,
    stopping: CancellationToken,
    serving: JoinHandle<()>,
    controllers: Controllers,
    auditor: Option<Arc<Auditor>>,
}

impl Server {
    /// Starts a server. When this returns it answers.
    ///
    /// # Errors
    /// What cannot be had; see [`StartError`].
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let audit = config.audit.as_ref();
        let auditor = audit
            .map(|audit| Auditor::open(audit, &config.clock))
            .transpose()?;
        let api = open(&config).await?;
        let controllers = Controllers::start(&api)
            .await
            .map_err(StartError::Controllers)?;
        let listener = Listener::bind(config.listen, api.pki.server_config()?).await?;
        let address = listener.address();
        api.pki.write_kubeconfig(&url(address))?;
        let stopping = CancellationToken::new();
        let handler = Handler::new(Arc::clone(&api), auditor.clone(), stopping.clone())?;
        let handler = Arc::new(handler);
        let serving = tokio::spawn(listener.serve(handler, stopping.clone()));
        // Both follow the store and end when it closes.
        tokio::spawn(crd::run(Arc::clone(&api)));
        tokio::spawn(authz::run_aggregation(Arc::clone(&api.store)));
        Ok(Self {
            api,
            address,
            stopping,
            serving,
            controllers,
            auditor,
        })
    }

    /// `https://127.0.0.1:7443`.
    pub fn url(&self) -> String {
        url(self.address)
    }

    /// The authority that signed the serving certificate.
    pub fn ca_pem(&self) -> &str {
        self.api.pki.ca_pem()
    }

    /// The administrator's bearer token.
    pub fn admin_token(&self) -> &str {
        self.api.pki.admin_token()
    }

    /// The API, for work inside the same process.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// Certificates for a node agent.
    ///
    /// # Errors
    /// They cannot be signed.
    pub fn node_credential(&self, node: &str) -> Result<Credential, PkiError> {
        let user = format!("system:node:{node}");
        let client = self.api.pki.client_certificate(&user, &["system:nodes"])?;
        let names = [
            node.to_owned(),
            "localhost".to_owned(),
            "127.0.0.1".to_owned(),
        ];
        let serving = self.api.pki.serving_certificate(&user, &names)?;
        Ok(Credential {
            client,
            serving,
            ca_pem: self.ca_pem().to_owned(),
        })
    }

    /// Ends watches, lets requests in flight end, and closes the store. What was acknowledged is durable.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.controllers.stop().await;
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the accept loop ended badly");
        }
        if let Some(auditor) = &self.auditor {
            auditor.stop().await;
        }
        let store = Arc::clone(&self.api.store);
        if let Err(error) = tokio::task::spawn_blocking(move || store.close()).await {
            tracing::error!(%error, "the store was not closed");
        }
    }
}

/// Opens everything below the data directory and wires it.
async fn open(config: &Config) -> Result<Arc<Api>, StartError> {
    make_dir(&config.data_dir)?;
    let now = config.clock.now();
    let pki = Arc::new(Pki::open(&config.data_dir, now)?);
    let store = Store::open(&config.data_dir.join("store.db"))?;
    authz::ensure(&store, now).await?;
    let kinds = Arc::new(Kinds::default());
    crd::register_stored(&store, &kinds);
    let clock = config.clock.clone();
    let accounts =
        ServiceAccountTokens::new(pki.service_account_key(), Arc::clone(&store), clock.clone())?;
    let authenticator = Arc::new(Authenticator::new(
        pki.people(),
        Arc::new(accounts),
        Certificates::new(pki.client_verifier()?),
        clock.clone(),
    ));
    let authorizer = Arc::new(Authorizer::new(Arc::clone(&store)));
    let admission = Arc::new(Chain::new(
        Arc::clone(&store),
        Arc::clone(&kinds),
        Arc::clone(&authorizer),
    ));
    Ok(Arc::new(Api {
        store,
        kinds,
        admission,
        authorizer,
        authenticator,
        aggregation: Arc::default(),
        pki,
        clock,
    }))
}

fn make_dir(path: &Path) -> Result<(), StartError> {
    std::fs::create_dir_all(path).map_err(|source| StartError::DataDir {
        path: path.to_owned(),
        source,
    })
}

fn url(address: SocketAddr) -> String {
    format!("https://{address}")
}
