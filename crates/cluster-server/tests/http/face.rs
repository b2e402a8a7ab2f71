//! What every answer has in common: forms, tags, limits, and the paths that are no resource's.

use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::client::{Cluster, Wanted};
use super::{CONFIG_MAPS, PODS, TABLE, config_map, pod};

/// Code, media type and text of an answer.
async fn text(cluster: &Cluster, wanted: &Wanted) -> (u16, String, String) {
    let response = cluster.send(wanted).await;
    let kind = response.headers().get("content-type").cloned();
    let kind = kind.map_or_else(String::new, |kind| kind.to_str().expect("text").to_owned());
    let code = response.status().as_u16();
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (code, kind, String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn objects_come_as_json_or_as_yaml_and_for_people() {
    let cluster = Cluster::start().await;
    cluster.create(CONFIG_MAPS, &config_map("a")).await;
    let path = format!("{CONFIG_MAPS}/a");
    let (_, kind, yaml) = text(
        &cluster,
        &Wanted::new("GET", &path).accept("application/yaml"),
    )
    .await;
    assert_eq!(kind, "application/yaml");
    assert!(
        yaml.starts_with("apiVersion: v1\ndata:\n  a: b\nkind: ConfigMap\nmetadata:\n"),
        "{yaml}"
    );
    let (_, kind, line) = text(&cluster, &Wanted::new("GET", &path)).await;
    assert_eq!(
        (kind.as_str(), line.matches('\n').count()),
        ("application/json", 1)
    );
    let (_, _, pretty) = text(
        &cluster,
        &Wanted::new("GET", &format!("{path}?pretty=true")),
    )
    .await;
    assert!(
        pretty.starts_with("{\n  \"kind\": ") || pretty.starts_with("{\n  \"apiVersion\": "),
        "{pretty}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_form_that_there_is_not_is_refused_in_the_words_of_kubernetes() {
    let cluster = Cluster::start().await;
    cluster.create(PODS, &pod("p")).await;
    let partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let partials = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let one = format!("{PODS}/p");
    let cases = [
        (
            406,
            PODS,
            "text/html",
            "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml",
        ),
        (
            406,
            PODS,
            "application/json;as=Other;g=meta.k8s.io;v=v1",
            "only the following media types are accepted: application/json, application/yaml",
        ),
        (
            406,
            PODS,
            partial,
            "you requested PartialObjectMetadata, but the requested object is a list (*core.PodList)",
        ),
        (
            406,
            &one,
            partials,
            "you requested PartialObjectMetadataList, but the requested object is not a list (*core.Pod)",
        ),
        (
            400,
            "/api/v1/pods?includeObject=x",
            TABLE,
            "Unable to convert to Table as requested: includeObject: Invalid value: \"x\": must be 'Metadata', 'Object', 'None', or empty",
        ),
    ];
    for (code, path, accept, message) in cases {
        let (status, body) = cluster.json(&Wanted::new("GET", path).accept(accept)).await;
        assert_eq!((status, body["message"].as_str()), (code, Some(message)));
    }
    cluster.stop().await;
}

#[tokio::test]
async fn paths_that_are_no_resources_are_answered_or_not_found() {
    let cluster = Cluster::start().await;
    let json = "application/json";
    let plain = "text/plain; charset=utf-8";
    let cases = [
        (
            "/livez?verbose",
            200,
            plain,
            "[+]ping ok\n[+]log ok\n[+]etcd ok\nlivez check passed\n",
        ),
        ("/readyz/etcd", 200, plain, "ok"),
        ("/healthz/nothing", 404, plain, "404 page not found\n"),
        (
            "/apis/nothing.example/v1/things",
            404,
            plain,
            "404 page not found\n",
        ),
        ("/api/v2/pods", 404, plain, "404 page not found\n"),
        ("/version", 200, json, "{\n  \"major\": \"1\",\n"),
        ("/metrics", 200, plain, "# HELP apiserver_request_"),
        (
            "/api/v1/configmaps?timeout=5",
            400,
            json,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"invalid timeout specified in the request URL - time: missing unit in duration \\\"5\\\"\"",
        ),
        (
            "/api/v1/namespaces/default?resourceVersion=x",
            500,
            json,
            "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\",\"message\":\"resourceVersion: Invalid value: \\\"x\\\": strconv.ParseUint: parsing",
        ),
    ];
    for (path, code, kind, begins) in cases {
        let (status, found, body) = text(&cluster, &Wanted::new("GET", path)).await;
        assert_eq!((status, found.as_str()), (code, kind), "{path}: {body}");
        assert!(body.starts_with(begins), "{path}: {body}");
    }
    let (_, _, metrics) = text(&cluster, &Wanted::new("GET", "/metrics")).await;
    for name in [
        "apiserver_storage_objects{resource=\"pods\"} 0",
        "process_resident_memory_bytes ",
        "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1",
    ] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }
    let head = cluster.send(&Wanted::new("HEAD", CONFIG_MAPS)).await;
    assert_eq!(head.status(), 405);
    cluster.stop().await;
}

#[tokio::test]
async fn documents_are_kept_by_their_tags() {
    let cluster = Cluster::start().await;
    let (_, index) = cluster.json(&Wanted::new("GET", "/openapi/v3")).await;
    let url = index["paths"]["api/v1"]["serverRelativeURL"]
        .as_str()
        .expect("an address");
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    for (path, accept) in [
        (url, "application/json"),
        ("/apis", aggregated),
        ("/openapi/v2", "*/*"),
    ] {
        let first = cluster.send(&Wanted::new("GET", path).accept(accept)).await;
        assert_eq!(first.status(), 200, "{path}");
        let tag = first.headers()["etag"].to_str().expect("a tag").to_owned();
        let again = Wanted::new("GET", path)
            .accept(accept)
            .header("if-none-match", &tag);
        let again = cluster.send(&again).await;
        assert_eq!(
            (again.status().as_u16(), &again.headers()["etag"]),
            (304, &first.headers()["etag"])
        );
    }
    let stale = cluster
        .send(&Wanted::new("GET", "/openapi/v3/api/v1?hash=old"))
        .await;
    assert_eq!(
        (stale.status().as_u16(), &stale.headers()["location"]),
        (301, &url.parse().expect("a header"))
    );
    cluster.stop().await;
}

#[tokio::test]
async fn definitions_come_as_protobuf_for_who_reads_nothing_else() {
    let cluster = Cluster::start().await;
    let kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let (code, found, body) = text(&cluster, &Wanted::new("GET", "/openapi/v2").accept(kind)).await;
    assert_eq!((code, found.as_str()), (200, kind));
    assert!(body.contains("io.k8s.api.core.v1.Pod") && body.starts_with("\n\u{3}2.0"));
    cluster.stop().await;
}

#[tokio::test]
async fn stored_kinds_have_the_hash_of_their_storage() {
    let cluster = Cluster::start().await;
    let (_, list) = cluster.json(&Wanted::new("GET", "/api/v1")).await;
    let resources = list["resources"].as_array().expect("resources");
    let hash = |name: &str| -> &Value {
        let found = resources.iter().find(|r| r["name"] == name);
        &found.expect("it is listed")["storageVersionHash"]
    };
    assert_eq!(
        (hash("pods"), hash("pods/log")),
        (&json!("xPOwRZ+Yhw8="), &Value::Null)
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_pod_is_bound_by_the_older_path_too() {
    let cluster = Cluster::start().await;
    cluster.create(PODS, &pod("p")).await;
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}});
    let path = "/api/v1/namespaces/default/bindings";
    let created = cluster.create(path, &binding).await;
    assert_eq!(created["status"], "Success");
    let (_, bound) = cluster
        .json(&Wanted::new("GET", &format!("{PODS}/p")))
        .await;
    assert_eq!(bound["spec"]["nodeName"], "n");
    cluster.stop().await;
}
