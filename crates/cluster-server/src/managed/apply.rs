//! Server-side apply: a configuration is everything that its manager wants (`FieldManager.Apply`).

use serde_json::Value;

use super::compare::Comparison;
use super::entries::{self, Id, Managed, Operation};
use super::set::FieldSet;
use super::update::{recorded, stripped, without_entries};
use super::updater::{self, Taken, UpdateError};
use super::{Writer, element, fields, validate};

/// What `kubectl apply` without `--server-side` leaves behind.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager of objects that are applied to for the first time.
const BEFORE: &str = "before-first-apply";
/// Most bytes of all annotations (`TotalAnnotationSizeLimitB`).
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// A field that another manager owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The manager as messages print it.
    pub manager: String,
    /// The field as messages print it.
    pub field: String,
}

/// Why a configuration cannot be applied. Only conflicts can be forced.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApplyError {
    /// It is no configuration of this kind.
    #[error("{0}")]
    BadRequest(String),
    /// It sets fields that others own.
    #[error("{} fields are owned by others", .0.len())]
    Conflicts(Vec<Conflict>),
    /// It does not fit the kind.
    #[error("{0}")]
    Failed(String),
}

pub(super) fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// `live` (`None`: there is none) with `config` applied, not yet decoded and defaulted.
///
/// # Errors
/// Why not.
pub fn apply(
    live: Option<&Value>,
    config: &Value,
    kind: &str,
    writer: &Writer,
    force: bool,
) -> Result<Value, ApplyError> {
    check(config, kind, writer)?;
    let live = live.unwrap_or(&writer.empty);
    let managed = entries::decode(&live["metadata"]["managedFields"])
        .map_err(|why| ApplyError::Failed(format!("failed to decode managed fields: {why}")))?;
    let outcome = match merged(live, config, managed.clone(), writer, force) {
        Err(UpdateError::Conflicts(taken)) if writer.manager == "kubectl" => {
            match without_own_conflicts(live, taken, writer) {
                Ok(()) => merged(live, config, managed, writer, true),
                Err(taken) => Err(UpdateError::Conflicts(taken)),
            }
        }
        outcome => outcome,
    };
    let (mut object, managed) = outcome.map_err(to_error)?;
    if writer.manager == "kubectl" {
        renew_last_applied(&mut object, config);
    }
    entries::encode(&mut object, &managed);
    Ok(object)
}

fn to_error(error: UpdateError) -> ApplyError {
    match error {
        UpdateError::Failed(why) => ApplyError::Failed(why),
        UpdateError::Conflicts(taken) => {
            let conflicts = taken.into_iter().map(|(id, path)| Conflict {
                manager: id.printed(),
                field: element::printed(&path),
            });
            ApplyError::Conflicts(conflicts.collect())
        }
    }
}

/// What a configuration must say of itself.
fn check(config: &Value, kind: &str, writer: &Writer) -> Result<(), ApplyError> {
    let text = |field: &str| config[field].as_str().unwrap_or_default();
    let (version, given) = (text("apiVersion"), text("kind"));
    if version != writer.versions.current || given != kind {
        let found = printed_kind(version, given);
        return Err(ApplyError::BadRequest(format!(
            "invalid object type: {found}"
        )));
    }
    if config["metadata"]["managedFields"].is_array() {
        let text = "metadata.managedFields must be nil";
        return Err(ApplyError::BadRequest(text.to_owned()));
    }
    let Some(schema) = writer.versions.of(version) else {
        return Ok(());
    };
    validate::validate(schema, config).map_err(|why| {
        let metadata = |field: &str| config["metadata"][field].as_str().unwrap_or_default();
        ApplyError::Failed(format!(
            "failed to create typed patch object ({}/{}; {}): {why}",
            metadata("namespace"),
            metadata("name"),
            printed_kind(version, kind)
        ))
    })
}

/// `schema.GroupVersionKind` as Go prints it.
fn printed_kind(api_version: &str, kind: &str) -> String {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    format!("{group}/{version}, Kind={kind}")
}

/// The merged object and its managers.
fn merged(
    live: &Value,
    config: &Value,
    mut managed: Managed,
    writer: &Writer,
    force: bool,
) -> Result<(Value, Managed), UpdateError> {
    let bare = without_entries(live);
    if managed.is_empty() {
        // What was there before ownership was tracked is somebody's.
        managed = recorded(&writer.empty, &bare, managed, writer, BEFORE)?;
    }
    let version = &writer.versions.current;
    let own = Id::new(
        &writer.manager,
        Operation::Apply,
        version,
        &writer.subresource,
    );
    let (object, mut managed) = updater::apply(writer, &bare, config, managed, &own, force)?;
    if let Some(owned) = managed.get_mut(&own) {
        owned.set = stripped(&owned.set);
        if object.is_some() {
            owned.time = Some(writer.time.clone());
        }
        if owned.set.is_empty() {
            managed.remove(&own);
        }
    }
    Ok((object.unwrap_or(bare), managed))
}

/// Conflicts that only come from the same person's client-side apply are none (`lastAppliedManager`). `Err`: the others.
fn without_own_conflicts(live: &Value, taken: Taken, writer: &Writer) -> Result<(), Taken> {
    let Some(own) = last_applied(live, writer) else {
        return Err(taken);
    };
    let (_, others): (Taken, Taken) = taken.into_iter().partition(|(_, path)| own.has(path));
    if others.is_empty() {
        Ok(())
    } else {
        Err(others)
    }
}

/// Fields of the last client-side apply that are still as it left them.
fn last_applied(live: &Value, writer: &Writer) -> Option<FieldSet> {
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str()?;
    let last: Value = serde_json::from_str(text).ok()?;
    let version = &writer.versions.current;
    if last["apiVersion"] != version.as_str() {
        return None;
    }
    let schema = writer.versions.of(version)?;
    validate::validate(schema, &last).ok()?;
    let change = Comparison::of(schema, &last, live).ok()?;
    let set = fields::of(schema, &last).difference(&change.modified);
    Some(set.difference(&change.added).difference(&change.removed))
}

/// Keeps the annotation of client-side apply true where there is one (`lastAppliedUpdater`).
fn renew_last_applied(object: &mut Value, config: &Value) {
    let annotations = &mut object["metadata"]["annotations"];
    let is_there = annotations[LAST_APPLIED]
        .as_str()
        .is_some_and(|text| !text.is_empty());
    let Some(annotations) = annotations.as_object_mut().filter(|_| is_there) else {
        return;
    };
    let mut config = config.clone();
    if let Some(given) = config["metadata"]
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        given.shift_remove(LAST_APPLIED);
    }
    sort(&mut config);
    let text = format!("{config}\n");
    annotations.insert(LAST_APPLIED.to_owned(), text.into());
    let size = |(key, value): (&String, &Value)| key.len() + value.as_str().map_or(0, str::len);
    if annotations.iter().map(size).sum::<usize>() > MAX_ANNOTATIONS {
        annotations.shift_remove(LAST_APPLIED);
    }
}

/// Fields in the order in which Go writes a map.
fn sort(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.sort_keys();
            fields.values_mut().for_each(sort);
        }
        Value::Array(items) => items.iter_mut().for_each(sort),
        _ => {}
    }
}
