//! Ownership of what is written by other verbs than apply (`FieldManager.UpdateNoErrors`).

use serde_json::{Value, json};

use super::Writer;
use super::entries::{self, Id, Managed, Operation, Owned};
use super::set::FieldSet;
use super::updater::{self, UpdateError};

/// Entries of updates that are kept apart (`DefaultMaxUpdateManagers`).
const MAX_UPDATERS: usize = 10;
/// Whose the oldest updates are when there are more.
const ANCIENT: &str = "ancient-changes";

/// What nobody owns: it names the object or belongs to the server.
const STRIPPED: &[&[&str]] = &[
    &["apiVersion"],
    &["kind"],
    &["metadata"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "creationTimestamp"],
    &["metadata", "selfLink"],
    &["metadata", "uid"],
    &["metadata", "clusterName"],
    &["metadata", "generation"],
    &["metadata", "managedFields"],
    &["metadata", "resourceVersion"],
];

/// Without what nobody owns.
pub(super) fn stripped(set: &FieldSet) -> FieldSet {
    set.difference(&FieldSet::of_fields(STRIPPED))
}

/// Brings the `managedFields` of `new`, which is to take the place of `live` (`None`: a create), up to date. It never
/// fails: where ownership cannot be told, it is left as it is.
pub fn update(live: Option<&Value>, new: &mut Value, writer: &Writer) {
    let live = live.unwrap_or(&writer.empty);
    let managed = known(live, new, !writer.subresource.is_empty());
    entries::strip(new);
    match tracked(live, new, managed, writer) {
        Ok(managed) => entries::encode(new, &managed),
        Err(error) => {
            tracing::warn!(?error, "managedFields not updated");
            if let Some(list) = live["metadata"].get("managedFields") {
                new["metadata"]["managedFields"] = list.clone();
            }
        }
    }
}

/// The entries that the new object brings along, or the live one's (`decodeLiveOrNew`).
fn known(live: &Value, new: &Value, is_subresource: bool) -> Managed {
    let of_live = || entries::decode(&live["metadata"]["managedFields"]).unwrap_or_default();
    if is_subresource {
        return of_live();
    }
    let given = &new["metadata"]["managedFields"];
    let is_reset = match given.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => *one == json!({}),
        _ => false,
    };
    if is_reset {
        return Managed::new();
    }
    match entries::decode(given) {
        Ok(managed) if !managed.is_empty() => managed,
        _ => of_live(),
    }
}

/// The entries after an update by `manager`.
fn tracked(
    live: &Value,
    new: &Value,
    managed: Managed,
    writer: &Writer,
) -> Result<Managed, UpdateError> {
    let is_create = super::apply::uid(live).is_empty();
    if managed.is_empty() && !is_create {
        // Nobody wanted ownership tracked.
        return Ok(managed);
    }
    recorded(live, new, managed, writer, &writer.manager)
}

/// [`tracked`] whatever there is so far.
pub(super) fn recorded(
    live: &Value,
    new: &Value,
    managed: Managed,
    writer: &Writer,
    manager: &str,
) -> Result<Managed, UpdateError> {
    let live = without_entries(live);
    let (mut managed, changed) = updater::update(writer, &live, new, managed)?;
    let changed = stripped(&writer.reset.filter(changed));
    if !changed.is_empty() {
        let version = &writer.versions.current;
        let manager = if manager.is_empty() {
            "unknown"
        } else {
            manager
        };
        let id = Id::new(manager, Operation::Update, version, &writer.subresource);
        let owned = managed.entry(id).or_insert_with(|| Owned {
            api_version: version.clone(),
            ..Owned::default()
        });
        owned.set = std::mem::take(&mut owned.set).union(&changed);
        owned.time = Some(writer.time.clone());
    }
    Ok(capped(managed))
}

/// The object without its list, which nobody owns.
pub(super) fn without_entries(object: &Value) -> Value {
    let mut object = object.clone();
    entries::strip(&mut object);
    object
}

/// Merges the oldest entries of updates until there are not too many.
fn capped(mut managed: Managed) -> Managed {
    let is_updater = |id: &Id| id.operation == Operation::Update;
    let mut oldest: Vec<(Option<String>, Id)> = { managed.iter() }
        .filter(|(id, _)| is_updater(id))
        .map(|(id, owned)| (owned.time.clone(), id.clone()))
        .collect();
    let mut count = oldest.len();
    if count <= MAX_UPDATERS {
        return managed;
    }
    oldest.sort();
    // Of each version the first one waits for a second one to be merged with.
    let mut waiting: Vec<(String, Id)> = Vec::new();
    for (time, id) in oldest {
        if count <= MAX_UPDATERS {
            break;
        }
        let Some(version) = managed.get(&id).map(|owned| owned.api_version.clone()) else {
            continue;
        };
        let Some((_, first)) = waiting.iter().find(|(known, _)| *known == version) else {
            waiting.push((version, id));
            continue;
        };
        let bucket = Id::new(ANCIENT, Operation::Update, &version, "");
        if !managed.contains_key(&bucket)
            && let Some(owned) = managed.remove(first)
        {
            managed.insert(bucket.clone(), owned);
        }
        if id != bucket
            && let Some(owned) = managed.remove(&id)
            && let Some(all) = managed.get_mut(&bucket)
        {
            all.set = std::mem::take(&mut all.set).union(&owned.set);
            all.time = time;
            count -= 1;
        }
    }
    managed
}
