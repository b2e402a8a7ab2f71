//! Fields that a write cannot change because the strategy of its resource puts them back (`GetResetFields`): nobody comes
//! to own them by it.

use super::set::FieldSet;
use crate::kinds::Resource;

type Path = &'static [&'static str];

/// Which fields a write cannot change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reset {
    /// All can be changed.
    Nothing,
    /// These and what is below them.
    These(&'static [Path]),
    /// All but these and what is below them.
    AllBut(Path),
}

const STATUS: &[Path] = &[&["status"]];
const SPEC: &[Path] = &[&["spec"]];
const SPEC_AND_METADATA: &[Path] = &[&["metadata"], &["spec"]];
const POD_STATUS: &[Path] = &[
    &["spec"],
    &["metadata", "deletionTimestamp"],
    &["metadata", "ownerReferences"],
];

impl Reset {
    /// What a write to a subresource (empty: the object itself) of a resource cannot change.
    pub fn of(resource: &Resource, subresource: &str) -> Self {
        let has_status = resource.subresources.iter().any(|name| name == "status");
        let is_pod = resource.key() == "pods";
        match subresource {
            "ephemeralcontainers" if is_pod => Self::AllBut(&["spec", "ephemeralContainers"]),
            "status" if is_pod => Self::These(POD_STATUS),
            "status" if resource.custom || resource.group == "apiregistration.k8s.io" => {
                Self::These(SPEC_AND_METADATA)
            }
            "status" => Self::These(SPEC),
            "" | "finalize" if has_status => Self::These(STATUS),
            _ => Self::Nothing,
        }
    }

    /// Without the fields that cannot be changed.
    pub(super) fn filter(self, set: FieldSet) -> FieldSet {
        match self {
            Self::Nothing => set,
            Self::These(paths) => set.recursive_difference(&FieldSet::of_fields(paths)),
            Self::AllBut(path) => set.at_or_below(path),
        }
    }
}
