//! Events: one kind under two groups. They are stored as the core group has them, and read and written in either form.
//!
//! Source: `pkg/apis/core/validation/events.go`, `pkg/apis/events/v1/conversion.go`.

use std::sync::Arc;

use k8s_openapi::api::events::v1;
use serde_json::Value;

use super::decode::decode_as;
use super::{Resource, Strategy, names};
use crate::field::{FieldError, Path};
use crate::store::Object;

const GROUP: &str = "events.k8s.io";
/// What the longest note may be, and the longest of the other texts.
const NOTE: usize = 1024;
const TEXT: usize = 128;

/// Fields that the core group calls otherwise: its name, the other's.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Whether a resource is the Events of the younger group.
pub(crate) fn is_younger(group: &str, plural: &str) -> bool {
    group == GROUP && plural == "events"
}

fn renamed(event: Value, to_core: bool) -> Value {
    let Value::Object(fields) = event else {
        return event;
    };
    let name = |key: String| {
        let pair = RENAMED.iter().find(|(core, younger)| {
            let from = if to_core { younger } else { core };
            *from == key
        });
        match pair {
            Some((core, _)) if to_core => (*core).to_owned(),
            Some((_, younger)) => (*younger).to_owned(),
            None => key,
        }
    };
    fields
        .into_iter()
        .map(|(key, value)| (name(key), value))
        .collect()
}

/// An object as it is stored.
pub(crate) fn stored(resource: &Resource, object: Value) -> Value {
    if !is_younger(&resource.group, &resource.plural) {
        return object;
    }
    let mut event = renamed(object, true);
    event["apiVersion"] = "v1".into();
    event
}

/// A stored Event as the younger group has it.
pub(crate) fn younger(object: &Arc<Object>) -> Arc<Object> {
    let mut event = renamed(object.value.clone(), false);
    event["apiVersion"] = format!("{GROUP}/v1").into();
    let event = decode_as::<v1::Event>(event.clone()).map_or(event, |decoded| decoded.object);
    Arc::new(Object::new(event, object.revision))
}

/// What is particular to Events of the core group: old clients are let through.
pub struct EventStrategy;

/// The strategy of Events of the core group.
pub static EVENT: EventStrategy = EventStrategy;

/// What is particular to Events of `events.k8s.io`.
pub struct YoungerEventStrategy;

/// The strategy of Events of `events.k8s.io`.
pub static YOUNGER_EVENT: YoungerEventStrategy = YoungerEventStrategy;

impl Strategy for EventStrategy {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        validate(object)
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        validate(new)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

impl Strategy for YoungerEventStrategy {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let event = renamed(object.clone(), true);
        let mut errors = validate(&event);
        errors.extend(validate_strictly(&event));
        errors
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let (new, old) = (renamed(new.clone(), true), renamed(old.clone(), true));
        let mut errors = validate(&new);
        if new["series"] != old["series"] {
            errors.extend(validate_series(&new["series"]));
        }
        for field in [
            "involvedObject",
            "reason",
            "message",
            "source",
            "firstTimestamp",
            "lastTimestamp",
            "count",
            "type",
            "eventTime",
            "action",
            "related",
            "reportingComponent",
            "reportingInstance",
        ] {
            if new[field] != old[field] {
                let shown = if field == "reportingComponent" {
                    "reportingController"
                } else {
                    field
                };
                let why = "field is immutable";
                errors.push(FieldError::invalid(
                    &Path::new(shown),
                    new[field].clone(),
                    why,
                ));
            }
        }
        errors
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

fn text<'a>(event: &'a Value, field: &str) -> &'a str {
    event[field].as_str().unwrap_or_default()
}

/// `legacyValidateEvent`: what holds of every Event.
fn validate(event: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (own, of) = (
        text(&event["metadata"], "namespace"),
        text(&event["involvedObject"], "namespace"),
    );
    let timed = event["eventTime"].is_string();
    let belongs = match (timed, of) {
        (false, "") => own.is_empty() || own == "default",
        (false, of) => own == of,
        (true, "") => own == "default" || own == "kube-system",
        (true, _) => true,
    };
    if !belongs {
        let at = Path::new("involvedObject").child("namespace");
        errors.push(FieldError::invalid(
            &at,
            of,
            "does not match event.namespace",
        ));
    }
    if timed {
        errors.extend(validate_timed(event));
    }
    let faults = names::dns_subdomain(own).into_iter();
    errors.extend(faults.map(|why| FieldError::invalid(&Path::new("namespace"), own, why)));
    errors
}

