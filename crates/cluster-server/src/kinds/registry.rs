//! What is served at this moment: the built-in kinds, and custom ones as they come and go.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::{BUILTIN, Decoded, Kind, Strategy};
use crate::error::ApiError;
use crate::managed::Topology;

/// Decodes a body of one resource.
pub type Decoder = Arc<dyn Fn(Value) -> Result<Decoded, ApiError> + Send + Sync>;

/// A column of a custom resource's table (`additionalPrinterColumns`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Column {
    /// The heading.
    pub name: String,
    /// OpenAPI type: `string`, `integer`, `date`, …
    pub kind: String,
    /// OpenAPI format.
    pub format: String,
    /// What the column tells.
    pub description: String,
    /// Above zero: only in wide output.
    pub priority: i64,
    /// Where the value is: `.spec.replicas`.
    pub json_path: String,
}

/// One resource of one group and version: a built-in kind, or a version of a CustomResourceDefinition.
pub struct Resource {
    /// API group; empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind, for example `Pod`.
    pub kind: String,
    /// Kind of a list, for example `PodList`.
    pub list_kind: String,
    /// Plural resource name, for example `pods`.
    pub plural: String,
    /// Singular name.
    pub singular: String,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories.
    pub categories: Vec<String>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Verbs of the resource itself, in discovery's order.
    pub verbs: Vec<String>,
    /// Subresources that store into the object.
    pub subresources: Vec<String>,
    /// Whether it is a custom resource.
    pub custom: bool,
    /// A custom resource's own selectable fields (`selectableFields`), without the leading dot: `spec.color`.
    pub selectable_fields: Vec<String>,
    /// Where a custom resource keeps its replicas, if it has a `scale` subresource.
    pub scale: Option<crate::crd::Scale>,
    /// Whether the definition of a custom resource is being deleted: nothing new is made then.
    pub terminating: bool,
    /// A custom resource's own table columns.
    pub columns: Vec<Column>,
    /// A custom resource's OpenAPI v3 schema, for `/openapi`.
    pub schema: Option<Value>,
    /// The topology of its objects, once it is needed.
    pub topology: Topology,
    /// How its bodies are decoded.
    pub decode: Decoder,
    /// What is particular to it.
    pub strategy: Arc<dyn Strategy>,
}

impl Resource {
    /// A built-in kind.
    pub fn builtin(kind: &'static Kind) -> Self {
        let owned = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        Self {
            group: kind.group.to_owned(),
            version: kind.version.to_owned(),
            kind: kind.kind.to_owned(),
            list_kind: format!("{}List", kind.kind),
            plural: kind.plural.to_owned(),
            singular: kind.singular.to_owned(),
            short_names: owned(kind.short_names),
            categories: owned(kind.categories),
            namespaced: kind.namespaced,
            verbs: owned(kind.verbs),
            subresources: owned(kind.subresources),
            custom: false,
            selectable_fields: Vec::new(),
            scale: None,
            terminating: false,
            columns: Vec::new(),
            schema: None,
            topology: Topology::default(),
            decode: Arc::new(kind.decode),
            strategy: Arc::new(kind.strategy),
        }
    }

    /// The store's name of the resource: `pods`, `widgets.example.com`.
    ///
    /// Events are one resource under two groups.
    pub fn key(&self) -> String {
        if self.group.is_empty() || super::event::is_younger(&self.group, &self.plural) {
            self.plural.clone()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether the resource has this verb.
    pub fn allows(&self, verb: &str) -> bool {
        self.verbs.iter().any(|v| v == verb)
    }
}

impl std::fmt::Debug for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resource({} {})", self.api_version(), self.plural)
    }
}

type ResourceKey = (String, String, String);

/// All resources that are served, by group, version and plural.
pub struct Kinds {
    resources: RwLock<BTreeMap<ResourceKey, Arc<Resource>>>,
    generation: tokio::sync::watch::Sender<u64>,
}

impl Default for Kinds {
    fn default() -> Self {
        let kinds = Self {
            resources: RwLock::default(),
            generation: tokio::sync::watch::Sender::new(0),
        };
        for kind in BUILTIN {
            kinds.register(Resource::builtin(kind));
        }
        kinds
    }
}

impl Kinds {
    /// The resource under `/apis/{group}/{version}/{plural}`.
    pub fn resolve(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Resource>> {
        self.read()
            .get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
            .cloned()
    }

    /// The resource of a kind, for example of an `apiVersion` and `kind` in an object.
    pub fn by_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Resource>> {
        self.read()
            .values()
            .find(|r| r.group == group && r.version == version && r.kind == kind)
            .cloned()
    }

    /// Any served version of the resource with this store key (`pods`, `widgets.example.com`).
    pub fn by_key(&self, key: &str) -> Option<Arc<Resource>> {
        self.read().values().find(|r| r.key() == key).cloned()
    }

    /// Serves `resource` from now on, in place of what was served under that name.
    pub fn register(&self, resource: Resource) {
        let key = (
            resource.group.clone(),
            resource.version.clone(),
            resource.plural.clone(),
        );
        let mut resources = self
            .resources
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        resources.insert(key, Arc::new(resource));
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Serves it no longer.
    pub fn unregister(&self, group: &str, version: &str, plural: &str) {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        self.resources
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Every resource, ordered by group, version, plural.
    pub fn all(&self) -> Vec<Arc<Resource>> {
        self.read().values().cloned().collect()
    }

    /// Grows with every [`register`](Self::register) and [`unregister`](Self::unregister): what is computed from the
    /// table (discovery, OpenAPI) is good for one generation.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Tells of every new [`generation`](Self::generation).
    pub fn subscribe(&self) -> tokio::sync::watch::Receiver<u64> {
        self.generation.subscribe()
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<ResourceKey, Arc<Resource>>> {
        self.resources
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
