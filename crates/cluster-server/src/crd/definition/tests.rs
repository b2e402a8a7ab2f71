//! Definitions that Kubernetes refuses, with its places and words.

use serde_json::{Value, json};

use super::DEFINITION;
use crate::kinds::Strategy;

#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn definition(schema: Value) -> Value {
    json!({"metadata": {"name": "widgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
    }})
}

fn check(mut definition: Value, expected: &[&str]) {
    DEFINITION.default(&mut definition);
    DEFINITION.prepare_create(&mut definition);
    let errors = DEFINITION.validate_create(&definition);
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts, expected);
}

/// A schema of one property, `spec`.
#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn of_spec(schema: Value) -> Value {
    definition(json!({"type": "object", "properties": {"spec": schema}}))
}

#[test]
fn a_definition_says_what_its_objects_are_called() {
    check(definition(json!({"type": "object"})), &[]);
    let mut given = definition(json!({"type": "object"}));
    given["spec"]["group"] = "example".into();
    given["spec"]["scope"] = "Galaxy".into();
    given["spec"]["names"]["plural"] = "Widgets".into();
    check(
        given,
        &[
            "metadata.name: Invalid value: \"widgets.example.com\": must be spec.names.plural+\".\"+spec.group",
            "spec.group: Invalid value: \"example\": should be a domain with at least one dot",
            "spec.scope: Unsupported value: \"Galaxy\": supported values: \"Cluster\", \"Namespaced\"",
            "spec.names.plural: Invalid value: \"Widgets\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        ],
    );
}

#[test]
fn one_version_is_stored_and_each_has_a_name_of_its_own() {
    let mut given = definition(json!({"type": "object"}));
    given["spec"]["versions"][0]["storage"] = false.into();
    check(
        given,
        &[
            "spec.versions: Invalid value: [{\"Name\":\"v1\",\"Served\":true,\"Storage\":false,\"Deprecated\":false,\"DeprecationWarning\":null,\"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\"SelectableFields\":null}]: must have exactly one version marked as storage version",
            "status.storedVersions: Invalid value: null: must have at least one stored version",
        ],
    );
}

#[test]
fn a_schema_is_structural() {
    check(
        definition(json!({"properties": {"spec": {"properties": {"a": {}}}}})),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].properties[a].type: Required value: must not be empty for specified object fields",
            "spec.validation.openAPIV3Schema.properties[spec].type: Required value: must not be empty for specified object fields",
            "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root",
        ],
    );
    check(
        of_spec(json!({"type": "object", "anyOf": [{"properties": {"a": {"type": "string"}}}]})),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].anyOf[0].properties[a].type: Forbidden: must be empty to be structural",
        ],
    );
    check(
        of_spec(
            json!({"type": "object", "additionalProperties": {"type": "string"}, "properties": {"a": {"type": "string"}}}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ],
    );
    check(
        definition(
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
        ],
    );
}

#[test]
fn lists_that_are_maps_have_keys_that_are_always_there() {
    check(
        of_spec(
            json!({"type": "array", "x-kubernetes-list-type": "map", "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map",
        ],
    );
    check(
        of_spec(
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"],
            "items": {"type": "object", "properties": {"a": {"type": "string"}}}}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].items.properties[a].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ],
    );
}

