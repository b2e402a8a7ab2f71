//! Credentials as they come over the wire: certificates, tokens, several at once, none.

use cluster_server::pki::KeyPairPem;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Cluster;
use super::wire::{Answer, Client};

const WHO: &str = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

async fn who(client: &Client) -> Answer {
    let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"});
    client.post(WHO, &body).await
}

fn name(answer: &Answer) -> String {
    let told = answer.json()["status"]["userInfo"]["username"].clone();
    told.as_str().unwrap_or_default().to_owned()
}

/// A certificate of another authority.
fn foreign(user: &str) -> KeyPairPem {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let now = Timestamp::from_second(1_750_000_000).expect("a time");
    let pki = cluster_server::pki::Pki::open(elsewhere.path(), now).expect("keys");
    pki.client_certificate(user, &["system:masters"])
        .expect("a certificate")
}

#[tokio::test]
async fn a_certificate_of_this_cluster_names_user_and_groups() {
    let cluster = Cluster::start().await;
    let pki = &cluster.server.api().pki;
    let pair = pki.client_certificate("dora", &["sre"]).expect("a pair");
    let told = who(&Client::certificate(&cluster, &pair)).await.json();
    let info = &told["status"]["userInfo"];
    assert_eq!(info["username"], "dora");
    assert_eq!(info["groups"], json!(["sre", "system:authenticated"]));
    let credential = &info["extra"]["authentication.kubernetes.io/credential-id"][0];
    assert!(
        credential
            .as_str()
            .is_some_and(|id| id.starts_with("X509SHA256="))
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_credential_that_does_not_hold_is_no_anonymous_request() {
    let cluster = Cluster::start().await;
    let strange = foreign("root");
    let refused = [
        Client::certificate(&cluster, &strange),
        Client::bearer(&cluster, "nobody's"),
    ];
    for client in refused {
        let answer = client.get("/version").await;
        let expected = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "Unauthorized", "reason": "Unauthorized", "code": 401});
        assert_eq!((answer.code, answer.json()), (401, expected));
    }
    // One that holds is enough.
    let token = format!("Bearer {}", cluster.server.admin_token());
    let both = Client::certificate(&cluster, &strange).header("authorization", &token);
    assert_eq!(name(&who(&both).await), "admin");
    // Other schemes are nobody's business.
    let basic = Client::anonymous(&cluster).header("authorization", "Basic YTpi");
    assert_eq!(basic.get("/version").await.code, 200);
    let anonymous = Client::anonymous(&cluster).get("/api/v1/pods").await;
    assert_eq!(
        anonymous.message(),
        "pods is forbidden: User \"system:anonymous\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
    );
    cluster.stop().await;
}

async fn token(cluster: &Cluster, spec: Value) -> Answer {
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
    Client::admin(cluster)
        .post("/api/v1/namespaces/n/serviceaccounts/default/token", &body)
        .await
}

async fn review(cluster: &Cluster, token: &str, audiences: Value) -> Value {
    let spec = json!({"token": token, "audiences": audiences});
    let body =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec});
    let answer = Client::admin(cluster)
        .post("/apis/authentication.k8s.io/v1/tokenreviews", &body)
        .await;
    answer.json()["status"].clone()
}

#[tokio::test]
async fn a_token_review_tells_whom_a_token_is_for_and_why_it_does_not_hold() {
    let cluster = Cluster::start().await;
    let granted = token(&cluster, json!({"audiences": ["vault", "x"]}))
        .await
        .json();
    let vault = granted["status"]["token"].as_str().expect("a token");
    assert_eq!(granted["metadata"]["name"], "default");
    let status = review(&cluster, vault, json!(["y", "vault"])).await;
    assert_eq!(status["audiences"], json!(["vault"]));
    assert_eq!(
        status["user"]["username"],
        "system:serviceaccount:n:default"
    );
    let status = review(&cluster, vault, json!([])).await;
    assert_eq!(
        status,
        json!({"user": {}, "error": "[invalid bearer token, token audiences [\"vault\" \"x\"] is invalid for the target audiences [\"https://kubernetes.default.svc.cluster.local\"]]"})
    );
    assert_eq!(
        review(&cluster, "abc", json!([])).await["error"],
        "invalid bearer token"
    );
    let admin = cluster.server.admin_token();
    assert_eq!(
        review(&cluster, admin, json!(["vault"])).await["error"],
        "invalid bearer token"
    );
    // A token for somebody else does not open the API.
    assert_eq!(
        Client::bearer(&cluster, vault).get("/version").await.code,
        401
    );
    cluster.stop().await;
}

#[tokio::test]
async fn a_token_is_void_with_the_uid_of_its_pod() {
    let cluster = Cluster::start().await;
    cluster.create_pod("p").await.expect("a pod");
    let reference = json!({"apiVersion": "v1", "kind": "Pod", "name": "p"});
    let granted = token(&cluster, json!({"boundObjectRef": reference}))
        .await
        .json();
    let text = granted["status"]["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(
        review(&cluster, &text, json!([])).await["authenticated"],
        true
    );
    let store = &cluster.server.api().store;
    store.delete("pods", "n", "p", None).await.expect("deleted");
    let words = "[invalid bearer token, service account token has been invalidated]";
    assert_eq!(review(&cluster, &text, json!([])).await["error"], words);
    let pod = cluster.create_pod("p").await.expect("another pod");
    let uid = pod.value["metadata"]["uid"].as_str().expect("a uid");
    let error = review(&cluster, &text, json!([])).await["error"].clone();
    let starts = format!(
        "[invalid bearer token, pod UID ({uid}) does not match service account pod ref claim ("
    );
    assert!(
        error
            .as_str()
            .is_some_and(|error| error.starts_with(&starts)),
        "{error}"
    );
    cluster.stop().await;
}

#[tokio::test]
async fn token_requests_are_refused_in_kubernetes_words() {
    let cluster = Cluster::start().await;
    cluster.create_pod("p").await.expect("a pod");
    let cases = [
        (
            json!({"boundObjectRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}}),
            400,
            "cannot bind token to object of type apps/v1, Kind=Deployment",
        ),
        (
            json!({"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}}),
            409,
            "Operation cannot be fulfilled on Pod \"p\": the UID in the bound object reference (u) does not match the UID in record. The object might have been deleted and then recreated",
        ),
        (
            json!({"expirationSeconds": 4_294_967_297_i64}),
            422,
            "TokenRequest.authentication.k8s.io \"\" is invalid: spec.expirationSeconds: Invalid value: 4294967297: may not specify a duration larger than 2^32 seconds",
        ),
    ];
    for (spec, code, message) in cases {
        let answer = token(&cluster, spec).await;
        assert_eq!((answer.code, answer.message().as_str()), (code, message));
    }
    cluster.stop().await;
}

#[tokio::test]
async fn others_can_check_tokens_with_the_published_key() {
    let cluster = Cluster::start().await;
    let client = Client::admin(&cluster);
    let about = client.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        about["issuer"],
        "https://kubernetes.default.svc.cluster.local"
    );
    let keys = client.get("/openid/v1/jwks").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    let key = &keys.json()["keys"][0];
    assert_eq!(
        (&key["kty"], &key["crv"], &key["alg"]),
        (&json!("EC"), &json!("P-256"), &json!("ES256"))
    );
    for part in ["x", "y"] {
        // 32 bytes as base64 without padding.
        assert_eq!(key[part].as_str().map(str::len), Some(43));
    }
    assert_eq!(
        Client::anonymous(&cluster)
            .get("/openid/v1/jwks")
            .await
            .code,
        403
    );
    cluster.stop().await;
}
