//! The loops that a cluster has besides its API: namespaces and what is in each of them, placing
//! Pods on the node, cleaning up after owners, and old Events.
//!
//! Each follows the store's changes ([`follow`]) and acts through [`Api`] as any client would, without
//! HTTP. They are level-triggered: what a change says is only a reason to look again, so nothing is lost
//! by a restart or by lagging behind. **Invariant:** no controller asks in intervals.

mod disruption;
mod expiry;
mod follow;
mod garbage;
mod namespaces;
mod placement;
mod policy_status;
mod priority_classes;
mod scheduler;

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::api::Api;
use crate::error::ApiError;
pub(crate) use follow::Follow;

/// The running controllers. Dropping it ends them.
pub struct Controllers {
    tasks: JoinSet<()>,
    stopping: CancellationToken,
}

impl Controllers {
    /// Makes what every cluster has (four namespaces, each with its service account and the cluster's
    /// certificate, and two PriorityClasses), then starts the loops. When this returns, Pods can be created in `default`.
    ///
    /// # Errors
    /// What could not be made; nothing runs then.
    pub async fn start(api: &Arc<Api>) -> Result<Self, ApiError> {
        let (namespaces, classes) =
            tokio::join!(namespaces::ensure_all(api), priority_classes::ensure(api));
        namespaces.and(classes)?;
        let stopping = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let spawn = |tasks: &mut JoinSet<()>,
                     work: std::pin::Pin<Box<dyn Future<Output = ()> + Send>>| {
            let stopping = stopping.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = work => {}
                }
            });
        };
        spawn(&mut tasks, Box::pin(namespaces::run(Arc::clone(api))));
        spawn(&mut tasks, Box::pin(scheduler::run(Arc::clone(api))));
        spawn(&mut tasks, Box::pin(garbage::run(Arc::clone(api))));
        spawn(&mut tasks, Box::pin(expiry::run(Arc::clone(api))));
        spawn(&mut tasks, Box::pin(disruption::run(Arc::clone(api))));
        spawn(&mut tasks, Box::pin(policy_status::run(Arc::clone(api))));
        spawn(
            &mut tasks,
            Box::pin(crate::aggregation::run(Arc::clone(api))),
        );
        Ok(Self { tasks, stopping })
    }

    /// Ends the loops and waits until they have.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}
