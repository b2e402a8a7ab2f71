//! Expressions about a request: the variables they may name, what those stand for, and match conditions
//! (`k8s.io/apiserver/pkg/admission/plugin/cel`, `…/plugin/webhook/matchconditions`).

use std::sync::Arc;

use expression::{
    Authorize, Authorizer as Asked, Bindings, Budget, Check, Decision, Environment, Expression,
    Type, from_json,
};
use serde_json::Value;

use super::{Operation, Request};
use crate::authz::Authorizer;
use crate::identity::{Attributes, User};

/// What all match conditions of one webhook or policy may cost together (`RuntimeCELCostBudgetMatchConditions`).
const CONDITIONS_LIMIT: u64 = expression::POLICY_LIMIT / 4;

/// An expression, or why there is none.
pub type Compiled = Result<Expression, String>;

/// The variables of expressions about requests. `authorizer` is left out of message expressions, `params` where no
/// kind of parameter is named.
pub fn environment(has_params: bool, has_authorizer: bool) -> Environment {
    let mut environment = Environment::new()
        .with("object", Type::Dyn)
        .with("oldObject", Type::Dyn)
        .with("namespaceObject", namespace_type())
        .with("request", request_type());
    if has_params {
        environment.declare("params", Type::Dyn);
    }
    if has_authorizer {
        environment.declare("authorizer", Asked::variable_type());
        environment.declare("authorizer.requestResource", Asked::resource_type());
    }
    environment
}

fn object(name: &str, fields: &[(&str, Type)]) -> Type {
    Type::object(
        name,
        fields
            .iter()
            .map(|(name, of)| ((*name).to_owned(), of.clone())),
    )
}

fn request_type() -> Type {
    let kind = object(
        "kubernetes.GroupVersionKind",
        &[
            ("group", Type::String),
            ("version", Type::String),
            ("kind", Type::String),
        ],
    );
    let resource = object(
        "kubernetes.GroupVersionResource",
        &[
            ("group", Type::String),
            ("version", Type::String),
            ("resource", Type::String),
        ],
    );
    let strings = || Type::list(Type::String);
    let user = object(
        "kubernetes.UserInfo",
        &[
            ("username", Type::String),
            ("uid", Type::String),
            ("groups", strings()),
            ("extra", Type::map(Type::String, strings())),
        ],
    );
    object(
        "kubernetes.AdmissionRequest",
        &[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Type::String),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Type::String),
            ("name", Type::String),
            ("namespace", Type::String),
            ("operation", Type::String),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
}

fn namespace_type() -> Type {
    let texts = || Type::map(Type::String, Type::String);
    let metadata = object(
        "kubernetes.NamespaceMetadata",
        &[
            ("name", Type::String),
            ("generateName", Type::String),
            ("namespace", Type::String),
            ("labels", texts()),
            ("annotations", texts()),
            ("UID", Type::String),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", Type::String),
            ("finalizers", Type::list(Type::String)),
        ],
    );
    let condition = object(
        "kubernetes.NamespaceCondition",
        &[
            ("status", Type::String),
            ("type", Type::String),
            ("lastTransitionTime", Type::Timestamp),
            ("message", Type::String),
            ("reason", Type::String),
        ],
    );
    let spec = object(
        "kubernetes.NamespaceSpec",
        &[("finalizers", Type::list(Type::String))],
    );
    let status = object(
        "kubernetes.NamespaceStatus",
        &[
            ("conditions", Type::list(condition)),
            ("phase", Type::String),
        ],
    );
    object(
        "kubernetes.Namespace",
        &[("metadata", metadata), ("spec", spec), ("status", status)],
    )
}

/// Compiles an expression that must give one of the `wanted` types.
pub fn compile(environment: &Environment, source: &str, wanted: &[Type]) -> Compiled {
    let compiled = environment
        .compile(source)
        .map_err(|error| format!("compilation failed: {error}"))?;
    if wanted.is_empty() || wanted.contains(compiled.result()) {
        return Ok(compiled);
    }
    let got = type_name(compiled.result());
    Err(match wanted {
        [one] => format!("must evaluate to {} but got {got}", type_name(one)),
        many => {
            let names: Vec<String> = many.iter().map(type_name).collect();
            format!(
                "must evaluate to one of [{}] but got {got}",
                names.join(" ")
            )
        }
    })
}

/// A type as `cel.Type.String()` prints it.
fn type_name(of: &Type) -> String {
    match of {
        Type::Null => "null_type".to_owned(),
        Type::Timestamp => "google.protobuf.Timestamp".to_owned(),
        Type::Duration => "google.protobuf.Duration".to_owned(),
        other => other.to_string(),
    }
}

/// What `object`, `oldObject`, `request` and `authorizer` stand for.
pub(super) fn bindings(request: &Request, authorizer: &Arc<Authorizer>) -> Bindings<'static> {
    let deleted = request.operation == Operation::Delete;
    let bound = |object: Option<&Value>| from_json(object.unwrap_or(&Value::Null));
    let asked = Asked::new(Arc::new(Asker {
        authorizer: Arc::clone(authorizer),
        user: request.user.clone(),
    }));
    let check = Check {
        group: request.resource.group.clone(),
        resource: request.resource.resource.clone(),
        subresource: request.subresource.clone(),
        namespace: request.namespace.clone(),
        name: request.name.clone(),
        ..Check::default()
    };
    Bindings::new()
        .with(
            "object",
            bound(request.object.as_ref().filter(|_| !deleted)),
        )
        .with("oldObject", bound(request.old_object.as_ref()))
        .with("namespaceObject", bound(None))
        .with("request", from_json(&described(request)))
        .with("authorizer", asked.value())
        .with("authorizer.requestResource", asked.resource_value(check))
}

