//! Expressions and what they give, as tables.

use std::sync::Arc;

use expression::{
    Authorize, Authorizer, Bindings, Budget, Check, Decision, Environment, EvaluationError,
    Expression, Lazy, Type, Value, from_json, to_json,
};
use serde_json::json;

fn environment() -> Environment {
    Environment::new()
        .with("object", Type::Dyn)
        .with("text", Type::String)
        .with("variables", Type::Dyn)
        .with("authorizer", Authorizer::variable_type())
}

struct Doubled;

impl Lazy for Doubled {
    fn field(&self, name: &str, _: &mut Budget) -> Option<Result<Value, EvaluationError>> {
        match name {
            "two" => Some(Ok(Value::Int(2))),
            "wrong" => Some(Err(EvaluationError::DivisionByZero)),
            _ => None,
        }
    }
}

struct OnlyPods;

impl Authorize for OnlyPods {
    fn check(&self, check: &Check) -> Decision {
        Decision {
            allowed: check.resource == "pods" && check.verb == "get" || check.path == "/healthz",
            reason: format!("{}/{}", check.namespace, check.name),
            error: None,
        }
    }
}

fn outcome(source: &str) -> Result<Value, EvaluationError> {
    let compiled: Expression = environment()
        .compile(source)
        .unwrap_or_else(|error| panic!("{source}: {error}"));
    let object = json!({
        "metadata": {"name": "web-1", "labels": {"app": "web"}},
        "spec": {"replicas": 3, "ratio": 0.5, "names": ["a", "b", "c"], "namespace": "x"},
    });
    let mut bindings = Bindings::new()
        .with("object", from_json(&object))
        .with("text", Value::String(Arc::new("hello".into())))
        .with("authorizer", Authorizer::new(Arc::new(OnlyPods)).value());
    bindings.bind_lazy("variables", &Doubled);
    compiled.evaluate(&bindings, &mut Budget::default())
}

