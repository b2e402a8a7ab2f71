//! `managedFields` and server-side apply: whose each field is, who may change it, and what goes when nobody wants it.

use cluster_server::api::{Context, FieldValidation, Patch, PatchType, Target, Updated};
use cluster_server::error::ApiError;
use serde_json::{Value, json};

use super::Cluster;
use super::custom_resources::define;

/// A person at the keyboard with a field manager of this name.
fn manager(name: &str) -> Context {
    Context {
        field_manager: name.to_owned(),
        manager: name.to_owned(),
        ..Context::system("test")
    }
}

async fn patch(
    cluster: &Cluster,
    ctx: &Context,
    target: &Target,
    kind: PatchType,
    body: &Value,
) -> Result<Updated, ApiError> {
    let bytes = body.to_string().into_bytes().into();
    let patch = Patch {
        kind,
        bytes,
        repeated: None,
    };
    cluster.server.api().patch(ctx, target, &patch).await
}

const APPLY: PatchType = PatchType::Apply { force: false };

/// A ConfigMap applied by a manager.
async fn apply(cluster: &Cluster, name: &str, data: Value) -> Result<Value, ApiError> {
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data});
    let target = cluster.target("", "v1", "configmaps", "n", "c");
    let updated = patch(cluster, &manager(name), &target, APPLY, &config).await?;
    Ok(updated.object.value.clone())
}

/// The entries as `manager operation subresource: fields`.
fn entries(object: &Value) -> Vec<String> {
    let list = object["metadata"]["managedFields"].as_array().cloned();
    let print = |entry: &Value| {
        assert!(entry["time"].is_string(), "{entry}");
        assert_eq!(entry["fieldsType"], "FieldsV1");
        let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let head = [text("manager"), text("operation"), text("subresource")].join(" ");
        format!("{}: {}", head.trim_end(), entry["fieldsV1"])
    };
    list.unwrap_or_default().iter().map(print).collect()
}

