//! OpenAPI documents: good enough for `kubectl explain`, `apply`, `create` and `edit`.
//!
//! Schemas are those that the types of `k8s-openapi` carry, with list keys from the one table of [`merging`]; custom
//! resources bring their own. There is a path with its parameters for every resource, and no more about it.

mod gnostic;

use http::HeaderMap;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use super::VERSION;
use crate::http::Document;
use crate::kinds::merging::{self, Merging, Patch, Topology};
use crate::kinds::{BUILTIN, Kinds, Resource};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The media type of OpenAPI v2 as protobuf.
pub(super) const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// In which form a document is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As JSON.
    Json,
    /// As protobuf.
    Protobuf,
}

/// The form that the client takes, if it is one that there is.
pub(super) fn form(headers: &HeaderMap) -> Option<Form> {
    let accept = headers.get(http::header::ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let mut ranges = accept
        .unwrap_or("*/*")
        .split(',')
        .map(|range| range.split(';').next().unwrap_or_default().trim());
    ranges.find_map(|range| match range {
        "" | "*/*" | "application/*" | "application/json" => Some(Form::Json),
        PROTOBUF | "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" => {
            Some(Form::Protobuf)
        }
        _ => None,
    })
}

/// The document below `/openapi/`.
pub(super) fn document(kinds: &Kinds, path: &[&str], kind: &'static str) -> Option<Document> {
    let value = match path {
        ["v2"] => version_two(kinds),
        ["v3"] => index(kinds),
        ["v3", "api", version] => version_three(kinds, "", version)?,
        ["v3", "apis", group, version] => version_three(kinds, group, version)?,
        _ => return None,
    };
    let text = value.to_string();
    let etag = format!("\"{}\"", hash(&text));
    let bytes = if kind == PROTOBUF {
        gnostic::encode(&value).into()
    } else {
        text.into()
    };
    Some(Document {
        kind,
        bytes,
        etag,
        cache: "no-cache, private",
    })
}

fn hash(text: &str) -> String {
    hex::encode_upper(Sha512::digest(text))
}

/// `/openapi/v3`: where the documents are.
fn index(kinds: &Kinds) -> Value {
    let mut paths = Map::new();
    for resource in kinds.all() {
        let path = base(&resource);
        let path = path.trim_start_matches('/').to_owned();
        if paths.contains_key(&path) {
            continue;
        }
        let document = version_three(kinds, &resource.group, &resource.version);
        let hash = hash(&document.unwrap_or_default().to_string());
        let url = format!("/openapi/v3/{path}?hash={hash}");
        paths.insert(path, json!({"serverRelativeURL": url}));
    }
    json!({"paths": paths})
}

fn version_three(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let resources: Vec<_> = kinds
        .all()
        .into_iter()
        .filter(|r| r.group == group && r.version == version)
        .collect();
    if resources.is_empty() {
        return None;
    }
    let mut paths = Map::new();
    for resource in &resources {
        add_paths(&mut paths, resource);
    }
    let schemas = schemas(resources.iter().map(AsRef::as_ref));
    Some(
        json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": schemas}}),
    )
}

fn version_two(kinds: &Kinds) -> Value {
    let resources = kinds.all();
    let mut paths = Map::new();
    for resource in &resources {
        add_paths(&mut paths, resource);
    }
    let mut schemas = Value::Object(schemas(resources.iter().map(AsRef::as_ref)));
    rename_references(&mut schemas);
    json!({"swagger": "2.0", "info": info(), "paths": paths, "definitions": schemas})
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": VERSION})
}

/// `/api/v1`, `/apis/apps/v1`.
fn base(resource: &Resource) -> String {
    let root = if resource.group.is_empty() {
        "api"
    } else {
        "apis"
    };
    format!("/{root}/{}", resource.api_version())
}

fn schemas<'a>(resources: impl Iterator<Item = &'a Resource>) -> Map<String, Value> {
    let mut generator = SchemaSettings::openapi3().into_generator();
    let (mut named, mut custom) = (Vec::new(), Map::new());
    for resource in resources {
        let builtin = BUILTIN.iter().find(|k| {
            k.group == resource.group && k.version == resource.version && k.kind == resource.kind
        });
        if let Some(kind) = builtin.filter(|_| !resource.custom) {
            let schema = (kind.schema)(&mut generator);
            let name = schema
                .get("$ref")
                .and_then(Value::as_str)
                .and_then(|r| r.rsplit('/').next())
                .unwrap_or_default();
            named.push((name.to_owned(), identity(resource)));
        } else {
            custom.insert(custom_name(resource), custom_schema(resource));
        }
    }
    if !custom.is_empty() {
        generator.subschema_for::<k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta>();
    }
    let mut out = generator.take_definitions(false);
    for (name, identity) in named {
        if let Some(schema) = out.get_mut(&name) {
            // Its Rust type must have one; a client need not say it.
            if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
                required.retain(|field| field != "metadata");
            }
            if schema["required"].as_array().is_some_and(Vec::is_empty) {
                schema.as_object_mut().map(|s| s.shift_remove("required"));
            }
            schema["x-kubernetes-group-version-kind"] = json!([identity]);
        }
    }
    for (name, schema) in &mut out {
        annotate_fields(name, schema);
        annotate(schema);
    }
    out.extend(custom);
    out
}

