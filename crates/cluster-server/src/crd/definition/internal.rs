//! Definitions as errors show them: Kubernetes prints its internal Go types, whose fields have no JSON names.

use serde_json::{Map, Value, json};

use super::spec::Common;

/// What the root of a schema may say beside its type, when there is a status subresource.
pub(super) const ALLOWED_AT_ROOT: [&str; 22] = [
    "Description",
    "Type",
    "Format",
    "Title",
    "Maximum",
    "ExclusiveMaximum",
    "Minimum",
    "ExclusiveMinimum",
    "MaxLength",
    "MinLength",
    "Pattern",
    "MaxItems",
    "MinItems",
    "UniqueItems",
    "MultipleOf",
    "Required",
    "Items",
    "Properties",
    "ExternalDocs",
    "Example",
    "XPreserveUnknownFields",
    "XValidations",
];

/// How a field is printed.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Flag,
    /// A pointer or a list: what is not there is `null`.
    Open,
    Schema,
    Schemas,
    SchemaMap,
    SchemaOrList,
    SchemaOrBool,
    Rules,
}

/// `JSONSchemaProps`: the Go name, the JSON name, the form.
const SCHEMA: &[(&str, &str, Form)] = &[
    ("ID", "id", Form::Text),
    ("Schema", "$schema", Form::Text),
    ("Ref", "$ref", Form::Open),
    ("Description", "description", Form::Text),
    ("Type", "type", Form::Text),
    ("Nullable", "nullable", Form::Flag),
    ("Format", "format", Form::Text),
    ("Title", "title", Form::Text),
    ("Default", "default", Form::Open),
    ("Maximum", "maximum", Form::Open),
    ("ExclusiveMaximum", "exclusiveMaximum", Form::Flag),
    ("Minimum", "minimum", Form::Open),
    ("ExclusiveMinimum", "exclusiveMinimum", Form::Flag),
    ("MaxLength", "maxLength", Form::Open),
    ("MinLength", "minLength", Form::Open),
    ("Pattern", "pattern", Form::Text),
    ("MaxItems", "maxItems", Form::Open),
    ("MinItems", "minItems", Form::Open),
    ("UniqueItems", "uniqueItems", Form::Flag),
    ("MultipleOf", "multipleOf", Form::Open),
    ("Enum", "enum", Form::Open),
    ("MaxProperties", "maxProperties", Form::Open),
    ("MinProperties", "minProperties", Form::Open),
    ("Required", "required", Form::Open),
    ("Items", "items", Form::SchemaOrList),
    ("AllOf", "allOf", Form::Schemas),
    ("OneOf", "oneOf", Form::Schemas),
    ("AnyOf", "anyOf", Form::Schemas),
    ("Not", "not", Form::Schema),
    ("Properties", "properties", Form::SchemaMap),
    (
        "AdditionalProperties",
        "additionalProperties",
        Form::SchemaOrBool,
    ),
    ("PatternProperties", "patternProperties", Form::SchemaMap),
    ("Dependencies", "dependencies", Form::Open),
    ("AdditionalItems", "additionalItems", Form::SchemaOrBool),
    ("Definitions", "definitions", Form::SchemaMap),
    ("ExternalDocs", "externalDocs", Form::Open),
    ("Example", "example", Form::Open),
    (
        "XPreserveUnknownFields",
        "x-kubernetes-preserve-unknown-fields",
        Form::Open,
    ),
    (
        "XEmbeddedResource",
        "x-kubernetes-embedded-resource",
        Form::Flag,
    ),
    ("XIntOrString", "x-kubernetes-int-or-string", Form::Flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Form::Open),
    ("XListType", "x-kubernetes-list-type", Form::Open),
    ("XMapType", "x-kubernetes-map-type", Form::Open),
    ("XValidations", "x-kubernetes-validations", Form::Rules),
];

/// The Go names of the fields that a schema sets.
pub(super) fn set_fields(schema: &Value) -> impl Iterator<Item = &'static str> {
    SCHEMA
        .iter()
        .filter(|(_, key, _)| match schema.get(*key) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(_) => true,
        })
        .map(|(name, ..)| *name)
}

