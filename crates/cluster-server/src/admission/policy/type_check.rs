//! What a policy's expressions would stumble over, told before they do (`validating.TypeChecker`): each is compiled once
//! more with `object` of every kind that the policy's rules name outright.

use expression::{Environment, Type};
use schemars::SchemaGenerator;
use serde_json::{Value, json};

use super::super::conditions;
use super::variables_type;
use crate::kinds::{BUILTIN, Kinds, Resource};

/// Kinds beyond these are not looked at.
const MOST_KINDS: usize = 10;
/// How deep a schema is followed: what contains itself has to end somewhere.
const DEEPEST: usize = 16;

/// The `expressionWarnings` of a policy.
pub fn warnings(kinds: &Kinds, policy: &Value) -> Vec<Value> {
    let spec = &policy["spec"];
    let parameters =
        (!spec["paramKind"].is_null()).then(|| parameter_type(kinds, &spec["paramKind"]));
    let checked: Vec<(String, Environment)> = kinds_of(kinds, spec)
        .iter()
        .map(|resource| {
            (
                described(resource),
                environment(spec, &object_type(resource), parameters.as_ref()),
            )
        })
        .collect();
    let mut out = Vec::new();
    let validations = spec["validations"].as_array().into_iter().flatten();
    for (at, validation) in validations.enumerate() {
        for field in ["expression", "messageExpression"] {
            let Some(source) = validation[field]
                .as_str()
                .filter(|source| !source.is_empty())
            else {
                continue;
            };
            let faults: Vec<String> = checked
                .iter()
                .filter_map(|(kind, environment)| {
                    let error = environment.compile(source).err()?;
                    Some(format!("{kind}: {error}\n"))
                })
                .collect();
            if !faults.is_empty() {
                let field = format!("spec.validations[{at}].{field}");
                out.push(json!({"fieldRef": field, "warning": faults.join("\n")}));
            }
        }
    }
    out
}

/// A kind as Go prints a `GroupVersionKind`.
fn described(resource: &Resource) -> String {
    format!(
        "{}/{}, Kind={}",
        resource.group, resource.version, resource.kind
    )
}

/// The kinds that the rules name without any star.
fn kinds_of(kinds: &Kinds, spec: &Value) -> Vec<std::sync::Arc<Resource>> {
    let mut out: Vec<std::sync::Arc<Resource>> = Vec::new();
    let rules = spec["matchConstraints"]["resourceRules"].as_array();
    for rule in rules.into_iter().flatten() {
        let list = |field: &str| -> Vec<&str> {
            rule[field]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect()
        };
        let (groups, versions) = (list("apiGroups"), list("apiVersions"));
        if groups
            .iter()
            .chain(&versions)
            .any(|text| text.contains('*'))
        {
            continue;
        }
        let resources = list("resources")
            .into_iter()
            .filter(|name| !name.contains(['*', '/']));
        for plural in resources {
            for (group, version) in groups
                .iter()
                .flat_map(|group| versions.iter().map(move |version| (group, version)))
            {
                out.extend(kinds.resolve(group, version, plural));
            }
        }
    }
    out.sort_by_key(|resource| {
        (
            resource.group.clone(),
            resource.version.clone(),
            resource.kind.clone(),
        )
    });
    out.dedup_by_key(|resource| described(resource));
    out.truncate(MOST_KINDS);
    out
}

/// The variables of the policy's expressions, with the object of one type.
fn environment(spec: &Value, object: &Type, parameters: Option<&Type>) -> Environment {
    let mut environment = conditions::environment(parameters.is_some(), true)
        .with("object", object.clone())
        .with("oldObject", object.clone());
    if let Some(parameters) = parameters {
        environment.declare("params", parameters.clone());
    }
    let mut declared = Vec::new();
    environment.declare("variables", variables_type(&declared));
    for variable in spec["variables"].as_array().into_iter().flatten() {
        let text = |name: &str| variable[name].as_str().unwrap_or_default();
        let compiled = environment.compile(text("expression"));
        let of = compiled.map_or(Type::Dyn, |compiled| compiled.result().clone());
        declared.push((text("name").to_owned(), of));
        environment.declare("variables", variables_type(&declared));
    }
    environment
}

fn parameter_type(kinds: &Kinds, kind: &Value) -> Type {
    let text = |name: &str| kind[name].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    kinds
        .by_kind(group, version, text("kind"))
        .map_or(Type::Dyn, |resource| object_type(&resource))
}

/// The type of a resource's objects, from its schema.
fn object_type(resource: &Resource) -> Type {
    if let Some(schema) = &resource.schema {
        return of_schema(schema, &Value::Null, &resource.kind, 0);
    }
    let builtin = BUILTIN.iter().find(|one| {
        one.group == resource.group && one.version == resource.version && one.kind == resource.kind
    });
    let Some(builtin) = builtin else {
        return Type::Dyn;
    };
    let mut generator = SchemaGenerator::default();
    let root = (builtin.schema)(&mut generator).to_value();
    let definitions = Value::Object(generator.take_definitions(true));
    of_schema(&root, &definitions, &resource.kind, 0)
}

/// `common.SchemaDeclType`.
fn of_schema(schema: &Value, definitions: &Value, name: &str, depth: usize) -> Type {
    if depth > DEEPEST || schema["x-kubernetes-int-or-string"] == true {
        return Type::Dyn;
    }
    let inner = |schema: &Value, part: &str| {
        of_schema(schema, definitions, &format!("{name}.{part}"), depth + 1)
    };
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference.rsplit('/').next().unwrap_or_default();
        return of_schema(&definitions[target], definitions, name, depth + 1);
    }
    if let Some([one]) = schema["allOf"].as_array().map(Vec::as_slice) {
        return of_schema(one, definitions, name, depth + 1);
    }
    let kind = match &schema["type"] {
        Value::Array(several) => several
            .iter()
            .filter_map(Value::as_str)
            .find(|one| *one != "null"),
        one => one.as_str(),
    };
    match (kind, schema["format"].as_str()) {
        (Some("string"), Some("date-time")) => Type::Timestamp,
        (Some("string"), Some("duration")) => Type::Duration,
        (Some("string"), Some("byte")) => Type::Bytes,
        (Some("string"), _) => Type::String,
        (Some("boolean"), _) => Type::Bool,
        (Some("integer"), _) => Type::Int,
        (Some("number"), _) => Type::Double,
        (Some("array"), _) => Type::list(inner(&schema["items"], "@idx")),
        (Some("object"), _) => match (
            schema["properties"].as_object(),
            &schema["additionalProperties"],
        ) {
            (Some(properties), _) if !properties.is_empty() => Type::object(
                name,
                properties
                    .iter()
                    .filter_map(|(key, value)| Some((expression::escape(key)?, inner(value, key)))),
            ),
            (_, value) if value.is_object() => Type::map(Type::String, inner(value, "@elem")),
            _ => Type::Dyn,
        },
        _ => Type::Dyn,
    }
}
