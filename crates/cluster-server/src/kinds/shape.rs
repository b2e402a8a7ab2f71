//! The shape of a kind's objects: fields, types, and what is written when a field is absent.
//!
//! Built once per kind from the schema that its `k8s-openapi` type carries, and [`super::go`].

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

use super::go;

/// The type of a value.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Kept as it came.
    Any,
    /// A string.
    Text,
    /// A boolean.
    Bool,
    /// An integer of this many bits.
    Integer(u8),
    /// A floating-point number.
    Float,
    /// Bytes, as base64 text.
    Bytes,
    /// A time of whole seconds.
    Time,
    /// A time of microseconds.
    MicroTime,
    /// A resource quantity.
    Quantity,
    /// An integer or a string.
    IntOrString,
    /// A list.
    List(Box<Shape>),
    /// A map with string keys.
    Map(Box<Shape>),
    /// A struct, by its place in [`Shapes`].
    Struct(usize),
}

/// What is written for a field that holds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Nothing, and a zero, an empty string, list or map that was given is left out too.
    Omitted,
    /// Nothing, but a zero that was given is kept: the field is a pointer.
    Pointer,
    /// The zero value of the type, as Go writes a field without `omitempty`.
    Zero,
}

/// One field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name on the wire.
    pub name: String,
    /// Its type.
    pub shape: Shape,
    /// What is written when it holds nothing.
    pub absent: Absent,
}

/// A struct's fields, sorted by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Struct {
    /// The Go type's name.
    pub name: String,
    /// The fields.
    pub fields: Vec<Field>,
}

impl Struct {
    /// The field called `name`.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields
            .binary_search_by(|field| field.name.as_str().cmp(name))
            .ok()
            .map(|at| &self.fields[at])
    }
}

/// All structs that a kind reaches.
#[derive(Debug, Default)]
pub struct Shapes {
    structs: Vec<Struct>,
    /// The kind itself.
    pub root: Option<Shape>,
}

impl Shapes {
    /// The struct behind a [`Shape::Struct`].
    pub fn get(&self, at: usize) -> Option<&Struct> {
        self.structs.get(at)
    }
}

/// The shapes of kinds that were asked for, by their Rust type.
static CACHE: LazyLock<RwLock<HashMap<TypeId, Arc<Shapes>>>> = LazyLock::new(RwLock::default);

/// The shape of `T`, built when it is first asked for.
pub fn of<T: JsonSchema + 'static>() -> Arc<Shapes> {
    let key = TypeId::of::<T>();
    let cached = CACHE
        .read()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .get(&key)
        .cloned();
    if let Some(shapes) = cached {
        return shapes;
    }
    let shapes = Arc::new(build::<T>());
    let mut cache = CACHE
        .write()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    Arc::clone(cache.entry(key).or_insert(shapes))
}

fn build<T: JsonSchema>() -> Shapes {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let root = generator.subschema_for::<T>();
    let definitions = generator.take_definitions(false);
    let mut builder = Builder {
        definitions: &definitions,
        known: HashMap::new(),
        shapes: Shapes::default(),
    };
    let root = builder.shape(root.as_value());
    let mut shapes = builder.shapes;
    shapes.root = Some(root);
    shapes
}

struct Builder<'a> {
    definitions: &'a Map<String, Value>,
    known: HashMap<String, usize>,
    shapes: Shapes,
}

impl Builder<'_> {
    fn shape(&mut self, schema: &Value) -> Shape {
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .replace("~1", "/");
            return self.reference(&name);
        }
        if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice) {
            return self.shape(only);
        }
        match (schema["type"].as_str(), schema["format"].as_str()) {
            (Some("string"), Some("byte")) => Shape::Bytes,
            (Some("string"), _) => Shape::Text,
            (Some("boolean"), _) => Shape::Bool,
            (Some("integer"), Some("int32")) => Shape::Integer(32),
            (Some("integer"), _) => Shape::Integer(64),
            (Some("number"), _) => Shape::Float,
            (Some("array"), _) => Shape::List(Box::new(self.shape(&schema["items"]))),
            (Some("object"), _) if schema["additionalProperties"].is_object() => {
                Shape::Map(Box::new(self.shape(&schema["additionalProperties"])))
            }
            _ => Shape::Any,
        }
    }

    fn reference(&mut self, name: &str) -> Shape {
        let short = name.rsplit('.').next().unwrap_or(name);
        match short {
            "Quantity" => return Shape::Quantity,
            "IntOrString" => return Shape::IntOrString,
            "Time" => return Shape::Time,
            "MicroTime" => return Shape::MicroTime,
            _ => {}
        }
        if let Some(&at) = self.known.get(name) {
            return Shape::Struct(at);
        }
        let definitions = self.definitions;
        let Some(schema) = definitions.get(name) else {
            return Shape::Any;
        };
        let Some(properties) = schema["properties"].as_object() else {
            return self.shape(schema);
        };
        let at = self.shapes.structs.len();
        self.known.insert(name.to_owned(), at);
        self.shapes.structs.push(Struct::default());
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut fields: Vec<Field> = properties
            .iter()
            .map(|(field, schema)| {
                let shape = self.shape(schema);
                let absent = absent(short, field, &shape, required.contains(&field.as_str()));
                Field {
                    name: field.clone(),
                    shape,
                    absent,
                }
            })
            .collect();
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        self.shapes.structs[at] = Struct {
            name: short.to_owned(),
            fields,
        };
        Shape::Struct(at)
    }
}

fn absent(owner: &str, field: &str, shape: &Shape, required: bool) -> Absent {
    let key = format!("{owner}.{field}");
    let listed = |table: &[&str]| table.contains(&key.as_str());
    if required
        || field == "metadata" && matches!(shape, Shape::Struct(_)) && !owner.ends_with("Options")
    {
        return Absent::Zero;
    }
    let pointer = |pointer: bool| {
        if pointer {
            Absent::Pointer
        } else {
            Absent::Omitted
        }
    };
    match shape {
        Shape::Text if listed(go::TEXTS) => Absent::Zero,
        Shape::Text => pointer(listed(go::POINTER_TEXTS)),
        Shape::Bool if field == "readOnly" && owner.ends_with("VolumeSource") => {
            pointer(go::POINTER_READ_ONLY.contains(&owner))
        }
        Shape::Bool => pointer(!listed(go::PLAIN_BOOLS)),
        Shape::Integer(_) => pointer(!listed(go::PLAIN_INTEGERS)),
        Shape::Struct(_) if listed(go::STRUCTS) => Absent::Zero,
        Shape::Time | Shape::MicroTime | Shape::List(_) | Shape::Map(_) if listed(go::NULLS) => {
            Absent::Zero
        }
        Shape::List(_) => pointer(listed(go::KEPT_LISTS)),
        Shape::Map(_) | Shape::Bytes => Absent::Omitted,
        Shape::Quantity if listed(go::QUANTITIES) => Absent::Zero,
        _ => Absent::Pointer,
    }
}
