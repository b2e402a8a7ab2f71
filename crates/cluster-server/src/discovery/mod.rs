//! What is served, told to clients: versions, groups, resources, OpenAPI, and the paths that only say "ok".

mod aggregated;
mod groups;
mod health;
mod openapi;
mod subresources;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Method, Request};
use hyper::body::Incoming;
use serde_json::{Value, json};

pub use health::Facts;

use crate::aggregation::Aggregation;
use crate::error::ApiError;
use crate::http::{Answer, Document, wants_discovery};
use crate::kinds::Kinds;

/// The version that is answered: the behaviour is that of this Kubernetes.
pub const VERSION: &str = "v1.36.2";

/// Answers requests that are not about resources.
pub struct Discovery {
    kinds: Arc<Kinds>,
    aggregation: Arc<Aggregation>,
    /// OpenAPI documents by path, for one generation of the table of kinds.
    documents: Mutex<(u64, HashMap<String, Document>)>,
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
    pub fn answer(&self, request: &Request<Incoming>, facts: Facts) -> Result<Answer, ApiError> {
        let path = request.uri().path();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let query = request.uri().query().unwrap_or_default();
        if let [root @ ("healthz" | "livez" | "readyz"), rest @ ..] = parts.as_slice() {
            return Ok(health::answer(root, rest, query, facts).unwrap_or_else(not_found));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return Err(ApiError::method_not_allowed());
        }
        self.get(&parts, query, request.headers())
    }

    fn get(&self, parts: &[&str], query: &str, headers: &HeaderMap) -> Result<Answer, ApiError> {
        let found = match parts {
            ["version"] => return Ok(for_people(&version())),
            [] => return Ok(for_people(&self.paths())),
            ["api"] if wants_discovery(headers)? => {
                return Ok(aggregated::answer(
                    &self.kinds,
                    &self.aggregation,
                    true,
                    headers,
                ));
            }
            ["apis"] if wants_discovery(headers)? => {
                return Ok(aggregated::answer(
                    &self.kinds,
                    &self.aggregation,
                    false,
                    headers,
                ));
            }
            ["api"] => Some(groups::legacy(headers)),
            ["apis"] => Some(groups::all(&self.kinds, &self.aggregation)),
            ["apis", group] => groups::one(&self.kinds, &self.aggregation, group),
            ["api", version] => groups::resources(&self.kinds, "", version),
            ["apis", group, version] => groups::resources(&self.kinds, group, version),
            ["openapi", rest @ ..] => return Ok(self.openapi(rest, query, headers)),
            _ => None,
        };
        Ok(found.map_or_else(not_found, |value| Answer::value(200, &value)))
    }

    /// `/openapi/v2`, `/openapi/v3` and below. Documents are kept until the table of kinds changes.
    fn openapi(&self, rest: &[&str], query: &str, headers: &HeaderMap) -> Answer {
        let kind = match (rest, openapi::form(headers)) {
            (["v2"], Some(openapi::Form::Protobuf)) => openapi::PROTOBUF,
            (_, Some(openapi::Form::Json)) => "application/json",
            _ => return Answer::Bare(406, None),
        };
        let key = format!("{kind} {}", rest.join("/"));
        let generation = self.kinds.generation();
        let mut documents = self
            .documents
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if documents.0 != generation {
            *documents = (generation, HashMap::new());
        }
        let document = match documents.1.entry(key) {
            Entry::Occupied(entry) => entry.get().clone(),
            Entry::Vacant(entry) => match openapi::document(&self.kinds, rest, kind) {
                Some(document) => entry.insert(document).clone(),
                None => return not_found(),
            },
        };
        drop(documents);
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("hash="));
        let hash = document.etag.trim_matches('"');
        match asked {
            Some(asked) if !asked.is_empty() && asked != hash => {
                let current = format!("/openapi/{}?hash={hash}", rest.join("/"));
                Answer::Bare(301, Some((http::header::LOCATION, current)))
            }
            Some(asked) if asked == hash => {
                let cache = "public, immutable";
                Document { cache, ..document }.answer(headers)
            }
            _ => document.answer(headers),
        }
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
                "/healthz/etcd",
                "/healthz/log",
                "/healthz/ping",
                "/livez",
                "/livez/etcd",
                "/livez/log",
                "/livez/ping",
                "/metrics",
                "/openapi/v2",
                "/openapi/v3",
                "/readyz",
                "/readyz/etcd",
                "/readyz/informer-sync",
                "/readyz/log",
                "/readyz/ping",
                "/readyz/shutdown",
                "/version",
            ]
            .map(str::to_owned),
        );
        paths.sort();
        paths.dedup();
        json!({"paths": paths})
    }
}

/// JSON with its lines broken, whoever asks (`WriteRawJSON`).
fn for_people(value: &Value) -> Answer {
    Answer::Raw(200, bytes::Bytes::from(format!("{value:#}")))
}

/// 404 of a path that is nothing's.
pub(crate) fn not_found() -> Answer {
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
