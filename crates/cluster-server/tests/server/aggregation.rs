//! APIServices: another server behind this one, which believes the front proxy and nobody else.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::Cluster;
use super::wire::Client;

const GROUP: &str = "wardle.example.com";
const API_SERVICES: &str = "apiservices.apiregistration.k8s.io";

/// A server of `wardle.example.com/v1`: it tells what it was asked, echoes upgraded connections, and redirects.
struct Extension {
    address: SocketAddr,
    accepting: tokio::task::JoinHandle<()>,
}

impl Extension {
    async fn start(cluster: &Cluster) -> Self {
        let pki = &cluster.server.api().pki;
        let pair = pki
            .serving_certificate("wardle", &["wardle.n.svc".to_owned()])
            .expect("a certificate");
        let (chain, key) = pair.to_der(Path::new("wardle.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(pki.front_proxy_ca_pem().as_bytes());
        roots.add(ca.expect("PEM")).expect("an authority");
        let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots),
            Arc::clone(&provider),
        );
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(clients.build().expect("a verifier"))
            .with_single_cert(chain, key)
            .expect("TLS");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let accepting = tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(tls))));
        Self { address, accepting }
    }

    /// Makes the Service and the APIService, and waits until it is found available.
    async fn register(&self, cluster: &Cluster) {
        register(cluster, self.address.port()).await;
        wait_for(cluster, "True", "Passed").await;
    }
}

impl Drop for Extension {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor) {
    while let Ok((tcp, _)) = listener.accept().await {
        let tls = tls.clone();
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(tcp).await else {
                return;
            };
            let connection = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            drop(connection.with_upgrades().await);
        });
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key("upgrade") {
        let echo = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let mut stream = TokioIo::new(echo.await.expect("an upgrade"));
            let mut word = [0_u8; 4];
            stream.read_exact(&mut word).await.expect("a word");
            stream.write_all(&word).await.expect("the word back");
            stream.shutdown().await.expect("an end");
        });
        let response = Response::builder().status(101).header("upgrade", "echo");
        let response = response.header("connection", "Upgrade");
        return Ok(response.body(Full::default()).expect("a response"));
    }
    let path = request.uri().to_string();
    if path.ends_with("/away") {
        let response = Response::builder()
            .status(302)
            .header("location", "https://x/");
        return Ok(response.body(Full::default()).expect("a response"));
    }
    let body = if path == format!("/apis/{GROUP}/v1") {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{GROUP}/v1"), "resources": [
            {"name": "flunders", "singularName": "flunder", "namespaced": true, "kind": "Flunder", "verbs": ["get", "list"]},
        ]})
    } else {
        let mut headers: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap_or_default()))
            .collect();
        headers.sort();
        json!({"path": path, "method": request.method().as_str(), "headers": headers})
    };
    let response = Response::builder().header("content-type", "application/json");
    Ok(response
        .body(Full::new(Bytes::from(body.to_string())))
        .expect("a response"))
}

async fn register(cluster: &Cluster, port: u16) {
    let service = json!({"metadata": {"name": "wardle"}, "spec": {"type": "ExternalName", "externalName": "127.0.0.1"}});
    cluster
        .create("", "v1", "services", "n", service)
        .await
        .expect("a service");
    let object = json!({"metadata": {"name": format!("v1.{GROUP}")}, "spec": {
        "group": GROUP, "version": "v1", "groupPriorityMinimum": 2000, "versionPriority": 15,
        "caBundle": STANDARD.encode(cluster.server.ca_pem()),
        "service": {"namespace": "n", "name": "wardle", "port": port},
    }});
    cluster
        .create("apiregistration.k8s.io", "v1", "apiservices", "", object)
        .await
        .expect("an APIService");
}

/// Waits until the APIService says so.
async fn wait_for(cluster: &Cluster, status: &str, reason: &str) -> Value {
    let store = &cluster.server.api().store;
    let (_, from) = store.list(API_SERVICES, None);
    let mut watch = store.watch(API_SERVICES, from).expect("a watch");
    loop {
        let found = store.get(API_SERVICES, "", &format!("v1.{GROUP}"));
        let condition = found.map(|found| found.value["status"]["conditions"][0].clone());
        if let Some(one) = condition.filter(|c| c["status"] == status && c["reason"] == reason) {
            return one;
        }
        watch.next().await.expect("a change");
    }
}

