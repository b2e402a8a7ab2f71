//! The fields that an object has, by the topology of its kind (`TypedValue.ToFieldSet`).

use serde_json::{Map, Value};

use super::element::Element;
use super::schema::{Form, ListType, MapType, Relation, Schema, TypeId};
use super::set::FieldSet;

/// Every field of the object that can be owned.
pub(super) fn of(schema: &Schema, object: &Value) -> FieldSet {
    let mut walk = Walk {
        schema,
        path: Vec::new(),
        out: FieldSet::default(),
    };
    walk.value(schema.root(), object);
    walk.out
}

struct Walk<'a> {
    schema: &'a Schema,
    path: Vec<Element>,
    out: FieldSet,
}

impl Walk<'_> {
    fn here(&mut self) {
        self.out.insert(&self.path);
    }

    fn value(&mut self, at: TypeId, value: &Value) {
        let schema = self.schema;
        match schema.atom(at).form(Some(value)) {
            Form::Scalar(_) => self.here(),
            Form::List(list) if list.relation == Relation::Atomic => self.here(),
            Form::Map(map) if map.atomic => self.here(),
            Form::List(list) => {
                if let Value::Array(items) = value {
                    self.list(list, items);
                }
            }
            Form::Map(map) => {
                if let Value::Object(fields) = value {
                    self.map(map, fields);
                }
            }
        }
    }

    fn list(&mut self, list: &ListType, items: &[Value]) {
        let named = items.iter().filter_map(|item| {
            let element = Schema::element_of(list, item).ok()?;
            Some((element, item))
        });
        let named: Vec<_> = named.collect();
        for (index, (element, item)) in named.iter().enumerate() {
            let is_twice = { named.iter().enumerate() }
                .any(|(other, (twin, _))| other != index && twin == element);
            self.path.push(element.clone());
            // Elements that are there twice are owned together, as one value.
            if !is_twice {
                self.value(list.item, item);
            }
            self.here();
            self.path.pop();
        }
    }

    fn map(&mut self, map: &MapType, fields: &Map<String, Value>) {
        for (name, value) in fields {
            let Some(kind) = map.entry(name) else {
                continue;
            };
            self.path.push(Element::field(name));
            self.value(kind, value);
            let is_empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
            if is_empty || map.named(name).is_none() {
                self.here();
            }
            self.path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    #[test]
    fn the_fields_of_a_pod_are_those_that_kubernetes_names() {
        let pods = Kinds::default()
            .resolve("", "v1", "pods")
            .expect("is served");
        let object = json!({
            "metadata": {"labels": {"a": "b"}, "finalizers": ["x/y"]},
            "spec": {
                "containers": [{"name": "app", "ports": [{"containerPort": 80}], "command": ["a"], "resources": {}}],
                "nodeSelector": {"a": "b"}, "tolerations": [{"key": "k"}],
            },
        });
        let expected = json!({
            "f:metadata": {"f:finalizers": {"v:\"x/y\"": {}}, "f:labels": {"f:a": {}}},
            "f:spec": {
                "f:containers": {"k:{\"name\":\"app\"}": {
                    ".": {}, "f:command": {}, "f:name": {},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}},
                    "f:resources": {},
                }},
                "f:nodeSelector": {}, "f:tolerations": {},
            },
        });
        assert_eq!(of(&Schema::of(&pods), &object).to_value(), expected);
    }
}