#[tokio::test]
async fn a_created_object_is_its_creators_but_for_what_the_server_fills_in() {
    let cluster = Cluster::start().await;
    let pod = cluster.create_pod("p").await.expect("a Pod");
    assert_eq!(
        entries(&pod.value),
        [
            "test Update: {\"f:spec\":{\"f:containers\":{\"k:{\\\"name\\\":\\\"app\\\"}\":{\".\":{},\"f:image\":{},\
          \"f:imagePullPolicy\":{},\"f:name\":{},\"f:resources\":{},\"f:terminationMessagePath\":{},\
          \"f:terminationMessagePolicy\":{}}},\"f:dnsPolicy\":{},\"f:enableServiceLinks\":{},\"f:restartPolicy\":{},\
          \"f:schedulerName\":{},\"f:securityContext\":{},\"f:terminationGracePeriodSeconds\":{}}}"
        ]
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_write_to_a_subresource_is_an_entry_of_its_own_and_of_nothing_else() {
    let cluster = Cluster::start().await;
    cluster.create_pod("p").await.expect("a Pod");
    let target = cluster
        .target("", "v1", "pods", "n", "p")
        .with_subresource("ephemeralcontainers");
    let body = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"ephemeralContainers": [{"name": "dbg", "image": "x"}]}});
    let updated = patch(
        &cluster,
        &manager("debug"),
        &target,
        PatchType::Strategic,
        &body,
    )
    .await;
    let pod = updated.expect("a debug container").object;
    let of_debug: Vec<String> = { entries(&pod.value).into_iter() }
        .filter(|entry| entry.starts_with("debug "))
        .collect();
    assert_eq!(
        of_debug,
        [
            "debug Update ephemeralcontainers: {\"f:spec\":{\"f:ephemeralContainers\":{\".\":{},\
          \"k:{\\\"name\\\":\\\"dbg\\\"}\":{\".\":{},\"f:image\":{},\"f:imagePullPolicy\":{},\"f:name\":{},\"f:resources\":{},\
          \"f:terminationMessagePath\":{},\"f:terminationMessagePolicy\":{}}}}}"
        ]
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_field_of_another_is_a_conflict_that_force_settles() {
    let cluster = Cluster::start().await;
    apply(&cluster, "one", json!({"a": "1", "b": "1"}))
        .await
        .expect("applies");
    let error = apply(&cluster, "two", json!({"a": "2"}))
        .await
        .expect_err("a conflict");
    assert_eq!((error.code, error.reason), (409, "Conflict"));
    assert_eq!(
        error.message,
        "Apply failed with 1 conflict: conflict with \"one\": .data.a"
    );
    let causes = json!([{"reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".data.a"}]);
    assert_eq!(error.details, Some(json!({"causes": causes})));

    let error = apply(&cluster, "two", json!({"a": "2", "b": "2"}))
        .await
        .expect_err("conflicts");
    assert_eq!(
        error.message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n- .data.a\n- .data.b"
    );

    let target = cluster.target("", "v1", "configmaps", "n", "c");
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "2"}});
    let kind = PatchType::Apply { force: true };
    let forced = patch(&cluster, &manager("two"), &target, kind, &config)
        .await
        .expect("forced");
    assert_eq!(forced.object.value["data"], json!({"a": "2", "b": "1"}));
    assert_eq!(
        entries(&forced.object.value),
        [
            "one Apply: {\"f:data\":{\"f:b\":{}}}",
            "two Apply: {\"f:data\":{\"f:a\":{}}}"
        ]
    );
    cluster.stop().await;
}

#[tokio::test]
async fn what_an_applier_wants_no_longer_goes_unless_another_has_it_too() {
    let cluster = Cluster::start().await;
    apply(&cluster, "one", json!({"a": "1", "b": "1", "c": "1"}))
        .await
        .expect("applies");
    apply(&cluster, "two", json!({"b": "1"}))
        .await
        .expect("the same value is no conflict");
    let left = apply(&cluster, "one", json!({"a": "1"}))
        .await
        .expect("applies");
    assert_eq!(left["data"], json!({"a": "1", "b": "1"}));
    let left = apply(&cluster, "two", json!({})).await.expect("applies");
    assert_eq!(left["data"], json!({"a": "1"}));
    cluster.stop().await;
}

#[tokio::test]
async fn applying_the_same_again_writes_nothing() {
    let cluster = Cluster::start().await;
    let once = apply(&cluster, "one", json!({"a": "1"}))
        .await
        .expect("applies");
    let again = apply(&cluster, "one", json!({"a": "1"}))
        .await
        .expect("applies");
    assert_eq!(once, again);
    cluster.stop().await;
}

#[tokio::test]
async fn an_apply_to_what_others_wrote_conflicts_with_them_by_name_and_version() {
    let cluster = Cluster::start().await;
    let object = json!({"metadata": {"name": "c"}, "data": {"a": "1"}});
    cluster
        .create("", "v1", "configmaps", "n", object)
        .await
        .expect("a ConfigMap");
    let error = apply(&cluster, "one", json!({"a": "2"}))
        .await
        .expect_err("a conflict");
    assert_eq!(
        error.message,
        "Apply failed with 1 conflict: conflict with \"test\" using v1: .data.a"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn what_was_applied_on_the_clients_side_is_taken_over_by_kubectl() {
    let cluster = Cluster::start().await;
    let last = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}, "data": {"a": "1"}});
    let annotations =
        json!({"kubectl.kubernetes.io/last-applied-configuration": format!("{last}\n")});
    let object = json!({"metadata": {"name": "c", "annotations": annotations}, "data": {"a": "1"}});
    cluster
        .create("", "v1", "configmaps", "n", object)
        .await
        .expect("a ConfigMap");
    let error = apply(&cluster, "other", json!({"a": "2"})).await;
    assert_eq!(error.map_err(|error| error.code), Err(409));
    let taken = apply(&cluster, "kubectl", json!({"a": "2"}))
        .await
        .expect("no conflict with oneself");
    assert_eq!(taken["data"], json!({"a": "2"}));
    assert_eq!(
        taken["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"],
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}\n"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_no_configuration_of_the_kind_is_rejected() {
    let cluster = Cluster::start().await;
    cluster.create_pod("p").await.expect("a Pod");
    let target = cluster.target("", "v1", "pods", "n", "p");
    let cases = [
        (
            json!({"metadata": {"name": "p"}}),
            400,
            "invalid object type: /, Kind=",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Secret"}),
            400,
            "invalid object type: /v1, Kind=Secret",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"managedFields": []}}),
            400,
            "metadata.managedFields must be nil",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "n"}, "spec": {"containerz": []}}),
            500,
            "failed to create typed patch object (n/p; /v1, Kind=Pod): .spec.containerz: field not declared in schema",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"nodeName": 1}}),
            500,
            "failed to create typed patch object (/p; /v1, Kind=Pod): .spec.nodeName: expected string, got \
             &value.valueUnstructured{Value:1}",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
                "spec": {"containers": [{"name": "a"}, {"name": "a"}]}}),
            500,
            "failed to create typed patch object (/p; /v1, Kind=Pod): .spec.containers: duplicate entries for key [name=\"a\"]",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "resourceVersion": "1"}}),
            409,
            "Operation cannot be fulfilled on pods \"p\": the object has been modified; please apply your changes to the latest \
             version and try again",
        ),
    ];
    for (config, code, message) in cases {
        let error = patch(&cluster, &manager("one"), &target, APPLY, &config).await;
        let error = error.expect_err("rejected");
        assert_eq!((error.code, error.message.as_str()), (code, message));
    }
    let config = json!({"apiVersion": "v1", "kind": "Pod"});
    let error = patch(&cluster, &Context::default(), &target, APPLY, &config).await;
    assert_eq!(
        error.expect_err("rejected").message,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_client_may_reset_ownership_and_nobody_may_garble_it() {
    let cluster = Cluster::start().await;
    let created = cluster.create_pod("p").await.expect("a Pod");
    let target = cluster.target("", "v1", "pods", "n", "p");
    let garbled = json!({"metadata": {"managedFields": [{"operation": "Steal"}]}});
    let kept = patch(
        &cluster,
        &manager("thief"),
        &target,
        PatchType::Merge,
        &garbled,
    )
    .await;
    let kept = kept.expect("ignored").object;
    assert_eq!(entries(&kept.value), entries(&created.value));
    let reset = json!({"metadata": {"managedFields": [{}]}});
    let reset = patch(&cluster, &manager("one"), &target, PatchType::Merge, &reset).await;
    let reset = reset.expect("resets").object;
    assert_eq!(reset.value["metadata"].get("managedFields"), None);
    let config =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "labels": {"a": "b"}}});
    let applied = patch(&cluster, &manager("one"), &target, APPLY, &config).await;
    let all = entries(&applied.expect("applies").object.value);
    let names: Vec<_> = { all.iter() }
        .filter_map(|entry| entry.split_once(':').map(|(name, _)| name))
        .collect();
    assert_eq!(names, ["one Apply", "before-first-apply Update"]);
    cluster.stop().await;
}

