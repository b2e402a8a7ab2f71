//! What a policy file says of a request, and which files mean nothing.

use std::path::Path;

use serde_json::json;

use super::*;

fn parse(rules: &Value) -> Result<Policy, String> {
    let text = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules});
    Policy::parse(&text.to_string(), Path::new("p.yaml")).map_err(|error| error.to_string())
}

fn alice() -> User {
    User {
        name: "alice".to_owned(),
        groups: vec!["sre".to_owned(), "system:authenticated".to_owned()],
        ..User::default()
    }
}

/// `verb group resource[/subresource] namespace name`, with `-` for nothing; or `verb /path`.
fn request(text: &str) -> Attributes {
    let parts: Vec<&str> = text
        .split(' ')
        .map(|part| if part == "-" { "" } else { part })
        .collect();
    match parts[..] {
        [verb, path] => Attributes {
            verb: verb.to_owned(),
            path: path.to_owned(),
            ..Attributes::default()
        },
        [verb, group, resource, namespace, name] => {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            Attributes {
                verb: verb.to_owned(),
                group: group.to_owned(),
                version: "v1".to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                ..Attributes::default()
            }
        }
        _ => panic!("no request: {text}"),
    }
}

#[test]
fn a_rule_matches_where_all_its_fields_do() {
    let check = |rule: Value, text: &str, expected: bool| {
        let mut rule = rule;
        rule["level"] = "Metadata".into();
        let policy = parse(&json!([rule])).expect("a policy");
        let verdict = policy.evaluate(Some(&alice()), &request(text));
        assert_eq!(verdict.level == Level::Metadata, expected, "{rule} {text}");
    };
    let get = "get - pods ns a";
    check(json!({}), get, true);
    check(json!({}), "get /healthz", true);
    check(json!({"users": ["alice"]}), get, true);
    check(json!({"users": ["bob"]}), get, false);
    check(json!({"userGroups": ["x", "sre"]}), get, true);
    check(json!({"userGroups": ["x"]}), get, false);
    check(json!({"verbs": ["get"]}), get, true);
    check(json!({"verbs": ["*"]}), get, false);
    check(json!({"namespaces": ["ns"]}), get, true);
    check(json!({"namespaces": [""]}), get, false);
    check(json!({"namespaces": [""]}), "get - nodes - n", true);
    check(json!({"namespaces": ["ns"]}), "get /healthz", false);
    let of = |resources: Value| json!({ "resources": [resources] });
    check(of(json!({})), get, true);
    check(of(json!({})), "get apps deployments ns a", false);
    check(of(json!({"group": "*"})), "get apps deployments ns a", true);
    check(of(json!({"resources": ["pods"]})), get, true);
    check(
        of(json!({"resources": ["pods"]})),
        "get - pods/log ns a",
        false,
    );
    check(
        of(json!({"resources": ["pods/log"]})),
        "get - pods/log ns a",
        true,
    );
    check(
        of(json!({"resources": ["pods/*"]})),
        "get - pods/log ns a",
        true,
    );
    check(of(json!({"resources": ["pods/*"]})), get, true);
    check(
        of(json!({"resources": ["*/log"]})),
        "get - pods/log ns a",
        true,
    );
    check(of(json!({"resources": ["*/log"]})), get, false);
    check(of(json!({"resources": ["*"]})), "get - pods/log ns a", true);
    let named = json!({"resources": ["pods"], "resourceNames": ["a"]});
    check(of(named.clone()), get, true);
    check(of(named), "get - pods ns b", false);
    let paths = json!({"nonResourceURLs": ["/healthz*", "/version"]});
    check(paths.clone(), "get /healthz/ping", true);
    check(paths.clone(), "get /version", true);
    check(paths.clone(), "get /version/x", false);
    check(paths, get, false);
    check(json!({"nonResourceURLs": ["*"]}), "get /x", true);
}

#[test]
fn somebody_unknown_matches_only_rules_without_users() {
    let rules = json!([
        {"level": "Request", "users": [""]},
        {"level": "Request", "userGroups": ["system:unauthenticated"]},
        {"level": "Metadata"},
    ]);
    let policy = parse(&rules).expect("a policy");
    let verdict = policy.evaluate(None, &request("get - pods ns a"));
    assert_eq!(verdict.level, Level::Metadata);
}

#[test]
fn the_first_rule_that_matches_decides() {
    let text = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: None
  users: [bob]
- level: RequestResponse
  omitManagedFields: false
  omitStages: [Panic]
  resources:
  - group: \"\"
    resources: [secrets]
- level: Request
  verbs: [create]
  namespaces:
";
    let policy = Policy::parse(text, Path::new("p.yaml")).expect("a policy");
    let check = |text: &str, level, stages: &[Stage], managed| {
        let expected = Verdict {
            level,
            omit_stages: stages.iter().copied().collect(),
            omit_managed_fields: managed,
        };
        assert_eq!(
            policy.evaluate(Some(&alice()), &request(text)),
            expected,
            "{text}"
        );
    };
    let both = [Stage::RequestReceived, Stage::Panic];
    check("get - secrets ns a", Level::RequestResponse, &both, false);
    check("create - pods ns a", Level::Request, &both[..1], true);
    check("get - pods ns a", Level::None, &both[..1], true);
}

#[test]
fn a_policy_that_does_not_hold_is_refused_with_kubernetes_words() {
    let check = |rules: Value, expected: &str| {
        let text = parse(&rules).expect_err("no policy");
        assert_eq!(text, format!("{expected}: from file p.yaml"));
    };
    check(json!([]), "loaded illegal policy with 0 rules");
    check(json!([{}]), "rules[0].level: Required value");
    check(
        json!([{"level": "All"}]),
        r#"rules[0].level: Unsupported value: "All": supported values: "None", "Metadata", "Request", "RequestResponse""#,
    );
    check(
        json!([{"level": "None", "nonResourceURLs": ["a", "/a*b"], "omitStages": ["X"]}]),
        r#"[rules[0].nonResourceURLs[0]: Invalid value: "a": non-resource URL rules must begin with a '/' character, rules[0].nonResourceURLs[1]: Invalid value: "/a*b": non-resource URL wildcards '*' must be the final character of the rule, rules[0].omitStages[0]: Invalid value: "X": allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic]"#,
    );
    check(
        json!([{"level": "None", "nonResourceURLs": ["/a"], "namespaces": ["n"]}]),
        r#"rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs"#,
    );
    check(
        json!([{"level": "None", "resources": [{"resourceNames": ["a"]}]}]),
        r#"rules[0].resources.resourceNames: Invalid value: ["a"]: using resourceNames requires at least one resource"#,
    );
}

#[test]
fn what_is_no_policy_is_said_so() {
    let check = |text: &str, expected: &str| {
        let error = Policy::parse(text, Path::new("p.yaml")).expect_err("no policy");
        assert!(error.to_string().contains(expected), "{error}");
    };
    check(
        "apiVersion: audit.k8s.io/v1beta1\nkind: Policy",
        "unknown group version field",
    );
    check("apiVersion: v1\nkind: Pod", "unknown group version field");
    check(
        "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: 3",
        "failed decoding",
    );
    check("{", "failed decoding");
}

#[test]
fn fields_that_a_policy_does_not_have_are_left_out() {
    let rules = json!([{"level": "Metadata", "levels": "None"}]);
    assert!(parse(&rules).is_ok());
}
