//! The table of functions, read once.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::types::Type;

/// One signature of a function.
#[derive(Debug, Clone)]
pub(super) struct Overload {
    /// Whether the first argument stands before the dot.
    pub(super) method: bool,
    pub(super) arguments: Vec<Type>,
    pub(super) result: Type,
}

static FUNCTIONS: LazyLock<HashMap<String, Vec<Overload>>> = LazyLock::new(|| {
    let mut out: HashMap<String, Vec<Overload>> = HashMap::new();
    for line in include_str!("functions.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        if let Some((name, overload)) = overload(line) {
            out.entry(name).or_default().push(overload);
        }
    }
    orderings(&mut out);
    out
});

/// The overloads of `name`; none if there is no such function.
pub(super) fn overloads(name: &str) -> &'static [Overload] {
    FUNCTIONS.get(name).map_or(&[], Vec::as_slice)
}

/// `<` and its kin: every ordered type with itself, and the numbers with one another.
fn orderings(out: &mut HashMap<String, Vec<Overload>>) {
    let numbers = [Type::Int, Type::Uint, Type::Double];
    let same = [
        Type::Bool,
        Type::String,
        Type::Bytes,
        Type::Timestamp,
        Type::Duration,
    ];
    let mut pairs: Vec<[Type; 2]> = same.map(|of| [of.clone(), of]).to_vec();
    for left in &numbers {
        pairs.extend(numbers.iter().map(|right| [left.clone(), right.clone()]));
    }
    for name in ["_<_", "_<=_", "_>_", "_>=_"] {
        let all = pairs.iter().map(|pair| Overload {
            method: false,
            arguments: pair.to_vec(),
            result: Type::Bool,
        });
        out.insert(name.to_owned(), all.collect());
    }
}

/// Reads `target.name(arguments): result`.
fn overload(line: &'static str) -> Option<(String, Overload)> {
    let (signature, result) = line.rsplit_once(": ")?;
    let inner = signature.strip_suffix(')')?;
    let open = argument_list(inner)?;
    let (head, arguments) = (&inner[..open], &inner[open + 1..]);
    let mut arguments: Vec<Type> = split(arguments).into_iter().map(named).collect();
    let (name, target) = match head.rsplit_once('.') {
        // A name space is no type: `math.abs` is one name.
        Some((target, name)) if is_type(target) => (name, Some(named(target))),
        _ => (head, None),
    };
    let method = target.is_some();
    if let Some(target) = target {
        arguments.insert(0, target);
    }
    let result = named(result);
    Some((
        name.to_owned(),
        Overload {
            method,
            arguments,
            result,
        },
    ))
}

/// Where the argument list that ends the text opens.
fn argument_list(inner: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in inner.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(at),
            '(' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn is_type(text: &str) -> bool {
    const PLAIN: [&str; 4] = ["string", "bytes", "timestamp", "duration"];
    PLAIN.contains(&text)
        || text.contains('(')
        || text.starts_with("net.")
        || text.starts_with("kubernetes.")
}

/// The parts between commas that stand in no brackets.
fn split(text: &'static str) -> Vec<&'static str> {
    let (mut depth, mut from, mut out) = (0, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                out.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    if !text.trim().is_empty() {
        out.push(text[from..].trim());
    }
    out
}

fn named(text: &'static str) -> Type {
    if let Some((outer, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let parts = split(inner);
        let mut parts = parts.into_iter().map(named);
        let first = parts.next().unwrap_or(Type::Dyn);
        return match outer {
            "list" => Type::list(first),
            "optional" => Type::optional(first),
            _ => Type::map(first, parts.next().unwrap_or(Type::Dyn)),
        };
    }
    match text {
        "dyn" => Type::Dyn,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "duration" => Type::Duration,
        "timestamp" => Type::Timestamp,
        "type" => Type::Type,
        "A" => Type::Param('A'),
        "B" => Type::Param('B'),
        name => Type::Opaque(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: &str) {
        let shown: Vec<String> = overloads(name)
            .iter()
            .map(|one| {
                let arguments: Vec<String> = one.arguments.iter().map(Type::to_string).collect();
                format!(
                    "{}({}) -> {}",
                    if one.method { "." } else { "" },
                    arguments.join(", "),
                    one.result
                )
            })
            .collect();
        assert_eq!(shown.join("; "), expected, "{name}");
    }

    #[test]
    fn the_table_of_functions_is_read() {
        check("math.isNaN", "(double) -> bool");
        check("getQuery", ".(kubernetes.URL) -> map(string, list(string))");
        check("orValue", ".(optional_type(A), A) -> A");
        check("ip", "(string) -> net.IP; .(net.CIDR) -> net.IP");
        check("@in", "(A, list(A)) -> bool; (A, map(A, B)) -> bool");
    }

    #[test]
    fn every_line_of_the_table_is_an_overload() {
        let lines = include_str!("functions.txt").lines();
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(overload(line).is_some(), "{line}");
        }
    }
}
