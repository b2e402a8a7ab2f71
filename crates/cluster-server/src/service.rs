//! Where a Service leads: the address behind the `service` of a webhook or of an APIService.
//!
//! **In scope:** what the API server itself must reach (`k8s.io/apiserver/pkg/util/proxy`, as with
//! `--enable-aggregator-routing`). A Service of type `ExternalName` leads to that name; any other to an endpoint of its
//! EndpointSlices or, if it has a selector, to a ready Pod that the selector finds. **Out of scope:** virtual addresses,
//! DNS, node ports, load balancers: Services are stored, and nothing else reads them.

use rand::seq::IndexedRandom;
use serde_json::Value;

use crate::store::Store;

const SERVICES: &str = "services";
const SLICES: &str = "endpointslices.discovery.k8s.io";
/// The label of an EndpointSlice that names its Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// An address behind a Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// DNS name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl Upstream {
    /// `host:port`, as in a URL.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why a Service leads nowhere. It may lead somewhere at the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such Service.
    #[error("service {0:?} not found")]
    NotFound(String),
    /// The Service does not have this port.
    #[error("no service port {port} found for service {service:?}")]
    NoPort {
        /// The Service's name.
        service: String,
        /// The port that was asked for.
        port: u16,
    },
    /// Nothing ready stands behind it.
    #[error("no endpoints available for service {0:?}")]
    NoEndpoints(String),
    /// Its type leads nowhere.
    #[error("unsupported service type {0:?}")]
    Unsupported(String),
}

/// The name that the certificate of a server behind the Service must carry.
pub fn server_name(namespace: &str, name: &str) -> String {
    format!("{name}.{namespace}.svc")
}

/// An address behind `port` of the Service, another one each time if there are several.
///
/// # Errors
/// Each call looks at the store anew, so a caller may simply try again later.
pub fn resolve(
    store: &Store,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Upstream, ResolveError> {
    let service = store
        .get(SERVICES, namespace, name)
        .ok_or_else(|| ResolveError::NotFound(name.to_owned()))?;
    let spec = &service.value["spec"];
    match spec["type"].as_str().unwrap_or("ClusterIP") {
        "ExternalName" => {
            let host = spec["externalName"].as_str().unwrap_or_default();
            return Ok(Upstream {
                host: host.to_owned(),
                port,
            });
        }
        "ClusterIP" => {}
        other => return Err(ResolveError::Unsupported(other.to_owned())),
    }
    let service_port = items(&spec["ports"])
        .find(|one| one["port"] == port)
        .ok_or_else(|| ResolveError::NoPort {
            service: name.to_owned(),
            port,
        })?;
    let mut found = from_slices(store, namespace, name, service_port);
    found.extend(from_pods(store, namespace, spec, service_port));
    found
        .choose(&mut rand::rng())
        .cloned()
        .ok_or_else(|| ResolveError::NoEndpoints(name.to_owned()))
}

/// The ready endpoints of the slices that name the Service and have the port.
fn from_slices(store: &Store, namespace: &str, name: &str, port: &Value) -> Vec<Upstream> {
    let wanted = port["name"].as_str().unwrap_or_default();
    let mut out = Vec::new();
    for slice in store.list(SLICES, Some(namespace)).0 {
        let slice = &slice.value;
        if slice["metadata"]["labels"][SERVICE_NAME] != name {
            continue;
        }
        let numbers = items(&slice["ports"])
            .filter(|one| one["name"].as_str().unwrap_or_default() == wanted)
            .filter_map(|one| u16::try_from(one["port"].as_u64()?).ok());
        for number in numbers {
            let ready =
                items(&slice["endpoints"]).filter(|one| one["conditions"]["ready"] != false);
            let hosts = ready.filter_map(|one| one["addresses"][0].as_str());
            out.extend(hosts.map(|host| Upstream {
                host: host.to_owned(),
                port: number,
            }));
        }
    }
    out
}

/// The ready Pods that the Service's selector finds. Without a selector there are none.
fn from_pods(store: &Store, namespace: &str, spec: &Value, port: &Value) -> Vec<Upstream> {
    let Some(selector) = spec["selector"].as_object().filter(|s| !s.is_empty()) else {
        return Vec::new();
    };
    let pods = store.list("pods", Some(namespace)).0;
    let chosen = pods.iter().map(|pod| &pod.value).filter(|pod| {
        let labels = &pod["metadata"]["labels"];
        is_ready(pod)
            && selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    });
    chosen
        .filter_map(|pod| {
            Some(Upstream {
                host: pod["status"]["podIP"].as_str()?.to_owned(),
                port: target_port(pod, port)?,
            })
        })
        .collect()
}

fn is_ready(pod: &Value) -> bool {
    let ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    pod["metadata"].get("deletionTimestamp").is_none()
        && items(&pod["status"]["conditions"]).any(ready)
}

/// The number behind `targetPort`: itself, the container port of that name, or the Service's own port.
fn target_port(pod: &Value, port: &Value) -> Option<u16> {
    let number = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok());
    match &port["targetPort"] {
        Value::String(name) => items(&pod["spec"]["containers"])
            .flat_map(|container| items(&container["ports"]))
            .find(|one| one["name"] == name.as_str())
            .and_then(|one| number(&one["containerPort"])),
        target => number(target)
            .filter(|&n| n > 0)
            .or_else(|| number(&port["port"])),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
