//! Field selectors as they stand in a query (`k8s.io/apimachinery/pkg/fields`).

use serde_json::Value;

use crate::error::ApiError;
use crate::kinds::Resource;

/// Requirements on fields: which, whether it must be equal, and to what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector(Vec<(String, bool, String)>);

impl FieldSelector {
    /// Parses `spec.nodeName=a,metadata.name!=b` for a resource that has those fields.
    ///
    /// # Errors
    /// 400: not a selector, or a field that cannot be selected by.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, ApiError> {
        let mut out = Vec::new();
        for term in split_unescaped(text)
            .into_iter()
            .filter(|term| !term.is_empty())
        {
            let (field, equal, value) = if let Some((field, value)) = term.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) =
                term.split_once("==").or_else(|| term.split_once('='))
            {
                (field, true, value)
            } else {
                return Err(ApiError::bad_request(format!(
                    "invalid selector: '{text}'; can't understand '{term}'"
                )));
            };
            if !selectable(&resource.key()).contains(&field)
                && !matches!(field, "metadata.name" | "metadata.namespace")
            {
                return Err(ApiError::bad_request(format!(
                    "field label not supported: {field}"
                )));
            }
            out.push((
                field.to_owned(),
                equal,
                value
                    .replace("\\,", ",")
                    .replace("\\=", "=")
                    .replace("\\\\", "\\"),
            ));
        }
        Ok(Self(out))
    }

    /// Whether the object's fields meet it.
    pub fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|(field, equal, value)| (field_text(object, field) == *value) == *equal)
    }

    /// Whether it holds for everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The name that `metadata.name=…` in a field selector asks for: such a list or watch is about one object.
    pub fn named(text: &str) -> Option<String> {
        let mut terms = text.split(',').filter_map(|term| term.split_once('='));
        terms
            .find(|(field, _)| *field == "metadata.name")
            .map(|(_, value)| value.trim_start_matches('=').to_owned())
    }
}

fn split_unescaped(text: &str) -> Vec<&str> {
    let (mut out, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '\\' if !escaped => escaped = true,
            ',' if !escaped => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => escaped = false,
        }
    }
    out.push(&text[start..]);
    out
}

/// Fields beside name and namespace that a list may be selected by.
fn selectable(resource: &str) -> &'static [&'static str] {
    match resource {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        "nodes" => &["spec.unschedulable"],
        "namespaces" => &["status.phase"],
        "secrets" => &["type"],
        "events" | "events.events.k8s.io" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => &[],
    }
}

fn field_text(object: &Value, field: &str) -> String {
    let found = match field {
        "source" => &object["source"]["component"],
        _ => field.split('.').fold(object, |at, part| &at[part]),
    };
    match found {
        Value::String(text) => text.clone(),
        Value::Null if matches!(field, "spec.unschedulable" | "spec.hostNetwork") => {
            "false".to_owned()
        }
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    #[test]
    fn fields_are_selected_only_where_the_kind_has_them() {
        let pods = Kinds::default()
            .resolve("", "v1", "pods")
            .expect("pods are served");
        let object = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}});
        let cases = [
            ("spec.nodeName=n", true),
            ("spec.nodeName!=n", false),
            ("metadata.name=p,spec.nodeName=n", true),
            ("status.phase=", true),
        ];
        for (text, expected) in cases {
            assert_eq!(
                FieldSelector::parse(text, &pods)
                    .expect("parses")
                    .matches(&object),
                expected,
                "{text}"
            );
        }
        let error = FieldSelector::parse("spec.image=b", &pods).expect_err("rejected");
        assert_eq!(error.message, "field label not supported: spec.image");
    }
}
