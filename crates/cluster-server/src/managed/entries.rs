//! `metadata.managedFields`: an entry for each manager, and how the list is read and written.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::FieldSet;

/// What a manager did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    Apply,
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// What tells entries apart (`BuildManagerIdentifier`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) manager: String,
    pub(super) operation: Operation,
    /// Empty for appliers: they have one entry, whatever version they wrote in.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

impl Id {
    pub(super) fn new(
        manager: &str,
        operation: Operation,
        api_version: &str,
        subresource: &str,
    ) -> Self {
        let api_version = match operation {
            Operation::Apply => "",
            Operation::Update => api_version,
        };
        Self {
            manager: manager.to_owned(),
            operation,
            api_version: api_version.to_owned(),
            subresource: subresource.to_owned(),
        }
    }

    /// As conflicts name it.
    pub(super) fn printed(&self) -> String {
        let mut out = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            out = format!("{out} with subresource {:?}", self.subresource);
        }
        match self.operation {
            Operation::Apply => out,
            Operation::Update => format!("{out} using {}", self.api_version),
        }
    }
}

/// What a manager owns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Owned {
    pub(super) set: FieldSet,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All entries of an object.
pub(super) type Managed = BTreeMap<Id, Owned>;

/// Reads the list.
///
/// # Errors
/// What is wrong with the first entry that cannot be read.
pub(super) fn decode(list: &Value) -> Result<Managed, String> {
    let mut out = Managed::new();
    for (at, entry) in list.as_array().into_iter().flatten().enumerate() {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let operation = match text("operation") {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return Err("operation must be `Apply` or `Update`".to_owned()),
        };
        if text("apiVersion").is_empty() {
            return Err("apiVersion must not be empty".to_owned());
        }
        match text("fieldsType") {
            "FieldsV1" => {}
            "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
            other => {
                return Err(format!(
                    "invalid fieldsType {other:?} in managed fields entry {at}"
                ));
            }
        }
        let set = FieldSet::parse(&entry["fieldsV1"])
            .map_err(|why| format!("error decoding set: {why}"))?;
        let id = Id::new(
            text("manager"),
            operation,
            text("apiVersion"),
            text("subresource"),
        );
        let owned = Owned {
            set,
            api_version: text("apiVersion").to_owned(),
            time: entry["time"].as_str().map(str::to_owned),
        };
        out.insert(id, owned);
    }
    Ok(out)
}

/// Checks a list that admission may have changed.
///
/// # Errors
/// What is wrong with the first entry that cannot be read.
pub fn check(object: &Value) -> Result<(), String> {
    decode(&object["metadata"]["managedFields"]).map(drop)
}

/// Writes the list into an object: appliers first, each kind from the oldest to the newest.
pub(super) fn encode(object: &mut Value, managed: &Managed) {
    let mut all: Vec<(&Id, &Owned)> = managed.iter().collect();
    all.sort_by_key(|(id, owned)| (id.operation, &owned.time, &id.manager, &owned.api_version));
    let list: Vec<Value> = all
        .into_iter()
        .map(|(id, owned)| entry(id, owned))
        .collect();
    if list.is_empty() {
        strip(object);
    } else {
        object["metadata"]["managedFields"] = Value::Array(list);
    }
}

fn entry(id: &Id, owned: &Owned) -> Value {
    let mut out = Map::new();
    let mut put = |field: &str, text: &str| {
        if !text.is_empty() {
            out.insert(field.to_owned(), text.into());
        }
    };
    put("manager", &id.manager);
    put("operation", id.operation.name());
    put("apiVersion", &owned.api_version);
    put("time", owned.time.as_deref().unwrap_or_default());
    put("fieldsType", "FieldsV1");
    out.insert("fieldsV1".to_owned(), owned.set.to_value());
    if !id.subresource.is_empty() {
        out.insert("subresource".to_owned(), id.subresource.clone().into());
    }
    Value::Object(out)
}

/// Takes the list out of an object.
pub(super) fn strip(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
    }
}

/// Puts the times of `old`'s entries back into `new` where nothing else differs, so that a write that changes nothing is
/// none (`IgnoreManagedFieldsTimestampsTransformer`).
pub fn ignore_times(new: &mut Value, old: &Value) {
    let timeless = |list: &Value| {
        let mut list = list.clone();
        for entry in list.as_array_mut().into_iter().flatten() {
            if let Some(entry) = entry.as_object_mut() {
                entry.shift_remove("time");
            }
        }
        list
    };
    let before = &old["metadata"]["managedFields"];
    let after = &new["metadata"]["managedFields"];
    if before == after || !after.is_array() || timeless(before) != timeless(after) {
        return;
    }
    let kept = new["metadata"]["managedFields"].take();
    new["metadata"]["managedFields"] = before.clone();
    if *new != *old {
        new["metadata"]["managedFields"] = kept;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_written_in_the_order_of_kubernetes() {
        let of = |manager: &str, operation: &str, time: &str| {
            json!({"manager": manager, "operation": operation, "apiVersion": "v1", "time": time,
                "fieldsType": "FieldsV1", "fieldsV1": {"f:a": {}}})
        };
        let (first, second) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let list = json!([
            of("b", "Update", second),
            of("c", "Update", first),
            of("z", "Apply", second)
        ]);
        let mut object = json!({"metadata": {}});
        encode(&mut object, &decode(&list).expect("reads"));
        assert_eq!(
            object["metadata"]["managedFields"],
            json!([
                of("z", "Apply", second),
                of("c", "Update", first),
                of("b", "Update", second)
            ])
        );
    }

    #[test]
    fn entries_that_cannot_be_read_are_rejected() {
        let cases = [
            (
                json!({"operation": "Patch"}),
                "operation must be `Apply` or `Update`",
            ),
            (
                json!({"operation": "Apply"}),
                "apiVersion must not be empty",
            ),
            (
                json!({"operation": "Apply", "apiVersion": "v1"}),
                "missing fieldsType in managed fields entry 0",
            ),
            (
                json!({"operation": "Apply", "apiVersion": "v1", "fieldsType": "V0"}),
                "invalid fieldsType \"V0\" in managed fields entry 0",
            ),
        ];
        for (entry, expected) in cases {
            assert_eq!(decode(&json!([entry])), Err(expected.to_owned()));
        }
    }
}
