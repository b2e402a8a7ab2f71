//! What is new in a Pod, and in what a container differs from the granted one.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::pod;

/// What an update adds to a Pod's ephemeral containers.
#[derive(Debug, PartialEq)]
pub(crate) enum Added<'a> {
    /// Nothing: a no-op patch.
    Nothing,
    /// What is there is changed or removed. The API server lets nobody do that; neither do we.
    Changed(&'a str),
    /// One container.
    One(&'a Value),
    /// More than one, by name.
    Several(Vec<&'a str>),
}

/// The difference **by name**: a new container can stand first, and several can come at once.
pub(crate) fn added<'a>(object: &'a Value, old: &'a Value) -> Added<'a> {
    const LIST: &str = "ephemeralContainers";
    let kept = |before: &&Value| pod::containers(object, LIST).any(|c| c == *before);
    if let Some(changed) = pod::containers(old, LIST).find(|before| !kept(before)) {
        return Added::Changed(pod::name(changed));
    }
    let before: BTreeSet<&str> = pod::containers(old, LIST).map(pod::name).collect();
    let new: Vec<&Value> = pod::containers(object, LIST)
        .filter(|c| !before.contains(pod::name(c)))
        .collect();
    match new.as_slice() {
        [] => Added::Nothing,
        [one] => Added::One(one),
        _ => Added::Several(new.into_iter().map(pod::name).collect()),
    }
}

/// Each field in which two containers differ, as a sentence.
pub(crate) fn differences(granted: &Value, arrived: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", granted, arrived, &mut found);
    found
}

fn compare(path: &str, granted: &Value, arrived: &Value, found: &mut Vec<String>) {
    match (granted, arrived) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let side = |map: &serde_json::Map<String, Value>| {
                    map.get(key).cloned().unwrap_or(Value::Null)
                };
                compare(&path, &side(a), &side(b), found);
            }
        }
        (a, b) if a == b => {}
        // A literal value of an environment variable can be a credential: where, but not what.
        _ if path.split('.').next() == Some("env") => {
            found.push(format!("{path} is not as granted"));
        }
        (a, b) => found.push(format!("{path}: granted {}, sent {}", show(a), show(b))),
    }
}

fn show(value: &Value) -> String {
    const LONGEST: usize = 200;
    match value {
        Value::Null => "nothing".to_owned(),
        other => {
            let text = other.to_string();
            if text.chars().count() <= LONGEST {
                return text;
            }
            text.chars().take(LONGEST).chain("…".chars()).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Added, added, differences};

    fn pod(names: &[&str]) -> Value {
        let list: Vec<Value> = names.iter().map(|n| json!({"name": n})).collect();
        json!({"spec": {"ephemeralContainers": list}})
    }

    #[test]
    fn what_is_new_is_told_by_name_wherever_it_stands() {
        let check = |object: &[&str], old: &[&str], expected: &[&str]| {
            let (object, old) = (pod(object), pod(old));
            let got: Vec<&str> = match added(&object, &old) {
                Added::Nothing => vec![],
                Added::Changed(name) => vec!["changed", name],
                Added::One(c) => vec![c["name"].as_str().unwrap()],
                Added::Several(names) => names,
            };
            assert_eq!(got, expected, "{object}");
        };
        check(&["a"], &["a"], &[]);
        check(&["a", "b"], &["a"], &["b"]);
        check(&["b", "a"], &["a"], &["b"]);
        check(&["b", "a", "c"], &["a"], &["b", "c"]);
        check(&["b", "b"], &[], &["b", "b"]);
        check(&[], &["a"], &["changed", "a"]);
        check(&["b"], &["a"], &["changed", "a"]);
        let old = pod(&["a"]);
        let mut object = pod(&["a", "b"]);
        object["spec"]["ephemeralContainers"][0]["image"] = "evil:1".into();
        assert_eq!(added(&object, &old), Added::Changed("a"));
    }

    #[test]
    fn each_differing_field_is_named_and_no_environment_value_is_told() {
        let check = |granted: Value, arrived: Value, expected: &[&str]| {
            assert_eq!(differences(&granted, &arrived), expected);
        };
        check(json!({"image": "a"}), json!({"image": "a"}), &[]);
        check(
            json!({"image": "a"}),
            json!({"image": "b"}),
            &[r#"image: granted "a", sent "b""#],
        );
        check(
            json!({"securityContext": {"runAsUser": 1}}),
            json!({"securityContext": {"runAsUser": 1, "privileged": true}}),
            &["securityContext.privileged: granted nothing, sent true"],
        );
        check(
            json!({"env": [{"name": "A", "value": "s3cret"}]}),
            json!({"env": [{"name": "A", "value": "other"}]}),
            &["env is not as granted"],
        );
        check(
            json!({}),
            json!({"unknown": 1}),
            &["unknown: granted nothing, sent 1"],
        );
    }
}
