//! ValidatingAdmissionPolicies: what they judge, how they refuse, warn and annotate, and what of them is refused.

use cluster_server::api::Context;
use cluster_server::audit::{Annotations, Level};
use cluster_server::error::ApiError;
use serde_json::{Value, json};

use super::{Cluster, context, pod, user};

const GROUP: &str = "admissionregistration.k8s.io";

fn policy(name: &str, spec: &Value) -> Value {
    let rules = json!([{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["pods"]}]);
    let mut object =
        json!({"metadata": {"name": name}, "spec": {"matchConstraints": {"resourceRules": rules}}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

fn binding(name: &str, policy: &str, actions: &[&str]) -> Value {
    json!({"metadata": {"name": name}, "spec": {"policyName": policy, "validationActions": actions}})
}

async fn apply(cluster: &Cluster, plural: &str, object: Value) -> Result<(), ApiError> {
    cluster
        .create(GROUP, "v1", plural, "", object)
        .await
        .map(drop)
}

/// A policy `p` of that spec, bound by `b`.
async fn bound(cluster: &Cluster, spec: &Value, actions: &[&str]) {
    apply(cluster, "validatingadmissionpolicies", policy("p", spec))
        .await
        .expect("a policy");
    apply(
        cluster,
        "validatingadmissionpolicybindings",
        binding("b", "p", actions),
    )
    .await
    .expect("a binding");
}

async fn refusal_of(spec: &Value) -> ApiError {
    let cluster = Cluster::start().await;
    bound(&cluster, spec, &["Deny"]).await;
    let error = cluster.create_pod("web").await.expect_err("a refusal");
    cluster.stop().await;
    error
}

/// What is said of a Pod that the policy refuses, after the words that every refusal begins with.
async fn check_refusal(spec: Value, code: u16, reason: &str, why: &str) {
    let error = refusal_of(&spec).await;
    let start = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: ";
    assert_eq!(
        error.message,
        format!("pods \"web\" is forbidden: {start}{why}"),
        "{spec}"
    );
    assert_eq!((error.code, error.reason), (code, reason), "{spec}");
    let causes = error.details.expect("details")["causes"].clone();
    assert_eq!(
        causes,
        json!([{"message": format!("{start}{why}")}]),
        "{spec}"
    );
}

#[tokio::test]
async fn a_failed_validation_refuses_in_the_policys_words() {
    let no = "object.metadata.name != 'web'";
    check_refusal(
        json!({"validations": [{"expression": no}]}),
        422,
        "Invalid",
        &format!("failed expression: {no}"),
    )
    .await;
    check_refusal(
        json!({"validations": [{"expression": "true"}, {"expression": no, "message": " not web ", "reason": "Forbidden"}]}),
        403,
        "Forbidden",
        "not web",
    )
    .await;
    check_refusal(
        json!({
            "variables": [{"name": "who", "expression": "request.userInfo.username"}, {"name": "said", "expression": "'for ' + variables.who"}],
            "validations": [{"expression": no, "message": "not this", "messageExpression": "variables.said + ': ' + object.metadata.name"}],
        }),
        422,
        "Invalid",
        "for test: web",
    )
    .await;
    check_refusal(
        json!({"validations": [{"expression": no, "message": "instead", "messageExpression": "'a\\nb'"}]}),
        422,
        "Invalid",
        "instead",
    )
    .await;
}

#[tokio::test]
async fn what_cannot_be_evaluated_refuses_unless_the_policy_ignores_failures() {
    let wrong = "object.spec.nothing == 1";
    let why = format!("expression '{wrong}' resulted in error: no such key: nothing");
    check_refusal(
        json!({"validations": [{"expression": wrong}]}),
        422,
        "Invalid",
        &why,
    )
    .await;
    check_refusal(
        json!({"variables": [{"name": "v", "expression": "object.spec.nothing"}], "validations": [{"expression": "variables.v == 1"}]}),
        422,
        "Invalid",
        "expression 'variables.v == 1' resulted in error: composited variable \"v\" fails to evaluate: no such key: nothing",
    )
    .await;
    let bomb = "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).size() > 0))";
    let why = format!(
        "expression '{bomb}' resulted in error: operation cancelled: actual cost limit exceeded"
    );
    check_refusal(
        json!({"validations": [{"expression": bomb}]}),
        422,
        "Invalid",
        &why,
    )
    .await;
    let cluster = Cluster::start().await;
    bound(
        &cluster,
        &json!({"failurePolicy": "Ignore", "validations": [{"expression": wrong}]}),
        &["Deny"],
    )
    .await;
    cluster.create_pod("web").await.expect("let through");
    cluster.stop().await;
}

#[tokio::test]
async fn warnings_and_audit_annotations_are_made_as_the_binding_says() {
    let cluster = Cluster::start().await;
    let spec = json!({
        "validations": [{"expression": "false", "message": "mind"}],
        "auditAnnotations": [{"key": "name", "valueExpression": "'pod ' + object.metadata.name"}, {"key": "none", "valueExpression": "null"}],
    });
    bound(&cluster, &spec, &["Warn", "Audit"]).await;
    let ctx = Context {
        annotations: Annotations::at(Level::Metadata),
        ..Context::system("test")
    };
    cluster
        .create_as(&ctx, "", "v1", "pods", "n", pod("web"))
        .await
        .expect("let through");
    assert_eq!(
        ctx.warnings.all(),
        ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': mind"]
    );
    let annotations = ctx.annotations.all();
    assert_eq!(
        annotations.get("p/name").map(String::as_str),
        Some("pod web")
    );
    assert!(!annotations.contains_key("p/none"));
    let failure = json!([{"message": "mind", "policy": "p", "binding": "b", "expressionIndex": 0, "validationActions": ["Warn", "Audit"]}]);
    assert_eq!(
        annotations.get("validation.policy.admission.k8s.io/validation_failure"),
        Some(&failure.to_string())
    );
    cluster.stop().await;
}

#[tokio::test]
async fn conditions_namespaces_and_names_narrow_what_a_policy_judges() {
    let no = json!([{"expression": "false"}]);
    let rule = |more: Value| {
        let mut rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]});
        for (key, value) in more.as_object().into_iter().flatten() {
            rule[key] = value.clone();
        }
        rule
    };
    for (spec, admitted) in [
        (json!({"validations": no}), false),
        (
            json!({"validations": no, "matchConditions": [{"name": "c", "expression": "object.metadata.name == 'other'"}]}),
            true,
        ),
        (
            json!({"validations": no, "matchConditions": [{"name": "c", "expression": "request.operation == 'CREATE'"}]}),
            false,
        ),
        (
            json!({"validations": no, "matchConstraints": {"resourceRules": [rule(json!({"resourceNames": ["other"]}))]}}),
            true,
        ),
        (
            json!({"validations": no, "matchConstraints": {"resourceRules": [rule(json!({}))], "excludeResourceRules": [rule(json!({}))]}}),
            true,
        ),
        (
            json!({"validations": no, "matchConstraints": {"resourceRules": [rule(json!({}))], "namespaceSelector": {"matchLabels": {"a": "b"}}}}),
            true,
        ),
        (
            json!({"validations": no, "matchConstraints": {"resourceRules": [rule(json!({}))], "objectSelector": {"matchLabels": {"a": "b"}}}}),
            true,
        ),
        (
            json!({"validations": [{"expression": "namespaceObject.metadata.name == 'n' && authorizer.group('').resource('pods').check('get').allowed()"}]}),
            true,
        ),
    ] {
        let cluster = Cluster::start().await;
        bound(&cluster, &spec, &["Deny"]).await;
        assert_eq!(cluster.create_pod("web").await.is_ok(), admitted, "{spec}");
        cluster.stop().await;
    }
}

