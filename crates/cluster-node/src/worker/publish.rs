//! Reporting the status: a merge patch of what changed, for this Pod's UID only.

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Map, Value, json};

use super::Worker;
use crate::client::brief;
use crate::pod::status::{self, Inputs};

impl Worker {
    /// Reports the status if it is another one than before. Whether the API server has it.
    pub(super) async fn report(&mut self) -> bool {
        let status = status::status(&Inputs {
            pod: &self.pod,
            containers: &self.containers,
            records: &self.records,
            sandbox: self.sandbox.as_ref(),
            waiting: &self.waiting,
            messages: &self.messages,
            starting: self.hooks.starting(),
            unready: self.hooks.unready(),
            terminating: self.pod.metadata.deletion_timestamp.is_some(),
            scheme: &self.shared.scheme,
            host_ip: &self.shared.facts.host_ip,
            now: self.shared.now(),
        });
        self.shared.show(&self.pod, &status);
        let old = self
            .published
            .clone()
            .or_else(|| self.pod.status.clone())
            .unwrap_or_default();
        let Some(changes) = changes(&old, &status) else {
            self.published = Some(status);
            return true;
        };
        match self.patch(changes).await {
            Ok(()) => {
                self.pod.status = Some(status.clone());
                self.published = Some(status);
                true
            }
            // It is gone, or another one of the same name: the watch will tell.
            Err(kube::Error::Api(answer)) if matches!(answer.code, 404 | 409) => true,
            Err(error) => {
                tracing::warn!(
                    pod = self.full_name(),
                    error = brief(&error),
                    "a status was not taken"
                );
                false
            }
        }
    }

    async fn patch(&self, changes: Value) -> kube::Result<()> {
        let meta = &self.pod.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let api: Api<Pod> = Api::namespaced(self.shared.client.clone(), namespace);
        // A UID that differs is a conflict: a later Pod of this name does not get this one's status.
        let patch = json!({"metadata": {"uid": meta.uid}, "status": changes});
        let name = meta.name.as_deref().unwrap_or_default();
        api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .map(drop)
    }
}

/// The merge patch from one status to the other; `None` if they are the same.
fn changes(old: &PodStatus, new: &PodStatus) -> Option<Value> {
    let fields = |status: &PodStatus| match serde_json::to_value(status) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (old, new) = (fields(old), fields(new));
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        if old.get(&key) != Some(&value) {
            patch.insert(key, value);
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodStatus;
    use serde_json::{Value, json};

    use super::changes;

    #[test]
    fn only_what_changed_is_sent_and_what_is_gone_is_null() {
        let check = |old: Value, new: Value, expected: Option<Value>| {
            let parse = |value| serde_json::from_value::<PodStatus>(value).unwrap();
            assert_eq!(changes(&parse(old), &parse(new)), expected);
        };
        check(
            json!({"phase": "Running"}),
            json!({"phase": "Running"}),
            None,
        );
        let (old, new) = (
            json!({"phase": "Pending", "message": "m"}),
            json!({"phase": "Running"}),
        );
        check(old, new, Some(json!({"message": null, "phase": "Running"})));
    }
}
