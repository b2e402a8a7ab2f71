//! OpenAPI v2 as protobuf (`gnostic/openapiv2/OpenAPIv2.proto`): kubectl reads definitions in no other form.
//!
//! **In scope:** the definitions, with what kubectl looks at in them. **Out of scope:** paths.

use prost::Message;
use serde_json::Value;

#[derive(Clone, PartialEq, Message)]
struct Document {
    #[prost(string, tag = "1")]
    swagger: String,
    #[prost(message, optional, tag = "2")]
    info: Option<Info>,
    #[prost(message, optional, tag = "8")]
    paths: Option<Paths>,
    #[prost(message, optional, tag = "9")]
    definitions: Option<Schemas>,
}

#[derive(Clone, PartialEq, Message)]
struct Info {
    #[prost(string, tag = "1")]
    title: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Paths {}

/// `Definitions`, and `Properties`.
#[derive(Clone, PartialEq, Message)]
struct Schemas {
    #[prost(message, repeated, tag = "1")]
    named: Vec<NamedSchema>,
}

#[derive(Clone, PartialEq, Message)]
struct NamedSchema {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Schema>,
}

#[derive(Clone, PartialEq, Message)]
struct Schema {
    #[prost(string, tag = "1")]
    reference: String,
    #[prost(string, tag = "2")]
    format: String,
    #[prost(string, tag = "4")]
    description: String,
    #[prost(string, repeated, tag = "19")]
    required: Vec<String>,
    #[prost(message, optional, boxed, tag = "21")]
    additional: Option<Box<Additional>>,
    #[prost(message, optional, tag = "22")]
    kinds: Option<Strings>,
    #[prost(message, optional, tag = "23")]
    items: Option<Items>,
    #[prost(message, optional, tag = "25")]
    properties: Option<Schemas>,
    #[prost(message, repeated, tag = "31")]
    extensions: Vec<NamedAny>,
}

/// `AdditionalPropertiesItem`: one of both.
#[derive(Clone, PartialEq, Message)]
struct Additional {
    #[prost(message, optional, boxed, tag = "1")]
    schema: Option<Box<Schema>>,
}

#[derive(Clone, PartialEq, Message)]
struct Strings {
    #[prost(string, repeated, tag = "1")]
    value: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Items {
    #[prost(message, repeated, tag = "1")]
    schema: Vec<Schema>,
}

#[derive(Clone, PartialEq, Message)]
struct NamedAny {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "2")]
    yaml: String,
}

/// The JSON document as protobuf.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let info = &document["info"];
    Document {
        swagger: text(&document["swagger"]),
        info: Some(Info {
            title: text(&info["title"]),
            version: text(&info["version"]),
        }),
        paths: Some(Paths {}),
        definitions: Some(schemas(&document["definitions"])),
    }
    .encode_to_vec()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn schemas(value: &Value) -> Schemas {
    let fields = value.as_object().into_iter().flatten();
    let named = fields.map(|(name, value)| NamedSchema {
        name: name.clone(),
        value: Some(schema(value)),
    });
    Schemas {
        named: named.collect(),
    }
}

fn schema(value: &Value) -> Schema {
    // OpenAPI 3.0 has a reference's neighbours beside an `allOf` of one; version 2 has them beside the reference.
    let reference = match value["allOf"].as_array().map(Vec::as_slice) {
        Some([only]) => &only["$ref"],
        _ => &value["$ref"],
    };
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().map(text).collect()
    };
    let fields = value.as_object().into_iter().flatten();
    let extensions = fields.filter(|(key, _)| key.starts_with("x-"));
    let extensions = extensions.map(|(name, value)| NamedAny {
        name: name.clone(),
        // JSON is YAML.
        value: Some(Any {
            yaml: value.to_string(),
        }),
    });
    let kind = value["type"].as_str();
    Schema {
        reference: text(reference),
        format: text(&value["format"]),
        description: text(&value["description"]),
        required: strings(&value["required"]),
        additional: value["additionalProperties"].as_object().map(|_| {
            Box::new(Additional {
                schema: Some(Box::new(schema(&value["additionalProperties"]))),
            })
        }),
        kinds: kind.map(|kind| Strings {
            value: vec![kind.to_owned()],
        }),
        items: value["items"].as_object().map(|_| Items {
            schema: vec![schema(&value["items"])],
        }),
        properties: value["properties"]
            .as_object()
            .map(|_| schemas(&value["properties"])),
        extensions: extensions.collect(),
    }
}
