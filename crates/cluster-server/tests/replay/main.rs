//! What a real Kubernetes v1.36.2 answered to 167 scenarios of requests, asked of this server over
//! HTTPS: status, reason, causes, message, the whole object, warnings.

#![expect(clippy::expect_used, reason = "a test that cannot go on says where")]

mod client;
mod compare;

use std::path::Path;

use client::{Client, Request};
use cluster_server::clock::Clock;
use cluster_server::{Config, Server};
use serde_json::{Value, json};

/// Scenarios that this server does not answer as Kubernetes does yet, with why. One that passes must leave the list.
const NOT_YET: &[(&str, &str)] = &[];

/// A file of scenarios, each step's answer compared with the recorded one.
async fn check(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(file);
    let recorded: Value =
        serde_json::from_slice(&std::fs::read(path).expect("the recording is there"))
            .expect("it is JSON");
    let directory = tempfile::tempdir().expect("a directory");
    let listen = "127.0.0.1:0".parse().expect("an address");
    let config = Config {
        data_dir: directory.path().to_owned(),
        listen,
        bare: true,
        clock: Clock::system(),
        audit: None,
    };
    let server = Server::start(config).await.expect("the server starts");
    let users = std::fs::read(directory.path().join("users.json")).expect("the users are there");
    let users: Value = serde_json::from_slice(&users).expect("they are JSON");
    let client = Client::new(&server.url(), server.ca_pem(), server.admin_token());

    let scenarios = recorded["scenarios"].as_array().expect("scenarios");
    assert!(!scenarios.is_empty(), "{file} holds scenarios");
    let mut problems = Vec::new();
    for (at, scenario) in scenarios.iter().enumerate() {
        let found = run(&client, scenario, &users, &format!("cf-{at:08x}")).await;
        let name = scenario["name"].as_str().unwrap_or_default();
        match NOT_YET.iter().find(|(known, _)| *known == name) {
            Some((_, why)) if found.is_empty() => {
                problems.push(format!("{name} passes: take it off the list ({why})"));
            }
            Some(_) => {}
            None => problems.extend(found.into_iter().map(|problem| format!("{name} {problem}"))),
        }
    }
    server.stop().await;
    assert!(
        problems.is_empty(),
        "{} differences:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// One scenario in a namespace of its own.
async fn run(client: &Client, scenario: &Value, users: &Value, namespace: &str) -> Vec<String> {
    let labels = scenario
        .get("namespaceLabels")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}});
    client
        .send(&Request::new("POST", "/api/v1/namespaces").with_body(&body.to_string()))
        .await;
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
    while client.send(&Request::new("GET", &account)).await.code != 200 {
        tokio::task::yield_now().await;
    }
    let mut known = vec![("ns".to_owned(), namespace.to_owned())];
    let mut problems = Vec::new();
    for (at, step) in scenario["steps"]
        .as_array()
        .into_iter()
        .flatten()
        .enumerate()
    {
        let request = request(step, users, &known);
        let mut answer = client.send(&request).await;
        for (name, place) in step["capture"].as_object().into_iter().flatten() {
            let pointer = format!("/{}", place.as_str().unwrap_or_default().replace('.', "/"));
            let found = answer
                .body
                .pointer(&pointer)
                .map(compare::plain)
                .unwrap_or_default();
            known.push((name.clone(), found));
        }
        compare::normalise(&mut answer.body, namespace);
        if step["ignore"] != true {
            let found = compare::answers(step, &answer, namespace);
            problems.extend(
                found
                    .into_iter()
                    .map(|problem| format!("step {at}: {problem}")),
            );
        }
    }
    client
        .send(&Request::new(
            "DELETE",
            &format!("/api/v1/namespaces/{namespace}"),
        ))
        .await;
    problems
}

fn request(step: &Value, users: &Value, known: &[(String, String)]) -> Request {
    let filled = |text: &str| {
        known.iter().fold(text.to_owned(), |text, (name, value)| {
            text.replace(&format!("${{{name}}}"), value)
        })
    };
    let text = |field: &str| step[field].as_str().unwrap_or_default();
    let mut request = Request::new(text("verb"), &filled(text("path")));
    match &step["body"] {
        Value::Null => {}
        Value::String(raw) => request = request.with_body(&filled(raw)),
        body => request = request.with_body(&filled(&body.to_string())),
    }
    if !text("type").is_empty() {
        request = request.with_header("content-type", text("type"));
    }
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        request = request.with_header(name, &filled(value.as_str().unwrap_or_default()));
    }
    match step["as"].as_str() {
        Some(user) => request.with_header(
            "authorization",
            &format!("Bearer {}", users[user].as_str().unwrap_or_default()),
        ),
        None => request,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_ephemeral_containers_are_told_as_kubernetes_tells_them() {
    check("validation.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_may_not_change() {
    check("immutability.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_made_listed_and_deleted() {
    check("pods.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_subresource_answers_every_verb_and_patch() {
    check("subresource.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_are_refused_in_kubernetes_words() {
    check("streams.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_are_those_of_roles_and_bindings() {
    check("rbac.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pod_security_is_enforced_and_warned_of() {
    check("pod-security.json").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discovery_names_what_is_served() {
    check("discovery.json").await;
}
