//! What a call costs: cel-go's `interpreter/runtimecost.go` and `CallCost` of Kubernetes'
//! `pkg/cel/library/cost.go`. Where those charge one unit for work that grows with its arguments, the size of the
//! arguments is charged, because here they are copied into the library.

use kube_cel::cel::Value;

use crate::value::size;

/// Making a list.
pub(super) const LIST: u64 = 10;

/// Making a map.
pub(super) const MAP: u64 = 30;

/// A tenth of `length`, rounded up: going over a text once.
fn traversal(length: u64) -> u64 {
    length.div_ceil(10)
}

/// Matching a text against a regular expression.
fn regex(text: u64, expression: u64) -> u64 {
    traversal(text + 1).saturating_mul(expression.div_ceil(4).max(1))
}

/// What elements and text in a value come to, however deep.
fn whole(value: &Value) -> u64 {
    match value {
        Value::String(text) => 1 + traversal(text.len() as u64),
        Value::Bytes(bytes) => 1 + traversal(bytes.len() as u64),
        Value::List(elements) => 1 + elements.iter().map(whole).sum::<u64>(),
        Value::Map(entries) => {
            1 + entries
                .map
                .values()
                .map(|value| 1 + whole(value))
                .sum::<u64>()
        }
        _ => 1,
    }
}

/// Charged before `function` is called on `args` (the target first).
pub(super) fn before(function: &str, args: &[Value]) -> u64 {
    let length = |at: usize| args.get(at).map_or(0, size);
    match function {
        "check" => 350_000,
        "_==_" | "_!=_" | "sets.contains" | "sets.equivalent" | "sets.intersects"
            if args.len() == 2 =>
        {
            let (left, right) = (whole(&args[0]), whole(&args[1]));
            if function.starts_with('_') {
                left.min(right)
            } else {
                left.saturating_mul(right)
            }
        }
        "@in" => args.get(1).map_or(1, |list| match list {
            Value::List(elements) => (elements.len() as u64).max(1),
            _ => 1,
        }),
        "_<_" | "_<=_" | "_>_" | "_>=_" => traversal(length(0).min(length(1))).max(1),
        "_+_" => match args.first() {
            Some(Value::String(_) | Value::Bytes(_)) => traversal(length(0) + length(1)).max(1),
            Some(Value::List(_)) => 1 + length(0) + length(1),
            _ => 1,
        },
        "contains" => traversal(length(0))
            .saturating_mul(traversal(length(1)))
            .max(1),
        "startsWith" | "endsWith" => traversal(length(1)).max(1),
        "matches" | "find" | "findAll" => regex(length(0), length(1)),
        "validate" => regex(length(1), 200),
        "fieldSelector" | "labelSelector" => 10 + traversal(length(1)) + 25 * length(1),
        // These go over a list more than once.
        "sort" | "distinct" => {
            let of: u64 = args.iter().map(whole).sum();
            if function == "distinct" {
                of.saturating_mul(of)
            } else {
                of.saturating_mul(4)
            }
        }
        "replace" | "split" | "ip.isCanonical" => 1 + traversal(2 * length(0)),
        "lists.range" => match args.first() {
            Some(Value::Int(count)) => u64::try_from(*count).unwrap_or(1).max(1),
            _ => 1,
        },
        "flatten" | "slice" | "reverse" | "join" | "format" | "isSorted" | "sum" | "min"
        | "max" | "indexOf" | "lastIndexOf" | "math.greatest" | "math.least" | "first" | "last" => {
            args.iter().map(whole).sum::<u64>().max(1)
        }
        "size" | "type" | "dyn" | "int" | "uint" | "bool" | "double" | "hasValue" | "value"
        | "or" | "orValue" => 1,
        _ => args
            .iter()
            .map(|arg| traversal(size(arg)))
            .sum::<u64>()
            .max(1),
    }
}

/// Charged for what `function` has made, where it can be larger than what it was made of.
pub(super) fn after(function: &str, result: &Value) -> u64 {
    match function {
        "replace" | "join" | "format" | "split" | "findAll" | "strings.quote" => {
            traversal(size(result))
        }
        _ => 0,
    }
}
