//! What a changed object means for its managers (`merge.Updater`).

use serde_json::Value;

use super::compare::Comparison;
use super::element::Element;
use super::entries::{Id, Managed, Owned};
use super::set::FieldSet;
use super::{Versions, Writer, fields, merge, reconcile, remove};

/// Fields of one manager that an apply would take.
pub(super) type Taken = Vec<(Id, Vec<Element>)>;

/// Why managers could not be brought up to date.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum UpdateError {
    /// Others own what an apply without force would change.
    Conflicts(Taken),
    /// The objects do not have the topology of their kind.
    Failed(String),
}

impl From<String> for UpdateError {
    fn from(why: String) -> Self {
        Self::Failed(why)
    }
}

/// Takes from every manager but `own` what the change took from it. `force`: also what the change gave another value.
fn settle(
    writer: &Writer,
    (old, new): (&Value, &Value),
    mut managers: Managed,
    own: Option<&Id>,
    force: bool,
) -> Result<(Managed, Comparison), UpdateError> {
    let mut compared: Vec<(String, Comparison)> = Vec::new();
    let current = &writer.versions.current;
    let mut compare = |version: &str| -> Result<Option<Comparison>, String> {
        if let Some((_, found)) = compared.iter().find(|(known, _)| known == version) {
            return Ok(Some(found.clone()));
        }
        let Some(schema) = writer.versions.of(version) else {
            return Ok(None);
        };
        let mut found = Comparison::of(schema, old, new)
            .map_err(|why| format!("failed to compare objects: {why}"))?;
        if version == current {
            found = found.without(writer.reset);
        }
        compared.push((version.to_owned(), found.clone()));
        Ok(Some(found))
    };
    let Some(outcome) = compare(current)? else {
        return Err(format!("no corresponding type for {current}").into());
    };
    let (mut taken, mut left) = (Taken::new(), Managed::new());
    for (id, mut owned) in std::mem::take(&mut managers) {
        if Some(&id) != own {
            // Of a version that is served no more nothing is known.
            let Some(change) = compare(&owned.api_version)? else {
                continue;
            };
            let changed = change.modified.union(&change.added);
            let conflicts = owned.set.intersection(&changed);
            taken.extend(conflicts.paths().into_iter().map(|path| (id.clone(), path)));
            owned.set = owned.set.difference(&conflicts).difference(&change.removed);
        }
        if !owned.set.is_empty() {
            left.insert(id, owned);
        }
    }
    if !force && !taken.is_empty() {
        return Err(UpdateError::Conflicts(taken));
    }
    Ok((left, outcome))
}

/// An object was written whole: what it changed belongs to nobody else any more. The second value is what it changed.
pub(super) fn update(
    writer: &Writer,
    old: &Value,
    new: &Value,
    managers: Managed,
) -> Result<(Managed, FieldSet), UpdateError> {
    let managers = reconciled(&writer.versions, managers);
    let (managers, change) = settle(writer, (old, new), managers, None, true)?;
    Ok((managers, change.modified.union(&change.added)))
}

/// A configuration is applied: the merged object, unless it is as it was, and the managers.
pub(super) fn apply(
    writer: &Writer,
    live: &Value,
    config: &Value,
    managers: Managed,
    own: &Id,
    force: bool,
) -> Result<(Option<Value>, Managed), UpdateError> {
    let version = &writer.versions.current;
    let Some(schema) = writer.versions.of(version) else {
        return Err(format!("no corresponding type for {version}").into());
    };
    let mut managers = reconciled(&writer.versions, managers);
    let merged = merge::merge(schema, live, config)
        .map_err(|why| format!("failed to merge config: {why}"))?;
    let wanted = Owned {
        set: writer.reset.filter(fields::of(schema, config)),
        api_version: version.clone(),
        time: None,
    };
    let before = managers.insert(own.clone(), wanted);
    let time = before.as_ref().and_then(|before| before.time.clone());
    let merged = match before {
        Some(before) if !before.set.is_empty() => {
            prune(&writer.versions, merged, &managers, &before)
        }
        _ => merged,
    };
    let (mut managers, _) = settle(writer, (live, &merged), managers, Some(own), force)?;
    if let Some(owned) = managers.get_mut(own) {
        owned.time = time;
    }
    Ok(((merged != *live).then_some(merged), managers))
}

fn reconciled(versions: &Versions, managers: Managed) -> Managed {
    let kept = managers.into_iter().filter_map(|(id, mut owned)| {
        let schema = versions.of(&owned.api_version)?;
        owned.set = reconcile::reconcile(schema, owned.set);
        Some((id, owned))
    });
    kept.collect()
}

/// Takes out what the manager applied before, applies no longer, and nobody else has.
fn prune(versions: &Versions, merged: Value, managers: &Managed, before: &Owned) -> Value {
    let Some(schema) = versions.of(&before.api_version) else {
        return merged;
    };
    let named = |set: &FieldSet| set.with_named_fields(schema, schema.root());
    let last = named(&before.set);
    let mut pruned = remove::remove(schema, &merged, &last);
    // What others, or the new configuration, own comes back, each in the version that it was written in.
    let mut by_version: Vec<(&str, FieldSet)> = vec![(&before.api_version, FieldSet::default())];
    for owned in managers.values() {
        match by_version
            .iter_mut()
            .find(|(known, _)| *known == owned.api_version)
        {
            Some((_, set)) => *set = std::mem::take(set).union(&owned.set),
            None => by_version.push((&owned.api_version, owned.set.clone())),
        }
    }
    for (version, owned) in by_version {
        if let Some(schema) = versions.of(version) {
            let named = |set: &FieldSet| set.with_named_fields(schema, schema.root());
            let all = named(&fields::of(schema, &merged));
            let left = named(&fields::of(schema, &pruned));
            let gone = all.difference(&left.union(&named(&owned)));
            pruned = remove::remove(schema, &merged, &gone);
        }
    }
    // And so does what this manager never had.
    let all = named(&fields::of(schema, &merged));
    let left = named(&fields::of(schema, &pruned));
    remove::remove(schema, &merged, &all.difference(&left).intersection(&last))
}