/// `JSONSchemaProps`.
pub(super) fn schema(given: &Value) -> Value {
    if !given.is_object() {
        return Value::Null;
    }
    let fields = SCHEMA
        .iter()
        .map(|(name, key, form)| ((*name).to_owned(), field(&given[*key], *form)));
    Value::Object(fields.collect())
}

fn field(value: &Value, form: Form) -> Value {
    if value.is_null() && matches!(form, Form::SchemaOrList | Form::SchemaOrBool) {
        return Value::Null;
    }
    let list = || value.as_array().map(|all| all.iter().map(schema).collect());
    match form {
        Form::Text => value.as_str().unwrap_or_default().into(),
        Form::Flag => (value == true).into(),
        Form::Open => value.clone(),
        Form::Schema => schema(value),
        Form::Schemas => list().unwrap_or(Value::Null),
        Form::SchemaMap => value.as_object().map_or(Value::Null, sorted),
        Form::SchemaOrList => {
            json!({"Schema": schema(value), "JSONSchemas": list().unwrap_or(Value::Null)})
        }
        Form::SchemaOrBool => json!({"Allows": value != false, "Schema": schema(value)}),
        Form::Rules => value.as_array().map_or(Value::Null, |rules| {
            rules.iter().map(rule).collect::<Vec<_>>().into()
        }),
    }
}

fn sorted(fields: &Map<String, Value>) -> Value {
    let mut names: Vec<&String> = fields.keys().collect();
    names.sort();
    let entries = names
        .into_iter()
        .map(|name| (name.clone(), schema(&fields[name])));
    Value::Object(entries.collect())
}

/// `ValidationRule`.
pub(super) fn rule(given: &Value) -> Value {
    let text = |key: &str| given[key].as_str().unwrap_or_default();
    json!({
        "Rule": text("rule"), "Message": text("message"), "MessageExpression": text("messageExpression"),
        "Reason": given["reason"], "FieldPath": text("fieldPath"), "OptionalOldSelf": given["optionalOldSelf"],
    })
}

/// `[]CustomResourceDefinitionVersion`; what stands above the versions is not in them.
pub(super) fn versions(all: &[Value], common: Common) -> Value {
    if all.is_empty() {
        return Value::Null;
    }
    let one = |version: &Value| {
        let unless = |common: bool, value: Value| if common { Value::Null } else { value };
        json!({
            "Name": version["name"].as_str().unwrap_or_default(), "Served": version["served"] == true,
            "Storage": version["storage"] == true, "Deprecated": version["deprecated"] == true,
            "DeprecationWarning": version["deprecationWarning"],
            "Schema": unless(common.schema, holder(&version["schema"])),
            "Subresources": unless(common.subresources, subresources(&version["subresources"])),
            "AdditionalPrinterColumns": unless(common.columns, columns(&version["additionalPrinterColumns"])),
            "SelectableFields": unless(common.selectable, selectable(&version["selectableFields"])),
        })
    };
    all.iter().map(one).collect()
}

fn holder(given: &Value) -> Value {
    if given.is_object() {
        json!({"OpenAPIV3Schema": schema(&given["openAPIV3Schema"])})
    } else {
        Value::Null
    }
}

fn subresources(given: &Value) -> Value {
    if !given.is_object() {
        return Value::Null;
    }
    let scale = &given["scale"];
    let scale = if scale.is_object() {
        let text = |key: &str| scale[key].as_str().unwrap_or_default();
        json!({
            "SpecReplicasPath": text("specReplicasPath"), "StatusReplicasPath": text("statusReplicasPath"),
            "LabelSelectorPath": scale["labelSelectorPath"],
        })
    } else {
        Value::Null
    };
    json!({"Status": given["status"], "Scale": scale})
}

fn columns(given: &Value) -> Value {
    let one = |column: &Value| {
        let text = |key: &str| column[key].as_str().unwrap_or_default();
        json!({
            "Name": text("name"), "Type": text("type"), "Format": text("format"), "Description": text("description"),
            "Priority": column["priority"].as_i64().unwrap_or(0), "JSONPath": text("jsonPath"),
        })
    };
    given
        .as_array()
        .map_or(Value::Null, |all| all.iter().map(one).collect())
}

fn selectable(given: &Value) -> Value {
    given.as_array().map_or(Value::Null, |all| {
        all.iter()
            .map(|one| json!({"JSONPath": one["jsonPath"]}))
            .collect()
    })
}
