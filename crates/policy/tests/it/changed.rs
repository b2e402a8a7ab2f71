//! Every field of the container changed after approval.

use policy::Decision;
use serde_json::{Value, json};
use session::Container;

use crate::setting::{Setting, setting};

fn permitted(setting: &Setting) -> bool {
    matches!(setting.decide(), Decision::Permit(_))
}

/// The paths of all values in a document.
fn paths(at: &str, value: &Value, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), v)).collect(),
        Value::Array(items) => (0..)
            .zip(items)
            .map(|(i, v): (u32, _)| (i.to_string(), v))
            .collect(),
        _ => Vec::new(),
    };
    for (name, child) in children {
        let path = format!("{at}/{name}");
        found.push(path.clone());
        paths(&path, child, found);
    }
}

#[test]
fn no_change_of_any_field_survives_the_approval() {
    let mut approved = setting();
    approved.arrives(|c| c["env"] = json!([{"name": "A", "value": "1"}]));
    approved.approve("bob", &["approvers"]);
    assert!(permitted(&approved));
    let original = approved.facts.container.raw().clone();
    let mut all = Vec::new();
    paths("", &original, &mut all);
    assert!(all.len() > 20, "{all:?}");
    let others = [
        Value::Null,
        json!(true),
        json!(false),
        json!(0),
        json!("x"),
        json!([]),
        json!({}),
    ];
    for path in all {
        for other in &others {
            let mut changed = original.clone();
            let place = changed.pointer_mut(&path).unwrap();
            if place == other {
                continue;
            }
            *place = other.clone();
            let Ok(container) = Container::new(changed) else {
                continue;
            };
            approved.facts.container = container;
            assert!(!permitted(&approved), "{path} := {other}");
        }
    }
}

#[test]
fn the_order_in_which_fields_are_written_means_nothing() {
    let mut approved = setting();
    approved.approve("bob", &["approvers"]);
    let mut reversed = approved.facts.container.raw().clone();
    if let Value::Object(fields) = &mut reversed {
        *fields = std::mem::take(fields).into_iter().rev().collect();
    }
    approved.facts.container = Container::new(reversed).unwrap();
    assert!(permitted(&approved));
}