/// What newer clients, which say when it happened, must say besides.
fn validate_timed(event: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let (controller, at) = (
        text(event, "reportingComponent"),
        Path::new("reportingController"),
    );
    if controller.is_empty() {
        errors.push(FieldError::required(&at, ""));
    }
    let faults = names::qualified(controller).into_iter();
    errors.extend(faults.map(|why| FieldError::invalid(&at, controller, why)));
    for (field, required, most) in [
        ("reportingInstance", true, TEXT),
        ("action", true, TEXT),
        ("reason", true, TEXT),
        ("message", false, NOTE),
    ] {
        let (value, at) = (text(event, field), Path::new(field));
        if required && value.is_empty() {
            errors.push(FieldError::required(&at, ""));
        }
        if value.len() > most {
            let why = format!("can have at most {most} characters");
            errors.push(FieldError::invalid(&at, "", why));
        }
    }
    errors
}

/// What holds of Events that are created in `events.k8s.io/v1`.
fn validate_strictly(event: &Value) -> Vec<FieldError> {
    let mut errors = validate_series(&event["series"]);
    if !event["eventTime"].is_string() {
        errors.push(FieldError::required(&Path::new("eventTime"), ""));
    }
    let kind = text(event, "type");
    if !["Normal", "Warning"].contains(&kind) {
        let why = format!("has invalid value: {kind}");
        errors.push(FieldError::invalid(&Path::new("type"), "", why));
    }
    let source = &event["source"];
    for (field, set) in [
        ("firstTimestamp", event["firstTimestamp"].is_string()),
        ("lastTimestamp", event["lastTimestamp"].is_string()),
        ("count", event["count"].as_i64().unwrap_or(0) != 0),
        (
            "source",
            !text(source, "component").is_empty() || !text(source, "host").is_empty(),
        ),
    ] {
        if set {
            errors.push(FieldError::invalid(
                &Path::new(field),
                "",
                "needs to be unset",
            ));
        }
    }
    errors
}

fn validate_series(series: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if !series.is_object() {
        return errors;
    }
    let at = Path::new("series");
    if series["count"].as_i64().unwrap_or(0) < 2 {
        let why = "should be at least 2";
        errors.push(FieldError::invalid(&at.child("count"), "", why));
    }
    if !series["lastObservedTime"].is_string() {
        errors.push(FieldError::required(&at.child("lastObservedTime"), ""));
    }
    errors
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(strategy: &dyn Strategy, event: &Value, expected: &[&str]) {
        let errors = strategy.validate_create(event);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, expected);
    }

    #[test]
    fn each_group_asks_what_it_asks() {
        check(
            &EVENT,
            &json!({"metadata": {"namespace": "n"}, "involvedObject": {"namespace": "m"}}),
            &["involvedObject.namespace: Invalid value: \"m\": does not match event.namespace"],
        );
        let event = json!({"metadata": {"namespace": "n"}, "regarding": {"namespace": "n"}, "type": "Odd", "deprecatedCount": 1});
        check(
            &YOUNGER_EVENT,
            &event,
            &[
                "eventTime: Required value",
                "type: Invalid value: \"\": has invalid value: Odd",
                "count: Invalid value: \"\": needs to be unset",
            ],
        );
        let event = json!({
            "metadata": {"namespace": "n"}, "regarding": {"namespace": "n"}, "type": "Normal",
            "eventTime": "2026-01-01T00:00:00.000000Z", "reportingController": "example.com/c", "reportingInstance": "c-0",
            "action": "Act", "reason": "Because", "note": "x".repeat(1025),
        });
        check(
            &YOUNGER_EVENT,
            &event,
            &["message: Invalid value: \"\": can have at most 1024 characters"],
        );
    }

    #[test]
    fn the_two_forms_carry_the_same() {
        let core = json!({"message": "m", "involvedObject": {"name": "p"}, "reportingComponent": "c", "reason": "r"});
        let younger = renamed(core.clone(), false);
        assert_eq!(
            younger,
            json!({"note": "m", "regarding": {"name": "p"}, "reportingController": "c", "reason": "r"})
        );
        assert_eq!(renamed(younger, true), core);
    }
}