/// The request as expressions see it: a review without its objects. What it leaves out when it is empty, such as the
/// subresource, is no key for expressions either: they ask `has(request.subResource)`.
fn described(request: &Request) -> Value {
    let review = request.to_review("", &request.resource.version);
    let mut asked = review["request"].clone();
    if let Some(asked) = asked.as_object_mut() {
        for key in ["object", "oldObject", "uid"] {
            asked.remove(key);
        }
    }
    asked
}

/// The authorizer, asked about the person who makes the request.
struct Asker {
    authorizer: Arc<Authorizer>,
    user: User,
}

impl Authorize for Asker {
    fn check(&self, check: &Check) -> Decision {
        let account;
        let user = match &check.service_account {
            None => &self.user,
            Some((namespace, name)) => {
                account = service_account(namespace, name);
                &account
            }
        };
        let version = if check.path.is_empty() { "*" } else { "" };
        let decision = self.authorizer.authorize(
            user,
            &Attributes {
                verb: check.verb.clone(),
                group: check.group.clone(),
                version: version.to_owned(),
                resource: check.resource.clone(),
                subresource: check.subresource.clone(),
                namespace: check.namespace.clone(),
                name: check.name.clone(),
                path: check.path.clone(),
            },
        );
        Decision {
            allowed: decision.allowed,
            reason: decision.reason,
            error: None,
        }
    }
}

fn service_account(namespace: &str, name: &str) -> User {
    User {
        name: format!("system:serviceaccount:{namespace}:{name}"),
        groups: vec![
            "system:serviceaccounts".to_owned(),
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated".to_owned(),
        ],
        ..User::default()
    }
}

/// Why it cannot be known whether the conditions hold.
pub(super) struct Undecided(pub(super) String);

/// Whether all conditions hold. One that is false decides; else one that cannot be evaluated leaves it undecided.
pub(super) fn hold<'c>(
    conditions: impl Iterator<Item = &'c Compiled>,
    bindings: &Bindings<'_>,
) -> Result<bool, Undecided> {
    let mut budget = Budget::new(CONDITIONS_LIMIT);
    let mut failures = Vec::new();
    for condition in conditions {
        match evaluate(condition, bindings, &mut budget) {
            Ok(value) if expression::as_bool(&value) == Some(false) => return Ok(false),
            Ok(_) => {}
            Err(Failure::Expression(why)) => failures.push(why),
            Err(Failure::OutOfBudget(why)) => return Err(Undecided(why)),
        }
    }
    match failures.as_slice() {
        [] => Ok(true),
        [one] => Err(Undecided(one.clone())),
        many => Err(Undecided(format!("[{}]", many.join(", ")))),
    }
}

/// Why an expression of admission has no value.
pub(super) enum Failure {
    /// It does not compile or is in error.
    Expression(String),
    /// Nothing more is to be evaluated.
    OutOfBudget(String),
}

/// The value of a compiled expression, with Kubernetes' words where there is none.
pub(super) fn evaluate(
    compiled: &Compiled,
    bindings: &Bindings<'_>,
    budget: &mut Budget,
) -> Result<expression::Value, Failure> {
    let compiled = compiled
        .as_ref()
        .map_err(|why| Failure::Expression(format!("compilation error: {why}")))?;
    match compiled.evaluate(bindings, budget) {
        Ok(value) => Ok(value),
        Err(expression::EvaluationError::OutOfBudget) => Err(Failure::OutOfBudget(
            expression::EvaluationError::OutOfBudget.to_string(),
        )),
        Err(error) => Err(Failure::Expression(format!(
            "expression '{}' resulted in error: {error}",
            compiled.source()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::{connect, lonely_authorizer};
    use super::*;

    fn check(expression: &str, expected: Result<bool, &str>) {
        let compiled = compile(&environment(false, true), expression, &[Type::Bool]);
        let directory = tempfile::tempdir().expect("a directory");
        let authorizer = lonely_authorizer(directory.path());
        let bindings = bindings(&connect("pods", "exec", "n"), &authorizer);
        let got = hold([compiled].iter(), &bindings).map_err(|Undecided(why)| why);
        assert_eq!(got, expected.map_err(str::to_owned), "{expression}");
    }

    #[test]
    fn conditions_see_the_request_and_the_options_of_a_connect() {
        check("request.subResource == 'exec'", Ok(true));
        check(
            "has(object.container) && object.container.startsWith('debug-')",
            Ok(true),
        );
        check("request.userInfo.username == 'bob'", Ok(false));
        check("oldObject == null && namespaceObject == null", Ok(true));
        check(
            "request.name == 'p' && request.kind.kind == 'PodExecOptions'",
            Ok(true),
        );
        check(
            "authorizer.requestResource.check('create').allowed()",
            Ok(false),
        );
    }

    #[test]
    fn a_condition_in_error_leaves_it_undecided() {
        check(
            "object.missing == 'x'",
            Err("expression 'object.missing == 'x'' resulted in error: no such key: missing"),
        );
        check(
            "'text'",
            Err("compilation error: must evaluate to bool but got string"),
        );
        check(
            "request.nope == ''",
            Err(
                "compilation error: compilation failed: ERROR: <input>:1:8: undefined field 'nope'\n | request.nope == ''\n | .......^",
            ),
        );
    }
}
