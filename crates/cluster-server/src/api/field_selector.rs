//! Field selectors as they stand in a query (`k8s.io/apimachinery/pkg/fields`), and the fields that each kind can be
//! selected by (`AddFieldLabelConversionFunc` and `GetAttrs` of the kinds' packages).

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::error::ApiError;
use crate::kinds::Resource;

/// One requirement on one field.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

/// Requirements on fields, all of which must hold; none of them hold for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldSelector(Vec<Term>);

impl FieldSelector {
    /// Parses `spec.nodeName=a,metadata.name!=b` for a resource that has those fields.
    ///
    /// # Errors
    /// 400: not a selector, or a field that the kind cannot be selected by.
    pub fn parse(text: &str, resource: &Resource) -> Result<Self, ApiError> {
        let mut terms = terms(text).map_err(ApiError::bad_request)?;
        for term in &mut terms {
            if term.field == "spec.host" && resource.key() == "pods" {
                "spec.nodeName".clone_into(&mut term.field);
            }
            if !is_selectable(resource, &term.field) {
                return Err(unsupported(resource, &term.field));
            }
        }
        Ok(Self(terms))
    }

    /// Whether the object's fields meet it.
    pub fn matches(&self, object: &Value) -> bool {
        self.0
            .iter()
            .all(|term| (field_text(object, &term.field) == term.value) == term.equal)
    }

    /// Whether it holds for everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value that a field must have, if it must have one (`RequiresExactMatch`).
    pub fn required(&self, field: &str) -> Option<&str> {
        let term = self.0.iter().find(|term| term.equal && term.field == field);
        term.map(|term| &*term.value)
    }

    /// The same, about the one object of this name.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.0.push(Term {
            field: "metadata.name".to_owned(),
            equal: true,
            value: name.to_owned(),
        });
        self
    }

    /// The name that `metadata.name=…` in a field selector asks for: such a list or watch is about one object.
    pub fn named(text: &str) -> Option<String> {
        let terms = terms(text).ok()?;
        Self(terms).required("metadata.name").map(str::to_owned)
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, term) in self.0.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let operator = if term.equal { "=" } else { "!=" };
            let value = term.value.replace('\\', "\\\\");
            let value = value.replace(',', "\\,").replace('=', "\\=");
            write!(f, "{comma}{}{operator}{value}", term.field)?;
        }
        Ok(())
    }
}

fn terms(text: &str) -> Result<Vec<Term>, String> {
    let mut parts = split_terms(text);
    parts.sort_unstable();
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.map(|part| term(text, part)).collect()
}

/// The comma-separated terms; an escaped comma is data.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut out, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

/// The first operator in the term splits it: nothing is escaped before it.
fn term(selector: &str, part: &str) -> Result<Term, String> {
    const OPERATORS: [&str; 3] = ["!=", "==", "="];
    let operator_at = |at: usize| OPERATORS.into_iter().find(|o| part[at..].starts_with(o));
    let found = part
        .char_indices()
        .find_map(|(at, _)| operator_at(at).map(|operator| (at, operator)));
    let Some((at, operator)) = found else {
        return Err(format!(
            "invalid selector: '{selector}'; can't understand '{part}'"
        ));
    };
    Ok(Term {
        field: part[..at].to_owned(),
        equal: operator != "!=",
        value: unescaped(&part[at + operator.len()..])?,
    })
}

