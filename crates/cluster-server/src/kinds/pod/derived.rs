//! What a Pod's strategy derives from what the client wrote: selectors from label keys, AppArmor fields
//! from the annotations that they replaced (`strategy.go`, `PrepareForCreate`).

use serde_json::{Value, json};

use super::validate::{APP_ARMOR, is_app_armor_profile};

const AFFINITIES: [&str; 2] = ["podAffinity", "podAntiAffinity"];
const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// Fills in a Pod that is created.
pub(super) fn fields(pod: &mut Value) {
    let labels = pod["metadata"]["labels"].clone();
    for kind in AFFINITIES {
        let path = |list: &str| format!("/spec/affinity/{kind}/{list}");
        for term in at(pod, &path(PREFERRED)) {
            if let Some(term) = term.get_mut("podAffinityTerm") {
                merge_keys(term, &labels);
            }
        }
        for term in at(pod, &path(REQUIRED)) {
            merge_keys(term, &labels);
        }
    }
    for constraint in at(pod, "/spec/topologySpreadConstraints") {
        merge_keys(constraint, &labels);
    }
    for (list, at, profile) in app_armor(pod) {
        if let Some(profile) = profile {
            pod["spec"][list][at]["securityContext"]["appArmorProfile"] = profile;
        }
    }
}

/// The items of a list, or none. (To index what is not there would create it.)
fn at<'a>(pod: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    let list = pod.pointer_mut(pointer).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

/// `matchLabelKeys` stand for the Pod's own values of these labels, `mismatchLabelKeys` for all others.
fn merge_keys(term: &mut Value, labels: &Value) {
    if !term["labelSelector"].is_object() {
        return;
    }
    let mut added: Vec<Value> = Vec::new();
    for (field, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in term[field].as_array().into_iter().flatten() {
            let value = key.as_str().and_then(|key| labels.get(key));
            let one = |value| json!({"key": key, "operator": operator, "values": [value]});
            added.extend(value.map(one));
        }
    }
    if added.is_empty() {
        return;
    }
    let expressions = &mut term["labelSelector"]["matchExpressions"];
    match expressions.as_array_mut() {
        Some(held) => held.extend(added),
        None => *expressions = added.into(),
    }
}

/// The containers with an AppArmor annotation and no field of their own that says more: which, and the field that
/// follows from the annotation, if one does.
fn app_armor(pod: &Value) -> Vec<(&'static str, usize, Option<Value>)> {
    let (spec, mut out) = (&pod["spec"], Vec::new());
    if spec["os"]["name"] == "windows" {
        return out;
    }
    let of_pod = &spec["securityContext"]["appArmorProfile"];
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (at, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let key = format!(
                "{APP_ARMOR}{}",
                container["name"].as_str().unwrap_or_default()
            );
            let annotation = pod["metadata"]["annotations"][&key].as_str();
            let own = &container["securityContext"]["appArmorProfile"];
            let Some(annotation) = annotation.filter(|_| own.is_null()) else {
                continue;
            };
            let derived = profile(annotation).filter(is_app_armor_profile);
            // What the Pod says anyway needs no word, and no warning.
            if derived.as_ref() != Some(of_pod) {
                out.push((list, at, derived));
            }
        }
    }
    out
}

/// The field that an annotation means (`ApparmorFieldForAnnotation`).
fn profile(annotation: &str) -> Option<Value> {
    match annotation {
        "unconfined" => Some(json!({"type": "Unconfined"})),
        "runtime/default" => Some(json!({"type": "RuntimeDefault"})),
        other => match other.strip_prefix("localhost/") {
            Some("") | None => None,
            Some(file) => Some(json!({"type": "Localhost", "localhostProfile": file})),
        },
    }
}

/// A warning for each annotation that stands where a field belongs.
pub(super) fn deprecations(pod: &Value) -> Vec<String> {
    app_armor(pod)
        .into_iter()
        .map(|(list, at, _)| {
            let name = pod["spec"][list][at]["name"].as_str().unwrap_or_default();
            format!(
                "metadata.annotations[{APP_ARMOR}{name}]: deprecated since v1.30; use the \"appArmorProfile\" field instead"
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_armor_annotation_becomes_the_field() {
        let key = format!("{APP_ARMOR}a");
        let pod = |annotation: &str, of_pod: Value| {
            json!({"metadata": {"annotations": {&key: annotation}},
                "spec": {"securityContext": of_pod, "containers": [{"name": "a"}]}})
        };
        let default = json!({"appArmorProfile": {"type": "RuntimeDefault"}});
        for (annotation, of_pod, expected, warned) in [
            (
                "runtime/default",
                json!({}),
                json!({"type": "RuntimeDefault"}),
                1,
            ),
            ("runtime/default", default.clone(), Value::Null, 0),
            ("unconfined", default, json!({"type": "Unconfined"}), 1),
            (
                "localhost/p",
                json!({}),
                json!({"type": "Localhost", "localhostProfile": "p"}),
                1,
            ),
            ("what", json!({}), Value::Null, 1),
        ] {
            let mut pod = pod(annotation, of_pod);
            assert_eq!(deprecations(&pod).len(), warned, "{annotation}");
            fields(&mut pod);
            let held = &pod["spec"]["containers"][0]["securityContext"]["appArmorProfile"];
            assert_eq!(*held, expected, "{annotation}");
        }
    }

    #[test]
    fn label_keys_are_merged_into_selectors() {
        let term = json!({"labelSelector": {"matchLabels": {"x": "y"}}, "matchLabelKeys": ["app", "none"], "mismatchLabelKeys": ["tier"]});
        let mut pod = json!({"metadata": {"labels": {"app": "a", "tier": "t"}},
            "spec": {"affinity": {"podAffinity": {REQUIRED: [term]}}, "topologySpreadConstraints": [{"matchLabelKeys": ["app"]}]}});
        fields(&mut pod);
        let held = &pod["spec"]["affinity"]["podAffinity"][REQUIRED][0]["labelSelector"];
        assert_eq!(
            held["matchExpressions"],
            json!([{"key": "app", "operator": "In", "values": ["a"]}, {"key": "tier", "operator": "NotIn", "values": ["t"]}])
        );
        let bare = &pod["spec"]["topologySpreadConstraints"][0];
        assert_eq!(
            *bare,
            json!({"matchLabelKeys": ["app"]}),
            "a null selector matches nothing"
        );
    }
}
