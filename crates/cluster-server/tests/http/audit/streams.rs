//! Requests that take their time, with a node that says little.

use std::path::Path;
use std::sync::Arc;

use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Audited, JSON, wait_for};
use crate::client::Wanted;
use crate::{PODS, pod};

/// The node's half of a WebSocket's beginning.
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\r\n";
const LOG: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nhi\n";

/// Something that answers as a node does: logs are `hi`, streams echo until the other side ends them.
struct Node(tokio::task::JoinHandle<()>);

impl Node {
    /// Listens, and makes the Node object that says where, and a Pod `p` that is bound to it.
    async fn start(audited: &Audited) -> Self {
        let pki = &audited.cluster.server().api().pki;
        let names = ["127.0.0.1".to_owned()];
        let pair = pki.serving_certificate("node", &names).expect("a pair");
        let (chain, key) = pair.to_der(Path::new("node.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("TLS");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let node = json!({"metadata": {"name": "n1"}, "status": {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
        audited.cluster.create("/api/v1/nodes", &node).await;
        let mut bound = pod("p");
        bound["spec"]["nodeName"] = "n1".into();
        audited.cluster.create(PODS, &bound).await;
        Self(tokio::spawn(accept(
            listener,
            TlsAcceptor::from(Arc::new(tls)),
        )))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn accept(listener: TcpListener, tls: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(answer(stream, tls.clone()));
    }
}

async fn answer(stream: TcpStream, tls: TlsAcceptor) {
    let mut stream = tls.accept(stream).await.expect("TLS");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    if head.starts_with(b"GET /containerLogs/") {
        return stream.write_all(LOG).await.expect("written");
    }
    stream.write_all(SWITCH).await.expect("written");
    let (mut from, mut to) = tokio::io::split(stream);
    // The other side ends it, one way or another.
    drop(tokio::io::copy(&mut from, &mut to).await);
    drop(to.shutdown().await);
}

fn upgrade(path: &str) -> Wanted {
    Wanted::new("GET", path)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-protocol", "v5.channel.k8s.io")
}

fn told(events: &[Value]) -> Vec<(&str, &Value)> {
    events
        .iter()
        .map(|event| {
            let stage = event["stage"].as_str().expect("a stage");
            (stage, &event["responseStatus"]["code"])
        })
        .collect()
}

#[tokio::test]
async fn a_stream_is_complete_when_it_has_ended() {
    let audited = Audited::start(json!([{"level": "RequestResponse"}])).await;
    let _node = Node::start(&audited).await;
    let path = format!("{PODS}/p/exec?command=id&container=app&stdout=true");
    let wanted = upgrade(&path).header("Audit-ID", "stream");
    let answer = audited.cluster.send(&wanted).await;
    assert_eq!(answer.status(), 101);
    assert!(
        answer.headers().get("audit-id").is_none(),
        "the headers are the node's"
    );
    let events = audited.events("stream");
    assert_eq!(
        told(&events),
        [
            ("RequestReceived", &Value::Null),
            ("ResponseStarted", &json!(101))
        ]
    );
    let object = json!({"resource": "pods", "namespace": "default", "name": "p", "apiVersion": "v1", "subresource": "exec"});
    for event in &events {
        assert_eq!(event["objectRef"], object);
        assert_eq!(
            (&event["verb"], &event["requestURI"]),
            (&json!("get"), &json!(path))
        );
        assert!(event.get("responseObject").is_none());
    }
    drop(hyper::upgrade::on(answer).await.expect("the stream"));
    let events = wait_for(|| Some(audited.events("stream")).filter(|all| all.len() == 3)).await;
    assert_eq!(told(&events)[2], ("ResponseComplete", &json!(101)));
    audited.stop().await;
}

#[tokio::test]
async fn a_log_is_started_and_then_complete() {
    let audited = Audited::start(json!([{"level": "Metadata"}])).await;
    let _node = Node::start(&audited).await;
    let path = format!("{PODS}/p/log?container=app&tailLines=1");
    let wanted = Wanted::new("GET", &path).header("Audit-ID", "log");
    let answer = audited.cluster.send(&wanted).await;
    let text = answer.into_body().collect().await.expect("a body");
    assert_eq!(text.to_bytes(), "hi\n");
    let events = wait_for(|| Some(audited.events("log")).filter(|all| all.len() == 3)).await;
    assert_eq!(
        told(&events),
        [
            ("RequestReceived", &Value::Null),
            ("ResponseStarted", &json!(200)),
            ("ResponseComplete", &json!(200))
        ]
    );
    audited.stop().await;
}

#[tokio::test]
async fn a_stream_that_is_refused_tells_why() {
    let audited = Audited::start(json!([{"level": "RequestResponse"}])).await;
    let _node = Node::start(&audited).await;
    let wanted = upgrade(&format!("{PODS}/p/attach?container=nobody"));
    let events = audited.ask(wanted).await;
    assert_eq!(
        told(&events)[1..],
        [
            ("ResponseStarted", &json!(400)),
            ("ResponseComplete", &json!(400))
        ]
    );
    let status = &events[2]["responseStatus"];
    assert_eq!(status["message"], "container nobody is not valid for pod p");
    assert_eq!(events[2]["responseObject"]["reason"], "BadRequest");

    let gone = Wanted::new("POST", &format!("{PODS}/p/binding")).body(JSON, "{}");
    assert!(audited.ask(gone).await.len() == 2);
    audited.stop().await;
}
