//! The environment of a container: `envFrom`, then `env` with expansion
//! (`pkg/kubelet/kubelet_pods.go: makeEnvironmentVariables`).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, EnvVarSource, Pod};

use super::expand::expand;
use super::fields::{self, FieldError, NodeFacts};

/// The ConfigMaps and Secrets that a container names, as they are now; an absent one is `None`.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// ConfigMaps by name.
    pub config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Option<BTreeMap<String, Vec<u8>>>>,
}

/// What the environment is made from.
pub struct Inputs<'a> {
    /// The Pod.
    pub pod: &'a Pod,
    /// The container.
    pub container: &'a Container,
    /// This node.
    pub node: &'a NodeFacts,
    /// The Pod's addresses.
    pub pod_ips: &'a [String],
    /// ConfigMaps and Secrets.
    pub sources: &'a Sources,
}

/// Why the environment cannot be made; the container waits with `CreateContainerConfigError` and it is tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// A ConfigMap or Secret that is not there.
    #[error("{kind} {name:?} not found")]
    NoObject {
        /// `configmap` or `secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// It is there and has no such key.
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey {
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// A field that cannot be had.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A source of a kind that this node does not know.
    #[error("environment variable {0} has a source that this node does not support")]
    Unsupported(String),
}

/// Names of the ConfigMaps and Secrets that `container` refers to.
pub fn references(container: &Container) -> (Vec<String>, Vec<String>) {
    let (mut config_maps, mut secrets) = (Vec::new(), Vec::new());
    for from in container.env_from.iter().flatten() {
        config_maps.extend(from.config_map_ref.iter().map(|r| r.name.clone()));
        secrets.extend(from.secret_ref.iter().map(|r| r.name.clone()));
    }
    for source in container
        .env
        .iter()
        .flatten()
        .filter_map(|var| var.value_from.as_ref())
    {
        config_maps.extend(source.config_map_key_ref.iter().map(|r| r.name.clone()));
        secrets.extend(source.secret_key_ref.iter().map(|r| r.name.clone()));
    }
    (config_maps, secrets)
}

/// The environment, in order; a later entry of one name has replaced the earlier one.
pub fn environment(inputs: &Inputs<'_>) -> Result<Vec<(String, String)>, EnvError> {
    let mut out = Variables::default();
    add_from(inputs, &mut out)?;
    for var in inputs.container.env.iter().flatten() {
        if let Some(value) = value(inputs, &out, var)? {
            out.set(var.name.clone(), value);
        }
    }
    Ok(out.0)
}

#[derive(Default)]
struct Variables(Vec<(String, String)>);

impl Variables {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }
}

