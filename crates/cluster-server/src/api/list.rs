//! `list`: a page of the objects that two selectors leave
//! (`k8s.io/apiserver/pkg/storage/cacher`, `GetList`).

use std::sync::Arc;

use serde_json::Value;

use super::continue_token::ContinueToken;
use super::{Api, FieldSelector, LabelSelector, Target, meta, versioned};
use crate::error::ApiError;
use crate::store::Object;

/// Which state of the collection is wanted (`resourceVersion` with `resourceVersionMatch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum At {
    /// The newest.
    #[default]
    Newest,
    /// `0`: whichever is at hand; all of it at once.
    Any,
    /// One that has seen this revision.
    NotOlderThan(u64),
    /// That of exactly this revision.
    Exact(u64),
}

/// Which objects, and how many at once.
#[derive(Debug, Clone, Default)]
pub struct ListOptions {
    /// Only objects with these labels.
    pub labels: LabelSelector,
    /// Only objects with these fields.
    pub fields: FieldSelector,
    /// At which revision.
    pub at: At,
    /// At most so many; 0 for all.
    pub limit: usize,
    /// The token of the former page, or empty.
    pub continue_token: String,
}

impl ListOptions {
    /// Whether the object is wanted.
    pub fn selects(&self, object: &Value) -> bool {
        self.labels.matches(object) && self.fields.matches(object)
    }

    fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

/// One page.
#[derive(Debug, Default)]
pub struct List {
    /// The objects.
    pub items: Vec<Arc<Object>>,
    /// The revision whose state this is: of a later page the first one's.
    pub revision: u64,
    /// Where the next page starts; empty after the last.
    pub continue_token: String,
    /// How many are left after this page; unknown with selectors.
    pub remaining: Option<usize>,
}

/// What is listed, before pages and selectors.
struct Scope<'a> {
    namespace: Option<&'a str>,
    /// The one object that is listed, if it is one: such a list has no pages.
    name: Option<&'a str>,
}

impl Api {
    /// The objects of a namespace, or of all, that `options` select.
    ///
    /// **Guarantees.** All pages of a list show one state: later ones that of the first one's revision. **Caveats.** That
    /// state is had by walking the watch history back; where the history does not reach so far, a page is refused.
    ///
    /// # Errors
    /// 400: not a continue token, or one together with a revision. 410: the revision is older than what is remembered;
    /// of a later page, the error has a token that goes on with the present. 504: the revision is yet to come.
    pub fn list(&self, target: &Target, options: &ListOptions) -> Result<List, ApiError> {
        let resource = target.resource.key();
        let scope = Scope::of(target, options);
        let token = match &*options.continue_token {
            token if token.is_empty() || scope.name.is_some() => None,
            token => Some(ContinueToken::decode(token)?),
        };
        let at = match (&token, options.at) {
            (Some(_), At::NotOlderThan(_) | At::Exact(_)) => {
                return Err(ApiError::bad_request(
                    "specifying resource version is not allowed when using continue",
                ));
            }
            (Some(token), _) => token.revision.map_or(At::Newest, At::Exact),
            (None, at) => at,
        };
        if let At::NotOlderThan(wanted) | At::Exact(wanted) = at
            && wanted > self.store.revision()
        {
            return Err(ApiError::future_revision(wanted, self.store.revision()));
        }
        let (objects, revision) = match at {
            At::Exact(revision) => {
                let past = self.store.list_at(&resource, scope.namespace, revision);
                let past = past.map_err(|_| expired(token.as_ref()))?;
                (past, revision)
            }
            _ => match scope.name {
                Some(name) => {
                    let namespace = scope.namespace.unwrap_or_default();
                    let (object, revision) = self.store.list_one(&resource, namespace, name);
                    (Vec::from_iter(object), revision)
                }
                None => self.store.list(&resource, scope.namespace),
            },
        };
        let start = token.as_ref().map_or("", |token| &token.start);
        let begin = objects.partition_point(|object| *scope.path(object) < *start);
        let mut list = page(&objects[begin..], options, revision, &scope);
        for item in &mut list.items {
            *item = versioned(&target.resource, Arc::clone(item));
        }
        Ok(list)
    }
}

impl<'a> Scope<'a> {
    /// A field selector may narrow the request to a namespace, or to one object.
    fn of(target: &'a Target, options: &'a ListOptions) -> Self {
        let selected = || {
            let wanted = options.fields.required("metadata.namespace");
            wanted.filter(|namespace| target.resource.namespaced && !namespace.is_empty())
        };
        let namespace = Some(&*target.namespace)
            .filter(|namespace| !namespace.is_empty())
            .or_else(selected);
        let whole = namespace.is_some() || !target.resource.namespaced;
        let named = options.fields.required("metadata.name");
        Self {
            namespace,
            name: named.filter(|_| whole),
        }
    }

    /// The object's path below that of what is listed.
    fn path(&self, object: &Object) -> String {
        let (namespace, name) = (
            meta(&object.value, "namespace"),
            meta(&object.value, "name"),
        );
        if self.namespace.is_some() || namespace.is_empty() {
            format!("/{name}")
        } else {
            format!("/{namespace}/{name}")
        }
    }
}

/// The first `limit` of `objects` that are selected.
fn page(objects: &[Arc<Object>], options: &ListOptions, revision: u64, scope: &Scope<'_>) -> List {
    let mut list = List {
        revision,
        ..List::default()
    };
    // A list of whichever revision has no pages: a watch cache gives all that it has.
    let unlimited = options.limit == 0 || options.at == At::Any || scope.name.is_some();
    for (at, object) in objects.iter().enumerate() {
        if !options.selects(&object.value) {
            continue;
        }
        list.items.push(Arc::clone(object));
        if unlimited || list.items.len() < options.limit {
            continue;
        }
        let left = objects.len() - at - 1;
        if left > 0 {
            let next = ContinueToken {
                revision: Some(revision),
                start: format!("{}\0", scope.path(object)),
            };
            list.continue_token = next.encode();
            list.remaining = options.selects_all().then_some(left);
        }
        break;
    }
    list
}

/// 410, for a first page or for a later one.
fn expired(token: Option<&ContinueToken>) -> ApiError {
    let Some(token) = token else {
        return ApiError::expired("The resourceVersion for the provided list is too old.");
    };
    let present = ContinueToken {
        revision: None,
        start: token.start.clone(),
    };
    ApiError::expired_page(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
         the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
         Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
         deleted between the time the first chunk was returned and now may show up in the list.",
        &present.encode(),
    )
}
