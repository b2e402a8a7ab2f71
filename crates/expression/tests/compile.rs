//! What does not compile, and what is said about it.

use expression::{Environment, Type};

fn check(source: &str, expected: &str) {
    let pod = Type::object(
        "Pod",
        [
            ("name".to_owned(), Type::String),
            ("count".to_owned(), Type::Int),
        ],
    );
    let environment = Environment::new().with("self", pod).with("any", Type::Dyn);
    match environment.compile(source) {
        Ok(compiled) => assert_eq!(compiled.result().to_string(), expected, "{source}"),
        Err(error) => assert_eq!(error.to_string(), expected, "{source}"),
    }
}

#[test]
fn types_are_known_as_far_as_they_can_be() {
    check("self.name", "string");
    check("self.count + 1 > 2", "bool");
    check("any.foo.bar", "dyn");
    check("[1, 2].map(x, string(x))", "list(string)");
    check("{'a': 1}", "map(string, int)");
    check("quantity('1').add(1)", "kubernetes.Quantity");
    check("optional.of(1).orValue(2)", "int");
    check("self.?name.orValue('')", "string");
    check("any == null ? any : 'x'", "dyn");
    check("self == null", "bool");
}

#[test]
fn faults_are_told_as_cel_go_tells_them() {
    check(
        "self.foo == 1",
        "ERROR: <input>:1:5: undefined field 'foo'\n | self.foo == 1\n | ....^",
    );
    check(
        "1 + 'a'",
        "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + 'a'\n | ..^",
    );
    check(
        "self.name.startsWith(1)",
        "ERROR: <input>:1:21: found no matching overload for 'startsWith' applied to 'string.(int)'\n | self.name.startsWith(1)\n | ....................^",
    );
    check(
        "other",
        "ERROR: <input>:1:1: undeclared reference to 'other' (in container '')\n | other\n | ^",
    );
    check(
        "nope(1)",
        "ERROR: <input>:1:5: undeclared reference to 'nope' (in container '')\n | nope(1)\n | ....^",
    );
    check(
        "self.count.all(x, true)",
        "ERROR: <input>:1:5: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)\n | self.count.all(x, true)\n | ....^",
    );
    check(
        "namespace",
        "ERROR: <input>:1:1: reserved identifier: namespace\n | namespace\n | ^",
    );
    check(
        "1 +",
        "ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}\n | 1 +\n | ...^",
    );
    check(
        "true\n  && self.nope",
        "ERROR: <input>:2:10: undefined field 'nope'\n |   && self.nope\n | .........^",
    );
    check(
        "has(1)",
        "ERROR: <input>:1:5: invalid argument to has() macro\n | has(1)\n | ....^",
    );
    check(
        "[1, 'a']",
        "ERROR: <input>:1:5: expected type 'int' but found 'string'\n | [1, 'a']\n | ....^",
    );
}

#[test]
fn several_faults_are_told_in_the_order_of_the_source() {
    check(
        "a == b",
        "ERROR: <input>:1:1: undeclared reference to 'a' (in container '')\n | a == b\n | ^\nERROR: <input>:1:6: undeclared reference to 'b' (in container '')\n | a == b\n | .....^",
    );
}

#[test]
fn what_an_expression_mentions_is_known() {
    let environment = Environment::new()
        .with("self", Type::Dyn)
        .with("oldSelf", Type::Dyn);
    let mentions = |source: &str| environment.compile(source).unwrap().mentions("oldSelf");
    assert!(mentions("self.a == oldSelf.a"));
    assert!(mentions("[1].all(x, has(oldSelf.a))"));
    assert!(!mentions("self.oldSelf == 1"));
    assert!(!mentions("[1].all(oldSelf, oldSelf == 1)"));
}
