//! Label selectors, as `metav1.LabelSelector` means them.

use std::collections::BTreeMap;

/// Labels that must be there; without any it selects everything.
///
/// That a *missing* selector selects nothing is said where it is missing: the type here is always a
/// selector that somebody wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selector {
    /// Labels with exactly these values.
    pub match_labels: BTreeMap<String, String>,
    /// Further conditions, all of which must hold.
    pub match_expressions: Vec<Expression>,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    /// Label key.
    pub key: String,
    /// What is asked of it.
    pub operator: Operator,
    /// The values of `In` and `NotIn`; unused by the other two.
    pub values: Vec<String>,
}

/// What a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The label is there with one of the values.
    In,
    /// The label is not there, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}

impl Selector {
    /// Whether these labels are selected.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|e| e.holds(labels))
    }
}

impl Expression {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Expression, Operator, Selector};

    #[test]
    fn every_condition_must_hold_and_no_condition_always_does() {
        let labels = [("app".to_owned(), "shop".to_owned())].into();
        let check = |operator, key: &str, values: &[&str], expected| {
            let selector = Selector {
                match_expressions: vec![Expression {
                    key: key.into(),
                    operator,
                    values: values.iter().map(|v| (*v).to_owned()).collect(),
                }],
                ..Selector::default()
            };
            assert_eq!(
                selector.matches(&labels),
                expected,
                "{operator:?} {key} {values:?}"
            );
        };
        check(Operator::In, "app", &["shop", "x"], true);
        check(Operator::In, "app", &["x"], false);
        check(Operator::In, "tier", &["x"], false);
        check(Operator::NotIn, "app", &["x"], true);
        check(Operator::NotIn, "app", &["shop"], false);
        check(Operator::NotIn, "tier", &["x"], true);
        check(Operator::Exists, "app", &[], true);
        check(Operator::Exists, "tier", &[], false);
        check(Operator::DoesNotExist, "tier", &[], true);
        check(Operator::DoesNotExist, "app", &[], false);
        assert!(Selector::default().matches(&labels));
        let by_label = |value: &str| Selector {
            match_labels: [("app".to_owned(), value.to_owned())].into(),
            ..Selector::default()
        };
        assert!(by_label("shop").matches(&labels));
        assert!(!by_label("other").matches(&labels));
    }
}
