//! Namespaces: those that every cluster has, what is put into each, and their end.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::{join_all, select_all};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Follow;
use crate::api::{Api, Context, DeleteOptions, Target, meta};
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::store::Object;

/// The namespaces of every cluster.
const ALWAYS: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const ACCOUNT: &str = "default";
const ROOT_CA: &str = "kube-root-ca.crt";
const USER: &str = "system:kube-controller-manager";

/// Makes the namespaces of every cluster and what belongs in them.
pub(super) async fn ensure_all(api: &Arc<Api>) -> Result<(), ApiError> {
    let ctx = Context::system(USER);
    let resource = resource(api, "namespaces")?;
    let make = |name: &'static str| {
        let (ctx, resource) = (ctx.clone(), Arc::clone(&resource));
        async move {
            if api.store.get("namespaces", "", name).is_none() {
                let body =
                    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                unless_there(
                    api.create(&ctx, &Target::collection(&resource, ""), body)
                        .await,
                )?;
            }
            furnish(api, name).await
        }
    };
    join_all(ALWAYS.map(make)).await.into_iter().collect()
}

pub(super) fn resource(api: &Api, key: &str) -> Result<Arc<Resource>, ApiError> {
    api.kinds
        .by_key(key)
        .ok_or_else(|| ApiError::internal(format!("{key} are not served")))
}

/// Somebody else made it first: as good.
pub(super) fn unless_there<T>(outcome: Result<T, ApiError>) -> Result<(), ApiError> {
    match outcome {
        Ok(_) => Ok(()),
        Err(error) if error.code == 409 => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts the default service account and the cluster's certificate into a namespace, where they are not there.
async fn furnish(api: &Arc<Api>, namespace: &str) -> Result<(), ApiError> {
    let ctx = Context::system(USER);
    let account = async {
        if api
            .store
            .get("serviceaccounts", namespace, ACCOUNT)
            .is_some()
        {
            return Ok(());
        }
        let body = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": namespace}});
        let target = Target::collection(&resource(api, "serviceaccounts")?, namespace);
        unless_there(api.create(&ctx, &target, body).await)
    };
    let certificate = async {
        let ca = api.pki.ca_pem();
        let there = api.store.get("configmaps", namespace, ROOT_CA);
        if there
            .as_ref()
            .is_some_and(|map| map.value["data"]["ca.crt"] == ca)
        {
            return Ok(());
        }
        let note = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the \
                    internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
        let body = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": ca},
            "metadata": {"name": ROOT_CA, "namespace": namespace, "annotations": {"kubernetes.io/description": note}},
        });
        let resource = resource(api, "configmaps")?;
        if there.is_some() {
            return unless_there(
                api.update(&ctx, &Target::object(&resource, namespace, ROOT_CA), body)
                    .await,
            );
        }
        unless_there(
            api.create(&ctx, &Target::collection(&resource, namespace), body)
                .await,
        )
    };
    let (account, certificate) = tokio::join!(account, certificate);
    account.and(certificate)
}

/// Keeps every namespace furnished while it lives, and empties it when it is to go.
pub(super) async fn run(api: Arc<Api>) {
    let mut namespaces = Follow::new(&api.store, "namespaces");
    let mut accounts = Follow::new(&api.store, "serviceaccounts");
    let mut maps = Follow::new(&api.store, "configmaps");
    let ending = Arc::new(Mutex::new(HashSet::new()));
    let mut work = JoinSet::new();
    loop {
        let name = tokio::select! {
            seen = namespaces.next() => {
                let Some(seen) = seen else { return };
                if seen.gone { continue }
                meta(&seen.object.value, "name").to_owned()
            }
            seen = accounts.next() => match seen {
                Some(seen) if seen.gone && meta(&seen.object.value, "name") == ACCOUNT => meta(&seen.object.value, "namespace").to_owned(),
                Some(_) => continue,
                None => return,
            },
            seen = maps.next() => match seen {
                Some(seen) if meta(&seen.object.value, "name") == ROOT_CA => meta(&seen.object.value, "namespace").to_owned(),
                Some(_) => continue,
                None => return,
            },
            Some(_) = work.join_next() => continue,
        };
        tend(&api, name, &ending, &mut work);
    }
}

