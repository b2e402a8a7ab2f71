//! ConfigMaps and Secrets: entries, types of secrets, and immutability.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{Strategy, names};
use crate::field::{Fault, FieldError, Path};

/// What one object may hold, in bytes (`MaxSecretSize`).
const LIMIT: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

/// What is particular to ConfigMaps.
pub struct ConfigMapStrategy;

/// The strategy of ConfigMaps.
pub static CONFIG_MAP: ConfigMapStrategy = ConfigMapStrategy;

/// What is particular to Secrets.
pub struct SecretStrategy;

/// The strategy of Secrets.
pub static SECRET: SecretStrategy = SecretStrategy;

fn map<'a>(object: &'a Value, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object[field].as_object().into_iter().flatten()
}

fn keys(object: &Value, field: &str) -> Vec<FieldError> {
    let path = Path::new(field);
    let faults = |key: &str| {
        let field = path.key(key);
        let texts = names::config_key(key);
        texts
            .into_iter()
            .map(|text| FieldError::invalid(&field, key, text))
            .collect::<Vec<_>>()
    };
    map(object, field)
        .flat_map(|(key, _)| faults(key))
        .collect()
}

fn size(object: &Value, field: &str) -> usize {
    map(object, field)
        .map(|(_, value)| value.as_str().map_or(0, str::len))
        .sum()
}

/// Once `immutable` is true, neither it nor the data may change.
fn frozen(new: &Value, old: &Value, fields: &[&str]) -> Vec<FieldError> {
    if old["immutable"] != true {
        return Vec::new();
    }
    let forbid = |field: &&str| FieldError::forbidden(&Path::new(field), FROZEN);
    let mut out = Vec::new();
    if new["immutable"] != true {
        out.push(forbid(&"immutable"));
    }
    out.extend(
        fields
            .iter()
            .filter(|field| new.get(**field) != old.get(**field))
            .map(forbid),
    );
    out
}

impl Strategy for ConfigMapStrategy {
    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut out = keys(object, "data");
        for (key, _) in
            map(object, "data").filter(|(key, _)| object["binaryData"].get(key.as_str()).is_some())
        {
            out.push(FieldError::invalid(
                &Path::new("data").key(key),
                key.as_str(),
                "duplicate of key present in binaryData",
            ));
        }
        out.extend(keys(object, "binaryData"));
        if size(object, "data") + size(object, "binaryData") / 4 * 3 > LIMIT {
            out.push(FieldError::new(&Path::new("[]"), Fault::TooLong(LIMIT), ""));
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut out = frozen(new, old, &["data", "binaryData"]);
        out.extend(self.validate_create(new));
        out
    }
}

impl Strategy for SecretStrategy {
    fn default(&self, object: &mut Value) {
        let Some(object) = object.as_object_mut() else {
            return;
        };
        if object
            .get("type")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .is_empty()
        {
            object.insert("type".to_owned(), "Opaque".into());
        }
        // `stringData` is a convenience of writing: it is never stored.
        if let Some(Value::Object(texts)) = object.remove("stringData") {
            let data = object.entry("data").or_insert_with(|| json!({}));
            if !data.is_object() {
                *data = Map::new().into();
            }
            for (key, value) in texts {
                data[key] = STANDARD.encode(value.as_str().unwrap_or_default()).into();
            }
        }
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut out = keys(object, "data");
        let data = Path::new("data");
        if size(object, "data") / 4 * 3 > LIMIT {
            out.push(FieldError::new(&data, Fault::TooLong(LIMIT), ""));
        }
        out.extend(type_faults(object, &data));
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, old: &Value) -> Vec<FieldError> {
        let mut out = Vec::new();
        if new["type"] != old["type"] {
            out.push(FieldError::invalid(
                &Path::new("type"),
                new["type"].clone(),
                "field is immutable",
            ));
        }
        out.extend(frozen(new, old, &["data"]));
        out.extend(self.validate_create(new));
        out
    }
}

/// What a secret of a known type must hold.
fn type_faults(object: &Value, data: &Path) -> Vec<FieldError> {
    let held = |key: &str| object["data"].get(key).is_some();
    let need = |key: &str| (!held(key)).then(|| FieldError::required(&data.key(key), ""));
    match object["type"].as_str().unwrap_or_default() {
        "kubernetes.io/service-account-token" => {
            let name = "kubernetes.io/service-account.name";
            let empty = object["metadata"]["annotations"][name]
                .as_str()
                .unwrap_or_default()
                .is_empty();
            let field = Path::new("metadata.annotations").key(name);
            empty
                .then(|| FieldError::required(&field, ""))
                .into_iter()
                .collect()
        }
        "kubernetes.io/dockercfg" => json_entry(object, data, ".dockercfg"),
        "kubernetes.io/dockerconfigjson" => json_entry(object, data, ".dockerconfigjson"),
        "kubernetes.io/basic-auth" if !held("username") && !held("password") => {
            vec![
                FieldError::required(&data.key("username"), ""),
                FieldError::required(&data.key("password"), ""),
            ]
        }
        "kubernetes.io/ssh-auth" => need("ssh-privatekey").into_iter().collect(),
        "kubernetes.io/tls" => need("tls.crt").into_iter().chain(need("tls.key")).collect(),
        _ => Vec::new(),
    }
}

fn json_entry(object: &Value, data: &Path, key: &str) -> Vec<FieldError> {
    let Some(text) = object["data"][key].as_str() else {
        return vec![FieldError::required(&data.key(key), "")];
    };
    let bytes = STANDARD.decode(text).unwrap_or_default();
    match serde_json::from_slice::<serde::de::IgnoredAny>(&bytes) {
        Ok(_) => Vec::new(),
        Err(error) => vec![FieldError::invalid(
            &data.key(key),
            "<secret contents redacted>",
            error.to_string(),
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(faults: &[FieldError]) -> Vec<String> {
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_secret_takes_its_texts_in_as_bytes() {
        let mut secret = json!({"data": {"a": "YQ=="}, "stringData": {"a": "b", "c": "d"}});
        SECRET.default(&mut secret);
        assert_eq!(
            secret,
            json!({"type": "Opaque", "data": {"a": "Yg==", "c": "ZA=="}})
        );
    }

    #[test]
    fn what_is_immutable_stays() {
        let old = json!({"type": "Opaque", "immutable": true, "data": {"a": "YQ=="}});
        let new = json!({"type": "x", "immutable": false, "data": {}});
        assert_eq!(
            texts(&SECRET.validate_update("", &new, &old)),
            [
                "type: Invalid value: \"x\": field is immutable",
                "immutable: Forbidden: field is immutable when `immutable` is set",
                "data: Forbidden: field is immutable when `immutable` is set",
            ]
        );
        assert_eq!(
            texts(&SECRET.validate_create(&json!({"type": "kubernetes.io/tls", "data": {}}))),
            [
                "data[tls.crt]: Required value",
                "data[tls.key]: Required value",
            ]
        );
    }
}