fn check(source: &str, expected: &serde_json::Value) {
    let value = outcome(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    assert_eq!(to_json(&value).as_ref(), Some(expected), "{source}");
}

fn holds(source: &str) {
    check(source, &json!(true));
}

fn fails(source: &str, expected: &str) {
    match outcome(source) {
        Err(error) => assert_eq!(error.to_string(), expected, "{source}"),
        Ok(value) => panic!("{source} gave {value:?}"),
    }
}

#[test]
fn literals_and_operators_mean_what_the_language_says() {
    check("1 + 2 * 3", &json!(7));
    check("-9223372036854775808", &json!(i64::MIN));
    check("0x1F", &json!(31));
    check("7 % 3", &json!(1));
    check(
        r#"'a' + "b" + r'\n' + '\n' + '\u00e9' + """x"y""""#,
        &json!("ab\\n\néx\"y"),
    );
    check("[1, 2] + [3]", &json!([1, 2, 3]));
    check(
        "{'a': [false], 'b': [true, null != null]}",
        &json!({"a": [false], "b": [true, false]}),
    );
    check("true ? 'yes' : 'no'", &json!("yes"));
    holds(
        "!(1 > 2) && 1 < 2 && 2 <= 2 && 'a' < 'b' && dyn(1) == 1.0 && 1 in [1, 2] && 'a' in {'a': 1}",
    );
    holds("1.5 > 1 && 2u >= 2 && b'a' == bytes('a')");
    holds("[1, 2] == [1, 2] && {'a': 1} == {'a': 1} && !([1] == [2])");
}

#[test]
fn fields_are_selected_tested_and_indexed() {
    check("object.metadata.name", &json!("web-1"));
    check("object.metadata.labels['app']", &json!("web"));
    check("object['spec'].names[1]", &json!("b"));
    check("object.spec.namespace", &json!("x"));
    holds("has(object.spec.replicas) && !has(object.spec.other)");
    check("object.?spec.?other.orValue('none')", &json!("none"));
    check("object.?spec.?replicas.orValue(0)", &json!(3));
    check("object.spec.names[?7].orValue('z')", &json!("z"));
    check("[1, ?object.?absent, ?optional.of(2)]", &json!([1, 2]));
    check("object.?spec.optMap(s, s.replicas + 1).value()", &json!(4));
    fails("object.spec.other", "no such key: other");
    fails("object.spec.names[7]", "index out of bounds: 7");
    fails("optional.none().value()", "optional.none() dereference");
}

#[test]
fn macros_bind_variables() {
    holds("object.spec.names.all(n, n.size() == 1)");
    holds("object.spec.names.exists(n, n == 'b') && object.spec.names.exists_one(n, n == 'c')");
    check("[1, 2, 3].map(x, x * 2)", &json!([2, 4, 6]));
    check("[1, 2, 3].map(x, x > 1, x * 2)", &json!([4, 6]));
    check("[1, 2, 3].filter(x, x % 2 == 1)", &json!([1, 3]));
    check("['bb', 'a'].sortBy(x, x.size())", &json!(["a", "bb"]));
    check("cel.bind(x, 2 + 3, x * x)", &json!(25));
    holds("[1, 2].all(i, v, v == i + 1)");
    check("[5, 6].transformList(i, v, i + v)", &json!([5, 7]));
    check("{'a': 1}.transformMap(k, v, v + 1)", &json!({"a": 2}));
    check(
        "{'a': 'b'}.transformMapEntry(k, v, {v: k})",
        &json!({"b": "a"}),
    );
    holds("{'a': 1, 'b': 2}.exists(k, k == 'b')");
    holds("[1, 0].exists(x, 1 / x == 1)");
    fails("[0].all(x, 1 / x == 1)", "division by zero");
}

#[test]
fn an_error_is_made_up_for_only_by_what_decides() {
    holds("object.nothing == 1 || true");
    check("object.nothing == 1 && false", &json!(false));
    fails("object.nothing == 1 && true", "no such key: nothing");
    fails("object.nothing == 1 || false", "no such key: nothing");
    fails("9223372036854775807 + 1 == 0", "integer overflow");
    fails("1 % 0 == 0", "modulus by zero");
    fails("dyn('a') + 1 == 0", "no such overload");
}

#[test]
fn the_libraries_of_kubernetes_are_there() {
    for source in [
        "'Hello'.lowerAscii() == 'hello' && 'a,b'.split(',') == ['a', 'b'] && 'abc'.substring(1) == 'bc'",
        "['a', 'b'].join('-') == 'a-b' && 'x'.replace('x', 'y') == 'y' && ' x '.trim() == 'x'",
        "'%s is %d'.format(['it', dyn(3)]) == 'it is 3'",
        "[3, 1].sort() == [1, 3] && [1, 2].sum() == 3 && [1, 2].max() == 2 && [1, 1].distinct() == [1]",
        "lists.range(3) == [0, 1, 2] && [1, 2].reverse() == [2, 1] && [1, 2].indexOf(2) == 1",
        "sets.contains([1, 2], [1]) && math.greatest(1, 3) == 3 && math.abs(-1) == 1",
        "'abc 12'.find('[0-9]+') == '12' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && 'abc'.matches('^a.c$')",
        "quantity('1Gi').isGreaterThan(quantity('1Mi')) && isQuantity('1') && !isQuantity('x')",
        "quantity('50k').add(20).isGreaterThan(quantity('50k')) && quantity('2').asInteger() == 2",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && cidr('10.0.0.0/8').containsIP('10.1.2.3')",
        "cidr('10.0.0.0/8').ip() == ip('10.0.0.0') && string(ip('10.0.0.1')) == '10.0.0.1'",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.2.3').minor() == 2",
        "url('https://a.b:80/c?d=e').getHost() == 'a.b:80' && isURL('https://x')",
        "!format.dns1123Label().validate('ok').hasValue() && format.dns1123Label().validate('No!').hasValue()",
        "jsonpatch.escapeKey('a/b~c') == 'a~1b~0c' && base64.encode(b'hi') == 'aGk='",
        "duration('1h').getMinutes() == 60 && timestamp('2024-02-03T04:05:06Z').getFullYear() == 2024",
        "timestamp('2024-02-03T23:05:06Z').getDate('+02:00') == 4 && timestamp('2024-01-02T00:00:00Z').getMonth() == 0",
        "timestamp('2024-01-01T00:00:00Z') + duration('24h') == timestamp('2024-01-02T00:00:00Z')",
        "type(1) == int && type('a') == string && type([]) == list && type(duration('1s')) == google.protobuf.Duration",
        "int('7') == 7 && string(1.0) == '1' && double('1.5') == 1.5 && uint(3) == 3u && string(duration('1500ms')) == '1.5s'",
        "text.startsWith('he') && text.endsWith('lo') && text.contains('ell') && size(text) == 5",
    ] {
        holds(source);
    }
}

#[test]
fn the_authorizer_is_asked() {
    holds("authorizer.group('').resource('pods').namespace('a').name('b').check('get').allowed()");
    check(
        "authorizer.group('').resource('pods').namespace('a').name('b').check('get').reason()",
        &json!("a/b"),
    );
    check(
        "authorizer.group('').resource('secrets').check('get').allowed()",
        &json!(false),
    );
    holds("authorizer.path('/healthz').check('get').allowed()");
    holds(
        "authorizer.serviceAccount('ns', 'sa').group('').resource('pods').check('get').allowed()",
    );
}

#[test]
fn lazy_variables_are_worked_out_when_selected() {
    check("variables.two + 1", &json!(3));
    fails("variables.wrong", "division by zero");
    fails("variables.other", "no such key: other");
    holds("has(variables.two) || variables.wrong");
}

#[test]
fn work_is_bounded_by_the_budget() {
    let bomb = "lists.range(1000).map(a, lists.range(1000).map(b, lists.range(1000))).size() > 0";
    fails(bomb, "operation cancelled: actual cost limit exceeded");
    fails(
        "lists.range(100000000).size() > 0",
        "operation cancelled: actual cost limit exceeded",
    );
    fails(
        "lists.range(3).all(x, authorizer.group('').resource('pods').check('get').allowed())",
        "operation cancelled: actual cost limit exceeded",
    );
    let compiled = environment().compile("[1, 2, 3].all(x, x > 0)").unwrap();
    let mut small = Budget::new(12);
    assert_eq!(
        compiled.evaluate(&Bindings::new(), &mut small),
        Err(EvaluationError::OutOfBudget)
    );
    assert!(small.is_spent());
}

#[test]
fn running_out_of_budget_is_not_made_up_for() {
    fails(
        "lists.range(100000000).size() > 0 || true",
        "operation cancelled: actual cost limit exceeded",
    );
}

#[test]
fn deep_and_long_expressions_are_refused_or_evaluated_but_never_overflow_the_stack() {
    let deep = format!("{}1{} == 1", "(".repeat(90), ")".repeat(90));
    holds(&deep);
    for (open, close) in [
        ("(", ")"),
        ("[", "]"),
        ("!", ""),
        ("{1: ", "}"),
        ("f(", ")"),
        ("a ? b : ", ""),
    ] {
        let source = format!("{}1{}", open.repeat(5000), close.repeat(5000));
        drop(environment().compile(&source));
    }
    let sum = vec!["1"; 5000].join(" + ");
    assert!(environment().compile(&sum).is_err());
    let and = vec!["true"; 5000].join(" && ");
    holds(&and);
}
