//! Strategic merge by type: directives, keys, orders, and what is refused.

use serde_json::json;

use super::*;
use crate::kinds::Kinds;

fn merged(current: &Value, patch: &Value) -> Result<Value, PatchError> {
    let pods = Kinds::default()
        .resolve("", "v1", "pods")
        .expect("is served");
    let schema = pods.topology.schema(&pods);
    merge(&schema, current, patch.as_object().expect("an object"))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table of literals reads better"
)]
fn check(current: Value, patch: Value, expected: Value) {
    assert_eq!(merged(&current, &patch), Ok(expected), "{patch}");
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "a table of literals reads better"
)]
fn rejects(current: Value, patch: Value, expected: &str) {
    let error = merged(&current, &patch).expect_err("rejected");
    assert_eq!(error.to_string(), expected, "{patch}");
}

fn spec(of: &Value) -> Value {
    json!({"spec": of})
}

#[test]
fn maps_are_merged_and_nulls_delete() {
    let labels = |of: Value| json!({"metadata": {"labels": of}});
    check(
        labels(json!({"a": "1", "b": "2"})),
        labels(json!({"b": null, "c": "3"})),
        labels(json!({"a": "1", "c": "3"})),
    );
    check(
        labels(json!({"a": "1"})),
        labels(json!({"$patch": "replace", "c": "2"})),
        labels(json!({"c": "2"})),
    );
    check(
        labels(json!({"a": "1"})),
        labels(json!({"$patch": "delete"})),
        labels(json!({})),
    );
    rejects(
        labels(json!({"a": "1"})),
        labels(json!({"$patch": "merge"})),
        "unknown patch type: merge in map: map[$patch:merge]",
    );
    check(
        json!({}),
        labels(json!({"a": null, "b": "1"})),
        labels(json!({"b": "1"})),
    );
}

#[test]
fn only_the_keys_that_are_retained_stay() {
    let volume = |of: Value| spec(&json!({"volumes": [of]}));
    check(
        volume(json!({"name": "v", "emptyDir": {}})),
        volume(
            json!({"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}),
        ),
        volume(json!({"name": "v", "hostPath": {"path": "/x"}})),
    );
    rejects(
        volume(json!({"name": "v", "emptyDir": {}})),
        volume(json!({"name": "v", "$retainKeys": ["name"], "hostPath": {}})),
        "invalid patch format of retainKeys",
    );
}

#[test]
fn lists_are_merged_by_the_key_of_their_field() {
    let of = |list: Value| spec(&json!({"containers": list}));
    let two = of(json!([{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]));
    check(
        two.clone(),
        of(json!([{"name": "b", "image": "z"}])),
        of(json!([{"name": "a", "image": "x"}, {"name": "b", "image": "z"}])),
    );
    check(
        two.clone(),
        of(json!([{"name": "a", "$patch": "delete"}])),
        of(json!([{"name": "b", "image": "y"}])),
    );
    check(
        two.clone(),
        of(json!([{"$patch": "replace"}, {"name": "c"}])),
        of(json!([{"name": "c"}])),
    );
    check(two.clone(), of(Value::Null), spec(&json!({})));
    rejects(
        two.clone(),
        of(json!([{"image": "x"}])),
        "map: map[image:x] does not contain declared merge key: name",
    );
    rejects(
        two.clone(),
        of(json!([{"name": "a", "$patch": "merge"}])),
        "merging lists cannot yet be specified in the patch",
    );
    rejects(
        two,
        of(json!(["a"])),
        "list element types are not identical: [[map[image:x name:a] map[image:y name:b]] [a]]",
    );
    // Not every list of ports has a merge key, nor every list a strategy.
    let command = |list: Value| of(json!([{"name": "a", "command": list}]));
    check(
        command(json!(["a", "b"])),
        command(json!(["c"])),
        command(json!(["c"])),
    );
    let tolerations = |list: Value| spec(&json!({"tolerations": list}));
    check(
        tolerations(json!([{"key": "a"}])),
        tolerations(json!([{"key": "b"}])),
        tolerations(json!([{"key": "b"}])),
    );
}

#[test]
fn a_new_element_goes_first_unless_the_order_says_otherwise() {
    let one = spec(&json!({"ephemeralContainers": [{"name": "a"}]}));
    check(
        one.clone(),
        spec(&json!({"ephemeralContainers": [{"name": "b"}]})),
        spec(&json!({"ephemeralContainers": [{"name": "b"}, {"name": "a"}]})),
    );
    let order = json!([{"name": "a"}, {"name": "b"}]);
    check(
        one.clone(),
        spec(
            &json!({"$setElementOrder/ephemeralContainers": order, "ephemeralContainers": [{"name": "b"}]}),
        ),
        spec(&json!({"ephemeralContainers": [{"name": "a"}, {"name": "b"}]})),
    );
    rejects(
        one,
        spec(
            &json!({"$setElementOrder/ephemeralContainers": [{"name": "a"}], "ephemeralContainers": [{"name": "b"}]}),
        ),
        "The order in patch list:\n[map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n",
    );
    rejects(
        spec(&json!({})),
        spec(&json!({"$setElementOrder/nothing": []})),
        "unable to find api field in struct PodSpec for the json field \"nothing\"",
    );
}

#[test]
fn an_order_alone_orders_what_is_there() {
    let of = |names: &[&str]| {
        let list: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
        json!(list)
    };
    check(
        spec(&json!({"containers": of(&["a", "b", "c"])})),
        spec(&json!({"$setElementOrder/containers": of(&["c", "a"])})),
        spec(&json!({"containers": of(&["b", "c", "a"])})),
    );
}

#[test]
fn sets_of_scalars_grow_and_shrink() {
    let of = |list: Value| json!({"metadata": {"finalizers": list}});
    check(
        of(json!(["a"])),
        of(json!(["b", "a"])),
        of(json!(["b", "a"])),
    );
    check(
        of(json!(["a", "b"])),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}),
        of(json!(["b"])),
    );
    rejects(
        of(json!(["a"])),
        json!({"metadata": {"$deleteFromPrimitiveListfinalizers": ["a"]}}),
        "invalid patch format of primitive list",
    );
}
