//! Whether a policy holds (`k8s.io/apiserver/pkg/apis/audit/validation`).

use serde_json::json;

use super::{Level, Policy, Resources, Rule, Stage};
use crate::field::{FieldError, Path};
use crate::kinds::names;

/// All that is wrong with a policy.
pub(super) fn policy(policy: &Policy) -> Vec<FieldError> {
    let mut out = omit_stages(&policy.omit_stages, &Path::new("omitStages"));
    for (at, one) in policy.rules.iter().enumerate() {
        out.extend(rule(one, &Path::new("rules").index(at)));
    }
    out
}

fn rule(rule: &Rule, path: &Path) -> Vec<FieldError> {
    let mut out = level(&rule.level, &path.child("level"));
    let urls = path.child("nonResourceURLs");
    out.extend(non_resource_urls(&rule.non_resource_urls, &urls));
    out.extend(resources(&rule.resources, &path.child("resources")));
    out.extend(omit_stages(&rule.omit_stages, &path.child("omitStages")));
    let of_resources = !rule.resources.is_empty() || !rule.namespaces.is_empty();
    if !rule.non_resource_urls.is_empty() && of_resources {
        let why = "rules cannot apply to both regular resources and non-resource URLs";
        let value = json!(rule.non_resource_urls);
        out.push(FieldError::invalid(&urls, value, why));
    }
    out
}

fn level(level: &str, path: &Path) -> Vec<FieldError> {
    let all = Level::ALL.map(Level::as_str);
    match level {
        "" => vec![FieldError::required(path, "")],
        known if all.contains(&known) => Vec::new(),
        other => vec![FieldError::not_supported(path, other, &all)],
    }
}

fn non_resource_urls(urls: &[String], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for (at, url) in urls.iter().enumerate().filter(|(_, url)| *url != "*") {
        let mut refuse = |why: &str| {
            out.push(FieldError::invalid(&path.index(at), url.as_str(), why));
        };
        if !url.starts_with('/') {
            refuse("non-resource URL rules must begin with a '/' character");
        }
        let last = url.char_indices().next_back().map_or(0, |(at, _)| at);
        if url[..last].contains('*') {
            refuse("non-resource URL wildcards '*' must be the final character of the rule");
        }
    }
    out
}

fn resources(all: &[Resources], path: &Path) -> Vec<FieldError> {
    let mut out = Vec::new();
    for one in all {
        if !one.group.is_empty() && one.group != "*" {
            let why = names::dns_subdomain(&one.group);
            if !why.is_empty() {
                let (field, value) = (path.child("group"), one.group.as_str());
                out.push(FieldError::invalid(&field, value, why.join(",")));
            }
        }
        if !one.resource_names.is_empty() && one.names.is_empty() {
            let (field, value) = (path.child("resourceNames"), json!(one.resource_names));
            let why = "using resourceNames requires at least one resource";
            out.push(FieldError::invalid(&field, value, why));
        }
    }
    out
}

fn omit_stages(stages: &[String], path: &Path) -> Vec<FieldError> {
    let all = Stage::ALL.map(Stage::as_str).join(",");
    let unknown = stages
        .iter()
        .enumerate()
        .filter(|(_, stage)| Stage::parse(stage).is_none());
    unknown
        .map(|(at, stage)| {
            let why = format!("allowed stages are {all}");
            FieldError::invalid(&path.index(at), stage.as_str(), why)
        })
        .collect()
}
