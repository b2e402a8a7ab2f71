//! Tokens of our accounts: short-lived, in files of our own, renewed long before they end.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::call::{JSON, send};
use super::{CONTROLLER, NAMESPACE, WEBHOOK};

/// How long a token lives. Clients read its file again every minute.
const LIFE: Duration = Duration::from_hours(1);

/// How often it is renewed; what fails is tried again three times before it matters.
const RENEWED_EVERY: Duration = Duration::from_mins(15);

/// Why an account has no token.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The API server gave none.
    #[error("account {account} got no token")]
    Request {
        /// Whose.
        account: &'static str,
        /// Why.
        source: Box<kube::Error>,
    },
    /// The answer has none.
    #[error("the API server's answer for account {0} has no token")]
    Empty(&'static str),
    /// It cannot be kept.
    #[error("{} cannot be written: make the data directory writable", path.display())]
    File {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Asks for tokens and keeps them in a folder that only we can read.
pub(crate) struct Tokens {
    admin: kube::Client,
    folder: PathBuf,
}

impl Tokens {
    pub(crate) fn new(admin: kube::Client, folder: PathBuf) -> Result<Self, AccountError> {
        let failed = |source| AccountError::File {
            path: folder.clone(),
            source,
        };
        fs::create_dir_all(&folder).map_err(failed)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).map_err(failed)?;
        Ok(Self { admin, folder })
    }

    /// A new token of this account (TokenRequest), in its file.
    pub(crate) async fn write(&self, account: &'static str) -> Result<PathBuf, AccountError> {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{account}/token");
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": LIFE.as_secs()},
        });
        let answer: Value = send(&self.admin, Method::POST, &path, JSON, Some(&body))
            .await
            .map_err(|error| AccountError::Request {
                account,
                source: Box::new(error),
            })?;
        let token = answer["status"]["token"]
            .as_str()
            .ok_or(AccountError::Empty(account))?;
        let file = self.folder.join(format!("{account}.token"));
        write_secret(&file, token).map_err(|source| AccountError::File {
            path: file.clone(),
            source,
        })?;
        Ok(file)
    }

    /// Renews them until `stop`.
    pub(crate) async fn keep_fresh(self, stop: CancellationToken) {
        let mut pause = RENEWED_EVERY;
        while stop
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_some()
        {
            pause = RENEWED_EVERY;
            for account in [WEBHOOK, CONTROLLER] {
                if let Err(error) = self.write(account).await {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "trying again in a minute");
                    pause = Duration::from_mins(1);
                }
            }
        }
    }
}

/// Writes a file that only we can read. A crash leaves the old one, and perhaps a temporary one that
/// the next writing replaces.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}
