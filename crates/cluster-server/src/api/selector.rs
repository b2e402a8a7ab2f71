//! Label selectors as they stand in a query (`k8s.io/apimachinery/pkg/labels`).

mod parser;

use std::fmt;

use serde_json::Value;

use crate::error::ApiError;

/// One requirement on one label. The values of a set are sorted, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
    Greater(String, i64),
    Less(String, i64),
}

/// Requirements on labels, all of which must hold; none of them hold for everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Parses `a=b,c in (d,e),!f`.
    ///
    /// # Errors
    /// 400, in Kubernetes' words.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        parser::parse(text).map(Self).map_err(ApiError::bad_request)
    }

    /// Whether the object's labels meet it.
    pub fn matches(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                label(key).is_some_and(|v| values.iter().any(|x| x == v))
            }
            Requirement::NotIn(key, values) => {
                label(key).is_none_or(|v| values.iter().all(|x| x != v))
            }
            Requirement::Exists(key) => label(key).is_some(),
            Requirement::Absent(key) => label(key).is_none(),
            Requirement::Greater(key, than) => label(key)
                .and_then(|v| v.parse::<i64>().ok())
                .is_some_and(|v| v > *than),
            Requirement::Less(key, than) => label(key)
                .and_then(|v| v.parse::<i64>().ok())
                .is_some_and(|v| v < *than),
        })
    }

    /// Whether it holds for everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(key, values) => write!(f, "{key} in ({})", values.join(",")),
            Self::NotIn(key, values) => write!(f, "{key} notin ({})", values.join(",")),
            Self::Exists(key) => f.write_str(key),
            Self::Absent(key) => write!(f, "!{key}"),
            Self::Greater(key, than) => write!(f, "{key}>{than}"),
            Self::Less(key, than) => write!(f, "{key}<{than}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_are_selected_by_every_operator() {
        let object = json!({"metadata": {"labels": {"a": "b", "n": "5"}}});
        let cases = [
            ("", true),
            ("a=b", true),
            ("a==b,n", true),
            ("a!=b", false),
            ("a in (x, b)", true),
            ("a in (in, notin)", false),
            ("a in (,b)", true),
            ("x notin ()", true),
            ("a notin (b)", false),
            ("x notin (b)", true),
            ("!x", true),
            ("!a", false),
            ("n>4,n<6", true),
            ("n>5", false),
            ("a=", false),
        ];
        for (text, expected) in cases {
            assert_eq!(
                LabelSelector::parse(text).expect("parses").matches(&object),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_selector_is_rejected_in_the_words_of_kubernetes() {
        let cases = [
            (
                "a b c",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("a,", "found '', expected: identifier after ','"),
            (
                "a in",
                "unable to parse requirement: found '' expected: '('",
            ),
            (
                "a in (b",
                "unable to parse requirement: found '', expected: ',' or ')'",
            ),
            (
                "a in (=)",
                "unable to parse requirement: found '=', expected: ',', ')' or identifier",
            ),
            (
                "a>b",
                "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
            ("a=b=c", "found '=', expected: ',' or 'end of string'"),
            (
                "(a)",
                "found '(', expected: !, identifier, or 'end of string'",
            ),
            (
                ",",
                "found ',', expected: !, identifier, or 'end of string'",
            ),
            (
                "=a",
                "found '=', expected: !, identifier, or 'end of string'",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(
                LabelSelector::parse(text).expect_err("rejected").message,
                expected
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_rejected(text in "\\PC{0,40}|[a-z0-9=!(),<> /.-]{0,40}|[ab](=|==|!=| in | notin |>|<|)[ab(),0-9]{0,9}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                prop_assert_eq!(LabelSelector::parse(&selector.to_string()).expect("its own text"), selector);
            }
        }
    }
}
