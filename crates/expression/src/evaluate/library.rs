//! The extension functions, called as `kube-cel` registers them.

use std::sync::Arc;

use kube_cel::KubeCelExt;
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr};
use kube_cel::cel::{Context, ExecutionError, Value};

use super::{EvaluationError, Outcome};

thread_local! {
    /// The functions, registered once for each thread: a context is not to be shared.
    static LIBRARY: Context<'static> = Context::default().with_all();
}

/// The value of an extension function.
pub(super) fn apply(function: &str, method: bool, values: Vec<Value>) -> Outcome {
    LIBRARY.with(|library| {
        let mut scope = library.new_inner_scope();
        let mut arguments = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            let name = format!("@{at}");
            scope.add_variable_from_value(name.clone(), value);
            arguments.push(identifier(&name));
        }
        let target = if let Some((space, name)) = function.split_once('.') {
            return scope
                .resolve(&call(name, Some(identifier(space)), arguments))
                .map_err(|error| described(&error));
        } else if method {
            Some(arguments.remove(0))
        } else {
            None
        };
        scope
            .resolve(&call(function, target, arguments))
            .map_err(|error| described(&error))
    })
}

fn identifier(name: &str) -> IdedExpr {
    IdedExpr {
        id: 0,
        expr: Expr::Ident(name.to_owned()),
    }
}

fn call(name: &str, target: Option<IdedExpr>, args: Vec<IdedExpr>) -> IdedExpr {
    let call = CallExpr {
        func_name: name.to_owned(),
        target: target.map(Box::new),
        args,
    };
    IdedExpr {
        id: 0,
        expr: Expr::Call(call),
    }
}

/// The library's error in the words of an evaluation.
fn described(error: &ExecutionError) -> EvaluationError {
    match error {
        ExecutionError::FunctionError { message, .. } => EvaluationError::Function(message.clone()),
        ExecutionError::NoSuchKey(key) => {
            EvaluationError::NoSuchKey(Arc::unwrap_or_clone(key.clone()))
        }
        ExecutionError::IndexOutOfBounds(Value::Int(at)) => EvaluationError::IndexOutOfBounds(*at),
        _ => EvaluationError::NoSuchOverload,
    }
}