fn unescaped(text: &str) -> Result<String, String> {
    const ESCAPE: &str = "invalid field selector: invalid escape sequence";
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(other) => return Err(format!("{ESCAPE}: \\{other}")),
                None => return Err(format!("{ESCAPE}: \\")),
            },
            // Go prints the character as a number.
            ',' | '=' => {
                let number = u32::from(c);
                return Err(format!(
                    "invalid field selector: unescaped character in value: {number}"
                ));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// 400. Kinds that convert field labels say it otherwise than those that leave it to the scheme.
fn unsupported(resource: &Resource, field: &str) -> ApiError {
    if resource.custom || selectable_of(resource).is_some() {
        return ApiError::bad_request(format!("field label not supported: {field}"));
    }
    let field = Value::from(field);
    ApiError::bad_request(format!(
        "{field} is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    ))
}

fn is_selectable(resource: &Resource, field: &str) -> bool {
    match field {
        "metadata.name" => true,
        "metadata.namespace" if resource.custom => resource.namespaced,
        "metadata.namespace" => !matches!(&*resource.key(), "nodes" | "namespaces"),
        _ if resource.custom => resource.selectable_fields.iter().any(|f| f == field),
        _ => selectable_of(resource).is_some_and(|own| own.contains(&field)),
    }
}

/// Fields beside name and namespace, of the kinds that convert field labels.
fn selectable_of(resource: &Resource) -> Option<&'static [&'static str]> {
    Some(match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
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
        ("", "nodes") => &["spec.unschedulable"],
        ("", "namespaces") => &["status.phase"],
        ("", "secrets") => &["type"],
        ("", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "events") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        _ => return None,
    })
}

/// A field as text: what a selector compares.
fn field_text<'a>(object: &'a Value, field: &str) -> Cow<'a, str> {
    let at = |path: &str| path.split('.').fold(object, |at, part| &at[part]);
    let or = |first: &str, second: &str| match at(first) {
        Value::Null => text(at(second)),
        found => text(found),
    };
    if let Some(rest) = field.strip_prefix("involvedObject.") {
        return or(field, &format!("regarding.{rest}"));
    }
    if let Some(rest) = field.strip_prefix("regarding.") {
        return or(field, &format!("involvedObject.{rest}"));
    }
    match field {
        "source" => match or("source.component", "deprecatedSource.component") {
            none if none.is_empty() => or("reportingComponent", "reportingController"),
            component => component,
        },
        "reportingComponent" | "reportingController" => {
            or("reportingComponent", "reportingController")
        }
        "spec.unschedulable" | "spec.hostNetwork" => {
            Cow::Borrowed(if at(field) == true { "true" } else { "false" })
        }
        // It may be asked for, and no Pod has it (`ToSelectableFields`).
        "status.podIPs" => Cow::Borrowed(""),
        _ => text(at(field)),
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    fn resource(group: &str, plural: &str) -> std::sync::Arc<Resource> {
        let kinds = Kinds::default();
        kinds.resolve(group, "v1", plural).expect("it is served")
    }

    #[test]
    fn fields_are_selected_only_where_the_kind_has_them() {
        let pods = resource("", "pods");
        let object = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n"}});
        let cases = [
            ("spec.nodeName=n", true),
            ("spec.host=n", true),
            ("spec.nodeName!=n", false),
            ("metadata.name=p,spec.nodeName==n", true),
            ("status.phase=", true),
            ("spec.hostNetwork=false", true),
            ("", true),
        ];
        for (text, expected) in cases {
            let selector = FieldSelector::parse(text, &pods).expect("parses");
            assert_eq!(selector.matches(&object), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_field_selector_is_rejected_in_the_words_of_kubernetes() {
        let cases = [
            (
                "",
                "pods",
                "spec.image=b",
                "field label not supported: spec.image",
            ),
            (
                "",
                "nodes",
                "metadata.namespace=b",
                "field label not supported: metadata.namespace",
            ),
            (
                "",
                "configmaps",
                "data=b",
                "\"data\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
            ),
            (
                "",
                "pods",
                "a",
                "invalid selector: 'a'; can't understand 'a'",
            ),
            (
                "",
                "pods",
                "a=b=c",
                "invalid field selector: unescaped character in value: 61",
            ),
            (
                "",
                "pods",
                "a=\\x",
                "invalid field selector: invalid escape sequence: \\x",
            ),
        ];
        for (group, plural, text, expected) in cases {
            let error = FieldSelector::parse(text, &resource(group, plural)).expect_err("rejected");
            assert_eq!(error.message, expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "\\PC{0,40}|metadata.name(=|==|!=)[a-z\\\\,=]{0,8}(,status.phase=[a-z\\\\,]{0,6})?") {
            let pods = resource("", "pods");
            if let Ok(selector) = FieldSelector::parse(&text, &pods) {
                let again = FieldSelector::parse(&selector.to_string(), &pods).expect("its own text");
                prop_assert_eq!(again, selector);
            }
        }
    }
}
