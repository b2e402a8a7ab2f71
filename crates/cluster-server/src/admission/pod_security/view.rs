//! A Pod as the checks look at it.

use serde_json::Value;

/// A Pod (or the template of one).
pub(super) struct PodView<'a> {
    /// Its metadata.
    pub(super) metadata: &'a Value,
    /// Its spec.
    pub(super) spec: &'a Value,
    /// All its containers: init, ordinary, ephemeral.
    pub(super) containers: Vec<&'a Value>,
}

impl<'a> PodView<'a> {
    pub(super) fn new(pod: &'a Value) -> Self {
        let spec = &pod["spec"];
        let lists = ["initContainers", "containers", "ephemeralContainers"];
        let containers = lists
            .iter()
            .flat_map(|list| spec[*list].as_array().into_iter().flatten())
            .collect();
        Self {
            metadata: &pod["metadata"],
            spec,
            containers,
        }
    }

    /// A field of the Pod's security context.
    pub(super) fn security(&self, field: &str) -> &'a Value {
        &self.spec["securityContext"][field]
    }

    /// The names of the containers for which `bad` holds.
    pub(super) fn containers_where(&self, bad: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers
            .iter()
            .filter(|one| bad(one))
            .map(|one| one["name"].as_str().unwrap_or_default())
            .collect()
    }

    /// Whether the Pod has a user namespace of its own, in which root is nobody outside.
    pub(super) fn has_user_namespace(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    /// Whether it is a Windows Pod, to which Linux fields do not apply.
    pub(super) fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }
}

/// `one` or `many`, by the count.
pub(super) fn plural(one: &'static str, many: &'static str, count: usize) -> &'static str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`.
pub(super) fn quoted<S: AsRef<str>>(items: &[S]) -> String {
    items
        .iter()
        .map(|item| format!("\"{}\"", item.as_ref()))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `container "a"` or `containers "a", "b"`.
pub(super) fn containers(names: &[&str]) -> String {
    format!(
        "{} {}",
        plural("container", "containers", names.len()),
        quoted(names)
    )
}

/// `pod and containers "a", "b"`: who set a bad value, as a list to be joined by `and`.
pub(super) fn setters(pod: bool, names: &[&str]) -> Option<String> {
    let mut who = Vec::new();
    if pod {
        who.push("pod".to_owned());
    }
    if !names.is_empty() {
        who.push(containers(names));
    }
    (!who.is_empty()).then(|| who.join(" and "))
}

/// Sorted, each once.
pub(super) fn distinct(mut items: Vec<String>) -> Vec<String> {
    items.sort();
    items.dedup();
    items
}