fn add_from(inputs: &Inputs<'_>, out: &mut Variables) -> Result<(), EnvError> {
    for from in inputs.container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        if let Some(reference) = &from.config_map_ref {
            match inputs
                .sources
                .config_maps
                .get(&reference.name)
                .and_then(Option::as_ref)
            {
                Some(data) => {
                    for (key, value) in data {
                        out.set(format!("{prefix}{key}"), value.clone());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => {
                    return Err(EnvError::NoObject {
                        kind: "configmap",
                        name: reference.name.clone(),
                    });
                }
            }
        }
        if let Some(reference) = &from.secret_ref {
            match inputs
                .sources
                .secrets
                .get(&reference.name)
                .and_then(Option::as_ref)
            {
                Some(data) => {
                    for (key, value) in data {
                        let text = String::from_utf8_lossy(value);
                        out.set(format!("{prefix}{key}"), text.into_owned());
                    }
                }
                None if reference.optional == Some(true) => {}
                None => {
                    return Err(EnvError::NoObject {
                        kind: "secret",
                        name: reference.name.clone(),
                    });
                }
            }
        }
    }
    Ok(())
}

fn value(inputs: &Inputs<'_>, known: &Variables, var: &EnvVar) -> Result<Option<String>, EnvError> {
    match (&var.value, &var.value_from) {
        (Some(text), _) if !text.is_empty() => Ok(Some(expand(text, |name| known.get(name)))),
        (_, Some(source)) => from_source(inputs, &var.name, source),
        _ => Ok(Some(String::new())),
    }
}

fn from_source(
    inputs: &Inputs<'_>,
    variable: &str,
    source: &EnvVarSource,
) -> Result<Option<String>, EnvError> {
    if let Some(reference) = &source.field_ref {
        return Ok(Some(fields::field(
            inputs.pod,
            inputs.node,
            inputs.pod_ips,
            &reference.field_path,
        )?));
    }
    if let Some(reference) = &source.resource_field_ref {
        return Ok(Some(fields::resource(
            inputs.pod,
            inputs.node,
            inputs.container,
            reference,
        )?));
    }
    let namespace = inputs.pod.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(r) = &source.config_map_key_ref {
        let object = inputs.sources.config_maps.get(&r.name);
        let found = match object.and_then(Option::as_ref) {
            Some(data) => data.get(&r.key).cloned().ok_or_else(|| EnvError::NoKey {
                kind: "ConfigMap",
                namespace: namespace.to_owned(),
                name: r.name.clone(),
                key: r.key.clone(),
            }),
            None => Err(EnvError::NoObject {
                kind: "configmap",
                name: r.name.clone(),
            }),
        };
        return unless_optional(found, r.optional);
    }
    if let Some(r) = &source.secret_key_ref {
        let object = inputs.sources.secrets.get(&r.name);
        let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
        let found = match object.and_then(Option::as_ref) {
            Some(data) => data.get(&r.key).map(text).ok_or_else(|| EnvError::NoKey {
                kind: "Secret",
                namespace: namespace.to_owned(),
                name: r.name.clone(),
                key: r.key.clone(),
            }),
            None => Err(EnvError::NoObject {
                kind: "secret",
                name: r.name.clone(),
            }),
        };
        return unless_optional(found, r.optional);
    }
    Err(EnvError::Unsupported(variable.to_owned()))
}

/// What is missing and optional is left out.
fn unless_optional(
    found: Result<String, EnvError>,
    optional: Option<bool>,
) -> Result<Option<String>, EnvError> {
    match found {
        Err(_) if optional == Some(true) => Ok(None),
        found => found.map(Some),
    }
}

/// Command and arguments with `$(NAME)` of the environment replaced.
pub fn expanded(words: Option<&Vec<String>>, environment: &[(String, String)]) -> Vec<String> {
    let lookup = |name: &str| {
        environment
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    };
    words
        .into_iter()
        .flatten()
        .map(|word| expand(word, lookup))
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{Container, Pod};
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
    use serde_json::{Value, json};

    use super::{Inputs, NodeFacts, Sources, environment};

    fn check(container: Value, expected: Result<&[(&str, &str)], &str>) {
        let pod: Pod =
            serde_json::from_value(json!({"metadata": {"name": "p", "namespace": "ns"}})).unwrap();
        let container: Container = serde_json::from_value(container).unwrap();
        let node = NodeFacts {
            name: "n".into(),
            host_ip: "127.0.0.1".into(),
            cpu: Quantity("2".into()),
            memory: Quantity("1Gi".into()),
        };
        let mut sources = Sources::default();
        sources
            .config_maps
            .insert("cm".into(), Some([("K".to_owned(), "v".to_owned())].into()));
        sources.secrets.insert(
            "sec".into(),
            Some([("P".to_owned(), b"s3".to_vec())].into()),
        );
        sources.config_maps.insert("none".into(), None);
        let inputs = Inputs {
            pod: &pod,
            container: &container,
            node: &node,
            pod_ips: &[],
            sources: &sources,
        };
        let got = environment(&inputs).map_err(|e| e.to_string());
        let expected = expected
            .map(|pairs| {
                pairs
                    .iter()
                    .map(|&(k, v)| (k.to_owned(), v.to_owned()))
                    .collect::<Vec<_>>()
            })
            .map_err(ToOwned::to_owned);
        assert_eq!(got, expected, "{container:?}");
    }

    #[test]
    fn every_source_is_resolved_in_order() {
        let from = json!([{"configMapRef": {"name": "cm"}, "prefix": "X_"}, {"secretRef": {"name": "sec"}}]);
        check(
            json!({"name": "c", "envFrom": from}),
            Ok(&[("X_K", "v"), ("P", "s3")]),
        );
        let env = json!([
            {"name": "A", "value": "1"},
            {"name": "B", "value": "$(A)2$(C)"},
            {"name": "A", "value": "3"},
            {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
            {"name": "K", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "K"}}},
            {"name": "O", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "K", "optional": true}}},
            {"name": "L", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        ]);
        let expected = [
            ("A", "3"),
            ("B", "12$(C)"),
            ("N", "ns"),
            ("K", "v"),
            ("L", "2"),
        ];
        check(json!({"name": "c", "env": env}), Ok(&expected));
    }

    #[test]
    fn what_is_missing_is_said_in_the_kubelets_words() {
        let one = |reference| json!({"name": "c", "env": [{"name": "A", "valueFrom": reference}]});
        check(
            one(json!({"configMapKeyRef": {"name": "none", "key": "k"}})),
            Err("configmap \"none\" not found"),
        );
        let no_key = Err("couldn't find key k in ConfigMap ns/cm");
        check(
            one(json!({"configMapKeyRef": {"name": "cm", "key": "k"}})),
            no_key,
        );
        check(
            one(json!({"secretKeyRef": {"name": "sec", "key": "k"}})),
            Err("couldn't find key k in Secret ns/sec"),
        );
        check(
            json!({"name": "c", "envFrom": [{"secretRef": {"name": "no"}}]}),
            Err("secret \"no\" not found"),
        );
    }
}