#[tokio::test]
async fn the_oldest_updaters_become_one() {
    let cluster = Cluster::start().await;
    let object = json!({"metadata": {"name": "c"}, "data": {"a": "1"}});
    cluster
        .create("", "v1", "configmaps", "n", object)
        .await
        .expect("a ConfigMap");
    let target = cluster.target("", "v1", "configmaps", "n", "c");
    let mut last = Value::Null;
    for at in 0..12 {
        let body = json!({"data": {format!("k{at}"): "v"}});
        let ctx = manager(&format!("m{at:02}"));
        let updated = patch(&cluster, &ctx, &target, PatchType::Merge, &body).await;
        last = updated.expect("patches").object.value.clone();
    }
    let entries = entries(&last);
    assert_eq!(entries.len(), 10);
    let ancient = entries
        .iter()
        .filter(|entry| entry.starts_with("ancient-changes Update"));
    assert_eq!(ancient.count(), 1);
    cluster.stop().await;
}

#[tokio::test]
async fn custom_resources_are_merged_by_the_topology_of_their_schema() {
    let cluster = Cluster::start().await;
    let item = json!({"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}, "value": {"type": "string"}}});
    let spec = json!({"type": "object", "properties": {
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "whole": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
    }});
    let schema = json!({"type": "object", "properties": {"spec": spec}});
    define(&cluster, json!({"metadata": {"name": "gadgets.example.com"}, "spec": {
        "group": "example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}}],
    }}))
    .await;
    let target = cluster.target("example.com", "v1", "gadgets", "n", "g");
    let gadget = |spec: Value| json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": spec});
    let first = gadget(
        json!({"items": [{"name": "a", "value": "1"}], "set": ["x"], "whole": {"k": "v"}, "free": {"a": {"b": 1}}}),
    );
    patch(&cluster, &manager("one"), &target, APPLY, &first)
        .await
        .expect("applies");
    let second = gadget(json!({"items": [{"name": "b"}], "set": ["y"], "free": {"a": {"c": 2}}}));
    let both = patch(&cluster, &manager("two"), &target, APPLY, &second)
        .await
        .expect("applies");
    assert_eq!(
        both.object.value["spec"],
        json!({"items": [{"name": "a", "value": "1"}, {"name": "b"}], "set": ["x", "y"], "whole": {"k": "v"}, "free": {"a": {"b": 1, "c": 2}}})
    );
    let whole = gadget(json!({"whole": {"k": "w"}}));
    let error = patch(&cluster, &manager("two"), &target, APPLY, &whole)
        .await
        .expect_err("a conflict");
    assert_eq!(
        error.message,
        "Apply failed with 1 conflict: conflict with \"one\": .spec.whole"
    );
    let less = patch(
        &cluster,
        &manager("one"),
        &target,
        APPLY,
        &gadget(json!({"set": ["x"]})),
    )
    .await;
    assert_eq!(
        less.expect("applies").object.value["spec"],
        json!({"items": [{"name": "b"}], "set": ["x", "y"], "free": {"a": {"c": 2}}})
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_none() {
    let cluster = Cluster::start().await;
    let created = cluster.create_pod("p").await.expect("a Pod");
    let target = cluster.target("", "v1", "pods", "n", "p");
    for (kind, body) in [
        (PatchType::Merge, json!({})),
        (
            PatchType::Strategic,
            json!({"spec": {"containers": [{"name": "app"}]}}),
        ),
        (PatchType::Json, json!([])),
    ] {
        let ctx = Context {
            field_validation: FieldValidation::Strict,
            ..manager("other")
        };
        let updated = patch(&cluster, &ctx, &target, kind, &body)
            .await
            .expect("patches");
        assert_eq!(updated.object.value, created.value);
    }
    cluster.stop().await;
}
