//! Access reviews: the authorizer's answer as an object.

use serde_json::{Value, json};

use crate::api::{Api, Context, Target};
use crate::authz::{self, Decision, Rule};
use crate::error::ApiError;
use crate::field::{FieldError, Path};
use crate::identity::{Attributes, User};

const GROUP: &str = "authorization.k8s.io";

/// Fills in the `status` of an access review of this kind.
pub(super) fn answer(
    api: &Api,
    ctx: &Context,
    target: &Target,
    kind: &str,
    review: &mut Value,
) -> Result<(), ApiError> {
    if kind == "SelfSubjectRulesReview" {
        review["status"] = rules(
            api,
            &ctx.user,
            review["spec"]["namespace"].as_str().unwrap_or_default(),
        )?;
        // The answer does not repeat the question.
        review["spec"] = json!({});
        return Ok(());
    }
    let errors = invalid(target, kind, review);
    if !errors.is_empty() {
        let name = review["metadata"]["name"].as_str().unwrap_or_default();
        return Err(ApiError::invalid(GROUP, kind, name, &errors));
    }
    let spec = &review["spec"];
    let user = if kind == "SelfSubjectAccessReview" {
        ctx.user.clone()
    } else {
        subject(spec)
    };
    review["status"] = status(&api.authorizer.authorize(&user, &attributes(spec)));
    Ok(())
}

fn status(decision: &Decision) -> Value {
    let mut status = json!({"allowed": decision.allowed});
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.clone().into();
    }
    status
}

fn subject(spec: &Value) -> User {
    let strings = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let extra = spec["extra"].as_object().into_iter().flatten();
    User {
        name: spec["user"].as_str().unwrap_or_default().to_owned(),
        uid: spec["uid"].as_str().unwrap_or_default().to_owned(),
        groups: strings(&spec["groups"]),
        extra: extra
            .map(|(key, values)| (key.clone(), strings(values)))
            .collect(),
    }
}

fn attributes(spec: &Value) -> Attributes {
    if let Some(wanted) = spec.get("nonResourceAttributes") {
        let text = |key: &str| wanted[key].as_str().unwrap_or_default().to_owned();
        return Attributes {
            verb: text("verb"),
            path: text("path"),
            ..Attributes::default()
        };
    }
    let wanted = &spec["resourceAttributes"];
    let text = |key: &str| wanted[key].as_str().unwrap_or_default().to_owned();
    Attributes {
        verb: text("verb"),
        group: text("group"),
        version: text("version"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
        path: String::new(),
    }
}

fn invalid(target: &Target, kind: &str, review: &Value) -> Vec<FieldError> {
    let (mut errors, spec, path) = (Vec::new(), &review["spec"], Path::new("spec"));
    let given = |key: &str| spec.get(key).is_some_and(Value::is_object);
    match (given("resourceAttributes"), given("nonResourceAttributes")) {
        (true, true) => errors.push(FieldError::invalid(
            &path.child("nonResourceAttributes"),
            spec["nonResourceAttributes"].clone(),
            "cannot be specified in combination with resourceAttributes",
        )),
        (false, false) => errors.push(FieldError::invalid(
            &path.child("resourceAttributes"),
            Value::Null,
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    let wanted = path.child("resourceAttributes");
    for field in ["fieldSelector", "labelSelector"] {
        let selector = &spec["resourceAttributes"][field];
        errors.extend(selector_fault(selector, &wanted.child(field)));
    }
    let somebody = spec["user"].is_string()
        || spec["groups"]
            .as_array()
            .is_some_and(|groups| !groups.is_empty());
    if kind != "SelfSubjectAccessReview" && !somebody {
        errors.push(FieldError::invalid(
            &path.child("user"),
            "",
            "at least one of user or group must be specified",
        ));
    }
    if kind == "LocalSubjectAccessReview" {
        let namespace = spec["resourceAttributes"]["namespace"]
            .as_str()
            .unwrap_or_default();
        if namespace != target.namespace {
            let path = path.child("resourceAttributes.namespace");
            errors.push(FieldError::invalid(
                &path,
                namespace,
                "must match metadata.namespace",
            ));
        }
        if given("nonResourceAttributes") {
            let value = spec["nonResourceAttributes"].clone();
            errors.push(FieldError::invalid(
                &path.child("nonResourceAttributes"),
                value,
                "disallowed on this kind of request",
            ));
        }
    }
    errors
}

/// A selector is given raw or as requirements. Roles do not look at it, so it changes no answer here.
fn selector_fault(selector: &Value, path: &Path) -> Option<FieldError> {
    if !selector.is_object() {
        return None;
    }
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    let has_requirements = selector["requirements"]
        .as_array()
        .is_some_and(|list| !list.is_empty());
    match (raw.is_empty(), has_requirements) {
        (false, true) => Some(FieldError::invalid(
            &path.child("rawSelector"),
            raw,
            "may not specified at the same time as requirements",
        )),
        (true, false) => Some(FieldError::required(
            &path.child("requirements"),
            format!("when {path} is specified, requirements or rawSelector is required"),
        )),
        _ => None,
    }
}

/// Everything `user` may do in a namespace, as `kubectl auth can-i --list` asks.
fn rules(api: &Api, user: &User, namespace: &str) -> Result<Value, ApiError> {
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let (mut resources, mut paths) = (Vec::new(), Vec::new());
    let (rules, mut errors) = api.authorizer.rules(user, namespace);
    for rule in rules {
        let Rule {
            verbs,
            groups,
            resources: kinds,
            names,
            paths: urls,
        } = rule;
        if !kinds.is_empty() {
            let mut rule = json!({"verbs": verbs, "apiGroups": groups, "resources": kinds});
            if !names.is_empty() {
                rule["resourceNames"] = json!(names);
            }
            resources.push(rule);
        }
        if !urls.is_empty() {
            paths.push(json!({"verbs": verbs, "nonResourceURLs": urls}));
        }
    }
    let is_node = authz::node_name(user).is_some();
    if is_node {
        errors.insert(
            0,
            "node authorizer does not support user rule resolution".to_owned(),
        );
    }
    let mut status =
        json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": is_node});
    if let Some(error) = authz::aggregate(&errors) {
        status["evaluationError"] = error.into();
    }
    Ok(status)
}