/// Does what a namespace needs now. Each namespace is emptied by one task only.
fn tend(
    api: &Arc<Api>,
    name: String,
    ending: &Arc<Mutex<HashSet<String>>>,
    work: &mut JoinSet<()>,
) {
    let Some(namespace) = api.store.get("namespaces", "", &name) else {
        return;
    };
    let (api, ending) = (Arc::clone(api), Arc::clone(ending));
    if meta(&namespace.value, "deletionTimestamp").is_empty() {
        work.spawn(async move {
            if let Err(error) = furnish(&api, &name).await {
                // It may be going by now.
                tracing::debug!(%error, namespace = name, "cannot furnish the namespace");
            }
        });
    } else if ending
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .insert(name.clone())
    {
        work.spawn(async move {
            empty(&api, &name).await;
            ending
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .remove(&name);
        });
    }
}

/// Deletes everything in a namespace, waits until it is gone, and lets the namespace go.
///
/// Flow: delete all that is there; if anything is left, wait until some of it has gone or is held by
/// less; again.
async fn empty(api: &Arc<Api>, namespace: &str) {
    let ctx = Context::system("system:serviceaccount:kube-system:namespace-controller");
    loop {
        let before = api.store.revision();
        let mut left = Vec::new();
        for resource in api
            .kinds
            .all()
            .into_iter()
            .filter(|r| r.namespaced && r.allows("delete"))
        {
            let (objects, _) = api.store.list(&resource.key(), Some(namespace));
            for object in objects {
                left.extend(delete(api, &ctx, &resource, namespace, &object).await);
            }
        }
        if left.is_empty() {
            return release(api, &ctx, namespace).await;
        }
        wait_for_less(api, &left, namespace, before).await;
    }
}

/// An object that could not go yet.
struct Left {
    key: String,
    name: String,
    finalizers: Value,
}

async fn delete(
    api: &Api,
    ctx: &Context,
    resource: &Arc<Resource>,
    namespace: &str,
    object: &Object,
) -> Option<Left> {
    let name = meta(&object.value, "name");
    let left = |value: &Value| {
        let finalizers = value["metadata"]["finalizers"].clone();
        Some(Left {
            key: resource.key(),
            name: name.to_owned(),
            finalizers,
        })
    };
    match api
        .delete(
            ctx,
            &Target::object(resource, namespace, name),
            &DeleteOptions::default(),
        )
        .await
    {
        Ok(deleted) if deleted.gone => None,
        Ok(deleted) => left(&deleted.object.value),
        Err(error) if error.code == 404 => None,
        Err(error) => {
            tracing::warn!(%error, namespace, name, resource = resource.key(), "cannot delete");
            left(&object.value)
        }
    }
}

async fn wait_for_less(api: &Api, left: &[Left], namespace: &str, since: u64) {
    let keys: BTreeSet<&str> = left.iter().map(|one| one.key.as_str()).collect();
    let mut watches: Vec<_> = keys
        .into_iter()
        .filter_map(|key| api.store.watch(key, since).ok())
        .collect();
    let less = |one: &Left| {
        let now = api.store.get(&one.key, namespace, &one.name);
        now.is_none_or(|object| object.value["metadata"]["finalizers"] != one.finalizers)
    };
    while !watches.is_empty() && !left.iter().any(less) {
        let next = watches.iter_mut().map(|watch| Box::pin(watch.next()));
        if select_all(next).await.0.is_err() {
            return;
        }
    }
}

/// Takes the finalizer off an empty namespace.
async fn release(api: &Arc<Api>, ctx: &Context, namespace: &str) {
    let Some(object) = api.store.get("namespaces", "", namespace) else {
        return;
    };
    let Ok(resource) = resource(api, "namespaces") else {
        return;
    };
    let mut value = object.value.clone();
    if let Some(finalizers) = value["spec"]["finalizers"].as_array_mut() {
        finalizers.retain(|finalizer| finalizer != "kubernetes");
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    let target = Target::object(&resource, "", namespace).with_subresource("finalize");
    if let Err(error) = api.update(ctx, &target, value).await
        && error.code != 404
    {
        tracing::warn!(%error, namespace, "cannot let the namespace go");
    }
}
