//! Keeps APIServices in step with what is served here, and knows which of the others answer
//! (`kube-aggregator/pkg/controllers/{autoregister,status/remote}`).

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::remote::Remote;
use super::{API_SERVICES, OWN_GROUP, group_version, identity, local};
use crate::api::{Api, Context, DeleteOptions, Target, meta};
use crate::controllers::Follow;
use crate::identity::User;

const USER: &str = "system:kube-aggregator";
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two looks at a server that answers, and at most between two at one that does not.
const RESYNC: Duration = Duration::from_secs(30);
/// Between the first two looks at a server that does not answer; then twice as long each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The largest discovery document that is read.
const LARGEST: usize = 3 * 1024 * 1024;

/// Runs until the store closes. The servers behind APIServices are asked again and again: nobody tells when they come
/// and go.
pub async fn run(api: Arc<Api>) {
    let mut checks: HashMap<String, AbortHandle> = HashMap::new();
    let mut kinds = api.kinds.subscribe();
    let mut registered = Follow::new(&api.store, API_SERVICES);
    let mut services = Follow::new(&api.store, "services");
    let mut slices = Follow::new(&api.store, "endpointslices.discovery.k8s.io");
    if let Err(error) = super::published::publish(&api).await {
        tracing::warn!(%error, "the front proxy's authority was not published");
    }
    register_local(&api).await;
    loop {
        tokio::select! {
            changed = kinds.changed() => match changed {
                Ok(()) => register_local(&api).await,
                Err(_) => break,
            },
            seen = registered.next() => match seen {
                Some(seen) if seen.gone => {
                    withdraw(&api, &seen.object.value, &mut checks);
                    register_local(&api).await;
                }
                Some(seen) => take_over(&api, &seen.object.value, &mut checks),
                None => break,
            },
            seen = services.next() => match seen {
                Some(seen) => look_again(&api, meta(&seen.object.value, "namespace"), meta(&seen.object.value, "name"), &mut checks),
                None => break,
            },
            seen = slices.next() => match seen {
                Some(seen) => {
                    let value = &seen.object.value;
                    let service = value["metadata"]["labels"]["kubernetes.io/service-name"].as_str().unwrap_or_default();
                    look_again(&api, meta(value, "namespace"), service, &mut checks);
                }
                None => break,
            },
        }
    }
    for check in checks.values() {
        check.abort();
    }
}

/// Makes the APIServices of what is served here, and removes those of what is served no longer.
async fn register_local(api: &Api) {
    let served: BTreeSet<(String, String, bool)> = api
        .kinds
        .all()
        .iter()
        .filter(|resource| resource.group != OWN_GROUP)
        .map(|r| (r.group.clone(), r.version.clone(), r.custom))
        .collect();
    let Some(resource) = api.kinds.by_key(API_SERVICES) else {
        return;
    };
    let ctx = Context::system(USER);
    let mut names = BTreeSet::new();
    let mut missing = Vec::new();
    for (group, version, custom) in served {
        let name = local::name(&group, &version);
        if api.store.get(API_SERVICES, "", &name).is_none() {
            missing.push(local::object(&group, &version, custom));
        }
        names.insert(name);
    }
    let target = Target::collection(&resource, "");
    // All at once, so that they share a commit.
    let made = missing
        .into_iter()
        .map(|body| api.create(&ctx, &target, body));
    for made in futures::future::join_all(made).await {
        if let Err(error) = made {
            tracing::warn!(%error, "an APIService was not made");
        }
    }
    for object in api.store.list(API_SERVICES, None).0 {
        let name = meta(&object.value, "name");
        let is_ours = object.value["metadata"]["labels"][local::MANAGED].is_string()
            && !object.value["spec"]["service"].is_object();
        if is_ours && !names.contains(name) {
            let target = Target::object(&resource, "", name);
            if let Err(error) = api.delete(&ctx, &target, &DeleteOptions::default()).await {
                tracing::warn!(%error, name, "an APIService was not removed");
            }
        }
    }
}

fn withdraw(api: &Api, api_service: &Value, checks: &mut HashMap<String, AbortHandle>) {
    let (group, version) = group_version(api_service);
    api.aggregation.remove(group, version);
    if let Some(check) = checks.remove(meta(api_service, "name")) {
        check.abort();
    }
}

/// What an APIService says counts from now on; one that is as it was is left in peace.
fn take_over(api: &Arc<Api>, api_service: &Value, checks: &mut HashMap<String, AbortHandle>) {
    let (group, version) = group_version(api_service);
    let known = api.aggregation.remote(group, version);
    if known.is_some_and(|known| known.spec == api_service["spec"]) {
        return;
    }
    match Remote::of(&api.pki, api_service) {
        Some(remote) => watch_over(api, &api.aggregation.set(remote), checks),
        None => withdraw(api, api_service, checks),
    }
}

fn look_again(
    api: &Arc<Api>,
    namespace: &str,
    service: &str,
    checks: &mut HashMap<String, AbortHandle>,
) {
    for remote in api.aggregation.remotes() {
        if remote.is_behind(namespace, service) {
            watch_over(api, &remote, checks);
        }
    }
}

