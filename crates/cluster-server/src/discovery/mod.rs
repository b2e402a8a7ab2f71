//! What is served, told to clients: versions, groups, resources, OpenAPI, and the paths that only say "ok".

mod aggregated;
mod groups;
mod openapi;
mod subresources;

use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::aggregation::Aggregation;
use crate::error::ApiError;
use crate::http::{Answer, wants_discovery};
use crate::kinds::Kinds;

/// The version that is answered: the behaviour is that of this Kubernetes.
pub const VERSION: &str = "v1.36.2";

/// Answers requests that are not about resources.
pub struct Discovery {
    kinds: Arc<Kinds>,
    aggregation: Arc<Aggregation>,
    /// OpenAPI documents by path, for one generation of the table of kinds.
    documents: Mutex<(u64, std::collections::HashMap<String, bytes::Bytes>)>,
}

impl Discovery {
    /// Discovery of what `kinds` and `aggregation` have at the moment of each request.
    pub fn new(kinds: Arc<Kinds>, aggregation: Arc<Aggregation>) -> Self {
        Self {
            kinds,
            aggregation,
            documents: Mutex::default(),
        }
    }

    /// The answer to a path that is no resource's.
    ///
    /// # Errors
    /// 405 for anything but reading · 406 for a form there is not.
    pub fn answer(&self, request: &Request<Incoming>) -> Result<Answer, ApiError> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(ApiError::method_not_allowed());
        }
        let path = request.uri().path().trim_end_matches('/');
        self.get(path, request.headers())
    }

    fn get(&self, path: &str, headers: &HeaderMap) -> Result<Answer, ApiError> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let found = match parts.as_slice() {
            ["healthz" | "livez" | "readyz", ..] => return Ok(Answer::Text(200, "ok".to_owned())),
            ["version"] => Some(version()),
            [] => Some(self.paths()),
            ["api"] if wants_discovery(headers)? => {
                return Ok(aggregated::answer(&self.kinds, &self.aggregation, true));
            }
            ["apis"] if wants_discovery(headers)? => {
                return Ok(aggregated::answer(&self.kinds, &self.aggregation, false));
            }
            ["api"] => Some(groups::legacy(headers)),
            ["apis"] => Some(groups::all(&self.kinds, &self.aggregation)),
            ["apis", group] => groups::one(&self.kinds, &self.aggregation, group),
            ["api", version] => groups::resources(&self.kinds, "", version),
            ["apis", group, version] => groups::resources(&self.kinds, group, version),
            ["openapi", rest @ ..] => return self.openapi(rest, headers),
            _ => None,
        };
        Ok(found.map_or_else(not_found, |value| Answer::value(200, &value)))
    }

    fn openapi(&self, rest: &[&str], headers: &HeaderMap) -> Result<Answer, ApiError> {
        crate::http::accepts_json(headers)?;
        let generation = self.kinds.generation();
        let key = rest.join("/");
        {
            let documents = self
                .documents
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(bytes) = documents.1.get(&key).filter(|_| documents.0 == generation) {
                return Ok(Answer::Json(200, bytes.clone()));
            }
        }
        let Some(document) = openapi::document(&self.kinds, rest) else {
            return Ok(not_found());
        };
        let bytes = bytes::Bytes::from(document.to_string());
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if documents.0 != generation {
            *documents = (generation, std::collections::HashMap::new());
        }
        documents.1.insert(key, bytes.clone());
        Ok(Answer::Json(200, bytes))
    }

    fn paths(&self) -> Value {
        let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
        for resource in self.kinds.all().iter().filter(|r| !r.group.is_empty()) {
            paths.extend([
                format!("/apis/{}", resource.group),
                format!("/apis/{}/{}", resource.group, resource.version),
            ]);
        }
        paths.extend(
            [
                "/healthz",
                "/livez",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/version",
            ]
            .map(str::to_owned),
        );
        paths.sort();
        paths.dedup();
        json!({"paths": paths})
    }
}

fn not_found() -> Answer {
    Answer::Text(404, "404 page not found\n".to_owned())
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36", "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }),
    })
}
