//! Webhook configurations (`pkg/apis/admissionregistration`).

use std::collections::HashSet;

use serde_json::{Value, json};

use super::admission_rules::{
    default_rules, elements, match_conditions, rule, selector, set, strings, supported,
};
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
            default_rules(webhook.get_mut("rules"));
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
        for (webhook, path) in elements(object, "webhooks", &Path::default()) {
            out.extend(one(webhook, &path));
            let name = webhook["name"].as_str().unwrap_or_default();
            if !name.is_empty() && !seen.insert(name) {
                out.push(FieldError::duplicate(&path.child("name"), name));
            }
        }
        out
    }

    fn validate_update(&self, _subresource: &str, new: &Value, _old: &Value) -> Vec<FieldError> {
        self.validate_create(new)
    }
}

/// `validateValidatingWebhook`, `validateMutatingWebhook`, then `validateAdmissionReviewVersions`.
fn one(webhook: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = full_name(
        webhook["name"].as_str().unwrap_or_default(),
        &path.child("name"),
    );
    for (one, at) in elements(webhook, "rules", path) {
        out.extend(rule(one, &at));
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
    for name in ["namespaceSelector", "objectSelector"] {
        out.extend(selector(&webhook[name], &path.child(name)));
    }
    out.extend(supported(
        webhook,
        "reinvocationPolicy",
        path,
        &["IfNeeded", "Never"],
    ));
    out.extend(client(
        &webhook["clientConfig"],
        &path.child("clientConfig"),
    ));
    out.extend(match_conditions(webhook, path, false));
    out.extend(review_versions(webhook, path));
    out
}

/// `validateAdmissionReviewVersions`.
fn review_versions(webhook: &Value, path: &Path) -> Vec<FieldError> {
    let versions = strings(webhook, "admissionReviewVersions");
    let field = path.child("admissionReviewVersions");
    if versions.is_empty() {
        return vec![FieldError::required(
            &field,
            "must specify one of v1, v1beta1",
        )];
    }
    let mut out = Vec::new();
    let mut seen = HashSet::new();
    for (at, version) in versions.iter().enumerate() {
        if !seen.insert(*version) {
            out.push(FieldError::invalid(
                &field.index(at),
                *version,
                "duplicate version",
            ));
            continue;
        }
        let faults = names::dns_1035_label(version).into_iter();
        out.extend(faults.map(|text| FieldError::invalid(&field.index(at), *version, text)));
    }
    if !versions
        .iter()
        .any(|version| ["v1", "v1beta1"].contains(version))
    {
        let detail = "must include at least one of v1, v1beta1";
        out.push(FieldError::invalid(&field, json!(versions), detail));
    }
    out
}

/// Fields that are one of a few words.
fn policies(webhook: &Value, path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (name, supported) in [
        ("failurePolicy", &["Fail", "Ignore"]),
        ("matchPolicy", &["Equivalent", "Exact"]),
        ("sideEffects", &["None", "NoneOnDryRun"]),
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
        return vec![FieldError::invalid(field, name, complaints.join(","))];
    }
    if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        return vec![FieldError::invalid(field, name, detail)];
    }
    Vec::new()
}

fn client(config: &Value, path: &Path) -> Vec<FieldError> {
    match (config["url"].as_str(), config["service"].is_object()) {
        (None, false) | (Some(_), true) => {
            vec![FieldError::required(
                path,
                "exactly one of url or service is required",
            )]
        }
        (Some(url), false) => url_faults(url, &path.child("url")),
        (None, true) => service_faults(&config["service"], &path.child("service")),
    }
}

/// `ValidateWebhookURL`.
fn url_faults(url: &str, field: &Path) -> Vec<FieldError> {
    const FORM: &str = "desired format: https://host[/path]";
    let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (scheme, rest) = rest.split_once("://").unwrap_or(("", rest));
    let authority = if scheme.is_empty() {
        ""
    } else {
        rest.split('/').next().unwrap_or_default()
    };
    if url.chars().any(char::is_control) {
        let detail = format!(
            "url must be a valid URL: parse {url:?}: net/url: invalid control character in URL; {FORM}"
        );
        return vec![FieldError::required(field, detail)];
    }
    let mut out = Vec::new();
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme; {FORM}");
        out.push(FieldError::invalid(field, scheme, detail));
    }
    let (person, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    if host.is_empty() {
        let detail = format!("host must be specified; {FORM}");
        out.push(FieldError::invalid(field, host, detail));
    }
    for (part, detail) in [
        (person, "user information is not permitted in the URL"),
        (fragment, "fragments are not permitted in the URL"),
        (query, "query parameters are not permitted in the URL"),
    ] {
        if !part.is_empty() {
            out.push(FieldError::invalid(field, part, detail));
        }
    }
    out
}

/// `ValidateWebhookService`.
fn service_faults(service: &Value, field: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    let text = |name: &str| service[name].as_str().unwrap_or_default();
    // Kubernetes passes name and namespace the wrong way round, so each is reported as the other.
    for (missing, reported) in [("namespace", "name"), ("name", "namespace")] {
        if text(missing).is_empty() {
            out.push(FieldError::required(&field.child(reported), ""));
        }
    }
    if let Some(port) = service["port"]
        .as_i64()
        .filter(|port| !(1..=65535).contains(port))
    {
        let detail = "port is not valid: must be between 1 and 65535, inclusive";
        out.push(FieldError::invalid(&field.child("port"), port, detail));
    }
    let (path, at) = (text("path"), field.child("path"));
    match path {
        "" | "/" => return out,
        "//" => {
            out.push(FieldError::invalid(
                &at,
                path,
                "segment[0] may not be empty",
            ));
            return out;
        }
        _ => {}
    }
    if !path.starts_with('/') {
        out.push(FieldError::invalid(&at, path, "must start with a '/'"));
    }
    let checked = path.get(1..).unwrap_or_default();
    let checked = checked.strip_suffix('/').unwrap_or(checked);
    for (index, step) in checked.split('/').enumerate() {
        if step.is_empty() {
            let detail = format!("segment[{index}] may not be empty");
            out.push(FieldError::invalid(&at, path, detail));
        } else {
            let faults = names::dns_subdomain(step).into_iter();
            out.extend(
                faults.map(|text| {
                    FieldError::invalid(&at, path, format!("segment[{index}]: {text}"))
                }),
            );
        }
    }
    out
}
