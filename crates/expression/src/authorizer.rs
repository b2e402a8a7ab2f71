//! The authorizer library (`k8s.io/apiserver/pkg/cel/library/authz.go`).

use std::fmt;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::Opaque;

use crate::evaluate::EvaluationError;
use crate::types::Type;
use crate::value::string;

/// What is to be authorised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// A path that is no resource; the fields below are empty then.
    pub path: String,
    /// API group.
    pub group: String,
    /// Plural of the resource; empty for a path.
    pub resource: String,
    /// Subresource, or empty.
    pub subresource: String,
    /// Namespace, or empty.
    pub namespace: String,
    /// Object name, or empty.
    pub name: String,
    /// As written, or empty.
    pub field_selector: String,
    /// As written, or empty.
    pub label_selector: String,
    /// For example `get`.
    pub verb: String,
    /// Somebody else than who asks: a service account's namespace and name.
    pub service_account: Option<(String, String)>,
}

/// What the authorizer said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decision {
    /// Only an explicit yes is one.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// What went wrong, if something did.
    pub error: Option<String>,
}

/// Who answers `authorizer.….check(verb)`.
pub trait Authorize: Send + Sync {
    /// Whether the person that the expression is about may do this.
    fn check(&self, check: &Check) -> Decision;
}

/// The variable `authorizer`.
#[derive(Clone)]
pub struct Authorizer(Arc<dyn Authorize>);

/// The variables' values on the way from `authorizer` to a decision.
#[derive(Clone)]
struct Pending {
    stage: &'static str,
    check: Check,
    authorizer: Authorizer,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Decided(Decision);

const AUTHORIZER: &str = "kubernetes.authorization.Authorizer";
const PATH: &str = "kubernetes.authorization.PathCheck";
const GROUP: &str = "kubernetes.authorization.GroupCheck";
const RESOURCE: &str = "kubernetes.authorization.ResourceCheck";
const DECISION: &str = "kubernetes.authorization.Decision";

impl Authorizer {
    /// An authorizer that asks `who`.
    pub fn new(who: Arc<dyn Authorize>) -> Self {
        Self(who)
    }

    /// The type of the variable `authorizer`.
    pub fn variable_type() -> Type {
        Type::Opaque(AUTHORIZER)
    }

    /// The type of the variable `authorizer.requestResource`.
    pub fn resource_type() -> Type {
        Type::Opaque(RESOURCE)
    }

    /// The value of the variable `authorizer`.
    pub fn value(&self) -> Value {
        self.pending(AUTHORIZER, Check::default())
    }

    /// A resource check that is filled in already (`authorizer.requestResource`).
    pub fn resource_value(&self, check: Check) -> Value {
        self.pending(RESOURCE, check)
    }

    fn pending(&self, stage: &'static str, check: Check) -> Value {
        Value::Opaque(Arc::new(Pending {
            stage,
            check,
            authorizer: self.clone(),
        }))
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.stage)
            .field("check", &self.check)
            .finish_non_exhaustive()
    }
}

impl PartialEq for Pending {
    fn eq(&self, other: &Self) -> bool {
        self.stage == other.stage && self.check == other.check
    }
}

impl Eq for Pending {}

impl Opaque for Pending {
    fn runtime_type_name(&self) -> &str {
        self.stage
    }
}

impl Opaque for Decided {
    fn runtime_type_name(&self) -> &str {
        DECISION
    }
}

/// The value of a method of this library; `None` if the target is none of its values.
pub(crate) fn apply(function: &str, args: &[Value]) -> Option<Result<Value, EvaluationError>> {
    let Some(Value::Opaque(target)) = args.first() else {
        return None;
    };
    if let Some(Decided(decision)) = target.downcast_ref::<Decided>() {
        return Some(Ok(match function {
            "allowed" => Value::Bool(decision.allowed),
            "reason" => string(&decision.reason),
            "errored" => Value::Bool(decision.error.is_some()),
            "error" => string(decision.error.clone().unwrap_or_default()),
            _ => return Some(Err(EvaluationError::NoSuchOverload)),
        }));
    }
    let pending = target.downcast_ref::<Pending>()?;
    let texts: Option<Vec<String>> = args[1..]
        .iter()
        .map(|arg| crate::value::as_string(arg).map(str::to_owned))
        .collect();
    Some(match texts {
        Some(texts) => step(pending, function, &texts),
        None => Err(EvaluationError::NoSuchOverload),
    })
}

fn step(pending: &Pending, function: &str, texts: &[String]) -> Result<Value, EvaluationError> {
    let mut check = pending.check.clone();
    let stage = match (pending.stage, function, texts) {
        (AUTHORIZER, "path", [path]) => {
            check.path.clone_from(path);
            PATH
        }
        (AUTHORIZER, "group", [group]) => {
            check.group.clone_from(group);
            GROUP
        }
        (AUTHORIZER, "serviceAccount", [namespace, name]) => {
            check.service_account = Some((namespace.clone(), name.clone()));
            AUTHORIZER
        }
        (GROUP, "resource", [resource]) => {
            check.resource.clone_from(resource);
            RESOURCE
        }
        (
            RESOURCE,
            "subresource" | "namespace" | "name" | "fieldSelector" | "labelSelector",
            [text],
        ) => {
            let field = match function {
                "subresource" => &mut check.subresource,
                "namespace" => &mut check.namespace,
                "name" => &mut check.name,
                "fieldSelector" => &mut check.field_selector,
                _ => &mut check.label_selector,
            };
            field.clone_from(text);
            RESOURCE
        }
        (PATH | RESOURCE, "check", [verb]) => {
            check.verb.clone_from(verb);
            let decision = pending.authorizer.0.check(&check);
            return Ok(Value::Opaque(Arc::new(Decided(decision))));
        }
        _ => return Err(EvaluationError::NoSuchOverload),
    };
    Ok(pending.authorizer.pending(stage, check))
}
