//! What a definition's status says: the names that it has been given, and its conditions.
//!
//! Source: `apiextensions-apiserver/pkg/controller/{status,establish,apiapproval,finalizer}`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::definition::{Approval, approval, condition, holds, is_protected, text};

/// Keeps a definition until its objects are gone. It is put there by the first delete.
pub(crate) const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Names that other definitions of the same group have.
#[derive(Debug, Default)]
pub(super) struct Taken {
    resources: HashSet<String>,
    kinds: HashSet<String>,
}

impl Taken {
    /// The names that `others` have been given in `group`. A definition's own name may be among them.
    pub(super) fn in_group<'a>(group: &str, others: impl Iterator<Item = &'a Value>) -> Self {
        let mut taken = Self::default();
        for other in others.filter(|other| other["spec"]["group"] == group) {
            let names = &other["status"]["acceptedNames"];
            for name in ["plural", "singular"].map(|key| text(names, key)) {
                taken.resources.insert(name.to_owned());
            }
            taken.resources.extend(strings(&names["shortNames"]));
            for name in ["kind", "listKind"].map(|key| text(names, key)) {
                taken.kinds.insert(name.to_owned());
            }
        }
        taken
    }
}

pub(super) fn strings(value: &Value) -> Vec<String> {
    let list = value.as_array().into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A condition without its time.
struct Condition {
    kind: &'static str,
    status: &'static str,
    reason: String,
    message: String,
}

impl Condition {
    fn new(
        kind: &'static str,
        status: &'static str,
        reason: &str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            status,
            reason: reason.to_owned(),
            message: message.into(),
        }
    }

    /// `SetCRDCondition`: its time is when its status changed.
    fn set(self, definition: &mut Value, now: &str) {
        let known = condition(definition, self.kind);
        let since = known
            .filter(|known| known["status"] == self.status)
            .map_or_else(|| now.into(), |known| known["lastTransitionTime"].clone());
        let new = json!({
            "type": self.kind, "status": self.status, "lastTransitionTime": since, "reason": self.reason, "message": self.message,
        });
        let conditions = &mut definition["status"]["conditions"];
        match conditions.as_array_mut() {
            Some(list) => match list.iter_mut().find(|one| one["type"] == self.kind) {
                Some(there) => *there = new,
                None => list.push(new),
            },
            None => *conditions = json!([new]),
        }
    }
}

/// The definition with the names it is given and the conditions that follow from them.
pub(super) fn settled(definition: &Value, taken: &Taken, now: &str) -> Value {
    let mut out = definition.clone();
    if definition["status"]["acceptedNames"] != definition["spec"]["names"] {
        let (names, accepted) = accept(definition, taken);
        out["status"]["acceptedNames"] = names;
        accepted.set(&mut out, now);
    }
    if !holds(&out, "Established") {
        let established = if holds(&out, "NamesAccepted") {
            Condition::new(
                "Established",
                "True",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            )
        } else {
            Condition::new(
                "Established",
                "False",
                "NotAccepted",
                "not all names are accepted",
            )
        };
        established.set(&mut out, now);
    }
    if is_protected(text(&definition["spec"], "group")) {
        let (state, why) = approval(definition);
        let (status, reason) = match state {
            Approval::Invalid => ("False", "InvalidAnnotation"),
            Approval::Missing => ("False", "MissingAnnotation"),
            Approval::Approved => ("True", "ApprovedAnnotation"),
            Approval::Bypassed => ("False", "UnapprovedAnnotation"),
        };
        let kind = "KubernetesAPIApprovalPolicyConformant";
        Condition::new(kind, status, reason, why).set(&mut out, now);
    }
    out
}

/// `calculateNamesAndConditions`: each name that nobody else has is given; the last that somebody has is told.
fn accept(definition: &Value, taken: &Taken) -> (Value, Condition) {
    let (wanted, had) = (
        &definition["spec"]["names"],
        &definition["status"]["acceptedNames"],
    );
    let (mut names, mut conflict) = (had.clone(), None);
    let mut one = |key: &str, reason: &'static str, others: &HashSet<String>| {
        let name = text(wanted, key);
        if name != text(had, key) && others.contains(name) {
            conflict = Some((reason, format!("{name:?} is already in use")));
        } else {
            names[key] = name.into();
        }
    };
    one("plural", "PluralConflict", &taken.resources);
    one("singular", "SingularConflict", &taken.resources);
    let short = short_conflict(wanted, had, taken);
    if short.is_none() {
        if wanted["shortNames"].is_null() {
            remove(&mut names, "shortNames");
        } else {
            names["shortNames"] = wanted["shortNames"].clone();
        }
    }
    let mut conflict = short.map(|why| ("ShortNamesConflict", why)).or(conflict);
    for (key, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        let name = text(wanted, key);
        if name != text(had, key) && taken.kinds.contains(name) {
            conflict = Some((reason, format!("{name:?} is already in use")));
        } else {
            names[key] = name.into();
        }
    }
    if wanted["categories"].is_null() {
        remove(&mut names, "categories");
    } else {
        names["categories"] = wanted["categories"].clone();
    }
    let condition = match conflict {
        Some((reason, why)) => Condition::new("NamesAccepted", "False", reason, why),
        None => Condition::new("NamesAccepted", "True", "NoConflicts", "no conflicts found"),
    };
    (in_order(&names), condition)
}

