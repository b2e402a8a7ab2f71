//! Custom objects held against their schema, with Kubernetes' words.

use serde_json::json;

use super::*;

fn check(schema: Value, value: Value, expected: &[&str]) {
    check_update(schema, value, None, expected);
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn check_update(schema: Value, value: Value, old: Option<Value>, expected: &[&str]) {
    let schema = json!({"type": "object", "properties": {"spec": schema}});
    let old = old.map(|old| json!({"spec": old}));
    let errors = validate(&json!({"spec": value}), &schema, old.as_ref());
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}

#[test]
fn values_are_judged_in_kubernetes_words() {
    check(
        json!({"type": "integer"}),
        json!("x"),
        &["spec: Invalid value: \"string\": spec in body must be of type integer: \"string\""],
    );
    check(
        json!({"type": "object", "required": ["a"]}),
        json!({}),
        &["spec.a: Required value"],
    );
    check(
        json!({"type": "string", "enum": ["A", "B"]}),
        json!("C"),
        &["spec: Unsupported value: \"C\": supported values: \"A\", \"B\""],
    );
    check(
        json!({"type": "string", "pattern": "^a+$"}),
        json!("b"),
        &["spec: Invalid value: \"b\": spec in body should match '^a+$'"],
    );
    check(
        json!({"type": "string", "minLength": 2, "pattern": "^a+$"}),
        json!("b"),
        &["spec: Invalid value: \"b\": spec in body should be at least 2 chars long"],
    );
    check(
        json!({"type": "integer", "minimum": 1}),
        json!(0),
        &["spec: Invalid value: 0: spec in body should be greater than or equal to 1"],
    );
    check(
        json!({"type": "array", "minItems": 2, "items": {"type": "string"}}),
        json!(["a"]),
        &["spec: Invalid value: 1: spec in body should have at least 2 items"],
    );
    check(
        json!({"type": "string", "format": "date"}),
        json!("x"),
        &["spec: Invalid value: \"x\": spec in body must be of type date: \"x\""],
    );
    check(
        json!({"x-kubernetes-int-or-string": true}),
        json!("10%"),
        &[],
    );
    check(
        json!({"type": "string", "nullable": true}),
        Value::Null,
        &[],
    );
    check(
        json!({"type": "string", "format": "no-such-format"}),
        json!("x"),
        &[],
    );
}

#[test]
fn combinations_say_what_failed_and_the_closest_alternative() {
    let either = json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "oneOf": [{"required": ["a"]}, {"required": ["b"]}]});
    check(either.clone(), json!({"a": "x"}), &[]);
    check(
        either.clone(),
        json!({"a": "x", "b": "y"}),
        &[
            "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ],
    );
    check(
        either,
        json!({}),
        &[
            "<nil>: Invalid value: \"\": \"spec\" must validate one and only one schema (oneOf). Found none valid",
            "spec.a: Required value",
        ],
    );
    check(
        json!({"type": "integer", "not": {"minimum": 5}}),
        json!(7),
        &["<nil>: Invalid value: \"\": \"spec\" must not validate the schema (not)"],
    );
}

#[test]
fn what_was_wrong_before_may_stay_and_nothing_else() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "string", "maxLength": 1}, "n": {"type": "integer"}}});
    let old = Some(json!({"a": "long", "n": 1}));
    check_update(
        schema.clone(),
        json!({"a": "long", "n": 2}),
        old.clone(),
        &[],
    );
    check_update(
        schema,
        json!({"a": "longer", "n": 1}),
        old,
        &["spec.a: Too long: may not be more than 1 bytes"],
    );
    let list = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {"type": "object", "required": ["v"], "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}});
    check_update(
        list.clone(),
        json!([{"k": "new", "v": "x"}, {"k": "old"}]),
        Some(json!([{"k": "old"}])),
        &[],
    );
    check_update(
        list,
        json!([{"k": "new"}]),
        Some(json!([{"k": "old"}])),
        &["spec[0].v: Required value"],
    );
}