#[tokio::test]
async fn a_request_reaches_the_other_server_with_the_callers_identity_and_no_other() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster).await;
    extension.register(&cluster).await;
    let client = Client::admin(&cluster)
        .header("x-remote-user", "root")
        .header("x-remote-group", "somebody-else")
        .header("x-remote-extra-scopes", "all")
        .header("x-forwarded-for", "10.0.0.1");
    let path = format!("/apis/{GROUP}/v1/namespaces/n/flunders?limit=5");
    let answer = client.get(&path).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    let told = answer.json();
    assert_eq!(told["path"], path);
    let headers = told["headers"].as_array().expect("headers");
    let (named, others): (Vec<&Value>, Vec<&Value>) = headers.iter().partition(|one| {
        one.as_str()
            .is_some_and(|one| one.starts_with("audit-id: "))
    });
    assert_eq!(named.len(), 1);
    assert_eq!(
        json!(others),
        json!([
            "accept: application/json",
            "host: 127.0.0.1",
            "x-forwarded-for: 10.0.0.1, 127.0.0.1",
            "x-remote-group: system:authenticated",
            "x-remote-group: system:masters",
            "x-remote-uid: admin-uid",
            "x-remote-user: admin",
        ])
    );
    let somebody = Client::anonymous(&cluster).get(&path).await;
    assert_eq!(
        (somebody.code, somebody.message()),
        (
            403,
            format!(
                "flunders.{GROUP} is forbidden: User \"system:anonymous\" cannot list resource \"flunders\" in API group \"{GROUP}\" in the namespace \"n\""
            )
        )
    );
    let away = client.get(&format!("/apis/{GROUP}/v1/away")).await;
    assert_eq!(
        (away.code, away.text.as_str()),
        (
            502,
            "the backend attempted to redirect this request, which is not permitted"
        )
    );
    cluster.stop().await;
}

#[tokio::test]
async fn an_upgraded_connection_goes_through() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster).await;
    extension.register(&cluster).await;
    let client = Client::admin(&cluster)
        .header("connection", "Upgrade")
        .header("upgrade", "echo");
    let path = format!("/apis/{GROUP}/v1/namespaces/n/flunders/f/echo");
    let answer = client.request("GET", &path, None).await;
    assert_eq!(answer.status(), 101);
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.expect("an upgrade"));
    stream.write_all(b"ping").await.expect("a word");
    let mut word = String::new();
    stream.read_to_string(&mut word).await.expect("an answer");
    assert_eq!(word, "ping");
    cluster.stop().await;
}

#[tokio::test]
async fn discovery_tells_what_other_servers_serve() {
    let cluster = Cluster::start().await;
    let extension = Extension::start(&cluster).await;
    extension.register(&cluster).await;
    let client = Client::admin(&cluster);
    let groups = client.get("/apis").await.json();
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .expect("groups")
        .iter()
        .filter_map(|group| group["name"].as_str())
        .collect();
    assert_eq!(names.first(), Some(&"apiregistration.k8s.io"));
    assert_eq!(names.last(), Some(&GROUP));
    let aggregated = Client::bearer(&cluster, cluster.server.admin_token()).header(
        "accept",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
    );
    let document = aggregated.get("/apis").await.json();
    let last = document["items"].as_array().and_then(|items| items.last());
    let version = &last.expect("groups")["versions"][0];
    assert_eq!(
        (
            &version["freshness"],
            &version["resources"][0]["responseKind"]["kind"]
        ),
        (&json!("Current"), &json!("Flunder"))
    );
    let list = client.get(&format!("/apis/{GROUP}/v1")).await.json();
    assert_eq!(list["resources"][0]["name"], "flunders");
    cluster.stop().await;
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_unavailable_and_says_why() {
    let cluster = Cluster::start().await;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    register(&cluster, port).await;
    let condition = wait_for(&cluster, "False", "FailedDiscoveryCheck").await;
    let url = format!("https://127.0.0.1:{port}/apis/{GROUP}/v1");
    assert_eq!(
        condition["message"],
        format!(
            "failing or missing response from {url}: Get \"{url}\": dial tcp 127.0.0.1:{port}: connect: connection refused"
        )
    );
    let client = Client::admin(&cluster);
    let answer = client.get(&format!("/apis/{GROUP}/v1/flunders")).await;
    assert_eq!(
        (answer.code, answer.text.as_str()),
        (503, "service unavailable\n")
    );
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    let service = cluster.target("", "v1", "services", "n", "wardle");
    let ctx = cluster_server::api::Context::system("test");
    let options = cluster_server::api::DeleteOptions::default();
    cluster
        .server
        .api()
        .delete(&ctx, &service, &options)
        .await
        .expect("deleted");
    let condition = wait_for(&cluster, "False", "ServiceNotFound").await;
    assert_eq!(
        condition["message"],
        "service/wardle in \"n\" is not present"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn what_is_served_here_has_a_local_api_service() {
    let cluster = Cluster::start().await;
    let store = &cluster.server.api().store;
    let (_, from) = store.list(API_SERVICES, None);
    let mut watch = store.watch(API_SERVICES, from).expect("a watch");
    let core = loop {
        if let Some(core) = store.get(API_SERVICES, "", "v1.") {
            break core;
        }
        watch.next().await.expect("a change");
    };
    let spec = json!({"groupPriorityMinimum": 18000, "version": "v1", "versionPriority": 1});
    assert_eq!(core.value["spec"], spec);
    let condition = &core.value["status"]["conditions"][0];
    assert_eq!(
        (&condition["reason"], &condition["status"]),
        (&json!("Local"), &json!("True"))
    );
    assert!(
        store
            .get(API_SERVICES, "", "v1.apiregistration.k8s.io")
            .is_none()
    );
    let map = Client::admin(&cluster)
        .get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication")
        .await
        .json();
    assert_eq!(
        map["data"]["requestheader-allowed-names"],
        "[\"front-proxy-client\"]"
    );
    assert_eq!(
        map["data"]["requestheader-client-ca-file"],
        cluster.server.api().pki.front_proxy_ca_pem()
    );
    cluster.stop().await;
}