#[tokio::test]
async fn parameters_are_found_by_name_or_labels_and_their_absence_is_a_refusal_or_not() {
    let cluster = Cluster::start().await;
    let spec = json!({
        "paramKind": {"apiVersion": "v1", "kind": "ConfigMap"},
        "validations": [{"expression": "object.metadata.name.startsWith(params.data.prefix)", "messageExpression": "'want ' + params.data.prefix"}],
    });
    apply(&cluster, "validatingadmissionpolicies", policy("p", &spec))
        .await
        .expect("a policy");
    let mut bound = binding("b", "p", &["Deny"]);
    bound["spec"]["paramRef"] = json!({"name": "limits", "parameterNotFoundAction": "Deny"});
    apply(&cluster, "validatingadmissionpolicybindings", bound)
        .await
        .expect("a binding");
    let error = cluster.create_pod("web").await.expect_err("a refusal");
    assert_eq!(
        error.message,
        "pods \"web\" is forbidden: ValidatingAdmissionPolicy 'p' with binding 'b' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
    );
    let map = json!({"metadata": {"name": "limits", "labels": {"for": "pods"}}, "data": {"prefix": "web"}});
    cluster
        .create("", "v1", "configmaps", "n", map)
        .await
        .expect("a map");
    cluster.create_pod("web").await.expect("allowed");
    let error = cluster.create_pod("db").await.expect_err("a refusal");
    assert!(
        error.message.ends_with("denied request: want web"),
        "{error}"
    );
    let mut second = binding("c", "p", &["Deny"]);
    second["spec"]["paramRef"] = json!({"selector": {"matchLabels": {"for": "nothing"}}, "parameterNotFoundAction": "Allow"});
    apply(&cluster, "validatingadmissionpolicybindings", second)
        .await
        .expect("a binding");
    cluster.create_pod("web-2").await.expect("allowed");
    cluster.stop().await;
}

