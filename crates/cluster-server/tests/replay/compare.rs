//! Whether two answers are the same, apart from what differs from run to run.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::client::Answer;

const VOLATILE: [&str; 6] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
];

static TOKEN_VOLUME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("kube-api-access-[a-z0-9]{5}").expect("a pattern"));
static UID: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("a pattern")
});
/// Where in the old and new text a hunk of a diff stands. The recorded server's token volume had one source more,
/// which was taken out of the objects but not out of the line numbers.
static HUNK: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"@@ -\d+(,\d+)? \+\d+(,\d+)? @@").expect("a pattern"));

/// A value as text, without quotes.
pub(super) fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Takes out what differs from run to run.
pub(super) fn normalise(value: &mut Value, namespace: &str) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| {
                !["lastTransitionTime", "lastProbeTime", "startTime"].contains(&key.as_str())
            });
            for (key, value) in map.iter_mut() {
                if let (true, Some(inner)) = (key == "metadata", value.as_object_mut()) {
                    inner.retain(|key, _| !VOLATILE.contains(&key.as_str()));
                }
                if let (true, Some(inner)) = (key == "details", value.as_object_mut()) {
                    inner.remove("uid");
                }
                if key == "serverAddress" {
                    *value = "<address>".into();
                }
                normalise(value, namespace);
            }
        }
        Value::Array(list) => list
            .iter_mut()
            .for_each(|value| normalise(value, namespace)),
        Value::String(text) => *text = masked(text, namespace),
        _ => {}
    }
}

fn masked(text: &str, namespace: &str) -> String {
    let text = text.replace(namespace, "${ns}");
    let text = TOKEN_VOLUME.replace_all(&text, "kube-api-access-RAND");
    UID.replace_all(&text, "UID").into_owned()
}

/// What of an answer is not as recorded.
pub(super) fn answers(step: &Value, answer: &Answer, namespace: &str) -> Vec<String> {
    let expected = &step["expect"];
    let body = &expected["body"];
    if expected["code"] != answer.code {
        let texts = [&answer.body["message"], &expected["code"], &body["message"]];
        return vec![format!(
            "status {} ({}), Kubernetes answers {} ({})",
            answer.code, texts[0], texts[1], texts[2]
        )];
    }
    let mut out = Vec::new();
    if answer.code >= 400 && body["kind"] == "Status" {
        let (mine, theirs) = (causes(&answer.body), causes(body));
        let message = |body: &Value| {
            HUNK.replace_all(body["message"].as_str().unwrap_or_default(), "@@")
                .into_owned()
        };
        if answer.body["reason"] != body["reason"] || mine != theirs {
            out.push(format!(
                "reason {} {mine:?}, Kubernetes: {} {theirs:?}",
                answer.body["reason"], body["reason"]
            ));
        } else if message(&answer.body) != message(body) {
            out.push(format!(
                "message {}, Kubernetes: {}",
                answer.body["message"], body["message"]
            ));
        }
    } else if step["compare"].as_str().unwrap_or("object") == "object" {
        difference(&answer.body, body, "", &mut out);
    }
    let mut mine: Vec<String> = answer
        .warnings
        .iter()
        .map(|text| text.replace(namespace, "${ns}"))
        .collect();
    let mut theirs: Vec<String> = expected["warnings"]
        .as_array()
        .into_iter()
        .flatten()
        .map(plain)
        .collect();
    mine.sort();
    theirs.sort();
    if mine != theirs {
        out.push(format!("warnings {mine:?}, Kubernetes: {theirs:?}"));
    }
    out
}

/// Fields and reasons, sorted.
fn causes(body: &Value) -> Vec<(String, String)> {
    let list = body["details"]["causes"].as_array().into_iter().flatten();
    let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
    let mut out: Vec<_> = list
        .map(|cause| (text(cause, "field"), text(cause, "reason")))
        .collect();
    out.sort();
    out
}

fn difference(mine: &Value, theirs: &Value, at: &str, out: &mut Vec<String>) {
    match (mine, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let at = format!("{at}.{key}");
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => difference(a, b, &at, out),
                    (None, Some(b)) => out.push(format!("{at} is missing (Kubernetes: {b})")),
                    (Some(a), None) => out.push(format!("{at} should not be there ({a})")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                difference(a, b, &format!("{at}[{index}]"), out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{at} is {a} (Kubernetes: {b})")),
    }
}
