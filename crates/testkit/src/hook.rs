//! Somebody else's admission webhook, registered beside ours.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, SanType};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::Cluster;

/// A question that waits for its answer.
pub struct Question {
    /// `request` of the `AdmissionReview`.
    pub request: Value,
    answer: tokio::sync::oneshot::Sender<Value>,
}

impl Question {
    /// Lets it pass.
    pub fn allow(self) {
        // Nobody waiting for the answer any more is the API server's affair.
        let _ = self.answer.send(json!({"allowed": true}));
    }

    /// Refuses it.
    pub fn deny(self, why: &str) {
        let _ = self.answer.send(json!({"allowed": false, "status": {"code": 403, "reason": "Forbidden", "message": why}}));
    }
}

/// A validating webhook on loopback. A test takes the questions one by one and answers them.
pub struct Hook {
    questions: mpsc::UnboundedReceiver<Question>,
    asked: Arc<Mutex<Vec<Value>>>,
    accepting: tokio::task::JoinHandle<()>,
}

/// Where a configuration is registered.
const CONFIGURATIONS: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

impl Hook {
    /// Listens, and has the API server ask about new ephemeral containers.
    pub async fn on_ephemeral_containers(cluster: &Cluster) -> Result<Self> {
        let (ca, tls) = certificate()?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (sender, questions) = mpsc::unbounded_channel();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let accepting = tokio::spawn(accept(
            listener,
            TlsAcceptor::from(tls),
            sender,
            Arc::clone(&asked),
        ));
        cluster
            .create(CONFIGURATIONS, &configuration(address, &ca))
            .await?;
        Ok(Self {
            questions,
            asked,
            accepting,
        })
    }

    /// The next question.
    pub async fn question(&mut self) -> Result<Question> {
        let next = tokio::time::timeout(crate::cluster::PATIENCE, self.questions.recv()).await;
        next.ok()
            .flatten()
            .ok_or_else(|| anyhow::anyhow!("the API server did not ask the webhook"))
    }

    /// All questions so far that were no dry run.
    pub fn asked(&self) -> Vec<Value> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked
            .iter()
            .filter(|request| request["dryRun"] != true)
            .cloned()
            .collect()
    }

    /// Takes the registration back.
    pub async fn unregister(&self, cluster: &Cluster) -> Result<()> {
        let path = format!("{CONFIGURATIONS}/somebody-else");
        let (status, answer) = cluster
            .stage
            .send("admin", "DELETE", &path, crate::cluster::JSON, &Value::Null)
            .await?;
        anyhow::ensure!(status.is_success(), "{status}: {answer:#}");
        Ok(())
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn configuration(address: SocketAddr, ca: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "somebody-else"},
        "webhooks": [{
            "name": "judge.example.com",
            "clientConfig": {
                "url": format!("https://{address}/judge"),
                "caBundle": base64::engine::general_purpose::STANDARD.encode(ca),
            },
            "rules": [{"operations": ["UPDATE"], "apiGroups": [""], "apiVersions": ["v1"],
                "resources": ["pods/ephemeralcontainers"], "scope": "*"}],
            "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 20, "failurePolicy": "Fail",
        }],
    })
}

/// An authority's certificate as PEM, and TLS with one that it signed for loopback.
fn certificate() -> Result<(String, Arc<rustls::ServerConfig>)> {
    let ca_key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::<String>::new())?;
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca = authority.self_signed(&ca_key)?.pem();
    let issuer = Issuer::from_ca_cert_pem(&ca, ca_key)?;
    let key = KeyPair::generate()?;
    let mut serving = CertificateParams::new(vec!["localhost".to_owned()])?;
    serving
        .subject_alt_names
        .push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let serving = serving.signed_by(&key, &issuer)?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![serving.der().clone()], private)?;
    Ok((ca, Arc::new(tls)))
}

async fn accept(
    listener: TcpListener,
    tls: TlsAcceptor,
    questions: mpsc::UnboundedSender<Question>,
    asked: Arc<Mutex<Vec<Value>>>,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, questions, asked) = (tls.clone(), questions.clone(), Arc::clone(&asked));
        tokio::spawn(async move {
            let Ok(stream) = tls.accept(tcp).await else {
                return;
            };
            let service =
                service_fn(move |request| answer(request, questions.clone(), Arc::clone(&asked)));
            drop(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await,
            );
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    questions: mpsc::UnboundedSender<Question>,
    asked: Arc<Mutex<Vec<Value>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let bytes = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let mut review: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let request = review["request"].take();
    asked
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request.clone());
    let uid = request["uid"].clone();
    let mut response = decide(request, &questions).await;
    response["uid"] = uid;
    let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response});
    Ok(Response::new(Full::new(Bytes::from(answer.to_string()))))
}

/// Dry runs pass; a question that no test answers is refused.
async fn decide(request: Value, questions: &mpsc::UnboundedSender<Question>) -> Value {
    if request["dryRun"] == true {
        return json!({"allowed": true});
    }
    let (answer, answered) = tokio::sync::oneshot::channel();
    drop(questions.send(Question { request, answer }));
    answered.await.unwrap_or_else(|_| json!({"allowed": false}))
}
