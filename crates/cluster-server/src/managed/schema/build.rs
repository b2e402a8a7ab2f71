//! Topologies from OpenAPI: of built-in kinds from the schema that their type carries and [`merging`], of custom resources
//! from their definition.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::{
    Atom, BOOL, DEDUCED, ListType, MapType, NUMBER, Named, Relation, Scalar, Schema, TEXT, TypeId,
    UNTYPED,
};
use crate::kinds::merging::{self, Merging, Patch, Topology};
use crate::kinds::{BUILTIN, Resource};

impl Schema {
    /// The topology of a resource.
    pub fn of(resource: &Resource) -> Self {
        let mut generator = SchemaSettings::draft2020_12().into_generator();
        let builtin = BUILTIN.iter().find(|kind| {
            kind.group == resource.group
                && kind.version == resource.version
                && kind.kind == resource.kind
        });
        if let Some(kind) = builtin.filter(|_| !resource.custom) {
            let root = (kind.schema)(&mut generator);
            let definitions = generator.take_definitions(false);
            return Builder::new(&definitions)
                .finish(|builder| builder.node(root.as_value(), None));
        }
        let metadata = generator.subschema_for::<ObjectMeta>();
        let definitions = generator.take_definitions(false);
        let nothing = Value::Object(Map::new());
        let schema = resource.schema.as_ref().unwrap_or(&nothing);
        Builder::new(&definitions).finish(|builder| {
            builder.metadata = builder.node(metadata.as_value(), None);
            builder.custom(schema, false, true)
        })
    }
}

struct Builder<'a> {
    definitions: &'a Map<String, Value>,
    known: HashMap<(String, bool), TypeId>,
    types: Vec<Atom>,
    metadata: TypeId,
}

impl<'a> Builder<'a> {
    fn new(definitions: &'a Map<String, Value>) -> Self {
        let scalar = |scalar| Atom {
            scalar: Some(scalar),
            ..Atom::default()
        };
        let deduced = Atom {
            scalar: Some(Scalar::Untyped),
            list: Some(ListType {
                item: DEDUCED,
                relation: Relation::Atomic,
            }),
            map: Some(MapType {
                element: Some(DEDUCED),
                ..MapType::default()
            }),
        };
        let types = vec![
            deduced,
            scalar(Scalar::Text),
            scalar(Scalar::Number),
            scalar(Scalar::Bool),
            scalar(Scalar::Untyped),
        ];
        Self {
            definitions,
            known: HashMap::new(),
            types,
            metadata: DEDUCED,
        }
    }

    fn finish(mut self, root: impl FnOnce(&mut Self) -> TypeId) -> Schema {
        let root = root(&mut self);
        Schema {
            types: self.types,
            root,
        }
    }

    fn add(&mut self, atom: Atom) -> TypeId {
        self.types.push(atom);
        TypeId(self.types.len() - 1)
    }

    fn add_map(&mut self, map: MapType) -> TypeId {
        self.add(Atom {
            map: Some(map),
            ..Atom::default()
        })
    }

    fn add_list(&mut self, item: TypeId, relation: Relation) -> TypeId {
        self.add(Atom {
            list: Some(ListType { item, relation }),
            ..Atom::default()
        })
    }

    /// A schema of a Go type, in a field with this topology.
    fn node(&mut self, schema: &Value, topology: Option<Topology>) -> TypeId {
        if let Some(name) = referred(schema) {
            return self.reference(&name, topology);
        }
        if let Some([only]) = schema["allOf"].as_array().map(Vec::as_slice) {
            return self.node(only, topology);
        }
        if let Some(scalar) = scalar(schema) {
            return scalar;
        }
        match schema["type"].as_str() {
            Some("array") => {
                let item = self.node(&schema["items"], None);
                let owner = referred(&schema["items"]).unwrap_or_default();
                self.add_list(item, relation(topology, short(&owner)))
            }
            Some("object") => {
                let element = match &schema["additionalProperties"] {
                    of @ Value::Object(_) => self.node(of, None),
                    _ => DEDUCED,
                };
                self.add_map(MapType {
                    element: Some(element),
                    atomic: topology == Some(Topology::Atomic),
                    ..MapType::default()
                })
            }
            _ => DEDUCED,
        }
    }

    fn reference(&mut self, name: &str, topology: Option<Topology>) -> TypeId {
        let owner = short(name);
        if matches!(owner, "Quantity" | "IntOrString" | "Time" | "MicroTime") {
            return UNTYPED;
        }
        let atomic = topology.map_or_else(
            || merging::is_atomic(owner),
            |topology| topology == Topology::Atomic,
        );
        let key = (name.to_owned(), atomic);
        if let Some(&known) = self.known.get(&key) {
            return known;
        }
        let definitions = self.definitions;
        let Some(schema) = definitions.get(name) else {
            return DEDUCED;
        };
        let Some(properties) = schema["properties"].as_object() else {
            return self.node(schema, topology);
        };
        // Known before its fields are: types may contain themselves.
        let at = self.add_map(MapType::default());
        self.known.insert(key, at);
        let mut fields = BTreeMap::new();
        for (field, schema) in properties {
            let merging = merging::of_field(owner, field);
            let kind = self.node(schema, merging.map(|m: Merging| m.topology));
            let patch = merging.map_or(Patch::Replace, |merging| merging.patch);
            fields.insert(field.clone(), Named { kind, patch });
        }
        self.types[at.0].map = Some(MapType {
            name: owner.to_owned(),
            fields,
            element: None,
            atomic,
        });
        at
    }

