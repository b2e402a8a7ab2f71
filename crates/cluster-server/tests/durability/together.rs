//! Many clients at one object: who would write over what another has written is told, and nothing is lost.

use std::path::Path;

use serde_json::{Value, json};

use crate::client::{Address, Client};
use crate::{start, story};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MAP: &str = "/api/v1/namespaces/default/configmaps/c";
const CLIENTS: usize = 64;
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

fn count(object: &Value) -> usize {
    let count = object["data"]["count"].as_str().unwrap_or("0");
    count.parse().expect("a number")
}

/// What a client sends to raise the counter that it has read: method, media type, body.
type Raise = fn(&Value) -> (&'static str, &'static str, Value);

fn put(read: &Value) -> (&'static str, &'static str, Value) {
    let mut object = read.clone();
    object["data"]["count"] = (count(read) + 1).to_string().into();
    ("PUT", JSON, object)
}

fn patch(read: &Value) -> (&'static str, &'static str, Value) {
    let patch = json!({
        "metadata": {"resourceVersion": read["metadata"]["resourceVersion"]},
        "data": {"count": (count(read) + 1).to_string()},
    });
    ("PATCH", STRATEGIC, patch)
}

/// Every client raises one counter by one, by `PUT` and by a patch that insists on the revision it has read.
pub(crate) fn counts() {
    for raise in [put as Raise, patch] {
        let folder = tempfile::tempdir().expect("a folder");
        let total = story(raised(folder.path(), raise));
        assert_eq!(total, CLIENTS);
    }
}

async fn raised(folder: &Path, raise: Raise) -> usize {
    let server = start(folder).await;
    let address = Address {
        url: server.url(),
        token: server.admin_token().to_owned(),
        folder: folder.to_owned(),
    };
    let mut client = Client::connect(&address).await;
    let map = json!({"metadata": {"name": "c"}});
    let made = client.ask("POST", MAPS, Some(&map)).await;
    assert_eq!(made.expect("an answer").0, 201);
    let clients = (0..CLIENTS).map(|_| tokio::spawn(raise_once(address.clone(), raise)));
    for client in clients.collect::<Vec<_>>() {
        client.await.expect("a client");
    }
    let (_, end) = client.ask("GET", MAP, None).await.expect("an answer");
    server.stop().await;
    count(&end)
}

async fn raise_once(address: Address, raise: Raise) {
    let mut client = Client::connect(&address).await;
    loop {
        let (_, now) = client.ask("GET", MAP, None).await.expect("an answer");
        let (method, media_type, body) = raise(&now);
        let answer = client
            .send(method, MAP, media_type, &body.to_string())
            .await;
        match answer.expect("an answer") {
            (200, _) => return,
            (409, _) => {}
            (code, answer) => panic!("{code} {answer}"),
        }
    }
}

/// Patches that insist on no revision are tried again by the server; one that names a revision of the past is a
/// conflict, whatever its kind.
pub(crate) fn patches() {
    let folder = tempfile::tempdir().expect("a folder");
    story(async {
        let server = start(folder.path()).await;
        let address = Address {
            url: server.url(),
            token: server.admin_token().to_owned(),
            folder: folder.path().to_owned(),
        };
        let mut client = Client::connect(&address).await;
        let map = json!({"metadata": {"name": "c"}});
        let (_, made) = client
            .ask("POST", MAPS, Some(&map))
            .await
            .expect("an answer");
        let clients = (0..CLIENTS).map(|number| {
            let address = address.clone();
            tokio::spawn(async move {
                let mut client = Client::connect(&address).await;
                let patch = json!({"data": {format!("k{number}"): "v"}}).to_string();
                let answer = client.send("PATCH", MAP, MERGE, &patch).await;
                answer.expect("an answer").0
            })
        });
        for client in clients.collect::<Vec<_>>() {
            assert_eq!(client.await.expect("a client"), 200);
        }
        let (_, end) = client.ask("GET", MAP, None).await.expect("an answer");
        assert_eq!(
            end["data"].as_object().map(serde_json::Map::len),
            Some(CLIENTS)
        );
        refuses_stale(&mut client, &made["metadata"]["resourceVersion"]).await;
        server.stop().await;
    });
}

async fn refuses_stale(client: &mut Client, stale: &Value) {
    let merge = json!({"metadata": {"resourceVersion": stale}, "data": {"k0": "z"}});
    let apply = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "resourceVersion": stale}});
    let operations = json!([
        {"op": "replace", "path": "/metadata/resourceVersion", "value": stale},
        {"op": "add", "path": "/data/k0", "value": "z"},
    ]);
    let forced = format!("{MAP}?fieldManager=m&force=true");
    for (path, media_type, body) in [
        (MAP, MERGE, &merge),
        (MAP, STRATEGIC, &merge),
        (MAP, "application/json-patch+json", &operations),
        (&forced, "application/apply-patch+yaml", &apply),
    ] {
        let body = body.to_string();
        let answer = client.send("PATCH", path, media_type, &body).await;
        let (code, answer) = answer.expect("an answer");
        let told = (code, answer["reason"].as_str());
        assert_eq!(told, (409, Some("Conflict")), "{media_type}: {answer}");
    }
    let (_, end) = client.ask("GET", MAP, None).await.expect("an answer");
    assert_eq!(end["data"]["k0"], "v");
}
