//! `audit.k8s.io/v1 Event` as it is written: Kubernetes' fields in Kubernetes' order.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::policy::Stage;
use crate::identity::{Attributes, User};

/// One stage of one request.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    pub(super) level: &'static str,
    #[serde(rename = "auditID")]
    pub(super) audit_id: String,
    pub(super) stage: &'static str,
    #[serde(rename = "requestURI")]
    pub(super) request_uri: String,
    pub(super) verb: String,
    pub(super) user: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) impersonated_user: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) authentication_metadata: Option<Value>,
    #[serde(rename = "sourceIPs", skip_serializing_if = "Vec::is_empty")]
    pub(super) source_ips: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) user_agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_ref: Option<ObjectReference>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_status: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_object: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_object: Option<Value>,
    pub(super) request_received_timestamp: String,
    pub(super) stage_timestamp: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<String, String>,
}

/// Which object a request is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectReference {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) api_group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) subresource: String,
}

impl ObjectReference {
    /// What the path tells; none for paths that name no resource.
    pub(super) fn of(attributes: &Attributes) -> Option<Self> {
        attributes.is_resource().then(|| Self {
            resource: attributes.resource.clone(),
            namespace: attributes.namespace.clone(),
            name: attributes.name.clone(),
            api_group: attributes.group.clone(),
            api_version: attributes.version.clone(),
            subresource: attributes.subresource.clone(),
            ..Self::default()
        })
    }

    /// Fills in what only the request's object tells.
    pub(super) fn complete(&mut self, object: &Value) {
        let metadata = &object["metadata"];
        for (field, key) in [
            (&mut self.namespace, "namespace"),
            (&mut self.name, "name"),
            (&mut self.uid, "uid"),
            (&mut self.resource_version, "resourceVersion"),
        ] {
            if field.is_empty() {
                metadata[key].as_str().unwrap_or_default().clone_into(field);
            }
        }
    }
}

impl Event {
    /// Sets the stage and its time.
    pub(super) fn at(&mut self, stage: Stage, time: String) {
        self.stage = stage.as_str();
        self.stage_timestamp = time;
    }

    /// Whom the request acts as, and by which constrained mode, if by one.
    pub(super) fn impersonate(&mut self, user: &User, constraint: &str) {
        self.impersonated_user = Some(user.to_user_info());
        if !constraint.is_empty() {
            self.authentication_metadata = Some(json!({"impersonationConstraint": constraint}));
        }
    }

    /// The code of an answer, after what its `Status` (if it is one) says.
    pub(super) fn answer(&mut self, code: u16, status: Option<&Value>) {
        let mut out = Map::new();
        out.insert("metadata".to_owned(), json!({}));
        for key in ["status", "message", "reason", "details"] {
            let told = status.and_then(|status| status.get(key));
            if let Some(told) = told.filter(|told| !told.is_null() && *told != "") {
                out.insert(key.to_owned(), told.clone());
            }
        }
        out.insert("code".to_owned(), code.into());
        self.response_status = Some(Value::Object(out));
    }

    /// The event without its `kind` and `apiVersion`, as a list holds it.
    pub(super) fn to_item(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

/// `metav1.MicroTime`.
pub(super) fn micro_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

/// A length of time as Go prints it: `612.5ms`, `1.25s`, `1h0m3s`. Shorter than a millisecond is not asked for.
pub(super) fn go_duration(time: SignedDuration) -> String {
    let trimmed = |text: String| {
        let text = text.trim_end_matches('0').trim_end_matches('.');
        text.to_owned()
    };
    let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
    if seconds == 0 {
        let (whole, rest) = (nanos / 1_000_000, nanos % 1_000_000);
        return trimmed(format!("{whole}.{rest:06}")) + "ms";
    }
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = trimmed(format!("{}.{nanos:09}", seconds % 60)) + "s";
    match (hours, minutes) {
        (0, 0) => rest,
        (0, minutes) => format!("{minutes}m{rest}"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}"),
    }
}

/// Takes `managedFields` out of an object, of a list's items, and of the objects of a table's rows.
pub(super) fn without_managed_fields(object: &mut Value) {
    let remove = |object: &mut Value| {
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
        }
    };
    remove(object);
    for item in members(object, "items") {
        remove(item);
    }
    for row in members(object, "rows") {
        if let Some(object) = row.get_mut("object") {
            remove(object);
        }
    }
}

fn members<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object
        .get_mut(list)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_six_digits() {
        let time: Timestamp = "2026-11-22T10:35:19.4Z".parse().expect("a time");
        assert_eq!(micro_time(time), "2026-11-22T10:35:19.400000Z");
    }

    #[test]
    fn lengths_of_time_are_printed_as_go_prints_them() {
        let check = |millis, expected: &str| {
            assert_eq!(go_duration(SignedDuration::from_millis(millis)), expected);
        };
        check(600, "600ms");
        check(1_250, "1.25s");
        check(10_000, "10s");
        check(311_002, "5m11.002s");
        check(3_603_000, "1h0m3s");
        let odd = SignedDuration::from_micros(612_345);
        assert_eq!(go_duration(odd), "612.345ms");
    }

    #[test]
    fn managed_fields_go_from_objects_lists_and_tables() {
        let check = |mut object: Value, expected: &Value| {
            without_managed_fields(&mut object);
            assert_eq!(object, *expected);
        };
        let full = json!({"metadata": {"name": "a", "managedFields": [1]}});
        let bare = json!({"metadata": {"name": "a"}});
        check(full.clone(), &bare);
        check(
            json!({"items": [full], "metadata": {}}),
            &json!({"items": [bare], "metadata": {}}),
        );
        check(
            json!({"rows": [{"object": full}]}),
            &json!({"rows": [{"object": bare}]}),
        );
        check(json!("text"), &json!("text"));
    }

    #[test]
    fn an_answer_keeps_the_bounded_fields_of_a_status() {
        let mut event = Event::default();
        event.answer(200, None);
        assert_eq!(
            event.response_status,
            Some(json!({"metadata": {}, "code": 200}))
        );
        let status = json!({"kind": "Status", "metadata": {"continue": "x"}, "status": "Failure", "message": "m",
            "reason": "NotFound", "details": {"name": "n"}, "code": 404});
        event.answer(404, Some(&status));
        let expected = r#"{"metadata":{},"status":"Failure","message":"m","reason":"NotFound","details":{"name":"n"},"code":404}"#;
        assert_eq!(
            event.response_status.map(|s| s.to_string()).as_deref(),
            Some(expected)
        );
    }
}
