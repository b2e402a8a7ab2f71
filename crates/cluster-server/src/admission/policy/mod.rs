//! ValidatingAdmissionPolicies: expressions that judge requests
//! (`k8s.io/apiserver/pkg/admission/plugin/policy/validating`).
//!
//! A policy says what it judges and how; nothing happens until a binding names it, says where it holds, with which
//! parameters, and what a failure does: `Deny`, `Warn`, `Audit`. **Invariant:** a policy that cannot be judged
//! (an expression in error, parameters that are not there, a budget that is spent) denies, unless its own
//! `failurePolicy` says `Ignore`.

mod compiled;
mod judge;
mod parameters;
pub mod type_check;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

pub use compiled::{environment, variables_type};

use super::{Chain, Request, rules};
use crate::audit::Level;
use crate::error::ApiError;
use crate::kinds::Resource;
use crate::store::{Object, Store};
use compiled::Policy;
use judge::{Annotation, Decision};

/// Where policies are stored.
pub const POLICIES: &str = "validatingadmissionpolicies.admissionregistration.k8s.io";
const BINDINGS: &str = "validatingadmissionpolicybindings.admissionregistration.k8s.io";

/// Failures beyond these are left out of the audit annotation.
const MOST_FAILURES: usize = 50;
/// What is kept of the value of an audit annotation, in bytes.
const LONGEST_ANNOTATION: usize = 10 * 1024;

/// Policies as they were compiled, by name, each good for one revision of its object.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, Arc<Policy>>>);

impl Cache {
    fn get(&self, name: &str, stored: &Arc<Object>) -> Arc<Policy> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = all
            .get(name)
            .filter(|found| found.revision == stored.revision)
        {
            return Arc::clone(found);
        }
        let compiled = Arc::new(Policy::compile(stored));
        all.insert(name.to_owned(), Arc::clone(&compiled));
        compiled
    }

    /// Forgets policies that are gone.
    fn keep(&self, names: &[&str]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > names.len() {
            all.retain(|name, _| names.contains(&name.as_str()));
        }
    }
}

/// A request that a policy refuses.
struct Denial {
    policy: String,
    binding: Option<String>,
    message: String,
    reason: Option<String>,
}

/// What the policies have found so far.
#[derive(Default)]
struct Findings {
    denials: Vec<Denial>,
    failures: Vec<Value>,
}

fn name_of(object: &Object) -> &str {
    object.value["metadata"]["name"]
        .as_str()
        .unwrap_or_default()
}

/// Judges the request by all policies that are bound; warns, annotates, and refuses with the first denial.
pub(super) fn validate(chain: &Chain, request: &mut Request) -> Result<(), ApiError> {
    if rules::is_exempt(request) {
        return Ok(());
    }
    let policies = chain.store.list(POLICIES, None).0;
    if policies.is_empty() {
        return Ok(());
    }
    chain.policies.keep(
        &policies
            .iter()
            .map(|policy| name_of(policy))
            .collect::<Vec<_>>(),
    );
    let bindings = bindings(&chain.store);
    let mut found = Findings::default();
    for stored in &policies {
        if let Some(bound) = bindings.get(name_of(stored)) {
            one(chain, request, stored, bound, &mut found);
        }
    }
    if !found.failures.is_empty() {
        found.failures.truncate(MOST_FAILURES);
        request.annotations.insert_json_at(
            Level::Metadata,
            "validation.policy.admission.k8s.io/validation_failure",
            &Value::Array(found.failures),
        );
    }
    found
        .denials
        .first()
        .map_or(Ok(()), |denial| Err(refusal(request, denial)))
}

/// All bindings by the policy that they name.
fn bindings(store: &Store) -> BTreeMap<String, Vec<Arc<Object>>> {
    let mut out: BTreeMap<String, Vec<Arc<Object>>> = BTreeMap::new();
    for binding in store.list(BINDINGS, None).0 {
        let policy = binding.value["spec"]["policyName"]
            .as_str()
            .unwrap_or_default();
        out.entry(policy.to_owned()).or_default().push(binding);
    }
    out
}

/// A policy that speaks of a request, ready to judge it.
struct Ready {
    policy: Arc<Policy>,
    /// The version of the resource in which it judges.
    version: String,
    /// The resource of its parameters, if it has any.
    kind: Option<Arc<Resource>>,
}

/// The policy, if it speaks of the request; an error where that cannot be known, or it is misconfigured.
fn prepare(
    chain: &Chain,
    request: &Request,
    stored: &Arc<Object>,
) -> Result<Option<Ready>, String> {
    let spec = &stored.value["spec"];
    let version =
        matches(chain, &spec["matchConstraints"], request).map_err(|error| error.message)?;
    let Some(version) = version else {
        return Ok(None);
    };
    Ok(Some(Ready {
        kind: parameters::kind(chain, &spec["paramKind"])?,
        policy: chain.policies.get(name_of(stored), stored),
        version,
    }))
}

