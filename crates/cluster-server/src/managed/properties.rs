//! What holds of every sequence of applies, tried on made-up Pods.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Reset, Versions, Writer, apply, fields};
use crate::kinds::{Kinds, Resource};

fn writer(manager: &str) -> Writer {
    static PODS: LazyLock<Option<Arc<Resource>>> =
        LazyLock::new(|| Kinds::default().resolve("", "v1", "pods"));
    let pods = PODS.as_ref().expect("is served");
    Writer {
        manager: manager.to_owned(),
        subresource: String::new(),
        versions: Versions {
            current: "v1".to_owned(),
            all: vec![("v1".to_owned(), pods.topology.schema(pods))],
        },
        reset: Reset::of(pods, ""),
        time: "2026-01-01T00:00:00Z".to_owned(),
        empty: Arc::clone(&pods.topology.empty(pods)),
    }
}

/// A Pod of a few labels, finalizers and containers, in any order.
fn pod() -> impl Strategy<Value = Value> {
    let name = "[abc]";
    let container = (
        name,
        proptest::option::of("[xy]"),
        proptest::option::of(1..3i64),
    );
    (
        proptest::collection::btree_map(name, "[xy]", 0..3),
        proptest::collection::btree_set(name, 0..3),
        proptest::collection::vec(container, 0..4),
    )
        .prop_map(|(labels, finalizers, containers)| {
            let mut by_name = BTreeMap::new();
            for (name, image, port) in containers {
                let ports = port.map(|port| json!([{"containerPort": port}]));
                let mut container = json!({"name": name});
                container["image"] = image.into();
                container["ports"] = ports.into();
                if let Some(fields) = container.as_object_mut() {
                    fields.retain(|_, value| !value.is_null());
                }
                by_name.insert(name, container);
            }
            let containers: Vec<Value> = by_name.into_values().collect();
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": labels, "finalizers": finalizers},
                "spec": {"containers": containers}})
        })
}

fn applied(live: Option<&Value>, config: &Value, manager: &str) -> Value {
    let mut object = apply(live, config, "Pod", &writer(manager), true).expect("applies");
    object["metadata"]["uid"] = "u".into();
    object
}

/// The fields that an object has, apart from whose they are.
fn has(object: &Value) -> Value {
    let writer = writer("");
    let schema = writer.versions.of("v1").expect("a topology");
    let object = super::update::without_entries(object);
    super::update::stripped(&fields::of(schema, &object)).to_value()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn applying_again_changes_nothing(first in pod(), second in pod()) {
        let live = applied(Some(&applied(None, &first, "one")), &second, "two");
        prop_assert_eq!(applied(Some(&live), &second, "two"), live);
    }

    #[test]
    fn the_last_configuration_of_a_lone_manager_is_all_there_is(first in pod(), second in pod()) {
        let after = applied(Some(&applied(None, &first, "one")), &second, "one");
        prop_assert_eq!(has(&after), has(&applied(None, &second, "one")));
    }

    #[test]
    fn a_manager_that_wants_nothing_any_more_leaves_the_others_all_theirs(first in pod(), second in pod()) {
        let nothing = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}});
        let both = applied(Some(&applied(None, &first, "one")), &second, "two");
        let after = applied(Some(&both), &nothing, "one");
        prop_assert_eq!(has(&after), has(&applied(None, &second, "two")));
    }

    #[test]
    fn any_configuration_is_taken_or_refused(text in "\\PC{0,64}", key in "[a-z.:{}\"]{0,8}") {
        let config = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {key.clone(): text}},
            "spec": {key: [null, {"name": 1}]}});
        let _ = apply(None, &config, "Pod", &writer("one"), false);
    }
}
