//! A server in a process of its own, and one connection to a server.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use tokio_rustls::TlsConnector;

use crate::{SERVE, start, story};

/// Where a server is and how it knows its administrator.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) folder: PathBuf,
}

/// Serves `folder`, says where, and goes on until standard input ends: with whoever started it, at the latest.
pub(crate) fn child(folder: &Path) {
    story(async {
        let server = start(folder).await;
        let mut out = std::io::stdout();
        writeln!(out, "{} {}", server.url(), server.admin_token()).expect("somebody listens");
        out.flush().expect("somebody listens");
        let wait = || std::io::stdin().read_to_end(&mut Vec::new());
        let ended = tokio::task::spawn_blocking(wait).await;
        drop(ended.expect("no panic"));
        server.stop().await;
    });
}

/// A server that can be killed. It is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: Address,
}

impl Process {
    pub(crate) fn start(folder: &Path) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .arg(SERVE)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("an output");
        let read = BufReader::new(out).read_line(&mut line);
        read.expect("it says where it is");
        let (url, token) = line.trim().split_once(' ').expect("it is ready");
        let address = Address {
            url: url.to_owned(),
            token: token.to_owned(),
            folder: folder.to_owned(),
        };
        Self { child, address }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it was there");
        self.child.wait().expect("it was ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// One connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    token: String,
}

impl Client {
    pub(crate) async fn connect(address: &Address) -> Self {
        let ca = address.folder.join("pki/ca.crt");
        let ca = CertificateDer::from_pem_file(ca).expect("a certificate");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = address.url.trim_start_matches("https://");
        let tcp = tokio::net::TcpStream::connect(host)
            .await
            .expect("it listens");
        let name = "127.0.0.1".try_into().expect("a name");
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, tcp)
            .await
            .expect("TLS");
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        tokio::spawn(connection);
        let token = address.token.clone();
        Self { sender, token }
    }

    /// The answer's code and JSON; `None` if the connection broke first.
    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Option<(u16, Value)> {
        let text = body.map(ToString::to_string).unwrap_or_default();
        self.send(method, path, "application/json", &text).await
    }

    /// As [`ask`](Self::ask), with a body of any type.
    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        media_type: &str,
        body: &str,
    ) -> Option<(u16, Value)> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("accept", "application/json")
            .header("content-type", media_type)
            .header("authorization", format!("Bearer {}", self.token))
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a request");
        self.sender.ready().await.ok()?;
        let answer = self.sender.send_request(request).await.ok()?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await.ok()?.to_bytes();
        Some((code, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}