/// Judges the request by one policy through all its bindings.
fn one(
    chain: &Chain,
    request: &mut Request,
    stored: &Arc<Object>,
    bindings: &[Arc<Object>],
    found: &mut Findings,
) {
    let name = name_of(stored);
    let ignores = stored.value["spec"]["failurePolicy"] == "Ignore";
    let misconfigured = |what: &str, binding: Option<&str>, why: &str| {
        (!ignores).then(|| Denial {
            policy: name.to_owned(),
            binding: binding.map(str::to_owned),
            message: format!("failed to configure {what}: {why}"),
            reason: None,
        })
    };
    let ready = match prepare(chain, request, stored) {
        Ok(Some(ready)) => ready,
        Ok(None) => return,
        Err(why) => {
            found.denials.extend(misconfigured("policy", None, &why));
            return;
        }
    };
    let mut published = Published::default();
    for binding in bindings {
        let bound = Bound {
            policy: name,
            name: name_of(binding),
            spec: &binding.value["spec"],
        };
        if let Err(why) = through(chain, request, &ready, &bound, found, &mut published) {
            found
                .denials
                .extend(misconfigured("binding", Some(bound.name), &why));
        }
    }
    for (key, values) in published {
        request
            .annotations
            .insert(format!("{name}/{key}"), values.join(", "));
    }
}

/// Values of audit annotations by key; several bindings may give several.
type Published = BTreeMap<String, Vec<String>>;

/// A binding, and the policy that it binds.
struct Bound<'b> {
    policy: &'b str,
    name: &'b str,
    spec: &'b Value,
}

/// Judges the request through one binding; an error is a binding that cannot be used.
fn through(
    chain: &Chain,
    request: &mut Request,
    ready: &Ready,
    bound: &Bound<'_>,
    found: &mut Findings,
    published: &mut Published,
) -> Result<(), String> {
    let resources = &bound.spec["matchResources"];
    if !resources.is_null() {
        let version = matches(chain, resources, request).map_err(|error| error.message)?;
        if version.is_none() {
            return Ok(());
        }
    }
    let all = parameters::collect(
        chain,
        ready.kind.as_deref(),
        &bound.spec["paramRef"],
        request,
    )?;
    for parameter in all {
        let verdict = judge::judge(
            chain,
            &ready.policy,
            request,
            &ready.version,
            parameter.as_ref(),
        )?;
        for (at, decision) in verdict.decisions.iter().enumerate() {
            if let Decision::Deny { message, reason } = decision {
                act(request, found, bound, at, message, reason.as_deref());
            }
        }
        for annotation in verdict.annotations {
            match annotation {
                Annotation::Publish(key, value) => {
                    let (values, value) = (published.entry(key).or_default(), shortened(value));
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Annotation::Error(message) => found.denials.push(Denial {
                    policy: bound.policy.to_owned(),
                    binding: Some(bound.name.to_owned()),
                    message,
                    reason: None,
                }),
            }
        }
    }
    Ok(())
}

/// Does what the binding wants done with a failure.
fn act(
    request: &mut Request,
    found: &mut Findings,
    bound: &Bound<'_>,
    at: usize,
    message: &str,
    reason: Option<&str>,
) {
    let (policy, binding) = (bound.policy, bound.name);
    let actions = &bound.spec["validationActions"];
    for action in actions
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        match action {
            "Deny" => found.denials.push(Denial {
                policy: policy.to_owned(),
                binding: Some(binding.to_owned()),
                message: message.to_owned(),
                reason: reason.map(str::to_owned),
            }),
            "Audit" => found.failures.push(json!({
                "message": message, "policy": policy, "binding": binding,
                "expressionIndex": at, "validationActions": actions,
            })),
            "Warn" => request.warnings.push(format!(
                "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {message}"
            )),
            _ => {}
        }
    }
}

/// The first so many bytes, whole characters.
fn shortened(mut value: String) -> String {
    let mut end = value.len().min(LONGEST_ANNOTATION);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value.truncate(end);
    value
}

/// The version in which the policy judges the request, if `constraints` speak of it (`matching.Matcher`).
fn matches(
    chain: &Chain,
    constraints: &Value,
    request: &Request,
) -> Result<Option<String>, ApiError> {
    let namespace =
        rules::namespace_matches(&chain.store, &constraints["namespaceSelector"], request);
    if matches!(namespace, Ok(false))
        || !rules::object_matches(&constraints["objectSelector"], request)
    {
        return Ok(None);
    }
    let policy = &constraints["matchPolicy"];
    let named = |rules: &Value| rules::matched_version(&chain.kinds, rules, policy, request);
    if named(&constraints["excludeResourceRules"]).is_some() {
        return Ok(None);
    }
    let wanted = &constraints["resourceRules"];
    let version = if wanted.as_array().is_none_or(Vec::is_empty) {
        Some(request.resource.version.clone())
    } else {
        named(wanted)
    };
    // Where the namespace cannot be seen counts only for what the rules speak of.
    match version {
        Some(version) => namespace.map(|_| Some(version)),
        None => Ok(None),
    }
}

/// The error of a denied request: Kubernetes takes the words of a 403 and the reason of the validation.
fn refusal(request: &Request, denial: &Denial) -> ApiError {
    let message = match &denial.binding {
        Some(binding) => format!(
            "ValidatingAdmissionPolicy '{}' with binding '{binding}' denied request: {}",
            denial.policy, denial.message
        ),
        None => format!(
            "ValidatingAdmissionPolicy '{}' denied request: {}",
            denial.policy, denial.message
        ),
    };
    let mut error = request.forbidden(&message);
    (error.reason, error.code) = match denial.reason.as_deref() {
        Some("Forbidden") => ("Forbidden", 403),
        Some("Unauthorized") => ("Unauthorized", 401),
        Some("RequestEntityTooLarge") => ("RequestEntityTooLarge", 413),
        _ => ("Invalid", 422),
    };
    if let Some(details) = &mut error.details {
        details["causes"] = json!([{"message": message}]);
    }
    error
}
