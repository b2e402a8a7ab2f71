//! Preconditions of writes: names, uids, revisions, and the words in which they are missed.

use cluster_server::api::{Context, Patch, PatchType};
use serde_json::{Value, json};

use super::{Cluster, pod};

fn config_map(metadata: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

#[tokio::test]
async fn a_new_object_has_no_revision() {
    let cluster = Cluster::start().await;
    let object = config_map(&json!({"name": "c", "resourceVersion": "7"}));
    let error = cluster.create("", "v1", "configmaps", "n", object).await;
    let error = error.expect_err("rejected");
    let expected = "resourceVersion should not be set on objects to be created";
    assert_eq!((error.code, error.message.as_str()), (500, expected));
    cluster.stop().await;
}

#[tokio::test]
async fn an_update_that_misses_its_object_says_so_in_kubernetes_words() {
    let cluster = Cluster::start().await;
    let object = config_map(&json!({"name": "c"}));
    let created = cluster.create("", "v1", "configmaps", "n", object).await;
    let uid = created.expect("a ConfigMap").value["metadata"]["uid"].clone();
    let uid = uid.as_str().unwrap_or_default();
    let target = cluster.target("", "v1", "configmaps", "n", "c");
    let cases = [
        (
            json!({"name": "d"}),
            400,
            "the name of the object (d) does not match the name on the URL (c)".to_owned(),
        ),
        (
            json!({"name": "c", "namespace": "m"}),
            400,
            "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
        ),
        (
            json!({"name": "c", "uid": "other"}),
            409,
            format!(
                "Operation cannot be fulfilled on configmaps \"c\": StorageError: invalid object, Code: 4, Key: \
                 /registry/configmaps/n/c, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: \
                 other, UID in object meta: {uid}"
            ),
        ),
        (
            json!({"name": "c", "resourceVersion": "1"}),
            409,
            "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your changes to the \
             latest version and try again"
                .to_owned(),
        ),
    ];
    for (metadata, code, message) in cases {
        let ctx = Context::system("test");
        let error = cluster
            .server
            .api()
            .update(&ctx, &target, config_map(&metadata))
            .await;
        let error = error.expect_err("rejected");
        assert_eq!((error.code, error.message), (code, message));
    }
    cluster.stop().await;
}

#[tokio::test]
async fn a_kind_that_is_never_updated_blindly_wants_a_revision() {
    let cluster = Cluster::start().await;
    let lease = json!({"metadata": {"name": "l"}, "spec": {}});
    let created = cluster
        .create("coordination.k8s.io", "v1", "leases", "n", lease)
        .await;
    created.expect("a Lease");
    let target = cluster.target("coordination.k8s.io", "v1", "leases", "n", "l");
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "l"}, "spec": {}});
    let ctx = Context::system("test");
    let error = cluster
        .server
        .api()
        .update(&ctx, &target, lease)
        .await
        .expect_err("rejected");
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            422,
            "leases.coordination.k8s.io \"l\" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn owner_references_that_are_there_twice_are_taken_once_with_a_warning() {
    let cluster = Cluster::start().await;
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": "x", "uid": "u"});
    let ctx = Context::system("test");
    let mut object = pod("p");
    object["metadata"]["ownerReferences"] = json!([owner, owner]);
    let created = cluster
        .create_as(&ctx, "", "v1", "pods", "n", object)
        .await
        .expect("a Pod");
    assert_eq!(created.value["metadata"]["ownerReferences"], json!([owner]));
    let warnings = ctx.warnings.all();
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}");
    };
    assert!(
        warning.ends_with("please fix your requests; duplicate UID(s) observed: u"),
        "{warning}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_json_patch_is_refused_in_the_words_of_the_parser_that_reads_it_first() {
    let cluster = Cluster::start().await;
    cluster.create_pod("p").await.expect("a Pod");
    let target = cluster.target("", "v1", "pods", "n", "p");
    let cases = [
        (
            "{}",
            400,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            "[1]",
            400,
            "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
        ),
        (
            "[{\"op\": 1}]",
            400,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
        (
            "[{\"op\": \"jump\", \"path\": \"/spec\"}]",
            422,
            "the server rejected our request due to an error in our request",
        ),
    ];
    for (text, code, message) in cases {
        let patch = Patch {
            kind: PatchType::Json,
            bytes: text.into(),
            repeated: None,
        };
        let ctx = Context::system("test");
        let error = cluster
            .server
            .api()
            .patch(&ctx, &target, &patch)
            .await
            .expect_err("rejected");
        assert_eq!(
            (error.code, error.message.as_str()),
            (code, message),
            "{text}"
        );
    }
    cluster.stop().await;
}
