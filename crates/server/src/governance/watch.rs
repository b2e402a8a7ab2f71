//! What wakes the controller. Only names are taken from what is watched; everything else is read live.

use api::{DebugApproval, DebugPolicy, DebugSession};
use controller::Wake;
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// From namespace and name.
type ToWake = fn(String, String) -> Wake;

/// Watches Pods and our own objects until `stop`.
pub(crate) fn start(
    client: &Client,
    wakes: &mpsc::Sender<Wake>,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) {
    let session = |namespace, name| Wake::Session { namespace, name };
    let pod = |namespace, name| Wake::Pod { namespace, name };
    let everything = |_, _| Wake::Everything;
    let watched: [(ApiResource, ToWake); 4] = [
        (ApiResource::erase::<Pod>(&()), pod),
        (ApiResource::erase::<DebugSession>(&()), session),
        (ApiResource::erase::<DebugApproval>(&()), everything),
        (ApiResource::erase::<DebugPolicy>(&()), everything),
    ];
    for (resource, wake) in watched {
        let api = Api::all_with(client.clone(), &resource);
        let following = follow(api, wake, wakes.clone());
        let stop = stop.clone();
        tasks.spawn(async move {
            stop.run_until_cancelled(following).await;
        });
    }
}

/// Never ends by itself: a watch that breaks off is begun anew, with growing pauses.
async fn follow(api: Api<DynamicObject>, wake: ToWake, wakes: mpsc::Sender<Wake>) {
    let events = watcher(api, watcher::Config::default()).default_backoff();
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        let woken = match event {
            Ok(Event::Apply(object) | Event::Delete(object)) => {
                wake(object.namespace().unwrap_or_default(), object.name_any())
            }
            Ok(Event::InitDone) => Wake::Everything,
            // What was written while nobody looked may be explained by no entry; the rest is woken at once.
            Ok(Event::InitApply(object)) => {
                match wake(object.namespace().unwrap_or_default(), object.name_any()) {
                    woken @ Wake::Session { .. } => woken,
                    Wake::Pod { .. } | Wake::Everything => continue,
                }
            }
            Ok(Event::Init) => continue,
            Err(error) => {
                tracing::debug!(%error, "a watch broke off");
                continue;
            }
        };
        if wakes.send(woken).await.is_err() {
            return;
        }
    }
}
