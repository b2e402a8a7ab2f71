//! Who asks, who approves, which Pod: filled in by the server, never by the client.
//!
//! Mutation is only this. Whether a stamp is right is judged once more by the validating door, since a
//! mutating webhook of somebody else can overwrite it.

use api::Stamp;
use serde_json::{Value, json};

use crate::gate::Gate;
use crate::review::{Allowed, Answer, Operation, Review};
use crate::{facts, pod, preview};

pub(crate) async fn stamp(gate: &Gate, review: &Review) -> Answer {
    let patch = match (review.operation, review.path().as_str()) {
        (Operation::Create, "debugsessions") => session(gate, review).await,
        (Operation::Create, "debugapprovals") => approval(review),
        (operation, path) => Err(Answer::invalid(format!(
            "this webhook stamps new debugsessions and debugapprovals, and was asked about {operation:?} of \
             {path}: correct the webhook's rules"
        ))),
    };
    match patch {
        Ok(patch) => Answer::Allowed(Allowed {
            patch,
            ..Allowed::default()
        }),
        Err(answer) => answer,
    }
}

async fn session(gate: &Gate, review: &Review) -> Result<Vec<Value>, Answer> {
    let name = review.object["spec"]["pod"]["name"]
        .as_str()
        .ok_or_else(|| Answer::invalid("spec.pod.name: name the Pod to be visited"))?;
    let requester = of_user(review, "requester")?;
    let found = facts::live_pod(gate.cluster.as_ref(), &review.namespace, name).await?;
    let uid = pod::uid(&found);
    match &review.object["spec"]["pod"]["uid"] {
        Value::Null => {}
        given if given.as_str() == Some(uid) => {}
        given => {
            return Err(Answer::forbidden(format!(
                "spec.pod.uid is {given}, and Pod {name} has uid {uid}: leave the field out, or look at the Pod \
                 again"
            )));
        }
    }
    let mut patch = vec![
        json!({"op": "add", "path": "/spec/requester", "value": requester}),
        json!({"op": "add", "path": "/spec/pod/uid", "value": uid}),
    ];
    if review.dry_run {
        let mut stamped = review.object.clone();
        stamped["spec"]["requester"] = requester;
        stamped["spec"]["pod"]["uid"] = uid.into();
        let preview = preview::preview(gate, review, stamped, found).await?;
        patch.push(annotate(&review.object, &preview));
    }
    Ok(patch)
}

fn approval(review: &Review) -> Result<Vec<Value>, Answer> {
    if !review.object["spec"].is_object() {
        return Err(Answer::invalid("spec: say which session and which verdict"));
    }
    let approver = of_user(review, "approver")?;
    Ok(vec![
        json!({"op": "add", "path": "/spec/approver", "value": approver}),
    ])
}

/// The stamp of the person who sends this request. A client may leave the field out or have it right.
fn of_user(review: &Review, field: &str) -> Result<Value, Answer> {
    let stamp = Stamp::from(&review.user_info.person());
    let given = &review.object["spec"][field];
    if !given.is_null()
        && serde_json::from_value::<Stamp>(given.clone()).ok().as_ref() != Some(&stamp)
    {
        return Err(Answer::forbidden(format!(
            "spec.{field} is filled in by the server, and you are {:?}: leave the field out",
            stamp.username
        )));
    }
    Ok(json!(stamp))
}

fn annotate(object: &Value, preview: &Value) -> Value {
    let text = preview.to_string();
    if object["metadata"]["annotations"].is_object() {
        // RFC 6901: `/` in a key is written `~1`.
        let key = api::PREVIEW_ANNOTATION.replace('/', "~1");
        return json!({"op": "add", "path": format!("/metadata/annotations/{key}"), "value": text});
    }
    json!({"op": "add", "path": "/metadata/annotations", "value": {api::PREVIEW_ANNOTATION: text}})
}
