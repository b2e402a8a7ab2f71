//! Webhook configurations (`pkg/apis/admissionregistration`).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::{Strategy, names};
use crate::field::{FieldError, Path};

/// What is particular to webhook configurations.
pub struct WebhookStrategy {
    mutating: bool,
}

/// The strategy of MutatingWebhookConfigurations.
pub static MUTATING_WEBHOOKS: WebhookStrategy = WebhookStrategy { mutating: true };

/// The strategy of ValidatingWebhookConfigurations.
pub static VALIDATING_WEBHOOKS: WebhookStrategy = WebhookStrategy { mutating: false };

fn set(map: &mut Map<String, Value>, field: &str, value: Value) {
    if map.get(field).is_none_or(Value::is_null) {
        map.insert(field.to_owned(), value);
    }
}

impl Strategy for WebhookStrategy {
    fn default(&self, object: &mut Value) {
        for webhook in object
            .get_mut("webhooks")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Some(webhook) = webhook.as_object_mut() else {
                continue;
            };
            set(webhook, "failurePolicy", "Fail".into());
            set(webhook, "matchPolicy", "Equivalent".into());
            set(webhook, "namespaceSelector", json!({}));
            set(webhook, "objectSelector", json!({}));
            set(webhook, "timeoutSeconds", 10.into());
            if self.mutating {
                set(webhook, "reinvocationPolicy", "Never".into());
            }
            for rule in webhook
                .get_mut("rules")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if let Some(rule) = rule.as_object_mut() {
                    set(rule, "scope", "*".into());
                }
            }
            if let Some(service) = webhook
                .get_mut("clientConfig")
                .and_then(|c| c.get_mut("service"))
                .and_then(Value::as_object_mut)
            {
                set(service, "port", 443.into());
            }
        }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["metadata"]["generation"] = 1.into();
    }

    fn prepare_update(&self, _subresource: &str, new: &mut Value, old: &Value) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] =
            (generation + i64::from(new["webhooks"] != old["webhooks"])).into();
    }

    fn validate_create(&self, object: &Value) -> Vec<FieldError> {
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        for (at, webhook) in object["webhooks"]
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
        {
            let path = Path::new("webhooks").index(at);
            let name = webhook["name"].as_str().unwrap_or_default();
            if !seen.insert(name) {
                out.push(FieldError::duplicate(&path.child("name"), name));
            }
            out.extend(one(webhook, &path));
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }
}

fn one(webhook: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = full_name(
        webhook["name"].as_str().unwrap_or_default(),
        &path.child("name"),
    );
    let versions: Vec<&str> = webhook["admissionReviewVersions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let field = path.child("admissionReviewVersions");
    if versions.is_empty() {
        out.push(FieldError::required(
            &field,
            "must specify one of v1, v1beta1",
        ));
    } else if !versions
        .iter()
        .any(|version| ["v1", "v1beta1"].contains(version))
    {
        let detail = "must include at least one of v1, v1beta1";
        out.push(FieldError::invalid(&field, json!(versions), detail));
    }
    for (at, rule) in webhook["rules"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        out.extend(rule_faults(rule, &path.child("rules").index(at)));
    }
    out.extend(policies(webhook, path));
    if let Some(seconds) = webhook["timeoutSeconds"]
        .as_i64()
        .filter(|seconds| !(1..=30).contains(seconds))
    {
        let detail = "the timeout value must be between 1 and 30 seconds";
        out.push(FieldError::invalid(
            &path.child("timeoutSeconds"),
            seconds,
            detail,
        ));
    }
    out.extend(client(
        &webhook["clientConfig"],
        &path.child("clientConfig"),
    ));
    out
}

/// Fields that are one of a few words.
fn policies(webhook: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (name, supported) in [
        ("failurePolicy", &["Fail", "Ignore"][..]),
        ("matchPolicy", &["Equivalent", "Exact"]),
        ("sideEffects", &["None", "NoneOnDryRun"]),
        ("reinvocationPolicy", &["IfNeeded", "Never"]),
    ] {
        match webhook[name].as_str() {
            None if name == "sideEffects" => {
                out.push(FieldError::required(
                    &path.child(name),
                    "must specify one of None, NoneOnDryRun",
                ));
            }
            Some(value) if !supported.contains(&value) => {
                out.push(FieldError::not_supported(
                    &path.child(name),
                    value,
                    supported,
                ));
            }
            _ => {}
        }
    }
    out
}

fn full_name(name: &str, field: &Path) -> Vec<FieldError> {
    if name.is_empty() {
        return vec![FieldError::required(field, "")];
    }
    let complaints = names::dns_subdomain(name);
    if !complaints.is_empty() {
        return complaints
            .into_iter()
            .map(|text| FieldError::invalid(field, name, text))
            .collect();
    }
    if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        return vec![FieldError::invalid(field, name, detail)];
    }
    Vec::new()
}

fn rule_faults(rule: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let list = |field: &str| -> Vec<&str> {
        rule[field]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect()
    };
    for field in ["operations", "apiGroups", "apiVersions", "resources"] {
        let values = list(field);
        let at = path.child(field);
        if values.is_empty() {
            out.push(FieldError::required(&at, ""));
        }
        if field != "resources" && values.len() > 1 && values.contains(&"*") {
            let detail = "if '*' is present, must not specify other values";
            out.push(FieldError::invalid(&at, json!(values), detail));
        }
    }
    let operations = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    for (at, operation) in list("operations")
        .into_iter()
        .enumerate()
        .filter(|(_, operation)| !operations.contains(operation))
    {
        out.push(FieldError::not_supported(
            &path.child("operations").index(at),
            operation,
            &operations,
        ));
    }
    if let Some(scope) = rule["scope"]
        .as_str()
        .filter(|scope| !["*", "Cluster", "Namespaced"].contains(scope))
    {
        out.push(FieldError::not_supported(
            &path.child("scope"),
            scope,
            &["*", "Cluster", "Namespaced"],
        ));
    }
    out
}

fn client(config: &Value, path: &Path) -> Vec<FieldError> {
    match (config["url"].as_str(), config["service"].is_object()) {
        (None, false) | (Some(_), true) => {
            vec![FieldError::required(
                path,
                "exactly one of url or service is required",
            )]
        }
        (Some(url), false) => match url.parse::<http::Uri>() {
            Ok(parsed) if parsed.scheme_str() != Some("https") => {
                let detail =
                    "'https' is the only allowed URL scheme; desired format: https://host[/path]";
                vec![FieldError::invalid(&path.child("url"), url, detail)]
            }
            Ok(parsed) if parsed.host().is_none_or(str::is_empty) => {
                let detail = "host must be specified; desired format: https://host[/path]";
                vec![FieldError::invalid(&path.child("url"), url, detail)]
            }
            Ok(_) => Vec::new(),
            Err(error) => {
                let detail = format!(
                    "url must be a valid URL: {error}; desired format: https://host[/path]"
                );
                vec![FieldError::required(&path.child("url"), detail)]
            }
        },
        (None, true) => ["namespace", "name"]
            .into_iter()
            .filter(|field| {
                config["service"][*field]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty()
            })
            .map(|field| {
                FieldError::required(
                    &path.child("service").child(field),
                    format!("service {field} is required"),
                )
            })
            .collect(),
    }
}
