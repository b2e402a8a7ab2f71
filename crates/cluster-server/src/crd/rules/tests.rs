//! Rules of custom resources: what compiles, what they say, and what they may cost.

use serde_json::{Value, json};

use crate::crd::rules::Rules;

/// What is said of `new`, which replaces `old`, in a field `spec` of that schema.
fn check(schema: &Value, old: Option<&Value>, new: &Value, expected: &[&str]) {
    let schema = json!({"type": "object", "properties": {"spec": schema}});
    let rules = Rules::of(&schema).expect("rules");
    let object = |spec: &Value| json!({"metadata": {"name": "n"}, "spec": spec});
    let old = old.map(object);
    let errors = rules.check(&schema, &object(new), old.as_ref());
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected, "{schema}");
}

fn number(rule: &Value) -> Value {
    json!({"type": "integer", "x-kubernetes-validations": [rule]})
}

#[test]
fn a_rule_that_does_not_hold_is_said_in_its_words_at_its_place() {
    check(
        &number(&json!({"rule": "self > 2"})),
        None,
        &json!(1),
        &["spec: Invalid value: 1: failed rule: self > 2"],
    );
    check(
        &number(
            &json!({"rule": "self > 2", "message": "more", "messageExpression": "'more than ' + string(self)"}),
        ),
        None,
        &json!(1),
        &["spec: Invalid value: 1: more than 1"],
    );
    check(
        &number(&json!({"rule": "self > 2", "message": "more", "messageExpression": "' '"})),
        None,
        &json!(1),
        &["spec: Invalid value: 1: more"],
    );
    check(
        &number(&json!({"rule": "self > 2", "message": "m", "reason": "FieldValueForbidden"})),
        None,
        &json!(1),
        &["spec: Forbidden: m"],
    );
    check(
        &number(&json!({"rule": "self > 2", "message": "m", "reason": "FieldValueDuplicate"})),
        None,
        &json!(1),
        &["spec: Duplicate value: 1"],
    );
    let object = json!({
        "type": "object", "properties": {"a": {"type": "string"}},
        "x-kubernetes-validations": [{"rule": "self.a == ''", "fieldPath": ".a", "message": "m"}],
    });
    check(
        &object,
        None,
        &json!({"a": "x"}),
        &["spec.a: Invalid value: m"],
    );
    check(
        &object,
        None,
        &json!({}),
        &["spec: Invalid value: \"object\": no such key: a evaluating rule: m"],
    );
    let either = json!({"x-kubernetes-int-or-string": true, "x-kubernetes-validations": [{"rule": "self > 2"}]});
    check(
        &either,
        None,
        &json!("x"),
        &[
            "spec: Invalid value: \"\": 'no such overload': call arguments did not match a supported operator, function or macro signature for rule: self > 2",
        ],
    );
}

#[test]
fn a_transition_rule_compares_with_what_was_there() {
    let rule = number(&json!({"rule": "self >= oldSelf", "message": "never less"}));
    check(&rule, None, &json!(1), &[]);
    check(&rule, Some(&json!(1)), &json!(2), &[]);
    check(
        &rule,
        Some(&json!(2)),
        &json!(1),
        &["spec: Invalid value: 1: never less"],
    );
    let optional = number(
        &json!({"rule": "oldSelf.hasValue() || self == 0", "message": "starts at 0", "optionalOldSelf": true}),
    );
    check(
        &optional,
        None,
        &json!(1),
        &["spec: Invalid value: 1: starts at 0"],
    );
    check(&optional, Some(&json!(0)), &json!(1), &[]);
    let list = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
        "items": {
            "type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v == oldSelf.v", "message": "v stays"}],
        },
    });
    check(
        &list,
        Some(&json!([{"k": "a", "v": 1}, {"k": "b", "v": 2}])),
        &json!([{"k": "b", "v": 3}, {"k": "a", "v": 1}, {"k": "c", "v": 9}]),
        &["spec[0]: Invalid value: v stays"],
    );
    let open = json!({
        "type": "object", "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "immutable"}],
    });
    check(
        &open,
        Some(&json!({"any": 1})),
        &json!({"any": 2}),
        &["spec: Invalid value: immutable"],
    );
}

#[test]
fn what_has_not_changed_is_not_judged_again() {
    let schema = json!({
        "type": "object",
        "properties": {"a": number(&json!({"rule": "self > 2", "message": "more"})), "b": {"type": "integer"}},
    });
    check(
        &schema,
        Some(&json!({"a": 1, "b": 1})),
        &json!({"a": 1, "b": 2}),
        &[],
    );
    check(
        &schema,
        Some(&json!({"a": 1})),
        &json!({"a": 2}),
        &["spec.a: Invalid value: 2: more"],
    );
    let whole = json!({"type": "object", "properties": {"spec": schema}});
    let (old, new) = (
        json!({"spec": {"a": 1, "b": 1}}),
        json!({"spec": {"a": 1, "b": 2}}),
    );
    let let_through = Rules::of(&whole)
        .expect("rules")
        .let_through(&whole, &new, &old);
    let texts: Vec<String> = let_through.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["spec.a: Invalid value: 1: more"]);
}

#[test]
fn a_rule_that_costs_too_much_ends_the_judgement() {
    let list = |rules: Value| json!({"type": "array", "items": {"type": "integer"}, "x-kubernetes-validations": rules});
    let items: Value = (0..400).collect();
    let cubed = "self.all(a, self.all(b, self.all(c, a + b + c >= 0)))";
    check(
        &list(json!([{"rule": cubed}, {"rule": "false"}])),
        None,
        &items,
        &[&format!(
            "spec: Invalid value: \"array\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: {cubed}"
        )],
    );
    // Each for itself is cheap enough, all together are not.
    let squared = json!({"rule": "self.all(a, self.all(b, a + b >= 0))"});
    check(
        &list(Value::Array(vec![squared; 20])),
        None,
        &items,
        &[
            "spec: Invalid value: \"array\": validation failed due to running out of cost budget, no further validation rules will be run",
        ],
    );
}
