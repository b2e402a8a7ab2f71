//! How lists are merged: the one table for strategic merge patches, server-side apply and OpenAPI.
//!
//! Field names are enough: no two built-in kinds that are served give one name two meanings.
//! Source: `patchStrategy`, `patchMergeKey`, `listType` and `listMapKey` of `k8s.io/api`.

/// What a list is to server-side apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// Replaced whole.
    Atomic,
    /// A set of scalars.
    Set,
    /// Elements with these fields as their key.
    Map(&'static [&'static str]),
}

/// One field that holds a mergeable list.
struct Row {
    field: &'static str,
    /// The key of strategic merge; empty for a list of scalars that is merged as a set.
    merge: Option<&'static str>,
    apply: ListKind,
}

const fn row(field: &'static str, merge: Option<&'static str>, apply: ListKind) -> Row {
    Row {
        field,
        merge,
        apply,
    }
}

const TABLE: &[Row] = &[
    row("addresses", Some("type"), ListKind::Map(&["type"])),
    row(
        "allocatedResourcesStatus",
        Some("name"),
        ListKind::Map(&["name"]),
    ),
    row("conditions", Some("type"), ListKind::Map(&["type"])),
    row("containers", Some("name"), ListKind::Map(&["name"])),
    row("env", Some("name"), ListKind::Map(&["name"])),
    row(
        "ephemeralContainers",
        Some("name"),
        ListKind::Map(&["name"]),
    ),
    row("finalizers", Some(""), ListKind::Set),
    row("hostAliases", Some("ip"), ListKind::Map(&["ip"])),
    row("hostIPs", Some("ip"), ListKind::Atomic),
    row("imagePullSecrets", Some("name"), ListKind::Map(&["name"])),
    row("initContainers", Some("name"), ListKind::Map(&["name"])),
    row("matchConditions", Some("name"), ListKind::Map(&["name"])),
    row("ownerReferences", Some("uid"), ListKind::Map(&["uid"])),
    row("podCIDRs", Some(""), ListKind::Set),
    row("podIPs", Some("ip"), ListKind::Map(&["ip"])),
    row(
        "ports",
        Some("containerPort"),
        ListKind::Map(&["containerPort", "protocol"]),
    ),
    row(
        "resourceClaimStatuses",
        Some("name"),
        ListKind::Map(&["name"]),
    ),
    row("resourceClaims", Some("name"), ListKind::Map(&["name"])),
    row("schedulingGates", Some("name"), ListKind::Map(&["name"])),
    row("secrets", Some("name"), ListKind::Map(&["name"])),
    row(
        "topologySpreadConstraints",
        Some("topologyKey"),
        ListKind::Map(&["topologyKey", "whenUnsatisfiable"]),
    ),
    row(
        "volumeDevices",
        Some("devicePath"),
        ListKind::Map(&["devicePath"]),
    ),
    row(
        "volumeMounts",
        Some("mountPath"),
        ListKind::Map(&["mountPath"]),
    ),
    row("volumes", Some("name"), ListKind::Map(&["name"])),
    row("webhooks", Some("name"), ListKind::Map(&["name"])),
];

fn find(field: &str) -> Option<&'static Row> {
    TABLE
        .binary_search_by_key(&field, |row| row.field)
        .ok()
        .map(|at| &TABLE[at])
}

/// The key by which strategic merge patches merge the list `field`: `Some("")` for a set of scalars, `None` where the
/// list is replaced.
pub fn merge_key(field: &str) -> Option<&'static str> {
    find(field).and_then(|row| row.merge)
}

/// Whether elements of the list `field` keep only the keys that a patch names when it says so (`retainKeys`).
pub fn retains_keys(field: &str) -> bool {
    matches!(field, "volumes" | "resourceClaims")
}

/// What the list `field` is to server-side apply.
pub fn keys_of(field: &str) -> ListKind {
    find(field).map_or(ListKind::Atomic, |row| row.apply)
}
