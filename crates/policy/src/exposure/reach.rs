//! Credentials, configuration and files within reach, and through what.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use session::Container;

use super::Processes;

/// One thing within reach.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// What it is.
    pub kind: Kind,
    /// Its name: of the Secret, ConfigMap, claim or volume; the path of a host path; the audience of a token.
    pub name: String,
    /// Through what.
    pub through: String,
}

/// Kinds of things within reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A Secret.
    Secret,
    /// A token of the Pod's service account.
    ServiceAccountToken,
    /// Files of the node.
    HostPath,
    /// A persistent volume.
    PersistentVolumeClaim,
    /// A ConfigMap.
    ConfigMap,
    /// Another volume.
    Volume,
}

impl Kind {
    /// All of them, the most telling first.
    pub const ALL: [Self; 6] = [
        Self::Secret,
        Self::ServiceAccountToken,
        Self::HostPath,
        Self::PersistentVolumeClaim,
        Self::ConfigMap,
        Self::Volume,
    ];

    /// The name in documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ServiceAccountToken => "ServiceAccountToken",
            Self::HostPath => "HostPath",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::ConfigMap => "ConfigMap",
            Self::Volume => "Volume",
        }
    }
}

impl Reach {
    pub(super) fn to_json(&self) -> Value {
        json!({"kind": self.kind.as_str(), "name": self.name, "through": self.through})
    }
}

/// Regular and init containers; debug containers come and go and are left out.
pub(crate) fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers"]
        .into_iter()
        .flat_map(|list| items(&spec[list]))
}

pub(crate) fn name(of: &Value) -> String {
    text(&of["name"])
}

/// Everything within reach of `container`: its own environment and mounts, and those of every container
/// whose processes it sees.
pub(super) fn within(spec: &Value, container: &Container, seen: &Processes) -> BTreeSet<Reach> {
    let mut found = BTreeSet::new();
    of_container(spec, container.raw(), "the debug container", &mut found);
    for other in containers(spec).filter(|c| seen.containers.contains(&name(c))) {
        let whose = format!("container {}", name(other));
        of_container(spec, other, &whose, &mut found);
    }
    found
}

fn of_container(spec: &Value, container: &Value, whose: &str, found: &mut BTreeSet<Reach>) {
    let through = format!("the environment of {whose}");
    let mut environment = |kind, name: &Value| {
        if name.is_string() {
            found.insert(Reach {
                kind,
                name: text(name),
                through: through.clone(),
            });
        }
    };
    for variable in items(&container["env"]) {
        let from = &variable["valueFrom"];
        environment(Kind::Secret, &from["secretKeyRef"]["name"]);
        environment(Kind::ConfigMap, &from["configMapKeyRef"]["name"]);
    }
    for source in items(&container["envFrom"]) {
        environment(Kind::Secret, &source["secretRef"]["name"]);
        environment(Kind::ConfigMap, &source["configMapRef"]["name"]);
    }
    for (list, path) in [
        ("volumeMounts", "mountPath"),
        ("volumeDevices", "devicePath"),
    ] {
        for mount in items(&container[list]) {
            let through = format!("{} of {whose}", text(&mount[path]));
            let volume = items(&spec["volumes"]).find(|v| v["name"] == mount["name"]);
            let sources =
                volume.map_or_else(|| vec![(Kind::Volume, text(&mount["name"]))], sources);
            found.extend(sources.into_iter().map(|(kind, name)| Reach {
                kind,
                name,
                through: through.clone(),
            }));
        }
    }
}

/// What a volume holds.
fn sources(volume: &Value) -> Vec<(Kind, String)> {
    let projected = items(&volume["projected"]["sources"]);
    let mut found: Vec<(Kind, String)> = projected.filter_map(projection).collect();
    for (source, field, kind) in [
        ("secret", "secretName", Kind::Secret),
        ("configMap", "name", Kind::ConfigMap),
        ("hostPath", "path", Kind::HostPath),
        (
            "persistentVolumeClaim",
            "claimName",
            Kind::PersistentVolumeClaim,
        ),
    ] {
        if let Some(source) = volume.get(source).filter(|s| s.is_object()) {
            found.push((kind, text(&source[field])));
        }
    }
    if found.is_empty() {
        found.push((Kind::Volume, name(volume)));
    }
    found
}

fn projection(source: &Value) -> Option<(Kind, String)> {
    if let Some(secret) = source.get("secret") {
        return Some((Kind::Secret, text(&secret["name"])));
    }
    if let Some(map) = source.get("configMap") {
        return Some((Kind::ConfigMap, text(&map["name"])));
    }
    let token = source.get("serviceAccountToken")?;
    let audience = token["audience"].as_str().unwrap_or("the API server");
    Some((Kind::ServiceAccountToken, audience.to_owned()))
}

/// The items of a list that may be absent.
pub(crate) fn items(list: &Value) -> std::slice::Iter<'_, Value> {
    list.as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
