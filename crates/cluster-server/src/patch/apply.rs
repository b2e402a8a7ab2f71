//! Server-side apply (KEP-555): the patch is everything its manager wants, what it no longer wants goes away, and what
//! others own is theirs.
//!
//! **In scope:** ownership among appliers. **Out of scope:** ownership by other writes: those are not recorded in
//! `managedFields`, so they never conflict with an apply.

use serde_json::{Map, Value, json};

use super::PatchError;
use super::fields::{self, FieldPath, FieldSet, Listing, Schema, key_of};
use crate::error::ApiError;
use crate::kinds::Resource;

/// Who applies, as `metadata.managedFields` names it.
#[derive(Debug, Clone, Default)]
pub struct Manager {
    /// The field manager's name.
    pub name: String,
    /// The version in which the fields are written.
    pub api_version: String,
    /// The subresource that is written, or empty.
    pub subresource: String,
    /// When.
    pub time: String,
}

/// Fields of an apply patch that others own: the other manager as messages print it, and the field.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{} fields are owned by others", .0.len())]
pub struct Conflicts(pub Vec<(String, String)>);

impl Conflicts {
    /// 409, with a cause for each field.
    pub fn to_api_error(&self) -> ApiError {
        let causes: Vec<Value> = self
            .0
            .iter()
            .map(|(manager, field)| json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": field}))
            .collect();
        let message = match self.0.as_slice() {
            [(manager, field)] => {
                format!("Apply failed with 1 conflict: conflict with {manager}: {field}")
            }
            many => {
                let mut managers: Vec<&String> = many.iter().map(|(manager, _)| manager).collect();
                managers.sort();
                managers.dedup();
                let texts = managers.into_iter().map(|manager| {
                    let fields = many
                        .iter()
                        .filter(|(m, _)| m == manager)
                        .map(|(_, field)| format!("- {field}"));
                    format!(
                        "conflicts with {manager}:\n{}",
                        fields.collect::<Vec<_>>().join("\n")
                    )
                });
                format!(
                    "Apply failed with {} conflicts: {}",
                    many.len(),
                    texts.collect::<Vec<_>>().join("\n")
                )
            }
        };
        ApiError {
            details: Some(json!({"causes": causes})),
            ..ApiError::new(409, "Conflict", message)
        }
    }
}

/// One entry of `managedFields`.
struct Entry {
    value: Value,
    set: FieldSet,
}

impl Entry {
    fn is_of(&self, manager: &Manager) -> bool {
        let subresource = self.value["subresource"].as_str().unwrap_or_default();
        self.value["manager"] == manager.name.as_str()
            && self.value["operation"] == "Apply"
            && subresource == manager.subresource
    }

