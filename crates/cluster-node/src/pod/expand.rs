//! `$(NAME)` in commands, arguments and environment values
//! (`k8s.io/kubernetes/third_party/forked/golang/expansion`).

/// Replaces `$(NAME)` by what `lookup` knows; `$$` is a dollar sign; what is not known stays as written.
pub fn expand<'a>(input: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('(') {
            if let Some((name, tail)) = after.split_once(')') {
                match lookup(name) {
                    Some(value) => out.push_str(value),
                    None => out.extend(["$(", name, ")"]),
                }
                rest = tail;
            } else {
                out.push_str("$(");
                rest = after;
            }
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn references_are_replaced_and_everything_else_stays() {
        let lookup = |name: &str| match name {
            "A" => Some("1"),
            "EMPTY" => Some(""),
            _ => None,
        };
        let check =
            |input: &str, expected: &str| assert_eq!(expand(input, lookup), expected, "{input}");
        check("$(A)", "1");
        check("$$(A)", "$(A)");
        check("$(NOPE)", "$(NOPE)");
        check("x$(EMPTY)y", "xy");
        check("$(A", "$(A");
        check("$A $", "$A $");
        check("$$$(A)", "$1");
        check("ü$(A)ü", "ü1ü");
    }
}
