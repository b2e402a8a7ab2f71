//! The CustomResourceDefinitions.

use serde_json::Value;

fn crds() -> Vec<Value> {
    let crds = api::crds();
    crds.iter()
        .map(|c| serde_json::to_value(c).unwrap())
        .collect()
}

#[test]
fn the_three_objects_have_their_names() {
    let names: Vec<(String, String, String)> = crds()
        .iter()
        .map(|crd| {
            let text = |path: &str| crd.pointer(path).unwrap().as_str().unwrap().to_owned();
            (
                text("/metadata/name"),
                text("/spec/scope"),
                text("/spec/names/shortNames/0"),
            )
        })
        .collect();
    let named = |name: &str, scope: &str, short: &str| {
        (name.to_owned(), scope.to_owned(), short.to_owned())
    };
    assert_eq!(
        names,
        [
            named("debugpolicies.ephemera.dev", "Cluster", "dpol"),
            named("debugsessions.ephemera.dev", "Namespaced", "dsess"),
            named("debugapprovals.ephemera.dev", "Namespaced", "dappr"),
        ]
    );
}

/// What the API server demands of a structural schema, as far as ours could break it.
fn structural(path: &str, schema: &Value, wrong: &mut Vec<String>) {
    for word in ["$ref", "definitions", "$defs", "const", "if"] {
        if schema.get(word).is_some() {
            wrong.push(format!("{path}: {word}"));
        }
    }
    if schema["type"].is_null() && schema["x-kubernetes-preserve-unknown-fields"].is_null() {
        wrong.push(format!("{path}: no type"));
    }
    if schema["description"].is_null() && !path.contains("Selector") && !path.ends_with(']') {
        wrong.push(format!("{path}: no description"));
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        structural(&format!("{path}.{name}"), property, wrong);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner_schema) = schema.get(inner).filter(|s| s.is_object()) {
            structural(&format!("{path}[{inner}]"), inner_schema, wrong);
        }
    }
}

#[test]
fn schemas_are_structural_and_every_field_is_described() {
    for crd in crds() {
        let mut wrong = Vec::new();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for field in ["spec", "status"] {
            if let Some(part) = schema["properties"].get(field) {
                structural(field, part, &mut wrong);
            }
        }
        assert_eq!(wrong, Vec::<String>::new(), "{}", crd["metadata"]["name"]);
    }
}

#[test]
fn what_was_asked_or_said_cannot_be_changed() {
    let rules: Vec<Value> = crds()
        .iter()
        .map(|crd| {
            let path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations/0/rule";
            crd.pointer(path).cloned().unwrap_or_default()
        })
        .collect();
    assert_eq!(
        rules,
        [
            Value::Null,
            "self == oldSelf".into(),
            "self == oldSelf".into()
        ]
    );
}

#[test]
fn the_container_keeps_fields_that_nobody_knows() {
    let crd = &crds()[1];
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties";
    for path in ["spec/properties/container", "status/properties/container"] {
        let container = crd.pointer(&format!("{schema}/{path}")).unwrap();
        assert_eq!(container["type"], "object", "{path}");
        assert_eq!(
            container["x-kubernetes-preserve-unknown-fields"], true,
            "{path}"
        );
    }
    assert!(
        crd.pointer("/spec/versions/0/subresources/status")
            .is_some()
    );
}