    /// As conflicts print it.
    fn printed(&self) -> String {
        let name = &self.value["manager"];
        match (
            self.value["operation"] == "Apply",
            self.value["subresource"].as_str(),
        ) {
            (true, _) => name.to_string(),
            (false, Some(subresource)) => {
                format!(
                    "{name} with subresource {subresource:?} using {}",
                    self.value["apiVersion"].as_str().unwrap_or_default()
                )
            }
            (false, None) => format!(
                "{name} using {}",
                self.value["apiVersion"].as_str().unwrap_or_default()
            ),
        }
    }
}

/// The object with `patch` applied by `manager`; a new one where there is none.
pub(super) fn merge(
    current: Option<&Value>,
    patch: &Value,
    resource: &Resource,
    manager: &Manager,
    force: bool,
) -> Result<Value, PatchError> {
    check(patch, resource, manager)?;
    let schema = Schema::of(resource);
    let wanted = applied_fields(patch, schema);
    let mut live = current.cloned().unwrap_or_else(|| json!({}));
    let mut entries = entries(&live);
    let before = entries
        .iter()
        .position(|entry| entry.is_of(manager))
        .map(|at| entries.remove(at));

    let conflicts = conflicts(&live, patch, &wanted, &entries);
    if !conflicts.is_empty() && !force {
        let told = conflicts
            .iter()
            .map(|(at, path)| (entries[*at].printed(), fields::printed(path)));
        return Err(PatchError::Conflicts(std::sync::Arc::new(Conflicts(
            told.collect(),
        ))));
    }
    for (at, path) in conflicts {
        entries[at].set.remove(&path);
    }
    if let Some(before) = &before {
        remove_unwanted(&mut live, &before.set, &wanted, &entries);
    }
    merge_value(&mut live, patch, schema);
    let unchanged = before.filter(|before| before.set == wanted);
    let time = unchanged.map_or_else(
        || json!(manager.time),
        |before| before.value["time"].clone(),
    );
    write_entries(&mut live, entries, manager, &wanted, &time);
    Ok(live)
}

/// Takes out what the manager wanted before, wants no longer, and nobody else has.
fn remove_unwanted(live: &mut Value, before: &FieldSet, wanted: &FieldSet, entries: &[Entry]) {
    let sets = || entries.iter().map(|entry| &entry.set).chain([wanted]);
    let mut gone = before.paths();
    // Outer ones first: an element goes as a whole, before its keys do and it cannot be found any more.
    gone.sort_by_key(Vec::len);
    for path in gone {
        let is_element = path.last().is_some_and(|name| name.starts_with("k:"));
        let is_needed = sets().any(|set| set.has(&path) || is_element && set.reaches(&path));
        if !is_needed && !fields::is_key(&path) {
            fields::delete(live, &path);
        }
    }
}

fn check(patch: &Value, resource: &Resource, manager: &Manager) -> Result<(), PatchError> {
    if manager.name.is_empty() {
        return Err(PatchError::NoManager);
    }
    if patch["metadata"]["managedFields"]
        .as_array()
        .is_some_and(|list| !list.is_empty())
    {
        return Err(PatchError::Malformed(
            "metadata.managedFields must be nil".to_owned(),
        ));
    }
    let (version, kind) = (
        patch["apiVersion"].as_str().unwrap_or_default(),
        patch["kind"].as_str().unwrap_or_default(),
    );
    if version != resource.api_version() || kind != resource.kind {
        let wanted = format!("{}, Kind={}", resource.api_version(), resource.kind);
        return Err(PatchError::Malformed(format!(
            "an apply patch says what it is: expected {wanted}, found {version}, Kind={kind}"
        )));
    }
    Ok(())
}

/// The fields that a patch claims: not those that name the object.
fn applied_fields(patch: &Value, schema: Schema<'_>) -> FieldSet {
    const IDENTITY: [&str; 8] = [
        "f:name",
        "f:namespace",
        "f:uid",
        "f:resourceVersion",
        "f:creationTimestamp",
        "f:selfLink",
        "f:generation",
        "f:managedFields",
    ];
    let set = FieldSet::of(patch, schema)
        .without(&["f:apiVersion"])
        .without(&["f:kind"]);
    IDENTITY
        .iter()
        .fold(set, |set, field| set.without(&["f:metadata", field]))
}

fn entries(live: &Value) -> Vec<Entry> {
    let list = live["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten();
    list.map(|value| Entry {
        value: value.clone(),
        set: FieldSet::parse(&value["fieldsV1"]),
    })
    .collect()
}

/// Fields that the patch wants otherwise than they are and that another entry has.
fn conflicts(
    live: &Value,
    patch: &Value,
    wanted: &FieldSet,
    entries: &[Entry],
) -> Vec<(usize, FieldPath)> {
    let mut out = Vec::new();
    for path in wanted.paths() {
        // An element of a keyed list is nobody's alone: only its fields can differ.
        if path.last().is_some_and(|name| name.starts_with("k:"))
            || fields::at(live, &path) == fields::at(patch, &path)
        {
            continue;
        }
        let owners = entries
            .iter()
            .enumerate()
            .filter(|(_, entry)| entry.set.has(&path));
        out.extend(owners.map(|(at, _)| (at, path.clone())));
    }
    out
}

fn merge_value(live: &mut Value, patch: &Value, schema: Schema<'_>) {
    let Some(fields) = patch.as_object() else {
        *live = patch.clone();
        return;
    };
    if !live.is_object() {
        *live = Value::Object(Map::new());
    }
    for (name, value) in fields {
        let at = schema.field(name);
        match value {
            Value::Object(inner) if !inner.is_empty() => merge_value(&mut live[name], value, at),
            Value::Array(items) => merge_list(&mut live[name], items, at, name),
            _ => live[name] = value.clone(),
        }
    }
}

fn merge_list(live: &mut Value, items: &[Value], schema: Schema<'_>, name: &str) {
    let listing = schema.listing(name);
    let (Some(list), true) = (live.as_array_mut(), listing != Listing::Atomic) else {
        *live = Value::Array(items.to_vec());
        return;
    };
    for item in items {
        let same = |there: &Value| match &listing {
            Listing::Map(keys) => keys
                .iter()
                .all(|key| key_of(there, key) == key_of(item, key)),
            _ => there == item,
        };
        match list.iter_mut().find(|there| same(there)) {
            Some(there) => merge_value(there, item, schema.item()),
            None => list.push(item.clone()),
        }
    }
}

fn write_entries(
    live: &mut Value,
    entries: Vec<Entry>,
    manager: &Manager,
    wanted: &FieldSet,
    time: &Value,
) {
    let mut list: Vec<Value> = Vec::new();
    let mut own = json!({
        "manager": manager.name, "operation": "Apply", "apiVersion": manager.api_version, "time": time,
        "fieldsType": "FieldsV1", "fieldsV1": wanted.to_value(),
    });
    if !manager.subresource.is_empty() {
        own["subresource"] = manager.subresource.clone().into();
    }
    list.push(own);
    for mut entry in entries.into_iter().filter(|entry| !entry.set.is_empty()) {
        entry.value["fieldsV1"] = entry.set.to_value();
        list.push(entry.value);
    }
    live["metadata"]["managedFields"] = Value::Array(list);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    fn applied(
        current: Option<&Value>,
        patch: &Value,
        manager: &str,
        force: bool,
    ) -> Result<Value, PatchError> {
        let kinds = Kinds::default();
        let pods = kinds.resolve("", "v1", "pods").expect("pods are served");
        let manager = Manager {
            name: manager.to_owned(),
            api_version: "v1".to_owned(),
            ..Manager::default()
        };
        merge(current, patch, &pods, &manager, force)
    }

    fn pod(spec: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec})
    }

