//! CEL, as the Kubernetes API server speaks it.
//!
//! **In scope.** Compiling with declared variables ([`Environment`]): the grammar of CEL with optional syntax and the
//! two-variable macros, type checking, errors in cel-go's words and with its pointer into the source. Evaluating
//! ([`Expression::evaluate`]) against a [`Budget`]: every step is charged as cel-go's runtime cost tracker and
//! Kubernetes' cost estimator charge it, so that an expression ends after a bounded amount of work. Kubernetes' own
//! libraries, `authorizer` among them ([`Authorize`]).
//!
//! **Out of scope.** Where expressions stand and what their answers mean (validation rules of a schema, match
//! conditions, policies): that is the callers'. Proto messages; cost *estimates* before anything is evaluated.
//!
//! The extension functions themselves (strings, lists, quantities, addresses, versions …) are `kube-cel`'s; the
//! grammar, the checker and the interpreter are here because that crate meters nothing, knows no positions and no
//! types, and an interpreter without a meter is no place for a stranger's expression.
//!
//! There is no watchdog thread: a step costs at least one unit, what a step does is bounded by what it is charged
//! (a call by the size of its arguments), and regular expressions run in linear time. The budget therefore bounds the
//! time, too: a million units are some hundred milliseconds at most.

mod authorizer;
mod budget;
mod check;
mod environment;
mod evaluate;
mod names;
mod syntax;
mod types;
mod value;

pub use authorizer::{Authorize, Authorizer, Check, Decision};
pub use budget::{Budget, CALL_LIMIT, POLICY_LIMIT};
pub use environment::{CompileError, Environment, Expression, Issue};
pub use evaluate::{Bindings, EvaluationError, Lazy};
pub use kube_cel::cel::Value;
pub use names::{escape, unescape};
pub use types::{ObjectType, Type};
pub use value::{as_bool, as_string, from_json, from_json_as, optional, to_json};
