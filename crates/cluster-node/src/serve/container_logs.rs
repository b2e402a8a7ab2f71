//! `/containerLogs/{namespace}/{pod}/{container}` (`kubelet.go: GetKubeletContainerLogs`).

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, PodStatus};
use tokio_stream::wrappers::ReceiverStream;

use super::query::Query;
use super::{Address, Body, text};
use crate::logs::{self, Options};
use crate::pod::records::is_running;
use crate::pod::roles;
use crate::shared::Shared;

pub(super) async fn serve(
    shared: &std::sync::Arc<Shared>,
    address: &Address,
    query: &Query,
) -> Response<Body> {
    let Some(view) = shared.view(&address.namespace, &address.pod) else {
        return text(
            StatusCode::NOT_FOUND,
            format!("pod {:?} does not exist", address.pod),
        );
    };
    if !roles::containers(&view.pod)
        .iter()
        .any(|container| container.name() == address.container)
    {
        let message = format!(
            "container {:?} not found in pod {:?}",
            address.container, address.pod
        );
        return text(StatusCode::NOT_FOUND, message);
    }
    let options = match options(query, shared.now()) {
        Ok(options) => options,
        Err(message) => return text(StatusCode::BAD_REQUEST, message),
    };
    let previous = query.flag("previous");
    let id = match chosen(&view.status, &address.pod, &address.container, previous) {
        Ok(id) => id,
        Err(message) => return text(StatusCode::BAD_REQUEST, message),
    };
    let id = id.rsplit("://").next().unwrap_or_default().to_owned();
    let record = match shared.runtime.container(&id).await {
        Ok(record) => record,
        Err(error) => return text(StatusCode::BAD_REQUEST, error.to_string()),
    };
    let path = shared
        .log_directory(&view.pod)
        .join(&record.config.log_path);
    if !path.exists() {
        return text(StatusCode::OK, "");
    }
    let (out, pieces) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(16);
    let runtime = shared.runtime.clone();
    tokio::spawn(async move {
        let ended = move || {
            let (runtime, id) = (runtime.clone(), id.clone());
            async move { !runtime.container(&id).await.as_ref().is_ok_and(is_running) }.boxed()
        };
        if let Err(error) = logs::send(path, options, ended, out).await {
            tracing::debug!(%error, "a log was not read to its end");
        }
    });
    let stream = ReceiverStream::new(pieces).map(|piece| piece.map(Frame::data));
    Response::new(BodyExt::boxed(StreamBody::new(stream)))
}

fn options(query: &Query, now: Timestamp) -> Result<Options, String> {
    let number = |key: &str| {
        let parsed = query.get(key).map(str::parse::<i64>).transpose();
        parsed.map_err(|_| format!("{key} must be a number"))
    };
    let since = match (number("sinceSeconds")?, query.get("sinceTime")) {
        (Some(seconds), _) => Some(now - SignedDuration::from_secs(seconds)),
        (None, Some(time)) => Some(
            time.parse()
                .map_err(|_| "sinceTime must be an RFC 3339 time".to_owned())?,
        ),
        (None, None) => None,
    };
    Ok(Options {
        follow: query.flag("follow"),
        tail: number("tailLines")?.and_then(|lines| u64::try_from(lines).ok()),
        since,
        timestamps: query.flag("timestamps"),
        limit: number("limitBytes")?.and_then(|bytes| u64::try_from(bytes).ok()),
    })
}

/// The id of the container whose log is meant (`validateContainerLogStatus`).
fn chosen(
    status: &PodStatus,
    pod: &str,
    container: &str,
    previous: bool,
) -> Result<String, String> {
    let lists = [
        &status.init_container_statuses,
        &status.container_statuses,
        &status.ephemeral_container_statuses,
    ];
    let mut statuses = lists.into_iter().flatten().flatten();
    let Some(status) = statuses.find(|status| status.name == container) else {
        return Err(format!(
            "container {container:?} in pod {pod:?} is not available"
        ));
    };
    let state = status.state.clone().unwrap_or_default();
    let last = last_id(status);
    let terminated = || format!("container {container:?} in pod {pod:?} is terminated");
    if previous {
        return last.ok_or_else(|| {
            format!("previous terminated container {container:?} in pod {pod:?} not found")
        });
    }
    if state.running.is_some() {
        return Ok(status.container_id.clone().unwrap_or_default());
    }
    if let Some(end) = state.terminated {
        return end
            .container_id
            .filter(|id| !id.is_empty())
            .or(last)
            .ok_or_else(terminated);
    }
    if status
        .last_state
        .as_ref()
        .is_some_and(|last| last.terminated.is_some())
    {
        return last.ok_or_else(terminated);
    }
    let reason = state
        .waiting
        .and_then(|waiting| waiting.reason)
        .unwrap_or_default();
    let why = match reason.as_str() {
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        reason => reason,
    };
    Err(format!(
        "container {container:?} in pod {pod:?} is waiting to start: {why}"
    ))
}

fn last_id(status: &ContainerStatus) -> Option<String> {
    let last = status.last_state.as_ref()?.terminated.as_ref()?;
    last.container_id.clone().filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodStatus;
    use serde_json::{Value, json};

    use super::chosen;

    #[test]
    fn the_container_is_chosen_and_refused_in_the_kubelets_words() {
        let check = |state: Value, last: Value, previous, expected: Result<&str, &str>| {
            let status = json!([{"name": "d", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "containerID": "x://now", "state": state, "lastState": last}]);
            let status: PodStatus =
                serde_json::from_value(json!({"ephemeralContainerStatuses": status})).unwrap();
            let got = chosen(&status, "p", "d", previous);
            assert_eq!(
                got,
                expected.map(str::to_owned).map_err(str::to_owned),
                "{state} {last}"
            );
        };
        let ended = || json!({"terminated": {"exitCode": 0, "containerID": "x://then"}});
        let waits = |reason: &str| json!({"waiting": {"reason": reason}});
        check(json!({"running": {}}), json!({}), false, Ok("x://now"));
        check(ended(), json!({}), false, Ok("x://then"));
        check(waits("CrashLoopBackOff"), ended(), false, Ok("x://then"));
        check(json!({"running": {}}), ended(), true, Ok("x://then"));
        let none = "previous terminated container \"d\" in pod \"p\" not found";
        check(json!({"running": {}}), json!({}), true, Err(none));
        let pull =
            "container \"d\" in pod \"p\" is waiting to start: trying and failing to pull image";
        check(waits("ImagePullBackOff"), json!({}), false, Err(pull));
        let config = "container \"d\" in pod \"p\" is waiting to start: CreateContainerConfigError";
        check(
            waits("CreateContainerConfigError"),
            json!({}),
            false,
            Err(config),
        );
    }
}
