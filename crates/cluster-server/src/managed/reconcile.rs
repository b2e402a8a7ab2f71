//! Sets of fields that were written when the topology was another (`typed.ReconcileFieldSetWithSchema`): who owned parts
//! of what is one value now owns it as a whole.

use super::schema::{Atom, Relation, Schema, TypeId};
use super::set::FieldSet;
use super::{Element, schema::MapType};

/// The set as the present topology would have it.
pub(super) fn reconcile(schema: &Schema, set: FieldSet) -> FieldSet {
    let mut path = Vec::new();
    let mut whole = FieldSet::default();
    visit(schema, schema.root(), &set, &mut path, &mut whole);
    if whole.is_empty() {
        set
    } else {
        set.recursive_difference(&whole).union(&whole)
    }
}

fn visit(
    schema: &Schema,
    at: TypeId,
    set: &FieldSet,
    path: &mut Vec<Element>,
    whole: &mut FieldSet,
) {
    let atom = schema.atom(at);
    if is_deduced(atom) || set.is_empty() {
        return;
    }
    if is_one_value(atom) {
        whole.insert(path);
        return;
    }
    for (element, _, below) in set.level() {
        let is_known = match (element, &atom.map) {
            (Element::Field(name), Some(map)) => map.entry(name).is_some(),
            _ => true,
        };
        if is_known {
            path.push(element.clone());
            visit(schema, schema.below(at, element), below, path, whole);
            path.pop();
        }
    }
}

fn is_one_value(atom: &Atom) -> bool {
    let list = atom.list.as_ref();
    match &atom.map {
        Some(map) => map.atomic,
        None => list.is_some_and(|list| list.relation == Relation::Atomic),
    }
}

/// What is deduced from values cannot have changed.
fn is_deduced(atom: &Atom) -> bool {
    atom.scalar.is_some() && atom.map.as_ref().is_some_and(MapType::is_open)
}