fn identity(resource: &Resource) -> Value {
    json!({"group": resource.group, "kind": resource.kind, "version": resource.version})
}

/// `com.example.v1.Widget`.
fn custom_name(resource: &Resource) -> String {
    let reversed: Vec<&str> = resource.group.rsplit('.').collect();
    format!(
        "{}.{}.{}",
        reversed.join("."),
        resource.version,
        resource.kind
    )
}

fn custom_schema(resource: &Resource) -> Value {
    let mut schema = resource
        .schema
        .clone()
        .unwrap_or_else(|| json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}));
    let properties = &mut schema["properties"];
    properties["apiVersion"] = json!({"type": "string", "description": "APIVersion defines the versioned schema of this representation of an object."});
    properties["kind"] = json!({"type": "string", "description": "Kind is a string value representing the REST resource this object represents."});
    let reference = format!("#/components/schemas/{OBJECT_META}");
    properties["metadata"] =
        json!({"description": "Standard object's metadata.", "allOf": [{"$ref": reference}]});
    schema["x-kubernetes-group-version-kind"] = json!([identity(resource)]);
    schema
}

/// A reference may have no neighbours in OpenAPI 3.0.
fn annotate(schema: &mut Value) {
    if let Some(fields) = schema.as_object_mut()
        && fields.len() > 1
        && let Some(reference) = fields.shift_remove("$ref")
    {
        fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(annotate),
        Value::Array(items) => items.iter_mut().for_each(annotate),
        _ => {}
    }
}

/// What merging goes by: of a Go type's lists and maps.
fn annotate_fields(name: &str, schema: &mut Value) {
    let owner = name.rsplit('.').next().unwrap_or(name);
    if merging::is_atomic(owner) {
        schema["x-kubernetes-map-type"] = "atomic".into();
    }
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (field, property) in properties.into_iter().flatten() {
        let merging = merging::of_field(owner, field);
        if property["type"] == "array" {
            annotate_list(property, merging);
        } else if merging.is_some_and(|merging| merging.topology == Topology::Atomic) {
            property["x-kubernetes-map-type"] = "atomic".into();
        }
    }
}

fn annotate_list(property: &mut Value, merging: Option<Merging>) {
    let patch = merging.map_or(Patch::Replace, |merging| merging.patch);
    if let Some(strategy) = match patch {
        Patch::Replace | Patch::Whole => None,
        Patch::Set | Patch::ByKey(_) => Some("merge"),
        Patch::Retaining(_) => Some("merge,retainKeys"),
    } {
        property["x-kubernetes-patch-strategy"] = strategy.into();
    }
    if let Some(key) = patch.key() {
        property["x-kubernetes-patch-merge-key"] = key.into();
    }
    let kind = match merging.map(|merging| merging.topology) {
        None | Some(Topology::Atomic | Topology::Granular) => "atomic",
        Some(Topology::Set) => "set",
        Some(Topology::Map(keys)) => {
            property["x-kubernetes-list-map-keys"] = json!(keys);
            "map"
        }
    };
    property["x-kubernetes-list-type"] = kind.into();
}

fn rename_references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match value {
                    Value::String(text) if key == "$ref" => {
                        *text = text.replace("#/components/schemas/", "#/definitions/");
                    }
                    other => rename_references(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(rename_references),
        _ => {}
    }
}

/// The collection's path and the object's.
fn add_paths(paths: &mut Map<String, Value>, resource: &Resource) {
    let scope = if resource.namespaced {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let collection = format!("{}{scope}/{}", base(resource), resource.plural);
    let single = format!("{collection}/{{name}}");
    let mut entries = [(collection, Map::new()), (single, Map::new())];
    for verb in &resource.verbs {
        let (at, method, action) = match verb.as_str() {
            "list" => (0, "get", "list"),
            "create" => (0, "post", "post"),
            "deletecollection" => (0, "delete", "deletecollection"),
            "get" => (1, "get", "get"),
            "update" => (1, "put", "put"),
            "patch" => (1, "patch", "patch"),
            "delete" => (1, "delete", "delete"),
            _ => continue,
        };
        entries[at]
            .1
            .insert(method.to_owned(), operation(resource, action));
    }
    paths.extend(
        entries
            .into_iter()
            .filter(|(_, methods)| !methods.is_empty())
            .map(|(path, methods)| (path, Value::Object(methods))),
    );
}

fn operation(resource: &Resource, action: &str) -> Value {
    let parameters: &[&str] = match action {
        "post" | "put" => &["dryRun", "fieldManager", "fieldValidation"],
        "patch" => &["dryRun", "fieldManager", "fieldValidation", "force"],
        "delete" => &[
            "dryRun",
            "gracePeriodSeconds",
            "orphanDependents",
            "propagationPolicy",
        ],
        "list" => &[
            "continue",
            "fieldSelector",
            "labelSelector",
            "limit",
            "resourceVersion",
            "watch",
        ],
        _ => &[],
    };
    let parameters: Vec<Value> = parameters
        .iter()
        .map(|name| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}}))
        .collect();
    json!({
        "parameters": parameters,
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": identity(resource),
    })
}
