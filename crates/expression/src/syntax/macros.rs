//! Macros: calls that bind variables, and the functions of name spaces (`math.greatest`, `format.named` …).

use super::parse::call;
use super::tree::{Fold, Kind, Macro, Node};
use crate::check::is_function;
use crate::environment::Issue;

/// A call without a target.
pub(super) fn function(at: usize, name: &str, mut args: Vec<Node>) -> Result<Node, Issue> {
    if name == "has" && args.len() == 1 {
        let argument = args.remove(0);
        return match argument.kind {
            Kind::Select {
                operand,
                field,
                optional: false,
            } => Ok(Node {
                at: argument.at,
                kind: Kind::Has { operand, field },
            }),
            _ => Err(fault(argument.at, "invalid argument to has() macro")),
        };
    }
    Ok(call(at, name, None, args))
}

/// A call with a target: a macro, a function of a name space, or a method.
pub(super) fn method(
    at: usize,
    target: Node,
    name: &str,
    mut args: Vec<Node>,
) -> Result<Node, Issue> {
    if let Kind::Ident(space) = &target.kind {
        if space == "cel" && name == "bind" && args.len() == 3 {
            let body = args.remove(2);
            let range = args.remove(1);
            return fold(at, Macro::Bind, range, args, body);
        }
        let qualified = format!("{space}.{name}");
        if is_function(&qualified) {
            return Ok(call(at, &qualified, None, args));
        }
    }
    let which = match (name, args.len()) {
        ("all", 2 | 3) => Macro::All,
        ("exists", 2 | 3) => Macro::Exists,
        ("exists_one" | "existsOne", 2 | 3) => Macro::ExistsOne,
        ("map", 2 | 3) => Macro::Map,
        ("filter", 2) => Macro::Filter,
        ("sortBy", 2) => Macro::SortBy,
        ("transformList", 3 | 4) => Macro::TransformList,
        ("transformMap", 3 | 4) => Macro::TransformMap,
        ("transformMapEntry", 3 | 4) => Macro::TransformMapEntry,
        ("optMap", 2) => Macro::OptMap,
        ("optFlatMap", 2) => Macro::OptFlatMap,
        _ => return Ok(call(at, name, Some(target), args)),
    };
    let Some(body) = args.pop() else {
        return Ok(call(at, name, Some(target), args));
    };
    fold(at, which, target, args, body)
}

fn fault(at: usize, message: &str) -> Issue {
    Issue {
        at,
        message: message.to_owned(),
    }
}

/// `args` are what stands before the body: one or two variables, and a filter where the macro has one.
fn fold(at: usize, which: Macro, range: Node, args: Vec<Node>, body: Node) -> Result<Node, Issue> {
    let one_variable = matches!(which, Macro::Map);
    let mut args = args.into_iter();
    let variable = args
        .next()
        .map(|node| name(&node))
        .transpose()?
        .unwrap_or_default();
    let mut rest: Vec<Node> = args.collect();
    let second = (!one_variable && !rest.is_empty()).then(|| rest.remove(0));
    let second = second.map(|node| name(&node)).transpose()?;
    let fold = Fold {
        which,
        range,
        variable,
        second,
        filter: rest.pop(),
        body,
    };
    Ok(Node {
        at,
        kind: Kind::Fold(Box::new(fold)),
    })
}

fn name(node: &Node) -> Result<String, Issue> {
    match &node.kind {
        Kind::Ident(name) => Ok(name.clone()),
        _ => Err(fault(node.at, "argument must be a simple name")),
    }
}
