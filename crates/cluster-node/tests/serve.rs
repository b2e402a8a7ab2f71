//! The node's endpoint: who is let in, and `exec` over a WebSocket of both framings.
#![expect(
    clippy::unwrap_used,
    reason = "a test whose set-up fails is to end there"
)]

mod echo;

use std::sync::Arc;

use bytes::Bytes;
use cluster_node::serve::{API_SERVER_NAME, Endpoint, server_config};
use futures::{SinkExt as _, StreamExt as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use streaming::{Channel, Frame, Message, Outcome, Protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::{self, Message as Socket, client::IntoClientRequest as _};
use tokio_util::sync::CancellationToken;

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Certificate and key.
    fn sign(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> (String, String) {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

struct Served {
    authority: Authority,
    port: u16,
    stop: CancellationToken,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn serve() -> Served {
    let authority = Authority::new();
    let (certificate, key) = authority.sign("node", ExtendedKeyUsagePurpose::ServerAuth);
    let tls = server_config(&certificate, &key, &authority.pem).unwrap();
    let endpoint = Endpoint::bind("127.0.0.1:0".parse().unwrap(), tls)
        .await
        .unwrap();
    let (port, stop) = (endpoint.port().unwrap(), CancellationToken::new());
    tokio::spawn(endpoint.run(Arc::new(echo::shared()), stop.clone()));
    Served {
        authority,
        port,
        stop,
    }
}

impl Served {
    /// A connection as somebody of that name; `None` shows no certificate.
    async fn connect(&self, name: Option<&str>) -> std::io::Result<TlsStream<TcpStream>> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.authority.pem.as_bytes()).unwrap())
            .unwrap();
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match name {
            None => config.with_no_client_auth(),
            Some(name) => {
                let (certificate, key) = self
                    .authority
                    .sign(name, ExtendedKeyUsagePurpose::ClientAuth);
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
    }

    /// The first line of the answer to a GET; empty if the connection is cut.
    async fn get(&self, name: Option<&str>, path: &str) -> String {
        let Ok(mut stream) = self.connect(name).await else {
            return String::new();
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let mut answer = String::new();
        if stream.write_all(request.as_bytes()).await.is_ok() {
            let _ = stream.read_to_string(&mut answer).await;
        }
        answer.lines().next().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn only_the_api_server_is_let_in() {
    let served = serve().await;
    assert_eq!(served.get(None, "/healthz").await, "");
    assert_eq!(
        served.get(Some("alice"), "/healthz").await,
        "HTTP/1.1 403 Forbidden"
    );
    assert_eq!(
        served.get(Some("system:node:n"), "/healthz").await,
        "HTTP/1.1 403 Forbidden"
    );
    assert_eq!(
        served.get(Some(API_SERVER_NAME), "/healthz").await,
        "HTTP/1.1 200 OK"
    );
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let served = serve().await;
    let check = async |path: &str, expected: &str| {
        assert_eq!(
            served.get(Some(API_SERVER_NAME), path).await,
            expected,
            "{path}"
        );
    };
    check("/pods", "HTTP/1.1 404 Not Found").await;
    check("/containerLogs/ns/none/app", "HTTP/1.1 404 Not Found").await;
    check(
        "/exec/ns/none/app?output=1&command=x",
        "HTTP/1.1 404 Not Found",
    )
    .await;
    check(
        "/exec/ns/p/none?output=1&command=x",
        "HTTP/1.1 500 Internal Server Error",
    )
    .await;
    check("/exec/ns/p/app?command=x", "HTTP/1.1 400 Bad Request").await;
    check(
        "/exec/ns/p/app?output=1&command=x",
        "HTTP/1.1 400 Bad Request",
    )
    .await;
}

/// Runs the echo with this input; what came back on standard output, and how it ended.
async fn exec(served: &Served, protocol: Protocol, input: &'static [u8]) -> (Vec<u8>, Outcome) {
    let stream = served.connect(Some(API_SERVER_NAME)).await.unwrap();
    let mut request = "ws://localhost/exec/ns/p/app?input=1&output=1&command=echo"
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", protocol.name().parse().unwrap());
    let (mut socket, _) = tokio_tungstenite::client_async(request, stream)
        .await
        .unwrap();
    let frames = [
        Frame::Data(Channel::Stdin, Bytes::from_static(input)),
        Frame::Close(Channel::Stdin),
    ];
    for message in frames.iter().filter_map(|frame| frame.encode(protocol)) {
        let message = match message {
            Message::Binary(bytes) => Socket::Binary(bytes),
            Message::Text(text) => Socket::Text(text.into()),
        };
        socket.send(message).await.unwrap();
    }
    let (mut output, mut outcome) = (Vec::new(), None);
    while let Some(Ok(message)) = socket.next().await {
        let payload: Bytes = match message {
            Socket::Binary(bytes) => bytes,
            Socket::Text(text) => text.into(),
            tungstenite::Message::Close(_) => break,
            _ => continue,
        };
        match Frame::decode(protocol, &payload).unwrap() {
            Frame::Data(Channel::Stdout, bytes) => output.extend_from_slice(&bytes),
            Frame::Data(Channel::Error, bytes) => outcome = Some(Outcome::parse(&bytes).unwrap()),
            other => panic!("unexpected {other:?}"),
        }
    }
    (output, outcome.unwrap())
}

#[tokio::test]
async fn a_command_reads_its_input_to_the_end_and_its_exit_code_arrives() {
    let served = serve().await;
    // The echo ends at the end of its input, or after a line `q`; with as many as it read.
    let check = async |protocol, input, code| {
        let expected = (Vec::from(input), Outcome::ExitCode(code));
        assert_eq!(
            exec(&served, protocol, input).await,
            expected,
            "{protocol:?}"
        );
    };
    check(Protocol::V5, b"hello", 5).await;
    check(Protocol::V4, b"heq", 3).await;
    check(Protocol::V4Base64, b"\xff\xfeq", 3).await;
}