/// The names in the order in which Go writes them.
fn in_order(names: &Value) -> Value {
    let keys = [
        "plural",
        "singular",
        "shortNames",
        "kind",
        "listKind",
        "categories",
    ];
    let present = keys
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), names.get(key)?.clone())));
    Value::Object(present.collect())
}

fn remove(names: &mut Value, key: &str) {
    if let Some(fields) = names.as_object_mut() {
        fields.shift_remove(key);
    }
}

fn short_conflict(wanted: &Value, had: &Value, taken: &Taken) -> Option<String> {
    let had = strings(&had["shortNames"]);
    let conflicts: Vec<String> = strings(&wanted["shortNames"])
        .into_iter()
        .filter(|name| !had.contains(name) && taken.resources.contains(name))
        .map(|name| format!("{name:?} is already in use"))
        .collect();
    match conflicts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

/// Marks a definition that is being deleted: it stays until its objects are gone (`REST.Delete`).
pub(crate) fn mark_deleted(definition: &mut Value, now: &str) {
    definition["metadata"]["deletionTimestamp"] = now.into();
    let finalizers = &mut definition["metadata"]["finalizers"];
    match finalizers.as_array_mut() {
        Some(list) if list.iter().any(|one| one == FINALIZER) => {}
        Some(list) => list.push(FINALIZER.into()),
        None => *finalizers = json!([FINALIZER]),
    }
    let message =
        "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    Condition::new("Terminating", "True", "InstanceDeletionPending", message).set(definition, now);
}

/// The definition while its objects are being deleted.
pub(super) fn deleting(definition: &Value, now: &str) -> Value {
    let mut out = definition.clone();
    let message = "CustomResource deletion is in progress";
    let reason = "InstanceDeletionInProgress";
    Condition::new("Terminating", "True", reason, message).set(&mut out, now);
    out
}

/// The definition when its objects are gone, or there never were any.
pub(super) fn deleted(definition: &Value, now: &str) -> Value {
    let mut out = definition.clone();
    let (reason, message) = if holds(definition, "Established") {
        ("InstanceDeletionCompleted", "removed all instances")
    } else {
        ("NeverEstablished", "resource was never established")
    };
    Condition::new("Terminating", "False", reason, message).set(&mut out, now);
    if let Some(list) = out["metadata"]["finalizers"].as_array_mut() {
        list.retain(|one| one != FINALIZER);
    }
    if out["metadata"]["finalizers"]
        .as_array()
        .is_some_and(Vec::is_empty)
        && let Some(metadata) = out["metadata"].as_object_mut()
    {
        metadata.shift_remove("finalizers");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, plural: &str, kind: &str, short: &[&str]) -> Value {
        json!({"metadata": {"name": name}, "spec": {"group": "example.com", "names": {
            "plural": plural, "singular": kind.to_lowercase(), "shortNames": short, "kind": kind, "listKind": format!("{kind}List"),
        }}, "status": {"acceptedNames": {"plural": "", "kind": ""}}})
    }

    fn taken(others: &[&Value]) -> Taken {
        Taken::in_group("example.com", others.iter().copied())
    }

    #[test]
    fn a_name_that_somebody_has_is_not_given_again() {
        let first = settled(
            &named("a", "widgets", "Widget", &["w"]),
            &taken(&[]),
            "2026-01-01T00:00:00Z",
        );
        assert!(holds(&first, "Established") && holds(&first, "NamesAccepted"));
        let second = settled(
            &named("b", "wodgets", "Widget", &["w"]),
            &taken(&[&first]),
            "2026-01-01T00:00:00Z",
        );
        let accepted = condition(&second, "NamesAccepted").expect("a condition");
        assert_eq!(accepted["reason"], "ListKindConflict");
        assert_eq!(accepted["message"], "\"WidgetList\" is already in use");
        let established = condition(&second, "Established").expect("a condition");
        assert_eq!(
            (&established["status"], &established["reason"]),
            (&json!("False"), &json!("NotAccepted"))
        );
        assert_eq!(second["status"]["acceptedNames"]["plural"], "wodgets");
        assert_eq!(second["status"]["acceptedNames"]["kind"], "");
    }
}