    /// A structural schema of a custom resource. `preserve`: an outer one keeps unknown fields.
    fn custom(&mut self, schema: &Value, preserve: bool, resource: bool) -> TypeId {
        let is = |fact: &str| schema[fact] == true;
        let preserve = preserve || is("x-kubernetes-preserve-unknown-fields");
        if !resource {
            if let Some(scalar) = scalar(schema) {
                return scalar;
            }
            if schema["type"] == "array" {
                let item = self.custom(&schema["items"], preserve, false);
                return self.add_list(item, custom_relation(schema));
            }
            if schema["type"] != "object" {
                return DEDUCED;
            }
        }
        let mut fields = BTreeMap::new();
        for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
            let kind = self.custom(schema, preserve, false);
            fields.insert(field.clone(), plain(kind));
        }
        let element = match &schema["additionalProperties"] {
            of @ Value::Object(_) => Some(self.custom(of, preserve, false)),
            Value::Bool(true) => Some(DEDUCED),
            Value::Null if preserve || fields.is_empty() => Some(DEDUCED),
            _ => None,
        };
        if resource || is("x-kubernetes-embedded-resource") {
            fields.insert("apiVersion".to_owned(), plain(TEXT));
            fields.insert("kind".to_owned(), plain(TEXT));
            fields.insert("metadata".to_owned(), plain(self.metadata));
        }
        self.add_map(MapType {
            name: String::new(),
            fields,
            element,
            atomic: schema["x-kubernetes-map-type"] == "atomic",
        })
    }
}

fn plain(kind: TypeId) -> Named {
    Named {
        kind,
        patch: Patch::Replace,
    }
}

fn scalar(schema: &Value) -> Option<TypeId> {
    match schema["type"].as_str()? {
        "string" => Some(TEXT),
        "boolean" => Some(BOOL),
        "integer" | "number" => Some(NUMBER),
        _ => None,
    }
}

/// The name of the definition that a schema is.
fn referred(schema: &Value) -> Option<String> {
    let name = schema["$ref"].as_str()?.rsplit('/').next()?;
    Some(name.replace("~1", "/"))
}

/// `Pod` of `io.k8s.api.core.v1.Pod`.
fn short(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn relation(topology: Option<Topology>, owner: &str) -> Relation {
    match topology {
        Some(Topology::Set) => Relation::Set,
        Some(Topology::Map(keys)) => {
            let keys = keys.iter().map(|&key| {
                let default = merging::key_default(owner, key);
                (key.to_owned(), default.map(Value::from))
            });
            Relation::Map(keys.collect())
        }
        _ => Relation::Atomic,
    }
}

fn custom_relation(schema: &Value) -> Relation {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => Relation::Set,
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array();
            let keys = keys.into_iter().flatten().filter_map(Value::as_str);
            let default = |key: &str| schema["items"]["properties"][key].get("default").cloned();
            Relation::Map(keys.map(|key| (key.to_owned(), default(key))).collect())
        }
        _ => Relation::Atomic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;
    use crate::managed::Element;

    fn pod() -> Schema {
        let pods = Kinds::default()
            .resolve("", "v1", "pods")
            .expect("is served");
        Schema::of(&pods)
    }

    fn at<'a>(schema: &'a Schema, path: &[&str]) -> &'a Atom {
        let mut at = schema.root();
        for step in path {
            let element = match *step {
                "*" => Element::Index(0),
                name => Element::field(name),
            };
            at = schema.below(at, &element);
        }
        schema.atom(at)
    }

    #[test]
    fn a_pod_has_the_topology_of_its_go_types() {
        let schema = pod();
        let is_atomic = |path: &[&str]| at(&schema, path).map.as_ref().map(|map| map.atomic);
        assert_eq!(is_atomic(&["spec", "nodeSelector"]), Some(true));
        assert_eq!(is_atomic(&["metadata", "labels"]), Some(false));
        assert_eq!(
            is_atomic(&["spec", "containers", "*", "resources"]),
            Some(false)
        );
        let finalizers = at(&schema, &["metadata", "finalizers"]).list.as_ref();
        assert_eq!(finalizers.map(|list| &list.relation), Some(&Relation::Set));
        let ports = at(&schema, &["spec", "containers", "*", "ports"])
            .list
            .as_ref();
        let keys = Relation::Map(vec![
            ("containerPort".to_owned(), None),
            ("protocol".to_owned(), Some("TCP".into())),
        ]);
        assert_eq!(ports.map(|list| &list.relation), Some(&keys));
        let tolerations = at(&schema, &["spec", "tolerations"]).list.as_ref();
        assert_eq!(
            tolerations.map(|list| &list.relation),
            Some(&Relation::Atomic)
        );
    }
}