#[tokio::test]
async fn a_kind_of_parameter_that_is_not_served_is_a_misconfiguration() {
    let cluster = Cluster::start().await;
    let spec = json!({"paramKind": {"apiVersion": "x.example.com/v1", "kind": "Limit"}, "validations": [{"expression": "true"}]});
    bound(&cluster, &spec, &["Deny"]).await;
    let error = cluster.create_pod("web").await.expect_err("a refusal");
    assert_eq!(
        error.message,
        "pods \"web\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'x.example.com/v1, Kind=Limit'"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn policies_never_judge_the_configuration_of_admission() {
    let cluster = Cluster::start().await;
    let rules = json!({"resourceRules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]});
    bound(
        &cluster,
        &json!({"matchConstraints": rules, "validations": [{"expression": "false"}]}),
        &["Deny"],
    )
    .await;
    apply(
        &cluster,
        "validatingadmissionpolicies",
        policy("q", &json!({"validations": [{"expression": "true"}]})),
    )
    .await
    .expect("not judged");
    cluster.create_pod("web").await.expect_err("judged");
    cluster.stop().await;
}

#[tokio::test]
async fn the_authorizer_answers_for_the_person_who_asks() {
    let cluster = Cluster::start().await;
    let spec = json!({"validations": [{"expression": "authorizer.requestResource.check('approve').allowed()", "message": "ask first"}]});
    bound(&cluster, &spec, &["Deny"]).await;
    let master = context(user("root", &["system:masters"]));
    cluster
        .create_as(&master, "", "v1", "pods", "n", pod("a"))
        .await
        .expect("allowed");
    let alice = context(user("alice", &[]));
    let error = cluster
        .create_as(&alice, "", "v1", "pods", "n", pod("b"))
        .await
        .expect_err("a refusal");
    assert!(error.message.ends_with("ask first"), "{error}");
    cluster.stop().await;
}

async fn check_invalid(plural: &str, object: Value, expected: &[&str]) {
    let cluster = Cluster::start().await;
    let error = apply(&cluster, plural, object)
        .await
        .expect_err("a refusal");
    let causes = error.details.expect("details")["causes"].clone();
    let causes = causes.as_array().expect("causes").iter();
    let got: Vec<String> = causes
        .map(|cause| {
            format!(
                "{}: {}",
                cause["field"].as_str().unwrap_or_default(),
                cause["message"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(got, expected);
    cluster.stop().await;
}

#[tokio::test]
async fn policies_that_do_not_hold_are_refused_with_the_place_of_the_fault() {
    let plural = "validatingadmissionpolicies";
    check_invalid(plural, json!({"metadata": {"name": "p"}, "spec": {}}), &[
        "spec.matchConstraints: Required value",
        "spec.validations: Required value: validations or auditAnnotations must contain at least one item",
        "spec.auditAnnotations: Required value: validations or auditAnnotations must contain at least one item",
    ])
    .await;
    let faulty = policy(
        "p",
        &json!({
            "failurePolicy": "Maybe",
            "paramKind": {"apiVersion": "a/b/c", "kind": "1x"},
            "variables": [{"name": "a-b", "expression": "1"}, {"name": "ok", "expression": "nope"}],
            "validations": [
                {"expression": "object.x"}, {"expression": "1 +"}, {"expression": " "},
                {"expression": "variables.missing", "message": "a\nb", "reason": "NotFound"},
                {"expression": "true", "messageExpression": "authorizer.path('/').check('get').reason()"},
            ],
            "auditAnnotations": [{"key": "k", "valueExpression": "1"}, {"key": "k", "valueExpression": "'x'"}],
        }),
    );
    let expecting = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
    let syntax = format!(
        "spec.validations[1].expression: Invalid value: \"1 +\": compilation failed: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting {expecting}\n | 1 +\n | ...^"
    );
    let label = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
    let kind = format!(
        "spec.paramKind.kind: Invalid value: \"1x\": may have mixed case, but should otherwise match: {label}"
    );
    check_invalid(plural, faulty, &[
        "spec.failurePolicy: Unsupported value: \"Maybe\": supported values: \"Fail\", \"Ignore\"",
        "spec.paramKind.apiVersion: Invalid value: \"a/b/c\": unexpected GroupVersion string: a/b/c",
        &kind,
        "spec.variables[0].name: Invalid value: \"a-b\": name is not a valid CEL identifier",
        "spec.variables[1].expression: Invalid value: \"nope\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope\n | ^",
        "spec.validations[0].expression: Invalid value: \"object.x\": must evaluate to bool but got dyn",
        &syntax,
        "spec.validations[2].expression: Required value: expression is not specified",
        "spec.validations[3].expression: Invalid value: \"variables.missing\": compilation failed: ERROR: <input>:1:10: undefined field 'missing'\n | variables.missing\n | .........^",
        "spec.validations[3].message: Invalid value: \"a\\nb\": message must not contain line breaks",
        "spec.validations[3].reason: Unsupported value: \"NotFound\": supported values: \"Forbidden\", \"Invalid\", \"RequestEntityTooLarge\"",
        "spec.validations[4].messageExpression: Invalid value: \"authorizer.path('/').check('get').reason()\": compilation failed: ERROR: <input>:1:1: undeclared reference to 'authorizer' (in container '')\n | authorizer.path('/').check('get').reason()\n | ^",
        "spec.auditAnnotations[0].valueExpression: Invalid value: \"1\": must evaluate to one of [string null_type] but got int",
        "spec.auditAnnotations[1].key: Duplicate value: \"k\"",
    ])
    .await;
}

#[tokio::test]
async fn bindings_that_do_not_hold_are_refused_with_the_place_of_the_fault() {
    let plural = "validatingadmissionpolicybindings";
    let mut both = binding("b", "p", &["Deny", "Warn", "Deny"]);
    both["spec"]["paramRef"] = json!({"name": "x", "selector": {}});
    both["spec"]["matchResources"] = json!({"resourceRules": [{"operations": ["GET"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["*", "pods"]}]});
    check_invalid(plural, both, &[
        "spec.paramRef.name: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.selector: Forbidden: name and selector are mutually exclusive",
        "spec.paramRef.parameterNotFoundAction: Required value",
        "spec.matchResouces.resourceRules[0].operations[0]: Unsupported value: \"GET\": supported values: \"*\", \"CONNECT\", \"CREATE\", \"DELETE\", \"UPDATE\"",
        "spec.matchResouces.resourceRules[0].resources: Invalid value: [\"*\",\"pods\"]: if '*' is present, must not specify other resources without subresources",
        "spec.validationActions[2]: Duplicate value: \"Deny\"",
        "spec.validationActions: Invalid value: [\"Deny\",\"Warn\",\"Deny\"]: must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)",
    ])
    .await;
    check_invalid(
        plural,
        json!({"metadata": {"name": "b"}, "spec": {}}),
        &[
            "spec.policyName: Required value",
            "spec.validationActions: Required value: at least one validation action is required",
        ],
    )
    .await;
}

#[tokio::test]
async fn the_status_tells_what_expressions_would_stumble_over() {
    let cluster = Cluster::start().await;
    let spec = json!({"validations": [{"expression": "object.spec.nothing == 1"}, {"expression": "object.spec.containers.all(c, c.image != '')"}]});
    apply(&cluster, "validatingadmissionpolicies", policy("p", &spec))
        .await
        .expect("a policy");
    let key = "validatingadmissionpolicies.admissionregistration.k8s.io";
    let store = &cluster.server.api().store;
    let mut watch = store
        .watch(key, 0)
        .or_else(|_| store.watch(key, store.revision()))
        .expect("a watch");
    let looked_at = async {
        loop {
            let stored = store.get(key, "", "p").expect("the policy");
            if stored.value["status"]["observedGeneration"] == 1 {
                return stored.value["status"].clone();
            }
            watch.next().await.expect("a change");
        }
    };
    let status = tokio::time::timeout(std::time::Duration::from_secs(30), looked_at)
        .await
        .expect("a status in time");
    let warnings = json!([{
        "fieldRef": "spec.validations[0].expression",
        "warning": "/v1, Kind=Pod: ERROR: <input>:1:12: undefined field 'nothing'\n | object.spec.nothing == 1\n | ...........^\n",
    }]);
    assert_eq!(status["typeChecking"]["expressionWarnings"], warnings);
    cluster.stop().await;
}