    #[test]
    fn what_a_manager_no_longer_wants_goes_away_and_the_rest_stays() {
        let first =
            pod(&json!({"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "y"}]}));
        let mut live = applied(None, &first, "m", false).expect("applies");
        live["spec"]["nodeName"] = json!("n");
        let live = applied(
            Some(&live),
            &pod(&json!({"containers": [{"name": "a", "image": "z"}]})),
            "m",
            false,
        )
        .expect("applies");
        assert_eq!(
            live["spec"],
            json!({"containers": [{"name": "a", "image": "z"}], "nodeName": "n"})
        );
    }

    #[test]
    fn a_field_of_another_manager_is_a_conflict_unless_forced() {
        let live = applied(
            None,
            &pod(&json!({"containers": [{"name": "a", "image": "x"}]})),
            "one",
            false,
        )
        .expect("applies");
        let patch = pod(&json!({"containers": [{"name": "a", "image": "z"}]}));
        let PatchError::Conflicts(conflicts) =
            applied(Some(&live), &patch, "two", false).expect_err("conflicts")
        else {
            panic!("another error than a conflict");
        };
        let error = conflicts.to_api_error();
        assert_eq!(
            error.message,
            "Apply failed with 1 conflict: conflict with \"one\": .spec.containers[name=\"a\"].image"
        );
        let forced = applied(Some(&live), &patch, "two", true).expect("applies");
        assert_eq!(forced["spec"]["containers"][0]["image"], "z");
        let one = &forced["metadata"]["managedFields"][1];
        assert_eq!(
            one["fieldsV1"],
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:name": {}}}}})
        );
    }

    #[test]
    fn applying_the_same_again_changes_nothing() {
        let patch = pod(&json!({"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}));
        let once = applied(None, &patch, "m", false).expect("applies");
        assert_eq!(
            applied(Some(&once), &patch, "m", false).expect("applies"),
            once
        );
    }
}