#[test]
fn defaults_hold_what_the_schema_asks() {
    check(
        of_spec(
            json!({"type": "object", "default": {"b": 1}, "properties": {"a": {"type": "integer", "default": "x"}}}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].default: Invalid value: {\"b\":1}: must not have unknown fields",
            "spec.validation.openAPIV3Schema.properties[spec].properties[a].default: Invalid value: \"string\":  in body must be of type integer: \"string\"",
        ],
    );
}

#[test]
fn versions_that_differ_are_named_by_their_place() {
    let mut given = of_spec(json!({"type": "object"}));
    let mut second = given["spec"]["versions"][0].clone();
    second["name"] = "v2".into();
    second["storage"] = false.into();
    second["schema"]["openAPIV3Schema"]["properties"]["spec"] = json!({"type": "text"});
    second["additionalPrinterColumns"] =
        json!([{"name": "A", "type": "text", "jsonPath": "spec.a"}]);
    if let Some(versions) = given["spec"]["versions"].as_array_mut() {
        versions.push(second);
    }
    check(
        given,
        &[
            "spec.versions[1].schema.openAPIV3Schema.properties[spec].type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
            "spec.versions[1].additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string",
            "spec.versions[1].additionalPrinterColumns[0].JSONPath: Invalid value: \"spec.a\": must be a simple json path starting with .",
        ],
    );
}

#[test]
fn groups_of_the_community_need_an_approval() {
    let mut given = definition(json!({"type": "object"}));
    given["metadata"]["name"] = "widgets.x.k8s.io".into();
    given["spec"]["group"] = "x.k8s.io".into();
    check(
        given.clone(),
        &[
            "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have approval annotation \"api-approved.kubernetes.io\", see https://github.com/kubernetes/enhancements/pull/1111",
        ],
    );
    given["metadata"]["annotations"] = json!({"api-approved.kubernetes.io": "unapproved, a trial"});
    check(given, &[]);
}

#[test]
fn names_are_free_until_they_are_established() {
    let mut old = definition(json!({"type": "object"}));
    DEFINITION.default(&mut old);
    DEFINITION.prepare_create(&mut old);
    let mut new = old.clone();
    new["spec"]["scope"] = "Cluster".into();
    assert_eq!(DEFINITION.validate_update("", &new, &old), Vec::new());
    old["status"]["conditions"] = json!([{"type": "Established", "status": "True"}]);
    let texts: Vec<String> = DEFINITION
        .validate_update("", &new, &old)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts,
        ["spec.scope: Invalid value: \"Cluster\": field is immutable"]
    );
}

#[test]
fn rules_are_looked_at_one_by_one() {
    check(
        of_spec(
            json!({"type": "object", "x-kubernetes-validations": [{"rule": " "}, {"rule": "true", "fieldPath": ".x"}, {"rule": "true", "reason": "No"}]}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].rule: Required value: rule is not specified",
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[1].fieldPath: Invalid value: \".x\": must be a valid path",
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[2].reason: Unsupported value: \"No\": supported values: \"FieldValueDuplicate\", \"FieldValueForbidden\", \"FieldValueInvalid\", \"FieldValueRequired\"",
        ],
    );
    check(
        of_spec(
            json!({"type": "array", "items": {"type": "integer", "x-kubernetes-validations": [{"rule": "self >= oldSelf"}]}}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].items.x-kubernetes-validations[0].rule: Invalid value: \"self >= oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within spec.validation.openAPIV3Schema.properties[spec]",
        ],
    );
}

/// What is said of one rule of an object with a field `a`, after the place of the rule.
#[expect(
    clippy::needless_pass_by_value,
    reason = "literals read better without a borrow"
)]
fn check_rule(rule: Value, expected: &[&str]) {
    let place =
        "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations[0].".to_owned();
    let expected: Vec<String> = expected.iter().map(|text| place.clone() + text).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    check(
        of_spec(
            json!({"type": "object", "properties": {"a": {"type": "integer"}}, "x-kubernetes-validations": [rule]}),
        ),
        &expected,
    );
}

#[test]
fn a_rule_that_does_not_compile_is_refused_with_a_pointer_into_it() {
    check_rule(json!({"rule": "self.a > 1"}), &[]);
    check_rule(
        json!({"rule": "self.b > 1"}),
        &[
            "rule: Invalid value: {\"Rule\":\"self.b \\u003e 1\",\"Message\":\"\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}: compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b > 1\n | ....^",
        ],
    );
    check_rule(
        json!({"rule": "self.a == 'x'"}),
        &[
            "rule: Invalid value: {\"Rule\":\"self.a == 'x'\",\"Message\":\"\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}: compilation failed: ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(int, string)'\n | self.a == 'x'\n | .......^",
        ],
    );
    check_rule(
        json!({"rule": "self.a"}),
        &[
            "rule: Invalid value: {\"Rule\":\"self.a\",\"Message\":\"\",\"MessageExpression\":\"\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}: cel expression must evaluate to a bool",
        ],
    );
    check_rule(
        json!({"rule": "true", "messageExpression": "self.a", "optionalOldSelf": false}),
        &[
            "messageExpression: Invalid value: {\"Rule\":\"true\",\"Message\":\"\",\"MessageExpression\":\"self.a\",\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":false}: messageExpression must evaluate to a string",
            "optionalOldSelf: Invalid value: false: may not be set if oldSelf is not used in rule",
        ],
    );
    check(
        of_spec(
            json!({"x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-validations": [{"rule": "true"}]}),
        ),
        &[
            "spec.validation.openAPIV3Schema.properties[spec].x-kubernetes-validations: Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations",
        ],
    );
}
