//! Values and those they replace: what a transition rule compares, and what has not changed
//! (`k8s.io/apiserver/pkg/cel/common`, `equality.go` and `maplist.go`).

use serde_json::Value;

/// A value, and the one that it replaces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) old: &'a Value,
    pub(super) new: &'a Value,
    pub(super) schema: &'a Value,
}

impl Pair<'_> {
    fn key(self, name: &str) -> Option<Self> {
        let properties = &self.schema["properties"];
        let schema = properties.get(name).or_else(|| {
            let additional = self.schema.get("additionalProperties");
            additional.filter(|one| one.is_object())
        })?;
        Some(Self {
            old: self.old.as_object()?.get(name)?,
            new: self.new.as_object()?.get(name)?,
            schema,
        })
    }

    fn index(self, at: usize) -> Option<Self> {
        let new = self.new.as_array()?.get(at)?;
        Some(Self {
            old: same_key(self.schema, self.old.as_array()?, new)?,
            new,
            schema: self.schema.get("items")?,
        })
    }

    /// Whether the value is what it was; the order of lists that are maps does not count.
    fn is_unchanged(self) -> bool {
        match (self.old, self.new) {
            (Value::Array(old), Value::Array(new)) if is_map(self.schema) => {
                old.len() == new.len()
                    && (0..new.len()).all(|at| self.index(at).is_some_and(Self::is_unchanged))
            }
            (Value::Object(old), Value::Object(new)) => {
                old.len() == new.len()
                    && new.keys().all(|name| match self.key(name) {
                        Some(below) => below.is_unchanged(),
                        None => false,
                    })
            }
            (old, new) => old == new,
        }
    }
}

fn is_map(schema: &Value) -> bool {
    schema["x-kubernetes-list-type"] == "map"
}

/// The element of `old` with the keys of `new`; only lists that are maps have such.
pub(super) fn same_key<'a>(schema: &Value, old: &'a [Value], new: &Value) -> Option<&'a Value> {
    let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
    if !is_map(schema) || keys.is_empty() || !new.is_object() {
        return None;
    }
    let key = |item: &Value, key: &Value| key.as_str().map(|key| item[key].clone());
    let same = |item: &&Value| {
        item.is_object() && keys.iter().all(|name| key(item, name) == key(new, name))
    };
    old.iter().find(same)
}

/// Where a value stands to what was there before (`ratchetingOptions`).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kin<'a> {
    current: Option<Pair<'a>>,
    /// The nearest value above that replaces another.
    above: Option<Pair<'a>>,
}

impl<'a> Kin<'a> {
    pub(super) fn root(pair: Option<Pair<'a>>) -> Self {
        Self {
            current: pair,
            above: None,
        }
    }

    /// Whether what does not hold here did not hold before, and is let through.
    pub(super) fn is_unchanged(self) -> bool {
        self.current.or(self.above).is_some_and(Pair::is_unchanged)
    }

    pub(super) fn key(self, name: &str) -> Self {
        let Some(current) = self.current else {
            return self;
        };
        // Both objects have been converted to one version: these two say nothing.
        if self.above.is_none() && (name == "apiVersion" || name == "kind") {
            return Self::default();
        }
        Self {
            current: current.key(name),
            above: Some(current),
        }
    }

    pub(super) fn index(self, at: usize) -> Self {
        let Some(current) = self.current else {
            return self;
        };
        Self {
            current: current.index(at),
            above: Some(current),
        }
    }
}
