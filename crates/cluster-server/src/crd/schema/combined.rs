//! `allOf`, `anyOf`, `oneOf` and `not`, in the words of `k8s.io/kube-openapi/pkg/validation/validate`.

use serde_json::Value;

use super::outcome::Outcome;
use super::validate::{Place, walk};

fn each<'a>(schema: &'a Value, key: &str) -> Option<&'a Vec<Value>> {
    schema[key].as_array().filter(|all| !all.is_empty())
}

/// What does not hold in the combinations.
pub(super) fn check(value: &Value, schema: &Value, place: Place<'_>) -> Outcome {
    let (mut out, path) = (Outcome::default(), place.path);
    if let Some(all) = each(schema, "anyOf") {
        any_of(value, all, place, &mut out);
    }
    if let Some(all) = each(schema, "oneOf") {
        one_of(value, all, place, &mut out);
    }
    if let Some(all) = each(schema, "allOf") {
        let mut valid = 0;
        for schema in all {
            let found = walk(value, schema, place);
            valid += usize::from(found.is_valid());
            out.merge(found);
        }
        if valid != all.len() {
            let more = if valid == 0 { ". None validated" } else { "" };
            let text = format!("{path:?} must validate all the schemas (allOf){more}");
            out.errors.push(place.base.somewhere(text));
        }
    }
    let not = schema.get("not").filter(|not| not.is_object());
    if not.is_some_and(|not| walk(value, not, place).is_valid()) {
        let text = format!("{path:?} must not validate the schema (not)");
        out.errors.push(place.base.somewhere(text));
    }
    out
}

fn any_of(value: &Value, all: &[Value], place: Place<'_>, out: &mut Outcome) {
    let mut best: Option<Outcome> = None;
    for schema in all {
        let found = walk(value, schema, place);
        if found.is_valid() {
            return;
        }
        if best
            .as_ref()
            .is_none_or(|best| found.matches > best.matches)
        {
            best = Some(found);
        }
    }
    let text = format!("{:?} must validate at least one schema (anyOf)", place.path);
    out.errors.push(place.base.somewhere(text));
    out.merge(best.unwrap_or_default());
}

fn one_of(value: &Value, all: &[Value], place: Place<'_>, out: &mut Outcome) {
    let (mut best, mut valid): (Option<Outcome>, usize) = (None, 0);
    for schema in all {
        let found = walk(value, schema, place);
        if found.is_valid() {
            valid += 1;
            best = None;
        } else if valid == 0
            && best
                .as_ref()
                .is_none_or(|best| found.matches > best.matches)
        {
            best = Some(found);
        }
    }
    if valid == 1 {
        return;
    }
    let more = match valid {
        0 => "Found none valid".to_owned(),
        many => format!("Found {many} valid alternatives"),
    };
    let text = format!(
        "{:?} must validate one and only one schema (oneOf). {more}",
        place.path
    );
    out.errors.push(place.base.somewhere(text));
    out.merge(best.unwrap_or_default());
}