/// Starts asking `remote` anew.
fn watch_over(api: &Arc<Api>, remote: &Arc<Remote>, checks: &mut HashMap<String, AbortHandle>) {
    let (api, remote) = (Arc::clone(api), Arc::clone(remote));
    let name = remote.name.clone();
    let task = tokio::spawn(async move {
        let mut pause = FIRST_RETRY;
        loop {
            let found = check(&api, &remote).await;
            let is_available = found.is_ok();
            note(&api, &remote, found).await;
            if is_available {
                pause = FIRST_RETRY;
                tokio::time::sleep(RESYNC).await;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RESYNC);
            }
        }
    });
    if let Some(before) = checks.insert(name, task.abort_handle()) {
        before.abort();
    }
}

/// Why an APIService is not available: a reason for programs and a message for people.
struct Unavailable {
    reason: &'static str,
    message: String,
}

/// Asks the server for its discovery document.
async fn check(api: &Api, remote: &Remote) -> Result<Value, Unavailable> {
    reachable(api, remote)?;
    let failed = |message: String| Unavailable {
        reason: "FailedDiscoveryCheck",
        message,
    };
    let upstream = remote
        .resolve(&api.store)
        .map_err(|error| failed(error.to_string()))?;
    let path = format!("/apis/{}/{}", remote.group, remote.version);
    let url = format!("https://{}{path}", upstream.authority());
    let missing = |why: &dyn std::fmt::Display| {
        failed(format!(
            "failing or missing response from {url}: Get {url:?}: {why}"
        ))
    };
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = Method::GET;
    *request.uri_mut() = path.parse().map_err(|error| missing(&error))?;
    *request.headers_mut() = headers(&upstream.authority());
    let asked = async {
        let answer = remote.send(&upstream, request).await;
        let answer = answer.map_err(|error| missing(&error))?;
        let status = answer.status();
        if !status.is_success() {
            let code = status.as_u16();
            return Err(failed(format!(
                "failing or missing response from {url}: bad status from {url}: {code}"
            )));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await;
        let bytes = body.map_err(|error| missing(&error))?.to_bytes();
        // A document that cannot be read is like none: the server is there, and what it serves is not listed.
        Ok(serde_json::from_slice(&bytes).unwrap_or_default())
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(found) => found,
        Err(_) => Err(missing(&"context deadline exceeded")),
    }
}

fn headers(authority: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let user = User {
        name: USER.to_owned(),
        groups: vec!["system:masters".to_owned()],
        ..User::default()
    };
    identity::put(&mut headers, &user);
    headers.insert(
        header::ACCEPT,
        header::HeaderValue::from_static("application/json"),
    );
    if let Ok(host) = header::HeaderValue::try_from(authority) {
        headers.insert(header::HOST, host);
    }
    headers
}

/// What can be told without asking the server.
fn reachable(api: &Api, remote: &Remote) -> Result<(), Unavailable> {
    use crate::service::ResolveError;
    let (namespace, service, port) = remote.reference();
    let (reason, message) = match remote.resolve(&api.store) {
        Ok(_) | Err(ResolveError::Unsupported(_)) => return Ok(()),
        Err(ResolveError::NotFound(_)) => (
            "ServiceNotFound",
            format!("service/{service} in {namespace:?} is not present"),
        ),
        Err(ResolveError::NoPort { .. }) => (
            "ServicePortError",
            format!("service/{service} in {namespace:?} is not listening on port {port}"),
        ),
        Err(ResolveError::NoEndpoints(_)) => {
            let object = api.store.get("services", namespace, service);
            let name = object
                .as_ref()
                .and_then(|object| object.value["spec"]["ports"].as_array())
                .and_then(|ports| ports.iter().find(|one| one["port"] == port))
                .and_then(|one| one["name"].as_str());
            let name = name.unwrap_or_default();
            (
                "MissingEndpoints",
                format!(
                    "endpointslices for service/{service} in {namespace:?} have no addresses with port name {name:?}"
                ),
            )
        }
    };
    Err(Unavailable { reason, message })
}

/// Writes what was found into the APIService's status, if that is news.
async fn note(api: &Api, remote: &Remote, found: Result<Value, Unavailable>) {
    let (status, reason, message) = match &found {
        Ok(_) => ("True", "Passed", "all checks passed"),
        Err(why) => ("False", why.reason, why.message.as_str()),
    };
    remote.found(found.is_ok(), found.as_ref().ok().cloned());
    let Some(stored) = api.store.get(API_SERVICES, "", &remote.name) else {
        return;
    };
    let before = stored.value["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|one| one["type"] == "Available");
    let same = |field: &str, value: &str| before.is_some_and(|one| one[field] == value);
    if same("status", status) && same("reason", reason) && same("message", message) {
        return;
    }
    let since = if same("status", status) {
        before.map(|one| one["lastTransitionTime"].clone())
    } else {
        None
    };
    let mut object = stored.value.clone();
    object["status"]["conditions"] = json!([{
        "type": "Available", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since.unwrap_or_else(|| api.clock.now_text().into()),
    }]);
    let written = api
        .store
        .update(API_SERVICES, "", &remote.name, stored.revision, object)
        .await;
    // Somebody else wrote in between: the next look finds what is to be told.
    if let Err(error) = written {
        tracing::debug!(%error, name = remote.name, "an APIService's status was not written");
    }
}
