//! Whatever JSON comes as a Pod: it is refused or taken, and nothing panics.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{POD, Strategy as _};
use crate::kinds::BUILTIN;

/// Names that lead deep into a Pod's spec.
const NAMES: [&str; 44] = [
    "name",
    "image",
    "spec",
    "metadata",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "env",
    "valueFrom",
    "fieldRef",
    "resourceFieldRef",
    "resource",
    "divisor",
    "resources",
    "limits",
    "requests",
    "cpu",
    "memory",
    "hugepages-2Mi",
    "volumeMounts",
    "mountPath",
    "projected",
    "sources",
    "configMap",
    "items",
    "path",
    "securityContext",
    "seccompProfile",
    "type",
    "affinity",
    "nodeAffinity",
    "podAffinity",
    "labelSelector",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "nodeSelectorTerms",
    "matchExpressions",
    "values",
    "tolerations",
    "schedulingGates",
    "annotations",
    "labels",
    "lifecycle",
    "hostAliases",
];
const TEXTS: [&str; 10] = [
    "",
    "a",
    "A b",
    "1Gi",
    "-1",
    "1.5",
    "Localhost",
    "Always",
    "..",
    "x\u{e9}'][\\",
];

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(&TEXTS[..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 96, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((prop::sample::select(&NAMES[..]), inner), 0..5).prop_map(
                |fields| {
                    let fields = fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value));
                    Value::Object(fields.collect::<Map<_, _>>())
                }
            ),
        ]
    })
}

/// A Pod whose containers and volumes at least are lists of objects.
fn pod() -> impl Strategy<Value = Value> {
    (value(), value(), value(), value()).prop_map(|(spec, container, volume, annotations)| {
        let mut pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {}});
        pod["metadata"]["annotations"] = annotations;
        if spec.is_object() {
            pod["spec"] = spec;
        }
        pod["spec"]["containers"] = json!([container]);
        pod["spec"]["volumes"] = json!([volume]);
        pod
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn no_json_makes_the_strategy_panic(new in pod(), old in pod()) {
        let Some(kind) = BUILTIN.iter().find(|kind| kind.plural == "pods") else {
            return Err(TestCaseError::fail("no Pods"));
        };
        let read = |value: Value| (kind.decode)(value).ok().map(|decoded| decoded.object);
        let (Some(mut new), Some(mut old)) = (read(new), read(old)) else {
            return Ok(());
        };
        for object in [&mut new, &mut old] {
            POD.default(object);
            POD.deprecations(object);
            POD.prepare_create(object);
            POD.validate_create(object);
            POD.warnings("", object, None);
        }
        for subresource in ["", "ephemeralcontainers", "resize", "status"] {
            let mut new = new.clone();
            POD.prepare_update(subresource, &mut new, &old);
            POD.validate_update(subresource, &new, &old);
            POD.warnings(subresource, &new, Some(&old));
        }
    }
}
