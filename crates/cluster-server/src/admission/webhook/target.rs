//! Where a webhook's `clientConfig` leads: to a URL, or to a Service of this cluster.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::Chain;
use super::call::CallError;
use super::client::Endpoint;
use crate::service;

/// Where a `clientConfig` leads.
pub(super) struct Target {
    /// `host[:port]`, as the URL has it.
    pub(super) authority: String,
    /// The path with its query.
    pub(super) path: String,
    host: String,
    port: u16,
    /// Namespace and name, where a Service is named.
    service: Option<(String, String)>,
    ca: Vec<u8>,
}

impl Target {
    pub(super) fn of(config: &Value, seconds: u64) -> Result<Self, CallError> {
        let unusable = |why: &str| CallError::Call(why.to_owned());
        let ca = config["caBundle"].as_str().unwrap_or_default();
        let ca = STANDARD
            .decode(ca)
            .map_err(|_| unusable("clientConfig.caBundle is not base64"))?;
        if config["service"].is_object() {
            return Ok(Self::of_service(&config["service"], seconds, ca));
        }
        let url = config["url"]
            .as_str()
            .ok_or_else(|| unusable("webhook configuration must have either service or URL"))?;
        let uri: http::Uri = url
            .parse()
            .map_err(|error| CallError::Call(format!("Unparsable URL: {error}")))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host =
            host.ok_or_else(|| unusable("clientConfig.url must be https://host[:port]/path"))?;
        Ok(Self {
            authority: uri.authority().map(ToString::to_string).unwrap_or_default(),
            path: format!("{}?timeout={seconds}s", uri.path()),
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(443),
            service: None,
            ca,
        })
    }

    fn of_service(service: &Value, seconds: u64, ca: Vec<u8>) -> Self {
        let text = |name: &str| service[name].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let port = service["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        let port = port.unwrap_or(443);
        let host = service::server_name(&namespace, &name);
        let path = text("path");
        let path = if path.is_empty() {
            "/".to_owned()
        } else {
            path
        };
        Self {
            authority: format!("{host}:{port}"),
            path: format!("{path}?timeout={seconds}s"),
            host,
            port,
            service: Some((namespace, name)),
            ca,
        }
    }

    /// The address behind it; a Service is looked up anew each time.
    pub(super) fn endpoint(&self, chain: &Chain) -> Result<Endpoint, String> {
        let (host, port) = match &self.service {
            None => (self.host.clone(), self.port),
            Some((namespace, name)) => {
                let upstream = service::resolve(&chain.store, namespace, name, self.port)
                    .map_err(|error| error.to_string())?;
                (upstream.host, upstream.port)
            }
        };
        Ok(Endpoint {
            host,
            port,
            name: self.host.clone(),
            authority: self.authority.clone(),
            ca: self.ca.clone(),
        })
    }
}
