//! Where Services lead.

use cluster_server::service::{ResolveError, Upstream, resolve};
use serde_json::{Value, json};

use super::Cluster;

async fn service(cluster: &Cluster, name: &str, spec: Value) {
    let object = json!({"metadata": {"name": name}, "spec": spec});
    cluster
        .create("", "v1", "services", "n", object)
        .await
        .expect("a service");
}

fn led(cluster: &Cluster, name: &str, port: u16) -> Result<String, ResolveError> {
    resolve(&cluster.server.api().store, "n", name, port).map(|found: Upstream| found.authority())
}

#[tokio::test]
async fn a_service_leads_to_its_external_name() {
    let cluster = Cluster::start().await;
    let spec = json!({"type": "ExternalName", "externalName": "127.0.0.1"});
    service(&cluster, "outside", spec).await;
    assert_eq!(led(&cluster, "outside", 9443), Ok("127.0.0.1:9443".into()));
    assert_eq!(
        led(&cluster, "gone", 443),
        Err(ResolveError::NotFound("gone".into()))
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_service_leads_to_a_ready_endpoint_of_its_slices() {
    let cluster = Cluster::start().await;
    service(
        &cluster,
        "hook",
        json!({"ports": [{"name": "https", "port": 443}]}),
    )
    .await;
    assert_eq!(
        led(&cluster, "hook", 443),
        Err(ResolveError::NoEndpoints("hook".into()))
    );
    assert_eq!(
        led(&cluster, "hook", 80).expect_err("no port").to_string(),
        "no service port 80 found for service \"hook\""
    );
    let slice = json!({
        "metadata": {"name": "hook-1", "labels": {"kubernetes.io/service-name": "hook"}}, "addressType": "IPv4",
        "ports": [{"name": "https", "port": 8443}],
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": false}}, {"addresses": ["10.0.0.2"]}],
    });
    cluster
        .create("discovery.k8s.io", "v1", "endpointslices", "n", slice)
        .await
        .expect("a slice");
    assert_eq!(led(&cluster, "hook", 443), Ok("10.0.0.2:8443".into()));
    cluster.stop().await;
}

#[tokio::test]
async fn a_service_leads_to_a_ready_pod_that_its_selector_finds() {
    let cluster = Cluster::start().await;
    let ports = json!([{"port": 443, "targetPort": "https"}]);
    service(
        &cluster,
        "web",
        json!({"selector": {"app": "web"}, "ports": ports}),
    )
    .await;
    let mut pod = super::pod("web-1");
    pod["metadata"]["labels"] = json!({"app": "web"});
    pod["spec"]["containers"][0]["ports"] = json!([{"name": "https", "containerPort": 6443}]);
    cluster
        .create("", "v1", "pods", "n", pod)
        .await
        .expect("a pod");
    assert_eq!(
        led(&cluster, "web", 443),
        Err(ResolveError::NoEndpoints("web".into()))
    );
    let store = &cluster.server.api().store;
    let stored = store.get("pods", "n", "web-1").expect("the pod");
    let mut ready = stored.value.clone();
    ready["status"] =
        json!({"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]});
    store
        .update("pods", "n", "web-1", stored.revision, ready)
        .await
        .expect("an update");
    assert_eq!(led(&cluster, "web", 443), Ok("10.0.0.9:6443".into()));
    cluster.stop().await;
}

#[tokio::test]
async fn a_service_that_promises_more_than_is_served_is_refused() {
    let cluster = Cluster::start().await;
    let spec = json!({"type": "NodePort", "ports": [{"port": 80}]});
    let object = json!({"metadata": {"name": "s"}, "spec": spec});
    let error = cluster
        .create("", "v1", "services", "n", object)
        .await
        .expect_err("refused");
    assert_eq!(
        error.message,
        "Service \"s\" is invalid: spec.type: Unsupported value: \"NodePort\": supported values: \"ClusterIP\", \"ExternalName\""
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_patch_finds_a_services_ports_by_their_number() {
    let cluster = Cluster::start().await;
    let spec = json!({"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 443}]});
    service(&cluster, "s", spec).await;
    let patch = json!({"spec": {"ports": [{"port": 443, "targetPort": 8443}, {"$patch": "delete", "port": 80}]}});
    let client = super::wire::Client::admin(&cluster)
        .header("content-type", "application/strategic-merge-patch+json");
    let answer = client
        .send("PATCH", "/api/v1/namespaces/n/services/s", Some(&patch))
        .await;
    assert_eq!(
        answer.json()["spec"]["ports"],
        json!([{"name": "b", "port": 443, "protocol": "TCP", "targetPort": 8443}]),
        "{}",
        answer.text
    );
    cluster.stop().await;
}
